/* calls.c - slots between those who ask and the watcher. Who: any thread of the program's but in a hook; the watcher. */
#include "calls.h"
#include "base/clock.h"
#include "probe/probe.h"
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

enum { CALLS_MAX = 8 };

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t done;
    struct gs_call call[CALLS_MAX];
} c = {.mutex = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};

struct gs_call *gs_call_post(const struct gs_call *call)
{
    struct gs_call *slot = NULL;
    pthread_mutex_lock(&c.mutex);
    for (int i = 0; i < CALLS_MAX && !slot; i++)
        if (c.call[i].state == GS_CALL_FREE)
            slot = &c.call[i];
    if (slot) {
        *slot = *call;
        slot->state = GS_CALL_POSTED;
    }
    pthread_mutex_unlock(&c.mutex);
    if (slot)
        gs_probe_wake();
    return slot;
}

bool gs_call_wait(struct gs_call *call, int64_t timeout_ns)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    timeout_ns += until.tv_nsec;
    until.tv_sec += timeout_ns / GS_NS_PER_S;
    until.tv_nsec = timeout_ns % GS_NS_PER_S;
    pthread_mutex_lock(&c.mutex);
    while (call->state != GS_CALL_DONE && pthread_cond_timedwait(&c.done, &c.mutex, &until) == 0)
        ;
    bool done = call->state == GS_CALL_DONE;
    pthread_mutex_unlock(&c.mutex);
    return done;
}

void gs_call_forget(struct gs_call *call)
{
    pthread_mutex_lock(&c.mutex);
    gs_text_fini(&call->text);
    *call = (struct gs_call){0};
    pthread_cond_broadcast(&c.done); // a slot is free
    pthread_mutex_unlock(&c.mutex);
}

struct gs_call *gs_call_next(void)
{
    struct gs_call *next = NULL;
    pthread_mutex_lock(&c.mutex);
    for (int i = 0; i < CALLS_MAX && !next; i++)
        if (c.call[i].state == GS_CALL_POSTED) {
            next = &c.call[i];
            next->state = GS_CALL_TAKEN;
        }
    pthread_mutex_unlock(&c.mutex);
    return next;
}

void gs_call_done(struct gs_call *call, int result)
{
    pthread_mutex_lock(&c.mutex);
    call->result = result;
    call->state = GS_CALL_DONE;
    pthread_cond_broadcast(&c.done);
    pthread_mutex_unlock(&c.mutex);
}

void gs_calls_refuse(int result)
{
    pthread_mutex_lock(&c.mutex);
    for (int i = 0; i < CALLS_MAX; i++)
        if (c.call[i].state == GS_CALL_POSTED || c.call[i].state == GS_CALL_TAKEN) {
            c.call[i].result = result;
            c.call[i].state = GS_CALL_DONE;
        }
    pthread_cond_broadcast(&c.done);
    pthread_mutex_unlock(&c.mutex);
}

void gs_calls_after_fork(void)
{
    pthread_mutex_init(&c.mutex, NULL);
    pthread_cond_init(&c.done, NULL);
    for (int i = 0; i < CALLS_MAX; i++) // a fork copies no page that is not written
        if (c.call[i].state != GS_CALL_FREE)
            c.call[i] = (struct gs_call){0};
}
