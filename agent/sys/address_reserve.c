/* address_reserve.c - a bitmap over one mapping: first fit, in units of 64 KiB; what is given back is dropped from memory. */
#include "sys/address_reserve.h"
#include "sys/mapping.h"
#include <stdint.h>
#include <sys/resource.h>

enum { UNIT = 64 << 10, UNITS_MAX = 1024 };

static char *start;
static size_t units;
static bool taken[UNITS_MAX];

static size_t size_to_put_by(void)
{
    struct rlimit limit;
    size_t most = (size_t)UNIT * UNITS_MAX;
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur / 16 > most)
        return most;
    return (size_t)limit.rlim_cur / 16 / UNIT * UNIT;
}

void gs_address_reserve_open(void)
{
    size_t size = size_to_put_by();
    if (start || size == 0)
        return;
    void *at = gs_mapping_new(size, MAP_NORESERVE);
    if (at == MAP_FAILED)
        return;
    start = at;
    units = size / UNIT;
}

static size_t units_of(size_t size)
{
    return (size + UNIT - 1) / UNIT;
}

static void mark(size_t first, size_t count, bool as)
{
    for (size_t i = first; i < first + count; i++)
        taken[i] = as;
}

void *gs_address_reserve_take(size_t size)
{
    size_t wanted = units_of(size);
    for (size_t i = 0, run = 0; i < units; i++) {
        run = taken[i] ? 0 : run + 1;
        if (run == wanted) {
            size_t first = i + 1 - wanted;
            mark(first, wanted, true);
            return start + first * UNIT;
        }
    }
    return NULL;
}

bool gs_address_reserve_holds(const void *at)
{
    return start && (uintptr_t)at - (uintptr_t)start < units * UNIT;
}

struct gs_memory_range gs_address_reserve_range(void)
{
    return (struct gs_memory_range){(uintptr_t)start, (uintptr_t)start + units * UNIT};
}

void gs_address_reserve_give(void *at, size_t size)
{
    size_t count = units_of(size);
    madvise(at, count * UNIT, MADV_DONTNEED); // zero when it is taken again
    mark((size_t)((char *)at - start) / UNIT, count, false);
}
