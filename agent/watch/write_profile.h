/* write_profile.h - gumshoe_write_profile: make one profile now, for the calling thread. */
#pragma once
#include "base/attributes.h"
#include "gumshoe/gumshoe.h"
#include <stdint.h>

struct gs_profile_request {
    enum gumshoe_kind kind;
    int64_t cpu_ns;   // how long CPU time is sampled
    int64_t start_ns; // CLOCK_MONOTONIC: start of the watcher; 0: none runs
};
/* Write the profile to FD. 0 or -errno: -EINVAL: unknown kind; -EBUSY: CPU time cannot be sampled now.
 * Context: host thread, not in a hook; a watcher, if there is one, runs on. */
int gs_watch_gather_profile(const struct gs_profile_request *request, int fd) GS_CHECK_RESULT;
