/* requests.h - requests of other threads to the watcher: capture an incident, or report the status.
 *
 *   gumshoe_capture, control.c: gs_watch_request_post ──▶ slot ──▶ the watcher: gs_watch_request_next … gs_watch_request_done
 *                               gs_watch_request_wait ◀─────────────────────────────────────────────────────────┘
 * Context: any thread, not in a hook. A slot belongs to the thread that posted it until gs_watch_request_forget. */
#pragma once
#include "base/attributes.h"
#include "base/text.h"
#include "rules/rules.h"
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct gs_request {
    enum gs_request_kind { GS_REQUEST_CAPTURE, GS_REQUEST_STATUS } kind;
    char reason[GS_RULE_NAME_MAX + 1]; // of a capture; stands where the rule's name does
    char asker[64];                    // "on demand, by the program (gumshoe_capture)"
    unsigned kinds;
    int64_t cpu_ns;                    // how long to sample; 0: as the rules say
    int result;                        // 0 or -errno, valid once done
    char path[PATH_MAX];               // the incident folder
    struct gs_text text;               // of a status: JSON; gs_watch_request_forget frees it
    enum { GS_REQUEST_FREE, GS_REQUEST_POSTED, GS_REQUEST_TAKEN, GS_REQUEST_DONE } state; // under the lock of requests.c
};

/* Post a copy of REQUEST and wake the watcher. Returns its slot; NULL: no slot is free. */
struct gs_request *gs_watch_request_post(const struct gs_request *request) GS_CHECK_RESULT;
/* Wait until REQUEST is done, at most TIMEOUT_NS. True: it is done. */
bool gs_watch_request_wait(struct gs_request *request, int64_t timeout_ns);
void gs_watch_request_forget(struct gs_request *request); // free the slot: once it is done, or the watcher has ended

/* Called by the watcher. */
struct gs_request *gs_watch_request_next(void); // the next posted request; NULL: none
void gs_watch_request_done(struct gs_request *request, int result);
void gs_watch_requests_refuse(int result);   // finish all open requests with RESULT: the watcher ends
void gs_watch_requests_after_fork(void);
