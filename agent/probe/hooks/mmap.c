/* mmap.c - mmap, munmap, mremap and mprotect, taken over to record which stack maps large anonymous or shared memory.
 *
 *   mmap     anonymous, or writable, if it is drawn ──▶ the real mmap ──▶ walk, intern ──▶ mapped.c
 *            all others ──▶ the real mmap          (a random number more; mapped.c: of less than 64 KiB, some are drawn)
 *   munmap, mremap ──▶ mapped.c: remove the record ──▶ the real function
 *   mprotect ──▶ the real mprotect; where it made memory writable that was mapped without access ──▶ walk ──▶ mapped.c
 *
 * What the C library maps for itself (its malloc, threads' stacks, files of the loader) does not come through here, nor what
 * we map for ourselves (sys/mapping.h).
 * The real functions are looked up when the library is loaded; before and during that, the hooks make the system calls
 * directly.
 * Who: host threads, perhaps in their signal handlers. errno is the real call's. */
#include "probe/hooks/inside.h"
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HOOK   __attribute__((visibility("default")))
#define CALLED static __attribute__((noinline))

enum { LARGE = 64 << 10, PAGE = 4096 }; // LARGE: of memory that grew by mremap, and was not recorded before

/* ---- the real functions ------------------------------------------------------------------------------------- */

typedef void *map_function(void *, size_t, int, int, int, off_t);
typedef int unmap_function(void *, size_t);
typedef void *remap_function(void *, size_t, size_t, int, ...);
typedef int protect_function(void *, size_t, int);

static void *kernel_map(void *at, size_t length, int protection, int flags, int fd, off_t offset)
{
    return (void *)syscall(SYS_mmap, at, length, protection, flags, fd, offset);
}

static int kernel_unmap(void *at, size_t length)
{
    return (int)syscall(SYS_munmap, at, length);
}

static void *kernel_remap(void *at, size_t old_length, size_t length, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    void *target = va_arg(more, void *); // the hook always passes one
    va_end(more);
    return (void *)syscall(SYS_mremap, at, old_length, length, flags, target);
}

static int kernel_protect(void *at, size_t length, int protection)
{
    return (int)syscall(SYS_mprotect, at, length, protection);
}

static struct {
    map_function *map;
    unmap_function *unmap;
    remap_function *remap;
    protect_function *protect;
} real = {kernel_map, kernel_unmap, kernel_remap, kernel_protect};

GS_HOOK(mmap, __mmap);
GS_HOOK(munmap, __munmap);
GS_HOOK(mremap, __mremap);
GS_HOOK(mprotect, __mprotect);

static void resolve_one(void *slot, const struct gs_hook *hook)
{
    void *found = gs_hooks_real_function(hook);
    if (found)
        memcpy(slot, &found, sizeof found);
}

static __attribute__((constructor)) void resolve(void)
{
    resolve_one(&real.map, GS_HOOKED(mmap, __mmap));
    resolve_one(&real.unmap, GS_HOOKED(munmap, __munmap));
    resolve_one(&real.remap, GS_HOOKED(mremap, __mremap));
    resolve_one(&real.protect, GS_HOOKED(mprotect, __mprotect));
}

/* ---- remembered ---------------------------------------------------------------------------------------------- */

static uintptr_t end_of(const void *at, size_t length)
{
    return (uintptr_t)at + ((length + PAGE - 1) & ~(size_t)(PAGE - 1));
}

CALLED void *remembered_map(void *at, size_t length, int protection, int flags, int fd, off_t offset)
{
    struct gs_caller caller = GS_CALLER();
    void *mapped = real.map(at, length, protection, flags, fd, offset);
    uint32_t stack;
    if (mapped != MAP_FAILED && gs_heap_sampler_stack(caller, &stack))
        gs_heap_mapped_add((uintptr_t)mapped, end_of(mapped, length),
                           protection == PROT_NONE ? stack | GS_MAPPED_RESERVED : stack,
                           gs_heap_mapped_weight(end_of(NULL, length)));
    return mapped;
}

CALLED int remembered_protect(void *at, size_t length, int protection)
{
    struct gs_caller caller = GS_CALLER();
    int result = real.protect(at, length, protection);
    uint32_t stack;
    if (result == 0 && gs_heap_sampler_stack(caller, &stack))
        gs_heap_mapped_open((uintptr_t)at, end_of(at, length), stack);
    return result;
}

/* Memory that was mapped but is not recorded: what was at its addresses is gone. */
static void *map_anew(void *at, size_t length, int protection, int flags, int fd, off_t offset)
{
    void *mapped = real.map(at, length, protection, flags, fd, offset);
    if (mapped == MAP_FAILED)
        return mapped;
    if (flags & MAP_FIXED)
        gs_heap_mapped_forget((uintptr_t)mapped, end_of(mapped, length));
    gs_heap_regions_forget((uintptr_t)mapped, end_of(mapped, length));
    return mapped;
}

/* MOVED has just become large, and was not recorded before. */
CALLED void *remembered_growth(void *moved, size_t length)
{
    struct gs_caller caller = GS_CALLER();
    uint32_t stack;
    if (gs_heap_sampler_stack(caller, &stack))
        gs_heap_mapped_add((uintptr_t)moved, end_of(moved, length), stack, GS_MAPPED_ONE);
    return moved;
}

/* ---- the hooks ------------------------------------------------------------------------------------------------- */

/* Memory that may become resident for good: anonymous, or a writable file's, which may be a memfd. Huge pages do not count as
 * resident. */
static bool is_memory(int protection, int flags)
{
    int type = flags & MAP_TYPE;
    bool known = type == MAP_SHARED || type == MAP_SHARED_VALIDATE || type == MAP_PRIVATE;
    return known && (flags & MAP_ANONYMOUS || protection & PROT_WRITE) && !(flags & MAP_HUGETLB);
}

HOOK void *mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset)
{
    bool memory = is_memory(protection, flags);
    if (memory && gs_heap_mapped_draw(end_of(NULL, length)))
        return remembered_map(at, length, protection, flags, fd, offset);
    if (memory || flags & MAP_FIXED)
        return map_anew(at, length, protection, flags, fd, offset);
    return real.map(at, length, protection, flags, fd, offset);
}

HOOK void *mmap64(void *at, size_t length, int protection, int flags, int fd, off_t offset)
    __attribute__((alias("mmap")));

HOOK int munmap(void *at, size_t length)
{
    gs_heap_mapped_forget(
        (uintptr_t)at,
        end_of(
            at,
            length)); // before the call, because of reuse; if munmap fails, which is rare, the record is lost
    return real.unmap(at, length);
}

HOOK void *mremap(void *at, size_t old_length, size_t length, int flags, ...)
{
    void *target = NULL;
    if (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) {
        va_list more;
        va_start(more, flags);
        target = va_arg(more, void *);
        va_end(more);
    }
    struct gs_mapped record;
    bool known = gs_heap_mapped_find((uintptr_t)at, &record);
    if (known && !(flags & MREMAP_DONTUNMAP))
        gs_heap_mapped_forget((uintptr_t)at, end_of(at, old_length));
    void *moved = real.remap(at, old_length, length, flags, target);
    if (moved == MAP_FAILED) {
        if (known && !(flags & MREMAP_DONTUNMAP))
            gs_heap_mapped_add((uintptr_t)at, end_of(at, old_length), record.stack, record.weight);
        return moved;
    }
    if (!known && length > old_length && length >= LARGE)
        return remembered_growth(moved, length);
    if (known)
        gs_heap_mapped_add((uintptr_t)moved, end_of(moved, length), record.stack,
                           length < LARGE ? record.weight : GS_MAPPED_ONE);
    return moved;
}

HOOK int mprotect(void *at, size_t length, int protection)
{
    if (GS_UNLIKELY(protection & PROT_WRITE && gs_heap_mapped_is_reserved((uintptr_t)at, end_of(at, length))))
        return remembered_protect(at, length, protection);
    return real.protect(at, length, protection);
}
