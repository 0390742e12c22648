/* malloc.c - the allocation functions that we take over from the real allocator, whichever it is.
 *
 *   malloc(size)  ──not due──▶ the real malloc                             (a subtraction and a branch)
 *                 └─ due ──▶ sampled_malloc ──▶ the real malloc ──▶ gs_heap_sampler_record
 *   free(ptr)     ──filter says never──▶ the real free                     (a load and a branch)
 *
 * The real functions are found (next_function.c) at the first call of any of them: that may be before our constructor, from
 * the loader itself. What dlsym allocates meanwhile comes from a small arena (early blocks). An early block may be
 * freed or realloc'ed at any later time: its filter counter is raised, so that free() takes the slow path for it.
 * Leaf:   the sampled functions are tail-called by the hooks, so their return address is the host's call.
 * Who:    host threads, from the first instruction of the process to the last. */
#include "probe/hooks/inside.h"
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#define HOOK   __attribute__((visibility("default")))
#define HOT    __attribute__((aligned(64))) // one line of the instruction cache each
#define CALLED static __attribute__((noinline))

const bool gs_hooks_mark = true;

/* ---- the real functions ------------------------------------------------------------------------------------- */

static void *first_malloc(size_t size);
static void first_free(void *ptr);
static void *first_calloc(size_t count, size_t size);
static void *first_realloc(void *ptr, size_t size);
static int first_posix_memalign(void **out, size_t alignment, size_t size);
static void *first_aligned_alloc(size_t alignment, size_t size);
static void *first_memalign(size_t alignment, size_t size);
static void *first_valloc(size_t size);
static void *first_pvalloc(size_t size);
static size_t first_usable_size(void *ptr);

static struct {
    void *(*malloc)(size_t);
    void (*free)(void *);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    int (*posix_memalign)(void **, size_t, size_t);
    void *(*aligned_alloc)(size_t, size_t);
    void *(*memalign)(size_t, size_t);
    void *(*valloc)(size_t);
    void *(*pvalloc)(size_t);
    size_t (*usable_size)(void *);
} real = {first_malloc,        first_free,     first_calloc, first_realloc, first_posix_memalign,
          first_aligned_alloc, first_memalign, first_valloc, first_pvalloc, first_usable_size};

// clang-format off
#define ALLOCATOR(X) /* hook, its slot, what the static C library also calls it */                                \
    X(calloc, calloc, __libc_calloc) X(realloc, realloc, __libc_realloc)                                            \
    X(posix_memalign, posix_memalign, __posix_memalign) X(aligned_alloc, aligned_alloc, __libc_memalign)            \
    X(memalign, memalign, __libc_memalign) X(valloc, valloc, __libc_valloc) X(pvalloc, pvalloc, __libc_pvalloc)     \
    X(malloc_usable_size, usable_size, __malloc_usable_size) X(free, free, __libc_free) X(malloc, malloc, __libc_malloc)
#define HOOKED(hook, slot, second) GS_HOOK(hook, second);
ALLOCATOR(HOOKED)
// clang-format on

static _Thread_local bool resolving; // this thread is inside dlsym: what it allocates now is early

static void resolve_one(void *slot, const struct gs_hook *hook)
{
    void *found = gs_hooks_real_function(hook);
    if (found)
        memcpy(slot, &found, sizeof found);
    gs_heap_is_anothers |= !gs_hooks_is_in_force(hook);
}

static void resolve(void)
{
    int saved_errno = errno;
    resolving = true;
#define RESOLVE(hook, slot, second) resolve_one(&real.slot, GS_HOOKED(hook, second));
    ALLOCATOR(RESOLVE)
    resolving = false;
    errno = saved_errno;
}

/* ---- early blocks --------------------------------------------------------------------------------------------- */

enum { EARLY_BYTES = 16 << 10 };
static char early[EARLY_BYTES] __attribute__((aligned(16)));
static _Atomic size_t early_used;

/* A new early block, zeroed, never reused; its size is in the 16 bytes before it. NULL: the arena is full. */
static void *early_alloc(size_t size)
{
    if (size > EARLY_BYTES)
        return NULL;
    size_t room = ((size + 15) & ~(size_t)15) + 16;
    size_t at = atomic_fetch_add_explicit(&early_used, room, memory_order_relaxed);
    if (at + room > EARLY_BYTES)
        return NULL;
    memcpy(early + at, &size, sizeof size);
    void *ptr = early + at + 16;
    gs_heap_filter_add(ptr);
    return ptr;
}

static bool is_early(const void *ptr)
{
    return GS_UNLIKELY((uintptr_t)ptr - (uintptr_t)early < EARLY_BYTES);
}

static size_t early_size(const void *ptr)
{
    size_t size;
    memcpy(&size, (const char *)ptr - 16, sizeof size);
    return size;
}

/* ---- the first call of each: find the real ones, then go on with them ------------------------------------------ */

static void *first_malloc(size_t size)
{
    if (resolving)
        return early_alloc(size);
    resolve();
    return real.malloc(size);
}

static void first_free(void *ptr)
{
    if (resolving || !ptr)
        return; // while resolving only early blocks exist
    resolve();
    real.free(ptr);
}

static void *first_calloc(size_t count, size_t size)
{
    size_t bytes;
    if (resolving)
        return __builtin_mul_overflow(count, size, &bytes) ? NULL : early_alloc(bytes);
    resolve();
    return real.calloc(count, size);
}

static void *first_realloc(void *ptr, size_t size)
{
    if (resolving)
        return ptr ? NULL : early_alloc(size); // an early block is realloc'ed by sampled_realloc
    resolve();
    return real.realloc(ptr, size);
}

static int first_posix_memalign(void **out, size_t alignment, size_t size)
{
    if (resolving)
        return ENOMEM;
    resolve();
    return real.posix_memalign(out, alignment, size);
}

static void *first_aligned_alloc(size_t alignment, size_t size)
{
    if (resolving)
        return NULL;
    resolve();
    return real.aligned_alloc(alignment, size);
}

static void *first_memalign(size_t alignment, size_t size)
{
    if (resolving)
        return NULL;
    resolve();
    return real.memalign(alignment, size);
}

static void *first_valloc(size_t size)
{
    if (resolving)
        return NULL;
    resolve();
    return real.valloc(size);
}

static void *first_pvalloc(size_t size)
{
    if (resolving)
        return NULL;
    resolve();
    return real.pvalloc(size);
}

static size_t first_usable_size(void *ptr)
{
    if (resolving)
        return 0;
    resolve();
    return real.usable_size(ptr);
}

/* ---- sampled: the turn has come, or a block may be known --------------------------------------------------------- */

/* If we see only some calls of the heap (gs_heap_is_anothers), nothing is sampled: we would miss frees. The first real call
 * has set the flag. */
static void record(const void *ptr, size_t size, uint64_t drawn_with, struct gs_caller caller)
{
    gs_heap_sampler_record(ptr, size, gs_heap_is_anothers ? 0 : drawn_with, caller);
}

CALLED void *sampled_malloc(size_t size)
{
    struct gs_caller caller = GS_CALLER();
    uint64_t drawn_with = gs_heap_sampler_begin(size);
    void *ptr = real.malloc(size);
    record(ptr, size, drawn_with, caller);
    return ptr;
}

CALLED void *sampled_calloc(size_t count, size_t size)
{
    struct gs_caller caller = GS_CALLER();
    uint64_t drawn_with = gs_heap_sampler_begin(count * size);
    void *ptr = real.calloc(count, size);
    record(ptr, count * size, drawn_with, caller);
    return ptr;
}

CALLED int sampled_posix_memalign(void **out, size_t alignment, size_t size)
{
    struct gs_caller caller = GS_CALLER();
    uint64_t drawn_with = gs_heap_sampler_begin(size);
    int error = real.posix_memalign(out, alignment, size);
    record(error ? NULL : *out, size, drawn_with, caller);
    return error;
}

/* For aligned_alloc and memalign. */
CALLED void *sampled_aligned(void *(*allocate)(size_t, size_t), size_t alignment, size_t size)
{
    struct gs_caller caller = GS_CALLER();
    uint64_t drawn_with = gs_heap_sampler_begin(size);
    void *ptr = allocate(alignment, size);
    record(ptr, size, drawn_with, caller);
    return ptr;
}

/* For valloc and pvalloc. */
CALLED void *sampled_paged(void *(*allocate)(size_t), size_t size)
{
    struct gs_caller caller = GS_CALLER();
    uint64_t drawn_with = gs_heap_sampler_begin(size);
    void *ptr = allocate(size);
    record(ptr, size, drawn_with, caller);
    return ptr;
}

CALLED void known_free(void *ptr)
{
    if (is_early(ptr))
        return;
    gs_heap_sampler_forget(ptr);
    real.free(ptr);
}

/* An early block moves to the real heap when it is realloc'ed; its old place is not used again. */
static void *realloc_early(void *ptr, size_t size)
{
    void *moved = real.malloc(size);
    if (moved)
        memcpy(moved, ptr, size < early_size(ptr) ? size : early_size(ptr));
    return moved;
}

CALLED void *sampled_realloc(void *ptr, size_t size, bool due)
{
    struct gs_caller caller = GS_CALLER();
    struct gs_live sample;
    if (ptr && is_early(ptr))
        return realloc_early(ptr, size);
    uint64_t drawn_with = due ? gs_heap_sampler_begin(size) : 0;
    bool known = ptr && gs_maybe_sampled(ptr) && gs_heap_live_take(ptr, &sample);
    void *moved = real.realloc(ptr, size);
    bool failed = !moved && size != 0;
    if (known && failed)
        gs_heap_sampler_put_back(ptr, &sample);
    else if (known)
        gs_heap_sampler_release(&sample);
    record(moved, size, drawn_with, caller);
    return moved;
}

/* ---- the hooks ------------------------------------------------------------------------------------------------------ */

HOT HOOK void *malloc(size_t size)
{
    return gs_due(size) ? sampled_malloc(size) : real.malloc(size);
}

HOT HOOK void free(void *ptr)
{
    if (gs_maybe_sampled(ptr))
        known_free(ptr);
    else
        real.free(ptr);
}

HOOK void *calloc(size_t count, size_t size)
{
    size_t bytes;
    if (GS_UNLIKELY(__builtin_mul_overflow(count, size, &bytes)))
        return real.calloc(count, size); // which refuses
    return gs_due(bytes) ? sampled_calloc(count, size) : real.calloc(count, size);
}

HOOK void *realloc(void *ptr, size_t size)
{
    if (gs_due(size))
        return sampled_realloc(ptr, size, true);
    return gs_maybe_sampled(ptr) ? sampled_realloc(ptr, size, false) : real.realloc(ptr, size);
}

HOOK void *reallocarray(void *ptr, size_t count, size_t size)
{
    size_t bytes;
    if (GS_UNLIKELY(__builtin_mul_overflow(count, size, &bytes))) {
        errno = ENOMEM;
        return NULL;
    }
    if (gs_due(bytes))
        return sampled_realloc(ptr, bytes, true);
    return gs_maybe_sampled(ptr) ? sampled_realloc(ptr, bytes, false) : real.realloc(ptr, bytes);
}

HOOK int posix_memalign(void **out, size_t alignment, size_t size)
{
    return gs_due(size) ? sampled_posix_memalign(out, alignment, size)
                        : real.posix_memalign(out, alignment, size);
}

HOOK void *aligned_alloc(size_t alignment, size_t size)
{
    return gs_due(size) ? sampled_aligned(real.aligned_alloc, alignment, size)
                        : real.aligned_alloc(alignment, size);
}

HOOK void *memalign(size_t alignment, size_t size)
{
    return gs_due(size) ? sampled_aligned(real.memalign, alignment, size) : real.memalign(alignment, size);
}

HOOK void *valloc(size_t size)
{
    return gs_due(size) ? sampled_paged(real.valloc, size) : real.valloc(size);
}

HOOK void *pvalloc(size_t size)
{
    return gs_due(size) ? sampled_paged(real.pvalloc, size) : real.pvalloc(size);
}

HOOK void cfree(void *ptr);
HOOK void cfree(void *ptr)
{
    free(ptr);
}

HOOK size_t malloc_usable_size(void *ptr)
{
    return is_early(ptr) ? early_size(ptr) : real.usable_size(ptr);
}

/* ---- for new.c -------------------------------------------------------------------------------------------------- */

void *gs_hooks_malloc(size_t size)
{
    return malloc(size);
}

void *gs_hooks_memalign(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

void gs_hooks_free(void *ptr)
{
    free(ptr);
}
