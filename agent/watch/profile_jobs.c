/* profile_jobs.c - profiles that clients of the control socket ask for, in a few slots.
 *
 *   FREE ──begin──▶ thread: gs_watch_profile_make ──▶ done ──take──▶ FREE
 *                     └──cancel──▶ the thread stops sampling and ends ──the next begin──▶ FREE
 *
 * Who:    the control thread; the watcher, after that thread's end. A slot's thread writes only its job.
 * Bounds: SLOTS threads and profiles at a time, none larger than BYTES_MAX. */
#include "watch/profile_jobs.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/memory.h"
#include "host/own_thread.h"
#include "probe/probe.h"
#include <errno.h>

enum { SLOTS = GS_OWN_THREADS_SERVED };
#define BYTES_MAX (16 << 20)

struct gs_profile_slot {
    bool used;
    struct gs_own_thread thread;
    struct gs_profile_job job;
};
static struct gs_profile_slot slots[SLOTS];
static _Atomic uint64_t cpu_ns;

static void make(void *slot)
{
    gs_watch_profile_make(&((struct gs_profile_slot *)slot)->job);
    atomic_fetch_add(&cpu_ns, gs_clock_thread_cpu_ns());
}

static void release(struct gs_profile_slot *slot)
{
    gs_own_thread_fini(&slot->thread);
    gs_free(slot->job.bytes);
    *slot = (struct gs_profile_slot){0};
}

/* A free slot, or one whose cancelled thread has ended. */
static struct gs_profile_slot *find_slot(void)
{
    for (struct gs_profile_slot *slot = slots; slot < slots + SLOTS; slot++) {
        if (slot->used && atomic_load(&slot->job.cancelled) && gs_watch_profile_jobs_is_done(slot))
            release(slot);
        if (!slot->used)
            return slot;
    }
    return NULL;
}

struct gs_profile_slot *gs_watch_profile_jobs_begin(const struct gs_profile_request *request)
{
    struct gs_profile_slot *slot = find_slot();
    const struct gs_kind_entry *kind = gs_kinds;
    while (kind->name && (unsigned)kind->kind != (unsigned)request->kind)
        kind++;
    errno = kind->name ? EBUSY : EINVAL;
    if (!slot || !kind->name)
        return NULL;
    *slot = (struct gs_profile_slot){.used = true, .job = {.request = *request, .kind = kind}};
    const struct gs_own_thread_options start = {"gumshoe-profile", make, slot, GS_PROFILE_STACK_BYTES,
                                                GS_FDS_OWN_TEMPORARY};
    gs_json_use_our_memory();
    int error = gs_own_thread_start(&slot->thread, &start);
    if (!error)
        return slot;
    release(slot);
    errno = -error;
    return NULL;
}

bool gs_watch_profile_jobs_is_done(struct gs_profile_slot *slot)
{
    return gs_own_thread_join(&slot->thread, 0);
}

int gs_watch_profile_jobs_take(struct gs_profile_slot *slot, struct gs_text *out)
{
    int error = slot->job.error ? slot->job.error : slot->job.length > BYTES_MAX ? -EFBIG : 0;
    if (!error)
        gs_text_add_bytes(out, slot->job.bytes, slot->job.length);
    release(slot);
    return error ? error : out->failed ? -ENOMEM : 0;
}

void gs_watch_profile_jobs_cancel(struct gs_profile_slot *slot)
{
    atomic_store(&slot->job.cancelled, true);
}

void gs_watch_profile_jobs_stop(int64_t timeout_ns)
{
    int64_t until_ns = gs_clock_monotonic_ns() + timeout_ns;
    for (struct gs_profile_slot *slot = slots; slot < slots + SLOTS; slot++)
        if (slot->used)
            gs_watch_profile_jobs_cancel(slot);
    for (struct gs_profile_slot *slot = slots; slot < slots + SLOTS; slot++) {
        int64_t left_ns = until_ns - gs_clock_monotonic_ns();
        if (slot->used && gs_own_thread_join(&slot->thread, left_ns > 0 ? left_ns : 0))
            release(slot);
    }
}

uint64_t gs_watch_profile_jobs_cpu_ns(void)
{
    return atomic_load(&cpu_ns);
}

void gs_watch_profile_jobs_after_fork(void)
{
    for (struct gs_profile_slot *slot = slots; slot < slots + SLOTS; slot++)
        if (slot->used) // write only used slots: writing copies the page
            *slot = (struct gs_profile_slot){0};
}
