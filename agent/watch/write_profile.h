/* write_profile.h - gumshoe_write_profile, gumshoe_write_profile_for: make one profile, for the calling thread; and their middle
 * part, a job for a thread of the agent. */
#pragma once
#include "base/attributes.h"
#include "base/kinds.h"
#include "gumshoe/gumshoe.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gs_profile_request {
    enum gumshoe_kind kind;
    int64_t cpu_ns;     // how long CPU time is sampled
    int64_t growth_ns;  // kinds that count since the start (heap, threadcreate): what is added within this time; 0: all
    int64_t start_ns;   // CLOCK_MONOTONIC: start of the watcher; 0: none runs
    const char *reason; // for the profile's comments
    bool text;          // the text of the kind (threads.txt), not the profile
};
/* Write the profile to FD. 0 or -errno: -EINVAL: unknown kind; -EBUSY: CPU time cannot be sampled now.
 * Context: host thread, not in a hook; a watcher, if there is one, runs on. */
int gs_watch_gather_profile(const struct gs_profile_request *request, int fd) GS_CHECK_RESULT;

void gs_watch_write_profile_after_fork(void);

/* One profile, made on a thread of the agent with a table of descriptors of its own (GS_FDS_OWN_TEMPORARY). */
struct gs_profile_job {
    struct gs_profile_request request;
    const struct gs_kind_entry *kind;
    _Atomic bool cancelled; // set by others: stop sampling, nobody waits any more
    char *bytes;            // the pprof file or the text, once made; freed with gs_free
    size_t length;
    int error;              // 0 or -errno, once the thread has ended
};
enum { GS_PROFILE_STACK_BYTES = 1 << 20 };
/* The thread's routine. Before the first one: gs_json_use_our_memory. */
void gs_watch_profile_make(void *job);
