/* profile_jobs.h - profiles that clients of the control socket ask for. Each is made on a thread of its own, so that the
 * control thread can answer others meanwhile. Context of all: the control thread, or the watcher once that has ended. */
#pragma once
#include "base/attributes.h"
#include "base/text.h"
#include "watch/write_profile.h"

struct gs_profile_slot;
/* Begin to make the profile that REQUEST describes. NULL with errno: EBUSY: as many are being made as may be; EINVAL: no such
 * kind; or no thread. */
struct gs_profile_slot *gs_watch_profile_jobs_begin(const struct gs_profile_request *request) GS_CHECK_RESULT;
bool gs_watch_profile_jobs_is_done(struct gs_profile_slot *slot);
/* Take the bytes of a profile that is done into OUT, and free the slot. 0 or -errno. */
int gs_watch_profile_jobs_take(struct gs_profile_slot *slot, struct gs_text *out) GS_CHECK_RESULT;
/* Nobody waits for this profile any more. Does not wait; the slot is free once its thread has ended. */
void gs_watch_profile_jobs_cancel(struct gs_profile_slot *slot);
/* Cancel all, and wait for their threads, at most TIMEOUT_NS. */
void gs_watch_profile_jobs_stop(int64_t timeout_ns);
uint64_t gs_watch_profile_jobs_cpu_ns(void); // CPU time that they have taken so far. Context: any
void gs_watch_profile_jobs_after_fork(void);
