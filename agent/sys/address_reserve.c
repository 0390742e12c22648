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

/* The units that a process with LIMIT bytes of addresses has to spare. */
static size_t units_within(uint64_t limit)
{
    return limit / 16 / UNIT < UNITS_MAX ? (size_t)(limit / 16 / UNIT) : UNITS_MAX;
}

void gs_address_reserve_open(void)
{
    struct rlimit limit;
    size_t units = getrlimit(RLIMIT_AS, &limit) == 0 ? units_within(limit.rlim_cur) : UNITS_MAX;
    if (reserve_start || units == 0)
        return;
    void *at = gs_mapping_new_reserved(units * UNIT);
    if (at == MAP_FAILED)
        return;
    gs_mapping_decline_huge_pages(at, units * UNIT);
    reserve_start = at;
    unit_count = units;
}

void gs_address_reserve_limit(uint64_t limit)
{
    size_t keep = unit_count, most = units_within(limit);
    while (keep > most && !taken[keep - 1])
        keep--;
    if (keep < unit_count)
        gs_mapping_free(reserve_start + keep * UNIT, (unit_count - keep) * UNIT);
    unit_count = keep;
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
            char *at = reserve_start + first * UNIT;
            if (!gs_mapping_permit(at, wanted * UNIT, true))
                return NULL;
            mark(first, wanted, true);
            return at;
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
    (void)gs_mapping_permit(at, count * UNIT, false);
    mark((size_t)((char *)at - reserve_start) / UNIT, count, false);
}
