/* state.c - the one watcher of the process; inside.h describes the members. */
#include "base/clock.h"
#include "watch/inside.h"

struct gs_watcher gs_watcher = {.cpu_duration_ns = 10 * GS_NS_PER_S};

bool gs_watch_must_end(void)
{
    return atomic_load(&gs_watcher.stopping) || atomic_load(&gs_watcher.thread_stopped);
}
