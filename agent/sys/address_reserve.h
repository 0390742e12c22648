/* address_reserve.h - address space put by for bad times: when the host has eaten what there was, mmap fails for us as malloc
 * does for it, and the capture that would say so must still be made. Opened by: memory_mapped.c. Callers hold a lock. */
#pragma once
#include "base/attributes.h"
#include "base/memory.h"
#include <stdbool.h>
#include <stddef.h>

/* Put it by, once: 64 MiB, or a sixteenth of RLIMIT_AS where that is less. Not resident before it is used. */
void gs_address_reserve_open(void);
/* SIZE zeroed bytes out of it; NULL when there are none. */
void *gs_address_reserve_take(size_t size) GS_CHECK_RESULT;
bool gs_address_reserve_holds(const void *at);
struct gs_memory_range gs_address_reserve_range(void); // empty before it is put by
void gs_address_reserve_give(void *at, size_t size);
