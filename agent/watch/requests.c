/* requests.c - slots between those who ask and the watcher. Who: any thread of the program's but in a hook; the watcher. */
#include "watch/requests.h"
#include "probe/probe.h"
#include "sys/event.h"
#include "sys/lock.h"
#include <errno.h>
#include <string.h>

enum { CALLS_MAX = 8 };

static struct {
    struct gs_lock lock;
    struct gs_event done; // one is, or its slot is free
    struct gs_request call[CALLS_MAX];
} c = {.lock.rank = GS_RANK_REQUESTS};

struct gs_request *gs_watch_request_post(const struct gs_request *call)
{
    struct gs_request *slot = NULL;
    gs_lock_take(&c.lock);
    for (int i = 0; i < CALLS_MAX && !slot; i++)
        if (c.call[i].state == GS_REQUEST_FREE)
            slot = &c.call[i];
    if (slot) {
        *slot = *call;
        slot->state = GS_REQUEST_POSTED;
    }
    gs_lock_give(&c.lock);
    if (slot)
        gs_probe_wake();
    return slot;
}

static bool is_done(const void *of)
{
    const struct gs_request *call = of;
    gs_lock_take(&c.lock);
    bool done = call->state == GS_REQUEST_DONE;
    gs_lock_give(&c.lock);
    return done;
}

bool gs_watch_request_wait(struct gs_request *call, int64_t timeout_ns)
{
    return gs_event_wait_until(&c.done, is_done, call, timeout_ns);
}

void gs_watch_request_forget(struct gs_request *call)
{
    gs_lock_take(&c.lock);
    gs_text_fini(&call->text);
    *call = (struct gs_request){0};
    gs_lock_give(&c.lock);
    gs_event_signal(&c.done);
}

struct gs_request *gs_watch_request_next(void)
{
    struct gs_request *next = NULL;
    gs_lock_take(&c.lock);
    for (int i = 0; i < CALLS_MAX && !next; i++)
        if (c.call[i].state == GS_REQUEST_POSTED) {
            next = &c.call[i];
            next->state = GS_REQUEST_TAKEN;
        }
    gs_lock_give(&c.lock);
    return next;
}

void gs_watch_request_done(struct gs_request *call, int result)
{
    gs_lock_take(&c.lock);
    call->result = result;
    call->state = GS_REQUEST_DONE;
    gs_lock_give(&c.lock);
    gs_event_signal(&c.done);
}

void gs_watch_requests_refuse(int result)
{
    gs_lock_take(&c.lock);
    for (int i = 0; i < CALLS_MAX; i++)
        if (c.call[i].state == GS_REQUEST_POSTED || c.call[i].state == GS_REQUEST_TAKEN) {
            c.call[i].result = result;
            c.call[i].state = GS_REQUEST_DONE;
        }
    gs_lock_give(&c.lock);
    gs_event_signal(&c.done);
}

void gs_watch_requests_after_fork(void)
{
    gs_lock_after_fork(&c.lock);
    for (int i = 0; i < CALLS_MAX; i++) // a fork copies no page that is not written
        if (c.call[i].state != GS_REQUEST_FREE)
            c.call[i] = (struct gs_request){0};
}
