/* debug_mini.c - unpacks MiniDebugInfo: a small ELF file with a symbol table, compressed by xz in section .gnu_debugdata of a
 * stripped program (Fedora's packages have it).
 *
 * Who: the CLI. Bounds: UNPACKED_MAX bytes of output, MEMORY_MAX bytes for xz. */
#include "base/memory.h"
#include "reader/lines.h"
#include <elf.h>
#include <lzma.h>
#include <string.h>

enum { UNPACKED_MAX = 64 << 20, MEMORY_MAX = 128 << 20, STEP = 256 << 10 };

char *gs_reader_unpack_xz(const void *packed, size_t packed_length, size_t *length)
{
    lzma_stream stream = LZMA_STREAM_INIT;
    char *bytes = NULL;
    size_t capacity = 0;
    lzma_ret state = lzma_stream_decoder(&stream, MEMORY_MAX, 0);
    *length = 0;
    stream.next_in = packed;
    stream.avail_in = packed_length;
    while (state == LZMA_OK && *length < UNPACKED_MAX && gs_grow(&bytes, &capacity, *length + STEP, 1) == 0) {
        stream.next_out = (uint8_t *)bytes + *length;
        stream.avail_out = STEP;
        state = lzma_code(&stream, LZMA_FINISH);
        *length += STEP - stream.avail_out;
    }
    lzma_end(&stream);
    if (state == LZMA_STREAM_END)
        return bytes;
    gs_free(bytes);
    return NULL;
}

void gs_reader_open_mini(struct gs_module *module)
{
    Elf_Data *packed =
        module->program.elf ? gs_reader_elf_section(module->program.elf, ".gnu_debugdata") : NULL;
    size_t length;
    if (!packed || !packed->d_buf)
        return;
    struct gs_debug_elf *mini = &module->mini;
    mini->bytes = gs_reader_unpack_xz(packed->d_buf, packed->d_size, &length);
    if (mini->bytes)
        mini->elf = elf_memory(mini->bytes, length);
    if (!mini->elf || elf_kind(mini->elf) != ELF_K_ELF)
        gs_reader_close_elf(mini);
}
