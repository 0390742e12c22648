/* requests.c - slots for requests from other threads to the watcher. Who: host threads, except in hooks; the watcher. */
#include "watch/requests.h"
#include "probe/probe.h"
#include "sys/event.h"
#include "sys/lock.h"
#include <errno.h>
#include <string.h>

enum { REQUESTS_MAX = 8 };

static struct {
    struct gs_lock lock;
    struct gs_event done; // a request is done, or a slot was freed
} requests = {.lock.rank = GS_RANK_REQUESTS};
static struct gs_request request_slot[REQUESTS_MAX]; // under that lock; apart, so that it is in .bss

struct gs_request *gs_watch_request_post(const struct gs_request *request)
{
    struct gs_request *slot = NULL;
    gs_lock_take(&requests.lock);
    for (int i = 0; i < REQUESTS_MAX && !slot; i++)
        if (request_slot[i].state == GS_REQUEST_FREE)
            slot = &request_slot[i];
    if (slot) {
        *slot = *request;
        slot->state = GS_REQUEST_POSTED;
    }
    gs_lock_give(&requests.lock);
    if (slot)
        gs_probe_wake();
    return slot;
}

static bool is_done(const void *pointer)
{
    const struct gs_request *request = pointer;
    gs_lock_take(&requests.lock);
    bool done = request->state == GS_REQUEST_DONE;
    gs_lock_give(&requests.lock);
    return done;
}

bool gs_watch_request_wait(struct gs_request *request, int64_t timeout_ns)
{
    return gs_event_wait_until(&requests.done, is_done, request, timeout_ns);
}

void gs_watch_request_forget(struct gs_request *request)
{
    gs_lock_take(&requests.lock);
    gs_text_fini(&request->text);
    *request = (struct gs_request){0};
    gs_lock_give(&requests.lock);
    gs_event_signal(&requests.done);
}

struct gs_request *gs_watch_request_next(void)
{
    struct gs_request *next = NULL;
    gs_lock_take(&requests.lock);
    for (int i = 0; i < REQUESTS_MAX && !next; i++)
        if (request_slot[i].state == GS_REQUEST_POSTED) {
            next = &request_slot[i];
            next->state = GS_REQUEST_TAKEN;
        }
    gs_lock_give(&requests.lock);
    return next;
}

void gs_watch_request_done(struct gs_request *request, int result)
{
    gs_lock_take(&requests.lock);
    request->result = result;
    request->state = GS_REQUEST_DONE;
    gs_lock_give(&requests.lock);
    gs_event_signal(&requests.done);
}

void gs_watch_requests_refuse(int result)
{
    gs_lock_take(&requests.lock);
    for (int i = 0; i < REQUESTS_MAX; i++)
        if (request_slot[i].state == GS_REQUEST_POSTED || request_slot[i].state == GS_REQUEST_TAKEN) {
            request_slot[i].result = result;
            request_slot[i].state = GS_REQUEST_DONE;
        }
    gs_lock_give(&requests.lock);
    gs_event_signal(&requests.done);
}

void gs_watch_requests_after_fork(void)
{
    gs_lock_after_fork(&requests.lock);
    for (int i = 0; i < REQUESTS_MAX; i++) // write only used slots: writing copies the page
        if (request_slot[i].state != GS_REQUEST_FREE)
            request_slot[i] = (struct gs_request){0};
}
