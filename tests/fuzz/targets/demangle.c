/* A mangled name out of somebody's symbol table. */
#include "base/memory.h"
#include "base/text.h"
#include "fuzz.h"
#include "reader/reader.h"
#include "symbol/symbol.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    char *mangled = gs_fuzz_copy(bytes, length, 1);
    char *name = gs_symbol_demangle(mangled);
    gs_must(!name || strlen(name) <= 64 << 10);
    (void)gs_symbol_function_is_runtime(name ? name : mangled);
    (void)gs_symbol_path_is_runtime(mangled);
    (void)(gs_symbol_path_is_distribution(mangled) || gs_symbol_path_is_interpreter(mangled));
    (void)gs_symbol_function_is_plumbing(name ? name : mangled);
    gs_must(strlen(gs_symbol_qualified_name(mangled)) <= length);
    struct gs_text text = {0};
    gs_symbol_add_short_name(&text, mangled);
    gs_text_fini(&text);
    static const size_t columns[] = {0, 1, 20, 60};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        gs_reader_add_fitted_function(&text, mangled, columns[i]);
        gs_must(!text.bytes || gs_text_is_printable(text.bytes));
        gs_text_fini(&text);
    }
    gs_reader_add_function_pattern(&text, mangled);
    gs_text_fini(&text);
    gs_free(name);
    free(mangled);
    return 0;
}
