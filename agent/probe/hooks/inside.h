/* probe/hooks/inside.h - what the hooks share: how each finds the function that it stands before, and who hears of calls.
 * Context: host thread, from the process's first instruction on. */
#pragma once
#include "probe/inside.h"

/* ---- the program that libgumshoe.a is linked into (archive.c, static.c) ------------------------------------------- */

extern const bool gs_archive_mark __attribute__((weak, visibility("hidden"))); // in the archive alone
extern const bool gs_hooks_mark __attribute__((weak, visibility("hidden")));   // where there are hooks: in both libraries
static inline bool gs_hooks_is_archive(void)
{
    return &gs_archive_mark;
}
/* Has it no loader? */
bool gs_hooks_program_is_static(void);

/* ---- the functions that our hooks stand before (next_function.c) ------------------------------------------------------ */

struct gs_hook {
    const char *name;
    void *ours, *in_force; // our hook; whose definition of the name the program has
    void *wrapped;         // what ld's --wrap put our hook before; NULL: the program was linked without
    void *second_name;     // the real function under another name, which a static C library has; NULL: it is not linked in
};
/* For the hook NAME, which the static C library also calls SECOND. GS_HOOK(name, second) is to stand at file scope. */
#define GS_HOOK(name, second)                                                              \
    __asm__(".set gs_ours_" #name ", " #name);                                               \
    extern char gs_ours_##name[] __attribute__((visibility("hidden")));                      \
    extern char __real_##name[] __attribute__((weak)), second[] __attribute__((weak))
#define GS_HOOKED(name, second) \
    (&(struct gs_hook){#name, gs_ours_##name, (void *)(uintptr_t)name, __real_##name, second})
/* False: somebody else's function of that name stands before ours in this program, which libgumshoe.a is linked into. */
bool gs_hooks_is_in_force(const struct gs_hook *hook);
/* The function NAME of the next object that has it; NULL: none has. May allocate, which comes back to the hooks. */
void *gs_hooks_next_object_has(const char *name);
/* The real function; NULL: there is none. May allocate, as above. */
void *gs_hooks_real_function(const struct gs_hook *hook);

/* The hooks of malloc.c, by names that say that they are meant: for new.c. */
void *gs_hooks_malloc(size_t size);
void *gs_hooks_memalign(size_t alignment, size_t size);
void gs_hooks_free(void *ptr);

/* ---- who hears of calls (listeners.c) ----------------------------------------------------------------------------- */

/* Of an exec, before it and if it failed; NULL: nobody. */
extern char *const *(*gs_told_exec)(char *const envp[]);
extern void (*gs_told_exec_failed)(char *const *changed);
/* Of the host's calls that change what a thread is, before and after them; NULL: nobody. */
extern _Atomic(void (*)(enum gs_change)) gs_told_before, gs_told_after;
