/* incident/incident.h - the door of incident/: one incident, from this process, another one, a box or a core file.
 *
 *   gs_incident_begin, _end: a folder of store/ ▶ gather, account ▶ culprit ▶ summary.txt, incident.json
 *
 * Opened by: watch, cli, tests.  Opens: base, sys, metrics, history, rules, symbol, profile, gather, account, store, box. */
#pragma once
#include "base/attributes.h"
#include "box/box.h"
#include "gather/gather.h"
#include "rules/rules.h"
#include "store/store.h"
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- capturing ----------------------------------------------------------------------------------------------- */

struct gs_incident_trigger {     // what is known when it fires; borrowed
    const char *rule;          // its name, or the reason of a call
    const char *why;           // the rule owner's words; NULL: none
    const char *metric;        // NULL: none
    const char *condition;     // "above", …, "call"
    const char *reason;        // one sentence with the numbers
    double value, line;        // NAN: none
    enum gs_unit unit;
    int64_t window_ns;         // of the condition
    unsigned capture;          // an or of enum gs_kind
    int64_t cpu_ns;            // how long CPU time is sampled; 0: as the rules say
    int64_t triggered_ns;      // CLOCK_REALTIME
    /* Whose incident it is: at most one is not NULL; both NULL: of this process. */
    const struct gs_given_threads *given; // of another process that lives: its threads, which the caller has read
    const struct gs_post_mortem *post_mortem;     // of a process that died: what is left of it
};
/* One incident, in two halves, because CPU time takes its time: begin captures all that is to be had at once; then
 * gs_gather_cpu_poll is to be called until the incident is ready; end captures the rest and gives the folder its name. Ended
 * before it is ready, it holds what there is by then. Several may be under way at once. TRIGGER are copied, CONTEXT is not. begin
 * gives NULL in *OUT and -errno when there is no folder; end 0, with the folder in PATH (PATH_MAX), or -errno: then what could
 * be saved is in a dot-folder, and the log says why. A part that fails (one profile, say) does not fail the incident: it is not
 * complete, and its "errors" say what it lacks. Context: watcher. */
struct gs_incident;
int gs_incident_begin(struct gs_store *store, const struct gs_incident_trigger *trigger,
                      const struct gs_incident_context *context, struct gs_incident **out) GS_CHECK_RESULT;
bool gs_incident_is_ready(const struct gs_incident *incident, int64_t now_ns);
int gs_incident_end(struct gs_incident *incident, char path[PATH_MAX]) GS_CHECK_RESULT; // frees it

/* ---- the incident of a process that died (recover.c, post_mortem.c) ------------------------------------------------ */

/* Incidents of those who died in STORE and have left a box there: one at each call, its folder in PATH. 1: it was made, there
 * may be more; 0: there are none left; -EWOULDBLOCK: another process is at it, ask again later; another -errno: it could
 * not be written, the box stays for another start. At most MAX_PER_HOUR (0: no limit) within one hour of deaths: the
 * boxes of more are removed, with a line in the log. */
int gs_incident_recover_next(struct gs_store *store, uint64_t max_per_hour, char path[PATH_MAX]) GS_CHECK_RESULT;
/* How a child of ours ended that may have left a box in STORE: STATUS as waitpid gave it, NAME as gs_store_live_name did while
 * it lived. A signal makes an incident at once: 1, and its folder in PATH. An exit removes the box: 0. -EWOULDBLOCK: another
 * process is at it, ask again later; or another -errno: the box stays. Context: CLI. */
int gs_incident_recover_child(struct gs_store *store, const char *name, int status, char path[PATH_MAX]) GS_CHECK_RESULT;
/* The process that makes incidents of the dead in STORE just now; 0: none, or its number cannot be seen from here. Not by a
 * process that may be at it itself: closing the lock's file would unlock it. Context: CLI. */
int gs_incident_recovering_pid(struct gs_store *store);
/* A complete incident out of POST_MORTEM; its folder into PATH. 0 or -errno. Symbols come from the files that its maps name, where
 * they are still what was mapped. -EWOULDBLOCK: another process does the same in STORE, ask again later. Context: CLI. */
int gs_incident_of_remains(struct gs_store *store, const struct gs_post_mortem *post_mortem, char path[PATH_MAX]) GS_CHECK_RESULT;
