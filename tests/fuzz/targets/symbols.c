/* An ELF file that says what build it is, and is asked for the names of addresses all over. */
#include "base/memory.h"
#include "fuzz.h"
#include "symbol/inside.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BASE = 0x400000, ADDRESSES = 40 };

static uint64_t offset_of_code(const struct gs_image *image)
{
    Elf64_Ehdr header;
    size_t count;
    uint64_t offset = 0;
    Elf64_Phdr *segment =
        gs_symbol_elf_header(image, &header) ? gs_symbol_elf_segments(image, &header, &count) : NULL;
    for (size_t i = 0; segment && i < count; i++)
        if (segment[i].p_type == PT_LOAD && segment[i].p_flags & PF_X)
            offset = segment[i].p_offset;
    gs_free(segment);
    return offset;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    const char *path = gs_fuzz_file(bytes, length);
    struct gs_image image = {.fd = open(path, O_RDONLY | O_CLOEXEC), .size = length};
    struct gs_mapping mapping = {.start = BASE, .end = BASE + (1 << 30), .path = (char *)(uintptr_t)path};
    struct gs_maps maps = {.mapping = &mapping, .count = 1, .main = 0};
    uint64_t address[ADDRESSES];
    gs_must(image.fd >= 0);
    mapping.build_id_length = gs_symbol_elf_build_id(&image, mapping.build_id);
    gs_must(mapping.build_id_length <= GS_BUILD_ID_MAX);
    mapping.offset = offset_of_code(&image);
    close(image.fd);
    char text[512]; // the code, behind what lies before it in the file, and before more of the same
    int before = snprintf(text, sizeof text, "3ff000-400000 r--p 00000000 fe:00 7 /x\n");
    maps.text_length =
        (size_t)before +
        (size_t)snprintf(
            text + before, sizeof text - (size_t)before,
            "400000-40400000 r-xp %08llx fe:00 7 /x\n40400000-40401000 rw-p 00001000 fe:00 7 /x\n",
            (unsigned long long)mapping.offset);
    maps.text = text;
    mapping.line = (size_t)before;
    for (size_t i = 0; i < ADDRESSES; i++)
        address[i] = BASE + (i < 20 ? i * 16 : (uint64_t)1 << (i - 16));
    struct gs_symbols *symbols = gs_symbol_table_new(&maps, address, ADDRESSES);
    gs_must(symbols != NULL);
    for (size_t i = 0; i < ADDRESSES; i++) {
        struct gs_symbol symbol = gs_symbol_table_find(symbols, address[i]);
        gs_must(!symbol.name == !symbol.system_name);
        gs_must(!symbol.name || strlen(symbol.name) < 1 << 20);
    }
    for (size_t i = 0; i < gs_symbol_table_note_count(symbols); i++)
        gs_must(gs_symbol_table_note(symbols, i)[0] != 0);
    gs_symbol_table_free(symbols);
    struct gs_symbol_variable variable[GS_VARIABLES_MAX];
    for (size_t i = 0; i < GS_VARIABLES_MAX; i++) // in the mapping of code, and in that of data
        variable[i].address = i % 2 ? BASE + i * 64 : BASE + (1 << 30) + i * 64;
    gs_symbol_name_variables(&maps, variable, GS_VARIABLES_MAX);
    for (size_t i = 0; i < GS_VARIABLES_MAX; i++) {
        gs_must(!variable[i].name || strlen(variable[i].name) < 1 << 20);
        gs_free(variable[i].name);
    }
    return 0;
}
