/* failing_memory.c - stands before the agent's gs_alloc and gs_realloc, by the linker's --wrap, and lets chosen calls fail.
 * jansson, zlib and protobuf-c allocate through these two as well. Only tests are linked with it: the library has no such door.
 * Who: any thread. */
#include "failing_memory.h"
#include <limits.h>
#include <stdatomic.h>
#include <stddef.h>

void *gs_memory_failed(void); // base/memory.h
void *__real_gs_alloc(size_t size);
void *__real_gs_realloc(void *ptr, size_t size);
void *__wrap_gs_alloc(size_t size);
void *__wrap_gs_realloc(void *ptr, size_t size);

static _Atomic long count, first = LONG_MAX, behind = LONG_MAX; // those from FIRST up to BEHIND fail

void failing_memory_arm(long n, long many)
{
    atomic_store(&first, LONG_MAX);
    atomic_store(&count, 0);
    atomic_store(&behind, n + many);
    atomic_store(&first, n);
}

long failing_memory_count(void)
{
    return atomic_load(&count);
}

bool failing_memory_has_failed(void)
{
    return atomic_load(&count) >= atomic_load(&first);
}

bool failing_memory_disarm(void)
{
    bool failed = failing_memory_has_failed();
    atomic_store(&first, LONG_MAX);
    return failed;
}

static bool fails(void)
{
    long n = atomic_fetch_add(&count, 1) + 1;
    return n >= atomic_load(&first) && n < atomic_load(&behind);
}

void *__wrap_gs_alloc(size_t size)
{
    return fails() ? gs_memory_failed() : __real_gs_alloc(size);
}

void *__wrap_gs_realloc(void *ptr, size_t size)
{
    return fails() ? gs_memory_failed() : __real_gs_realloc(ptr, size);
}
