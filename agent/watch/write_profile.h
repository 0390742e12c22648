/* write_profile.h - gumshoe_write_profile: one profile, now, for the thread that asks. */
#pragma once
#include "base/attributes.h"
#include "gumshoe/gumshoe.h"
#include <stdint.h>

struct gs_profile_request {
    enum gumshoe_kind kind;
    int64_t cpu_ns;   // how long CPU time is sampled
    int64_t start_ns; // CLOCK_MONOTONIC of the watch's start; 0: there is none
};
/* Into FD. 0 or -errno: -EINVAL for an unknown kind, -EBUSY where CPU time cannot be sampled.
 * Context: any thread but the host's in a hook; a watcher, if there is one, goes on. */
int gs_watch_gather_profile(const struct gs_profile_request *what, int fd) GS_CHECK_RESULT;
