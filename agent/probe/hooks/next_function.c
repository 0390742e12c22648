/* next_function.c - finds the real functions behind our hooks.
 *
 *   preloaded, or linked as libgumshoe.so   ──▶ dlsym(RTLD_NEXT): the next object that has the name
 *   libgumshoe.a in a program with a loader ──▶ the same
 *   libgumshoe.a in a static program        ──▶ the second name that the C library's archive has for each
 *
 * In libgumshoe.a our names are weak: the program's own allocator, a static one (jemalloc, tcmalloc) or a sanitizer
 * keeps its names, and a hook of ours that remains among them passes calls on to it. A static program that is linked with
 * ld's --wrap (docs/gumshoe.1, "STATIC PROGRAMS") still calls our hooks: the wrapped function is then the real function.
 * Who: host threads, at the first call of a hook. */
#include "probe/hooks/inside.h"
#include <dlfcn.h>
#include <string.h>

#pragma weak dlsym // a static program does without, and without the linker's warning about it

/* dlsym is declared not to call back into the hooks, but it does, through malloc: no value may stay in registers across
 * it. */
void *gs_hooks_next_object_has(const char *name)
{
    __asm__ volatile("" ::: "memory");
    void *found = dlsym ? dlsym(RTLD_NEXT, name) : NULL;
    __asm__ volatile("" ::: "memory");
    return found;
}

void gs_hooks_find_next(void *slot, const char *name)
{
    void *found = gs_hooks_next_object_has(name);
    if (found)
        memcpy(slot, &found, sizeof found);
}

/* Where there is a loader, --wrap does not change what shared libraries call. */
bool gs_hooks_is_in_force(const struct gs_hook *hook)
{
    return !gs_hooks_is_archive() || hook->in_force == hook->ours ||
           (hook->wrapped && gs_hooks_program_is_static());
}

void *gs_hooks_real_function(const struct gs_hook *hook)
{
    if (hook->wrapped && hook->wrapped != hook->ours)
        return hook->wrapped;
    if (!gs_hooks_is_in_force(hook))
        return hook->in_force;
    return gs_hooks_program_is_static() ? hook->second_name : gs_hooks_next_object_has(hook->name);
}
