/* address_reserve.h - address space reserved at the start. When the host has used up its address space, mmap fails for us,
 * too, and the capture of that failure still needs memory. Opened by: memory_mapped.c. The caller holds a lock. */
#pragma once
#include "base/attributes.h"
#include "base/memory.h"
#include <stdbool.h>
#include <stddef.h>

/* Map the reserve, once: 64 MiB, or 1/16 of RLIMIT_AS if that is less. Until it is taken it is addresses only: not resident, not
 * charged as data (RLIMIT_DATA) or committed memory. Failure: no reserve. */
void gs_address_reserve_open(void);
/* RLIMIT_AS is LIMIT bytes now: keep 1/16 of it, or what is taken, if that is more. */
void gs_address_reserve_limit(uint64_t limit);
/* Take SIZE zeroed bytes; NULL: not enough left. */
void *gs_address_reserve_take(size_t size) GS_CHECK_RESULT;
bool gs_address_reserve_holds(const void *at); // true: AT lies in the reserve
struct gs_memory_range gs_address_reserve_range(void); // empty before gs_address_reserve_open
/* Return the SIZE bytes at AT. */
void gs_address_reserve_give(void *at, size_t size);
