/* cli/collect.h - looking after directories of incidents from outside (collect_boxes.c): for `gumshoe collect` and
 * `gumshoe serve`. */
#pragma once
#include "base/attributes.h"
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct gs_store;
struct gs_collector {
    const char *dir;        // borrowed
    struct gs_store *store; // NULL: not opened yet
    uint64_t max_per_hour;  // incidents of dead processes; 0: no limit
    bool complained;        // the last failure was printed
    bool failed;            // some incident could not be made
};
/* How long a box must not have been written, for a process that runs beside others: who started the dead process, or starts it
 * again, may make its incident first. */
#define GS_COLLECT_QUIET_NS (3 * 1000000000LL)

/* Make the incidents of all processes that died in COLLECTOR->dir, and print their folders. PATH gets the last one's. WAIT: wait
 * for another process that makes incidents there. Returns how many were made. A failure is printed, once until it succeeds. A
 * directory that no agent has used yet is left alone. */
unsigned gs_cli_collect(struct gs_collector *collector, int64_t quiet_ns, bool wait, char path[PATH_MAX]);
/* Collect in STORE, which is of COLLECTOR->dir, from now on. gs_cli_collect opens a store of its own if there is none. */
void gs_cli_collect_in(struct gs_collector *collector, struct gs_store *store);
void gs_cli_collect_close(struct gs_collector *collector);
/* The same for the directories of users in DIR (collect_users.c): root alone can do it, others do nothing. Waits for
 * nobody. Not for processes with threads: it forks. False: it failed, which was printed. */
bool gs_cli_collect_users(const char *dir, int64_t quiet_ns);
