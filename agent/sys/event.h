/* event.h - something that happens again and again, and a thread that waits for it: the agent's own threads and host threads that
 * call us. It sleeps in futex(2), counts time on CLOCK_MONOTONIC, and is whole when it is zero.
 * Context: as sys/lock.h; gs_event_signal anywhere. */
#pragma once
#include "base/attributes.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Who waits names what it has seen, so that nothing is missed in between. */
struct gs_event {
    _Atomic uint32_t count;
};
static inline uint32_t gs_event_seen(const struct gs_event *event)
{
    return atomic_load(&event->count);
}
void gs_event_signal(struct gs_event *event);
/* Sleep until EVENT has been signalled since it was SEEN, or for TIMEOUT_NS; true: it has. */
bool gs_event_wait(struct gs_event *event, uint32_t seen, int64_t timeout_ns);
/* Sleep until IS_SO(OF), which is asked anew each time that EVENT has been signalled, or for TIMEOUT_NS; true: it is so. */
bool gs_event_wait_until(struct gs_event *event, bool (*is_so)(const void *of), const void *of, int64_t timeout_ns);
