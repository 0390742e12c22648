/* runtime.c - tells runtime code (C and C++ library, loader, allocators, gumshoe) from the program's own code and its other
 * libraries. A culprit is never runtime code. Context: any (pure). */
#include "symbol/symbol.h"
#include <string.h>

// clang-format off
/* Libraries by the stem of their file name: the stem ends before ".so" or "-<digit>". */
static const char *const libraries[] = {
    "libc",       "libm",        "libpthread",          "libdl",       "librt",       "libstdc++", "libc++",
    "libc++abi",  "libgcc_s",    "ld-linux-x86-64",     "ld-linux-aarch64", "ld",     "libjemalloc",
    "libtcmalloc", "libtcmalloc_minimal", "libtcmalloc_and_profiler", "libtcmalloc_minimal_debug", "libtcmalloc_debug",
    "libmimalloc", "libgumshoe",
};

/* Functions by name, wherever they live (a static runtime, inlined templates). */
static const char *const functions[] = {
    "malloc", "calloc", "realloc", "reallocarray", "free", "posix_memalign", "aligned_alloc", "memalign", "valloc",
    "pvalloc", "strdup", "strndup", "__strdup", "__strndup", "_start", "__libc_start_main", "__libc_start_main_impl",
    "__libc_start_call_main", "start_thread", "clone", "clone3", "__clone", "__clone3", "__restore_rt", "__rust_alloc",
    "__rust_alloc_zeroed", "__rust_realloc", "__rdl_alloc", "__rg_alloc", "__rdl_realloc", "exchange_malloc",
};

/* Functions by the beginning of their name. */
static const char *const prefixes[] = {
    "operator new", "operator delete", "std::", "__gnu_cxx::", "alloc::", "core::", "__rust_",
    "<alloc::", "<core::", "<std::", "hashbrown::",
};
// clang-format on

bool gs_symbol_path_is_runtime(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    if (strcmp(path, "[vdso]") == 0)
        return true;
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
        size_t length = strlen(libraries[i]);
        if (strncmp(name, libraries[i], length) != 0)
            continue;
        if (strncmp(name + length, ".so", 3) == 0 ||
            (name[length] == '-' && name[length + 1] >= '0' && name[length + 1] <= '9' &&
             strstr(name + length, ".so")))
            return true;
    }
    return false;
}

bool gs_symbol_function_is_runtime(const char *function)
{
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (strcmp(function, functions[i]) == 0)
            return true;
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (strncmp(function, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}
