/* brk.c - brk and sbrk, taken over to record which stack moved the program break: an allocator of the program's own.
 *
 *   sbrk(n), brk(up)  ──▶ the real function ──▶ mapped.c: from the old break to the new, as a mapping (small ones are sampled)
 *   sbrk(-n)          ──▶ mapped.c: remove the records ──▶ the real function
 *   brk(down)         ──▶ the real function ──▶ mapped.c: remove the records, if the break has moved
 *
 * glibc's malloc moves the break by a name of its own (__sbrk), which does not come through here.
 * Who: host threads, perhaps in their signal handlers. errno is the real call's. */
#include "probe/hooks/inside.h"
#include <unistd.h>

#define HOOK   __attribute__((visibility("default")))
#define CALLED static __attribute__((noinline))
#define FAILED ((void *)-1)

typedef void *sbrk_function(intptr_t);
typedef int brk_function(void *);

extern sbrk_function
    __sbrk; // the C library's other name: until the real function is looked up, and in static programs

static int early_brk(void *at)
{
    return __sbrk((char *)at - (char *)__sbrk(0)) == FAILED ? -1 : 0;
}

static struct {
    sbrk_function *sbrk;
    brk_function *brk;
} real = {__sbrk, early_brk};

static __attribute__((constructor)) void resolve(void)
{
    if (gs_hooks_program_is_static())
        return;
    gs_hooks_find_next(&real.sbrk, "sbrk");
    gs_hooks_find_next(&real.brk, "brk");
}

static void add(struct gs_caller caller, void *from, void *to)
{
    uint32_t stack;
    if (gs_heap_sampler_stack(caller, &stack))
        gs_heap_mapped_add((uintptr_t)from, (uintptr_t)to, stack,
                           gs_heap_mapped_weight((size_t)((char *)to - (char *)from)));
}

CALLED void *remembered_sbrk(intptr_t increment)
{
    struct gs_caller caller = GS_CALLER();
    void *before = real.sbrk(increment);
    if (before != FAILED)
        add(caller, before, (char *)before + increment);
    return before;
}

CALLED int remembered_brk(void *at)
{
    struct gs_caller caller = GS_CALLER();
    void *before = real.sbrk(0);
    int result = real.brk(at);
    if (result == 0 && before != FAILED)
        add(caller, before, at);
    return result;
}

HOOK void *sbrk(intptr_t increment)
{
    if (increment > 0 && gs_heap_mapped_draw((size_t)increment))
        return remembered_sbrk(increment);
    if (increment < 0) {
        uintptr_t now = (uintptr_t)real.sbrk(0);
        gs_heap_mapped_forget(now + (uintptr_t)increment, now);
    }
    return real.sbrk(increment);
}

HOOK int brk(void *at)
{
    uintptr_t now = (uintptr_t)real.sbrk(0), to = (uintptr_t)at;
    if (to > now && gs_heap_mapped_draw(to - now))
        return remembered_brk(at);
    int result = real.brk(at);
    uintptr_t then =
        (uintptr_t)real.sbrk(0); // below the heap's start the kernel changes nothing, and the call succeeds
    if (then < now)
        gs_heap_mapped_forget(then, now);
    return result;
}
