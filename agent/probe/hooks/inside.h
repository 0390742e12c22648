/* probe/hooks/inside.h - what the hooks share: how each finds the real function, and who listens to calls.
 * Context: host thread, from the process's first instruction on. */
#pragma once
#include "probe/inside.h"

/* ---- the program that libgumshoe.a is linked into (archive.c, static.c) ------------------------------------------- */

extern const bool gs_archive_mark __attribute__((weak, visibility("hidden"))); // defined in libgumshoe.a only
extern const bool gs_hooks_mark __attribute__((weak, visibility("hidden")));   // defined where there are hooks: in both libraries
static inline bool gs_hooks_is_archive(void)
{
    return &gs_archive_mark;
}
/* Is the program static, without a loader? */
bool gs_hooks_program_is_static(void);

/* ---- the functions that our hooks stand before (next_function.c) ------------------------------------------------------ */

struct gs_hook {
    const char *name;
    void *ours, *in_force; // our hook; the definition of the name that the program uses
    void *wrapped;         // the function that ld's --wrap put our hook in front of; NULL: linked without --wrap
    void *second_name;     // the real function's other name in a static C library; NULL: not linked in
};
/* For the hook NAME, which the static C library also calls SECOND. GS_HOOK(name, second) is to stand at file scope. */
#define GS_HOOK(name, second)                                                              \
    __asm__(".set gs_ours_" #name ", " #name);                                               \
    extern char gs_ours_##name[] __attribute__((visibility("hidden")));                      \
    extern char __real_##name[] __attribute__((weak)), second[] __attribute__((weak))
#define GS_HOOKED(name, second) \
    (&(struct gs_hook){#name, gs_ours_##name, (void *)(uintptr_t)name, __real_##name, second})
/* False: in this program, which libgumshoe.a is linked into, another function of that name is used instead of ours. */
bool gs_hooks_is_in_force(const struct gs_hook *hook);
/* The function NAME of the next object that has it; NULL: none. May allocate, which calls the hooks again. */
void *gs_hooks_next_object_has(const char *name);
/* Set SLOT, a pointer to a function, to what gs_hooks_next_object_has finds; if that is none, it stays as it is. */
void gs_hooks_find_next(void *slot, const char *name);
/* The real function; NULL: there is none. May allocate, as above. */
void *gs_hooks_real_function(const struct gs_hook *hook);

/* The hooks of malloc.c under names of their own, for new.c. */
void *gs_hooks_malloc(size_t size);
void *gs_hooks_memalign(size_t alignment, size_t size);
void gs_hooks_free(void *ptr);

/* Not 0: this thread runs in a child of vfork, which shares our memory, but not our descriptors (vfork.c). */
extern _Thread_local uint8_t gs_hooks_vfork_child __attribute__((visibility("hidden")));

static inline bool gs_hooks_is_vfork_child(void)
{
#ifdef __x86_64__
    return gs_hooks_vfork_child;
#else
    return false;
#endif
}

/* The calling thread is about to enter a sandbox, by a hook: gs_threads_sandbox_enter, but not in a child of vfork, which would put
 * its parent's thread into it. */
static inline bool gs_hooks_enter_sandbox(bool every_thread)
{
    return !gs_hooks_is_vfork_child() && gs_threads_sandbox_enter(every_thread);
}

/* ---- listeners (listeners.c) --------------------------------------------------------------------------------------------- */

/* Called before an exec, and if it failed; NULL: no listener. */
extern char *const *(*gs_hooks_exec_listener)(char *const envp[]);
extern void (*gs_hooks_exec_failed_listener)(char *const *changed);
/* Called before and after the host's calls that change what a thread is; NULL: no listener. */
extern _Atomic(void (*)(enum gs_change)) gs_hooks_before_change, gs_hooks_after_change;
/* Called with each new limit of the address space; NULL: no listener. */
extern _Atomic(void (*)(uint64_t bytes)) gs_hooks_limit_listener;
/* Called instead of mlockall; NULL: no listener. */
extern _Atomic(bool (*)(int flags, int *error)) gs_hooks_lock_listener;
