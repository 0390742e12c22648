/* dlclose.c - dlclose, taken over so that no cached row outlives its library, and recorded frames do not lose theirs.
 *
 *   dlclose ──▶ close the cache ──▶ the real dlclose: destructors run, the library is unmapped ──▶ which libraries are gone?
 *                                                                                             ──▶ open the cache: all
 *                                                                                                 rows are invalid
 *
 * Another library may be mapped at the same addresses at once. While the cache is closed, walks compute their rows and store
 * none: else a destructor's malloc would add rows that are about to become wrong.
 * What the C library closes for itself (modules of iconv) does not come through here.
 * Who: host threads. */
#include "probe/hooks/inside.h"
#include <dlfcn.h>
#include <string.h>

#define HOOK __attribute__((visibility("default")))

typedef int close_function(void *);

GS_HOOK(dlclose, __dlclose);

/* For a static program without a real dlclose: the library stays loaded, which dlclose is allowed to do. */
static int close_nothing(void *library)
{
    (void)library;
    return 0;
}

static close_function *real_close(void)
{
    static _Atomic(close_function *) real;
    close_function *found = atomic_load_explicit(&real, memory_order_acquire);
    if (!found) {
        void *symbol = gs_hooks_real_function(GS_HOOKED(dlclose, __dlclose));
        found = close_nothing;
        if (symbol)
            memcpy(&found, &symbol, sizeof found);
        atomic_store_explicit(&real, found, memory_order_release);
    }
    return found;
}

HOOK int dlclose(void *library)
{
    close_function *real = real_close();
    gs_unwind_walk_close_cache();
    gs_unwind_libraries_before_close();
    int error = real(library);
    gs_unwind_libraries_after_close();
    gs_unwind_walk_open_cache();
    return error;
}
