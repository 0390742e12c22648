/* requests.h - what other threads ask of the watcher: an incident now, or what it sees.
 *
 *   gumshoe_capture, control.c: gs_watch_request_post ──▶ slot ──▶ the watcher: gs_watch_request_next … gs_watch_request_done ──▶ gs_watch_request_wait
 *
 * Any thread. A slot is its asker's until gs_watch_request_forget. */
#pragma once
#include "base/attributes.h"
#include "base/text.h"
#include "rules/rules.h"
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct gs_request {
    enum gs_request_kind { GS_REQUEST_CAPTURE, GS_REQUEST_STATUS } kind;
    char reason[GS_RULE_NAME_MAX + 1]; // of a capture: takes a rule's name's place
    char asker[64];                    // "asked for by the program (gumshoe_capture)"
    unsigned kinds;
    int64_t cpu_ns;                    // 0: as the rules say
    int result;                        // 0 or -errno, once it is done
    char path[PATH_MAX];               // of the incident
    struct gs_text text;               // of a status: JSON; the asker's to free (gs_watch_request_forget does)
    enum { GS_REQUEST_FREE, GS_REQUEST_POSTED, GS_REQUEST_TAKEN, GS_REQUEST_DONE } state; // internal
};

/* Post a copy of CALL and wake the watcher. NULL: too many are waiting. */
struct gs_request *gs_watch_request_post(const struct gs_request *call) GS_CHECK_RESULT;
/* Wait until it is done, or for TIMEOUT_NS. */
bool gs_watch_request_wait(struct gs_request *call, int64_t timeout_ns);
void gs_watch_request_forget(struct gs_request *call); // not before it is done, or the watcher has ended

/* The watcher's side. */
struct gs_request *gs_watch_request_next(void); // the next that was posted; NULL: none
void gs_watch_request_done(struct gs_request *call, int result);
void gs_watch_requests_refuse(int result);   // all that are posted or taken: the watcher ends
void gs_watch_requests_after_fork(void);
