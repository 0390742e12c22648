/* A stripped ELF file whose .gnu_debuglink may name anything, also the file itself. */
#include "base/memory.h"
#include "fuzz.h"
#include "symbol/inside.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    const char *path = gs_fuzz_file(bytes, length);
    struct gs_mapping mapping = {.start = 0x400000, .end = 0x500000, .path = (char *)(uintptr_t)path};
    struct gs_elf_file file, debug;
    if (gs_symbol_elf_open(path, &file) == NULL) {
        mapping.build_id_length = gs_symbol_elf_build_id(&file.image, mapping.build_id);
        if (gs_symbol_debug_file_by_link(&mapping, &file, &debug)) {
            gs_must(debug.image.fd >= 0 && debug.segment);
            gs_symbol_elf_close(&debug);
        }
    }
    gs_symbol_elf_close(&file);
    return 0;
}
