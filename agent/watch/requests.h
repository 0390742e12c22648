/* requests.h - what other threads ask of the watcher: an incident now, or what it sees.
 *
 *   gumshoe_capture, control.c: gs_call_post ──▶ slot ──▶ the watcher: gs_call_next … gs_call_done ──▶ gs_call_wait
 *
 * Any thread. A slot is its asker's until gs_call_forget. */
#pragma once
#include "base/attributes.h"
#include "base/text.h"
#include "rules/rules.h"
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct gs_call {
    enum gs_call_kind { GS_CALL_CAPTURE, GS_CALL_STATUS } kind;
    char reason[GS_RULE_NAME_MAX + 1]; // of a capture: takes a rule's name's place
    char asker[64];                    // "asked for by the program (gumshoe_capture)"
    unsigned kinds;
    int64_t cpu_ns;                    // 0: as the rules say
    int result;                        // 0 or -errno, once it is done
    char path[PATH_MAX];               // of the incident
    struct gs_text text;               // of a status: JSON; the asker's to free (gs_call_forget does)
    enum { GS_CALL_FREE, GS_CALL_POSTED, GS_CALL_TAKEN, GS_CALL_DONE } state; // internal
};

/* Post a copy of CALL and wake the watcher. NULL: too many are waiting. */
struct gs_call *gs_call_post(const struct gs_call *call) GS_CHECK_RESULT;
/* Wait until it is done, or for TIMEOUT_NS. */
bool gs_call_wait(struct gs_call *call, int64_t timeout_ns);
void gs_call_forget(struct gs_call *call); // not before it is done, or the watcher has ended

/* The watcher's side. */
struct gs_call *gs_call_next(void); // the next that was posted; NULL: none
void gs_call_done(struct gs_call *call, int result);
void gs_calls_refuse(int result);   // all that are posted or taken: the watcher ends
void gs_calls_after_fork(void);
