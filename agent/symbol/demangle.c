/* demangle.c - turns symbol names into the names of the source: removes suffixes of compiler clones and demangles, through
 * libiberty's callbacks, which deliver the name in pieces and allocate nothing. libiberty uses stack in proportion to the
 * length of the name, so names over MANGLED_MAX stay mangled.
 * Who: the watcher (its stack is 1 MiB), the CLI. */
#include "base/memory.h"
#include "base/text.h"
#include "symbol/inside.h"
#include <libiberty/demangle.h>
#include <string.h>

enum { MANGLED_MAX = 4096, DEMANGLED_MAX = 64 << 10 };

static void add_piece(const char *piece, size_t length, void *text)
{
    struct gs_text *out = text;
    if (out->length + length <= DEMANGLED_MAX)
        gs_text_add_bytes(out, piece, length);
    else
        out->failed = true;
}

char *gs_symbol_demangle(const char *mangled)
{
    struct gs_text out = {0};
    bool cxx = strncmp(mangled, "_Z", 2) == 0, rust = strncmp(mangled, "_R", 2) == 0;
    if ((!cxx && !rust) || strlen(mangled) > MANGLED_MAX)
        return NULL;
    // Legacy Rust names look like C++ ones: try Rust first, which removes the hash.
    bool done = rust_demangle_callback(mangled, DMGL_NO_OPTS, add_piece, &out) && !out.failed;
    if (!done && cxx) {
        gs_text_fini(&out);
        done = cplus_demangle_v3_callback(mangled, DMGL_ANSI | DMGL_NO_OPTS, add_piece, &out) && !out.failed;
    }
    if (done && out.bytes)
        return out.bytes;
    gs_text_fini(&out);
    return NULL;
}

/* Length of NAME without the suffix of a compiler's clone: the rarely executed part of a function ("f.cold"), a specialised
 * copy ("f.isra.0"), and so on. */
static size_t length_without_clone(const char *name)
{
    static const char *const alone[] = {".cold", ".localalias"}, *const numbered[] = {".part.", ".isra.",
                                                                                      ".constprop.",
                                                                                      ".lto_priv.", ".llvm."};
    const char *at = *name ? strchr(name + 1, '.') : NULL;
    for (; at; at = strchr(at + 1, '.')) {
        for (size_t i = 0; i < sizeof alone / sizeof *alone; i++) {
            size_t length = strlen(alone[i]);
            if (strncmp(at, alone[i], length) == 0 && (at[length] == 0 || at[length] == '.'))
                return (size_t)(at - name);
        }
        for (size_t i = 0; i < sizeof numbered / sizeof *numbered; i++) {
            size_t length = strlen(numbered[i]);
            if (strncmp(at, numbered[i], length) == 0 && at[length] >= '0' && at[length] <= '9')
                return (size_t)(at - name);
        }
    }
    return strlen(name);
}

char *gs_symbol_plain_name(const char *system_name)
{
    char *name = gs_strndup(system_name, length_without_clone(system_name));
    char *demangled = name ? gs_symbol_demangle(name) : NULL;
    if (!demangled)
        return name;
    gs_free(name);
    return demangled;
}
