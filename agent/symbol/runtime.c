/* runtime.c - tells runtime code (C and C++ library, loader, allocators, gumshoe) and the libraries of the distribution from
 * the program's own code. A culprit is never runtime code. Context: any (pure). */
#include "symbol/inside.h"
#include <string.h>

// clang-format off
/* Libraries by the stem of their file name: the stem ends before ".so" or "-<digit>". */
static const char *const runtime_libraries[] = {
    "libc",       "libm",        "libpthread",          "libdl",       "librt",       "libstdc++", "libc++",
    "libc++abi",  "libgcc_s",    "ld-linux-x86-64",     "ld-linux-aarch64", "ld",     "libjemalloc",
    "libtcmalloc", "libtcmalloc_minimal", "libtcmalloc_and_profiler", "libtcmalloc_minimal_debug", "libtcmalloc_debug",
    "libmimalloc", "libgumshoe", NULL,
};

/* The same for the interpreters and virtual machines of languages. The stem may continue with a version: "libpython3.11". */
static const char *const interpreters[] = {
    "libpython", "libruby", "libperl", "libnode", "libjvm", "libphp", "liblua", "libluajit", "libmono", "libmonosgen",
    "libcoreclr", "libguile", "libtcl", "libR", "libjulia", "libjulia-internal", "liboctinterp", "libmozjs", "libv8", "libgs",
    NULL,
};

/* Functions by name, wherever they live (a static runtime, inlined templates). */
static const char *const functions[] = {
    "malloc", "calloc", "realloc", "reallocarray", "free", "posix_memalign", "aligned_alloc", "memalign", "valloc",
    "pvalloc", "strdup", "strndup", "__strdup", "__strndup", "_start", "__libc_start_main", "__libc_start_main_impl",
    "__libc_start_call_main", "start_thread", "clone", "clone3", "__clone", "__clone3", "__restore_rt", "__rust_alloc",
    "__rust_alloc_zeroed", "__rust_realloc", "__rdl_alloc", "__rg_alloc", "__rdl_realloc", "exchange_malloc", NULL,
};

/* Namespaces and other beginnings of qualified names. Rust's "core" and "alloc" are common words, so the modules of both
 * crates are listed: a C++ program may have a namespace "core". */
static const char *const prefixes[] = {
    "operator new", "operator delete", "std::", "__gnu_cxx::", "__cxxabiv1::", "__rust_", "hashbrown::",
    "core::alloc::", "core::any::", "core::array::", "core::borrow::", "core::cell::", "core::char::", "core::clone::",
    "core::cmp::", "core::convert::", "core::default::", "core::error::", "core::ffi::", "core::fmt::", "core::future::",
    "core::hash::", "core::hint::", "core::intrinsics::", "core::iter::", "core::mem::", "core::num::", "core::ops::",
    "core::option::", "core::panic::", "core::panicking::", "core::pin::", "core::ptr::", "core::result::", "core::slice::",
    "core::str::", "core::sync::", "core::task::", "core::time::", "core::unicode::",
    "alloc::alloc::", "alloc::borrow::", "alloc::boxed::", "alloc::collections::", "alloc::ffi::", "alloc::fmt::",
    "alloc::raw_vec::", "alloc::rc::", "alloc::slice::", "alloc::str::", "alloc::string::", "alloc::sync::", "alloc::task::",
    "alloc::vec::", NULL,
};

/* Traits of Rust's library that it implements itself for types of the program: "<server::Key as TRAIT>::f" is its code. */
static const char *const blanket_traits[] = {
    "alloc::slice::hack::ConvertVec", "alloc::slice::ConvertVec", "alloc::string::ToString", "alloc::string::SpecToString",
    "alloc::borrow::ToOwned", "alloc::vec::", "core::convert::Into", "core::convert::TryInto", "core::any::Any",
    "core::clone::CloneToUninit", NULL,
};
// clang-format on

static bool begins_with_one_of(const char *const *list, const char *text)
{
    for (; *list; list++)
        if (strncmp(text, *list, strlen(*list)) == 0)
            return true;
    return false;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* ---- files ------------------------------------------------------------------------------------------------------------ */

bool gs_symbol_path_is_runtime(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    if (strcmp(path, "[vdso]") == 0)
        return true;
    for (const char *const *library = runtime_libraries; *library; library++) {
        size_t length = strlen(*library);
        if (strncmp(name, *library, length) != 0)
            continue;
        if (strncmp(name + length, ".so", 3) == 0 ||
            (name[length] == '-' && is_digit(name[length + 1]) && strstr(name + length, ".so")))
            return true;
    }
    return false;
}

/* Length of the loader's standard directory that PATH begins with, with its last slash; 0: another directory. */
static size_t standard_directory(const char *path)
{
    size_t length = strncmp(path, "/usr/", 5) == 0 ? 4 : 0;
    if (strncmp(path + length, "/lib", 4) != 0)
        return 0;
    length += 4;
    length += strspn(path + length, "x3264"); // lib64, lib32, libx32
    if (path[length++] != '/')
        return 0;
    size_t architecture = strcspn(path + length, "/"); // x86_64-linux-gnu
    for (size_t i = 0; i + 7 <= architecture; i++)
        if (strncmp(path + length + i, "-linux-", 7) == 0)
            return length + architecture + 1;
    return length;
}

bool gs_symbol_source_is_runtime(const char *file)
{
    static const char include[] = "/usr/include/";
    static const char *const headers[] = {"bits/",     "sys/",     "c++/",    "stdlib.h",
                                          "stdio.h",   "string.h", "wchar.h", "ctype.h",
                                          "pthread.h", "math.h",   NULL};
    const char *name = strncmp(file, include, sizeof include - 1) == 0 ? file + sizeof include - 1 : "";
    const char *slash = strchr(name, '/'), *architecture = strstr(name, "-linux-");
    if (slash && architecture && architecture < slash)
        name = slash + 1;
    return begins_with_one_of(headers, name) || strstr(file, "/include/c++/"); // also of a compiler in /opt
}

bool gs_symbol_path_is_distribution(const char *path)
{
    size_t length = standard_directory(path);
    return length && strlen(path) > length && !strchr(path + length, '/') && strstr(path + length, ".so");
}

bool gs_symbol_path_is_interpreter(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    for (const char *const *library = interpreters; *library; library++) {
        size_t length = strlen(*library);
        if (strncmp(name, *library, length) != 0)
            continue;
        const char *rest = name + length + (name[length] == '-');
        rest += strspn(rest, "0123456789.");
        if (rest[-1] == '.' && strncmp(rest, "so", 2) == 0)
            return true;
    }
    return false;
}

/* ---- functions -------------------------------------------------------------------------------------------------------- */

/* Behind what decorates a type in Rust: "&mut [server::Key]" gives "server::Key]". */
static const char *undecorated(const char *type)
{
    static const char *const decorations[] = {"&",    "[",    "(",     "*const ", "*mut ",
                                              "mut ", "dyn ", "impl ", NULL};
    for (const char *const *word = decorations; *word;) {
        size_t length = strlen(*word);
        if (strncmp(type, *word, length) == 0) {
            type += length;
            word = decorations;
        } else {
            word++;
        }
    }
    return type;
}

/* Rust's "<TYPE as TRAIT>::f" is code of the crate of TYPE, or of the crate of TRAIT if TYPE is a parameter ("T") or a primitive
 * ("u8"), or if the library itself implements the trait for every type. FUNCTION begins with '<'. */
static bool is_runtime_impl(const char *function)
{
    const char *type = undecorated(function + 1);
    const char *trait = strstr(type, " as ");
    size_t length = strcspn(type, ":< ,>])&"); // the first word of the type
    trait = trait ? trait + strlen(" as ") : NULL;
    if (begins_with_one_of(prefixes, type))
        return true;
    if (!trait)
        return false;
    bool has_path = type[length] == ':';
    return begins_with_one_of(has_path ? blanket_traits : prefixes, trait);
}

bool gs_symbol_function_is_runtime(const char *function)
{
    const char *name = gs_symbol_qualified_name(function);
    for (const char *const *known = functions; *known; known++)
        if (strcmp(name, *known) == 0)
            return true;
    return *name == '<' ? is_runtime_impl(name) : begins_with_one_of(prefixes, name);
}
