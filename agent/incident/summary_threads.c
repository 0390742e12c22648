/* summary_threads.c - the parts of summary.txt about threads: a deadlock, what the threads wait for, what they do, who
 * created them; and about descriptors, who opened them. Context: watcher. */
#include "gather/gather.h"
#include "incident/inside.h"
#include "profile/profile.h"

enum { STACKS = 3, WAITS = 3, OPENERS = 5 };

void gs_incident_add_deadlock(struct gs_text *out, const struct gs_deadlock *deadlock)
{
    gs_text_add(out, "\nDeadlock: %s\n",
                deadlock->count == 1 ? "a thread waits for itself" : "threads wait for each other");
    for (size_t i = 0; i < deadlock->count; i++) {
        const struct gs_deadlocked *thread = &deadlock->thread[i];
        gs_text_add(out, "  ");
        gs_text_add_printable(out, thread->name);
        gs_text_add(out, "/%d in ", thread->tid);
        gs_text_add_printable(out, thread->function);
        if (thread->lock)
            gs_text_add(out, " waits for %s %#llx, which thread %d holds\n", thread->what,
                        (unsigned long long)thread->lock, thread->holder);
        else
            gs_text_add(out, " waits for the end of thread %d\n", thread->holder);
    }
}

/* ---- waits ------------------------------------------------------------------------------------------------------------- */

/* Add what the holder of WAIT does: " in fsync ← flush_segment ← run"; ends the line. */
static void add_holder_stack(struct gs_text *out, const struct gs_profile *threads,
                             const struct gs_waited *wait)
{
    if (wait->held != GS_HOLDER_THREAD || wait->holder_sample == SIZE_MAX) {
        gs_text_add(out, "\n");
        return;
    }
    const struct gs_sample *sample = &threads->sample[wait->holder_sample];
    gs_text_add(out, " in ");
    gs_incident_add_stack_with_leaf(
        out, threads,
        &(struct gs_stack_row){.location = sample->location, .depth = sample->depth, .value = 1});
}

static void add_wait(struct gs_text *out, const struct gs_profile *threads, const struct gs_waited *wait)
{
    gs_text_add(out, "  %10zu", wait->threads);
    gs_incident_add_share(out, (int64_t)wait->threads, (int64_t)threads->sample_count);
    gs_text_add(out, wait->threads == 1 ? "  waits %s " : "  wait %s ",
                wait->kind == GS_WAIT_CALL ? "in" : "for");
    gs_gather_describe_wait(out, wait);
    add_holder_stack(out, threads, wait);
}

const struct gs_waited *gs_incident_largest_lock(const struct gs_waits *waits)
{
    for (size_t i = 0; i < waits->count; i++)
        if (waits->wait[i].held != GS_HOLDER_UNKNOWN && waits->wait[i].kind != GS_WAIT_JOIN)
            return &waits->wait[i];
    return NULL;
}

/* The largest waits of several threads each, and the largest lock. */
void gs_incident_add_waits(struct gs_text *out, const struct gs_profile *threads,
                           const struct gs_waits *waits)
{
    const struct gs_waited *lock = gs_incident_largest_lock(waits);
    bool heading = false;
    for (size_t i = 0; i < waits->count; i++) {
        const struct gs_waited *wait = &waits->wait[i];
        if (wait != lock && (i >= WAITS || wait->threads == 1))
            continue;
        gs_text_add(out, heading ? "" : "\nWhat threads wait for\n");
        heading = true;
        add_wait(out, threads, wait);
    }
    if (waits->nobody_runs)
        gs_text_add(
            out,
            "%s  No thread is left to wake them: every thread waits for another one, without a timeout\n",
            heading ? "" : "\nWhat threads wait for\n");
}

void gs_incident_add_held_lock(struct gs_text *out, const struct gs_profile *threads,
                               const struct gs_waited *lock)
{
    char share[GS_UNIT_TEXT];
    gs_units_print_percent(
        (double)(int64_t)((double)lock->threads / (double)threads->sample_count * 1000 + 0.5) / 1000, share);
    gs_text_add(out, ": %zu %s, %s of all, for ", lock->threads,
                lock->threads == 1 ? "thread waits" : "threads wait", share);
    gs_gather_describe_wait(out, lock);
    add_holder_stack(out, threads, lock);
}

/* ---- stacks ------------------------------------------------------------------------------------------------------------ */

void gs_incident_add_threads(struct gs_text *out, const struct gs_profile *profile)
{
    struct gs_stacks stacks;
    if (!gs_incident_stacks_of(profile, 0, &stacks, out))
        return;
    gs_text_add(out, "\nThreads: %lld; threads.txt has every stack\n", (long long)stacks.total);
    for (size_t i = 0; i < stacks.count && i < STACKS; i++) {
        gs_text_add(out, "  %10lld", (long long)stacks.row[i].value);
        gs_incident_add_share(out, stacks.row[i].value, stacks.total);
        gs_text_add(out, "  ");
        gs_incident_add_stack(out, profile, &stacks.row[i]);
    }
    gs_profile_stacks_fini(&stacks);
}

void gs_incident_add_creators(struct gs_text *out, const struct gs_profile *profile)
{
    struct gs_stacks created, live;
    if (!gs_incident_stacks_of(profile, gs_profile_sample_type(profile, "threadcreate"), &created, out))
        return;
    if (gs_incident_stacks_of(profile, gs_profile_sample_type(profile, "live_threads"), &live, out)) {
        gs_text_add(out, "\nThreads created: %lld, of which %lld live; the living by who created them\n",
                    (long long)created.total, (long long)live.total);
        for (size_t i = 0; i < live.count && i < STACKS && live.row[i].value > 0; i++) {
            gs_text_add(out, "  %10lld         ", (long long)live.row[i].value);
            gs_incident_add_stack(out, profile, &live.row[i]);
        }
        gs_profile_stacks_fini(&live);
    }
    gs_profile_stacks_fini(&created);
}

void gs_incident_add_openers(struct gs_text *out, const struct gs_profile *profile)
{
    struct gs_stacks stacks;
    if (!gs_incident_stacks_of(profile, gs_profile_sample_type(profile, "descriptors"), &stacks, out))
        return;
    gs_text_add(out, "\nOpen descriptors by who opened them, by whole stacks\n");
    for (size_t i = 0; i < stacks.count && i < OPENERS && stacks.row[i].value > 0; i++) {
        gs_text_add(out, "  %10lld", (long long)stacks.row[i].value);
        gs_incident_add_share(out, stacks.row[i].value, stacks.total);
        gs_text_add(out, "  ");
        gs_incident_add_stack(out, profile, &stacks.row[i]);
    }
    gs_profile_stacks_fini(&stacks);
}
