/* event.c - events on futex(2). */
#include "sys/event.h"
#include "base/clock.h"
#include "sys/futex.h"

void gs_event_signal(struct gs_event *event)
{
    atomic_fetch_add(&event->count, 1);
    gs_futex_wake(&event->count, INT32_MAX);
}

bool gs_event_wait(struct gs_event *event, uint32_t seen, int64_t timeout_ns)
{
    int64_t until_ns = gs_clock_monotonic_ns() + timeout_ns;
    for (int64_t left_ns = timeout_ns; atomic_load(&event->count) == seen && left_ns > 0;
         left_ns = until_ns - gs_clock_monotonic_ns())
        gs_futex_sleep(&event->count, seen, left_ns);
    return atomic_load(&event->count) != seen;
}

bool gs_event_wait_until(struct gs_event *event, bool (*is_true)(const void *argument), const void *argument,
                         int64_t timeout_ns)
{
    int64_t until_ns = gs_clock_monotonic_ns() + timeout_ns;
    for (;;) {
        uint32_t seen = gs_event_seen(event);
        bool result = is_true(argument);
        int64_t left_ns = until_ns - gs_clock_monotonic_ns();
        if (result || left_ns <= 0)
            return result;
        gs_event_wait(event, seen, left_ns);
    }
}
