/* event.h - lets threads wait for something that happens repeatedly: agent threads, and host threads in public calls. Waits
 * in futex(2), with time on CLOCK_MONOTONIC. All zero is a valid event.
 * Context: as sys/lock.h; gs_event_signal: any. */
#pragma once
#include "base/attributes.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* A waiter reads the count first and passes it to gs_event_wait, so that it misses no signal in between. */
struct gs_event {
    _Atomic uint32_t count;
};
static inline uint32_t gs_event_seen(const struct gs_event *event)
{
    return atomic_load(&event->count);
}
void gs_event_signal(struct gs_event *event);
/* Sleep until EVENT is signalled after the gs_event_seen that returned SEEN, or for TIMEOUT_NS. True: it was signalled. */
bool gs_event_wait(struct gs_event *event, uint32_t seen, int64_t timeout_ns);
/* Sleep until IS_TRUE(ARGUMENT), which is called again after each signal of EVENT, or for TIMEOUT_NS. Returns its last
 * result. */
bool gs_event_wait_until(struct gs_event *event, bool (*is_true)(const void *argument), const void *argument, int64_t timeout_ns);
