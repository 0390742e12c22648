/* summary_threads.c - the parts of summary.txt about threads: a deadlock, what the threads do, who created them.
 * Context: watcher. */
#include "gather/gather.h"
#include "incident/inside.h"
#include "profile/profile.h"

enum { STACKS = 3 };

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
        gs_text_add(out,
                    thread->lock ? " waits for mutex %#llx, which thread %d holds\n"
                                 : " waits for the end of thread%.0llu %d\n",
                    (unsigned long long)thread->lock, thread->holder);
    }
}

void gs_incident_add_threads(struct gs_text *out, const struct gs_profile *profile)
{
    struct gs_stacks stacks;
    if (!gs_incident_stacks_of(profile, 0, &stacks, out))
        return;
    gs_text_add(out, "\nThreads: %lld; threads.txt has every stack\n", (long long)stacks.total);
    for (size_t i = 0; i < stacks.count && i < STACKS; i++) {
        gs_text_add(out, "  %10lld         ", (long long)stacks.row[i].value);
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
