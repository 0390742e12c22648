/* failing_memory.h - have allocations of the agent's own fail, in a host that is linked with failing_memory.c. */
#pragma once
#include <stdbool.h>

/* From now on count the agent's allocations, and let the Nth (1: the next) and those behind it fail, MANY in all. */
void failing_memory_arm(long n, long many);
/* How many there were since. */
long failing_memory_count(void);
/* Has one failed since? */
bool failing_memory_has_failed(void);
/* No more of them fail. Returns whether one has. */
bool failing_memory_disarm(void);
