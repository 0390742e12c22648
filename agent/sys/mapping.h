/* mapping.h - anonymous memory from the kernel, by direct system calls: our hooks replace mmap(3), and would count these
 * mappings as the host's. Failure: MAP_FAILED, with errno. Context: any. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline void *gs_mapping_new(size_t size)
{
    return (void *)syscall(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* Addresses without memory: no access until gs_mapping_permit. */
static inline void *gs_mapping_new_reserved(size_t size)
{
    return (void *)syscall(SYS_mmap, NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* Permit access to the SIZE bytes at AT, or forbid it. False: a limit does not allow it. */
static inline bool gs_mapping_permit(void *at, size_t size, bool access)
{
    return syscall(SYS_mprotect, at, size, access ? PROT_READ | PROT_WRITE : PROT_NONE) == 0;
}

static inline void gs_mapping_free(void *at, size_t size)
{
    syscall(SYS_munmap, at, size);
}

/* A mapping while mlockall(MCL_FUTURE) is in force, which locks each new one and makes it resident: as long as it has no access there
 * is nothing to make resident. */
static inline void *gs_mapping_new_unlocked(size_t size)
{
    void *at = gs_mapping_new_reserved(size);
    if (at == MAP_FAILED)
        return at;
    syscall(SYS_munlock, at, size);
    if (gs_mapping_permit(at, size, true))
        return at;
    gs_mapping_free(at, size);
    return MAP_FAILED;
}

/* No huge pages for it: a capture's buffer that begins on one would make 2 MiB resident. Unlike its neighbours it is not joined with a
 * mapping of the host's, either. */
static inline void gs_mapping_decline_huge_pages(void *at, size_t size)
{
    syscall(SYS_madvise, at, size, MADV_NOHUGEPAGE);
}

static inline void *gs_mapping_resize(void *at, size_t old_size, size_t size)
{
    return (void *)syscall(SYS_mremap, at, old_size, size, MREMAP_MAYMOVE, NULL);
}
