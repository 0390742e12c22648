/* page_files.c - the scripts and styles of agent/reader/page/, embedded as they are. CMake writes page_files.inc: a row
 * PAGE_FILE(symbol, name, path, SHA-256) for each. */
#include "reader/page.h"
#include <string.h>

// clang-format off
#define PAGE_FILE(symbol, name, path, hash) \
    __asm__(".pushsection .rodata, \"a\"\n" \
            ".global gs_page_" #symbol ", gs_page_end_" #symbol "\n" \
            ".hidden gs_page_" #symbol ", gs_page_end_" #symbol "\n" \
            "gs_page_" #symbol ":\n" \
            ".incbin \"" path "\"\n" \
            "gs_page_end_" #symbol ": .byte 0\n" \
            ".popsection\n"); \
    extern const char gs_page_##symbol[] __attribute__((visibility("hidden"))), \
        gs_page_end_##symbol[] __attribute__((visibility("hidden")));
#include "page_files.inc"
#undef PAGE_FILE

#define PAGE_FILE(symbol, name, path, hash) {name, gs_page_##symbol, gs_page_end_##symbol, hash},
static const struct gs_page_file files[] = {
#include "page_files.inc"
};
// clang-format on

const struct gs_page_file *gs_reader_page_file(const char *name)
{
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (strcmp(files[i].name, name) == 0)
            return &files[i];
    return NULL;
}
