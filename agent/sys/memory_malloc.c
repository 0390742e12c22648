/* memory_malloc.c - memory of the command and the unit tests, from malloc, so that sanitizers and valgrind see every
 * block. The library links memory_mapped.c instead. */
#include "base/memory.h"
#include <stdlib.h>

void *gs_alloc(size_t size)
{
    void *ptr = calloc(1, size ? size : 1);
    return ptr ? ptr : gs_memory_failed();
}

void *gs_realloc(void *ptr, size_t size)
{
    void *moved = realloc(ptr, size ? size : 1);
    return moved ? moved : gs_memory_failed();
}

void gs_free(void *ptr)
{
    free(ptr);
}

size_t gs_memory_ranges(struct gs_memory_range *out, size_t max)
{
    (void)out;
    (void)max;
    return 0;
}

void gs_memory_after_fork(void)
{
}
