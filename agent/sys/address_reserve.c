/* address_reserve.c - a table of used units over one mapping: first fit, units of 64 KiB. Returned units leave physical
 * memory. */
#include "sys/address_reserve.h"
#include "sys/mapping.h"
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>

enum { UNIT = 64 << 10, UNITS_MAX = 1024 };

static char *reserve_start;
static size_t unit_count;
static bool taken[UNITS_MAX];

static size_t reserve_size(void)
{
    struct rlimit limit;
    size_t most = (size_t)UNIT * UNITS_MAX;
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur / 16 > most)
        return most;
    return (size_t)limit.rlim_cur / 16 / UNIT * UNIT;
}

void gs_address_reserve_open(void)
{
    size_t size = reserve_size();
    if (reserve_start || size == 0)
        return;
    void *at = gs_mapping_new(size, MAP_NORESERVE);
    if (at == MAP_FAILED)
        return;
    reserve_start = at;
    unit_count = size / UNIT;
}

static size_t units_of(size_t size)
{
    return (size + UNIT - 1) / UNIT;
}

static void mark(size_t first, size_t count, bool is_taken)
{
    for (size_t i = first; i < first + count; i++)
        taken[i] = is_taken;
}

void *gs_address_reserve_take(size_t size)
{
    size_t wanted = units_of(size);
    for (size_t i = 0, run = 0; i < unit_count; i++) {
        run = taken[i] ? 0 : run + 1;
        if (run == wanted) {
            size_t first = i + 1 - wanted;
            mark(first, wanted, true);
            return reserve_start + first * UNIT;
        }
    }
    return NULL;
}

bool gs_address_reserve_holds(const void *at)
{
    return reserve_start && (uintptr_t)at - (uintptr_t)reserve_start < unit_count * UNIT;
}

struct gs_memory_range gs_address_reserve_range(void)
{
    return (struct gs_memory_range){(uintptr_t)reserve_start, (uintptr_t)reserve_start + unit_count * UNIT};
}

void gs_address_reserve_give(void *at, size_t size)
{
    size_t count = units_of(size);
    if (madvise(at, count * UNIT, MADV_DONTNEED) != 0) // it is locked (mlockall)
        memset(at, 0, count * UNIT);                   // reads as zero when it is taken again
    mark((size_t)((char *)at - reserve_start) / UNIT, count, false);
}
