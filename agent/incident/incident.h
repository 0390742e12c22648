/* incident/incident.h - the door of incident/: one incident, from this process, another one, a box or a core file.
 *
 *   gs_incident_begin, _end: a folder of store/ ▶ gather, account ▶ culprit ▶ summary.txt, incident.json
 *
 * Opened by: watch, cli, tests.  Opens: base, sys, metrics, history, rules, symbol, profile, gather, account, store, box. */
#pragma once
#include "base/attributes.h"
#include "base/json.h"
#include "base/text.h"
#include "box/box.h"
#include "gather/gather.h"
#include "rules/rules.h"
#include "store/store.h"
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- capturing ----------------------------------------------------------------------------------------------- */

struct gs_incident_trigger {     // what is known when the rule fires; borrowed
    const char *rule;          // the rule's name, or the reason of a call
    const char *why;           // the rule's own "why"; NULL: none
    const char *metric;        // NULL: none
    const char *condition;     // "above", …, "call"
    const char *reason;        // one sentence with the numbers
    double value, line;        // NAN: none
    enum gs_unit unit;
    int64_t window_ns;         // of the condition
    unsigned capture;          // enum gs_kind, combined with |
    int64_t cpu_ns;            // how long CPU time is sampled; 0: the rules' duration
    int64_t triggered_ns;      // CLOCK_REALTIME
    struct gs_allocation allocation; // that the rule fired for; bytes 0: none
    const char *const *plumbing; // patterns of functions that are no culprits, beside those of the rules
    size_t plumbing_count;
    /* The process of the incident: at most one is not NULL; both NULL: this process. */
    const struct gs_given_threads *given; // another process that runs: its threads, which the caller has read
    const struct gs_post_mortem *post_mortem;     // a process that died
};
/* One incident is captured in two steps, because CPU time is sampled over time. begin captures everything else; then the
 * caller calls gs_gather_cpu_poll until the incident is ready; end captures the rest and publishes the folder. An incident
 * that is ended earlier contains the CPU samples so far. Several may be active at once. TRIGGER is copied, CONTEXT is
 * borrowed. begin: 0, or -errno and
 * NULL in *OUT (no folder could be made). end: 0 and the folder in PATH, or -errno: then a dot-folder has what could be
 * saved, and the log says why. If a part fails (a profile, say), the incident is published, but not complete, and its
 * "errors" say what is missing. Context: watcher. */
struct gs_incident;
int gs_incident_begin(struct gs_store *store, const struct gs_incident_trigger *trigger,
                      const struct gs_incident_context *context, struct gs_incident **out) GS_CHECK_RESULT;
bool gs_incident_is_ready(const struct gs_incident *incident, int64_t now_ns);
int gs_incident_end(struct gs_incident *incident, char path[PATH_MAX]) GS_CHECK_RESULT; // frees it

/* ---- the incident of a process that died (recover.c, post_mortem.c) ------------------------------------------------ */

/* Make an incident from one box of a dead process in STORE; its folder goes to PATH. 1: one was made, call again; 0: no box
 * is left; -EWOULDBLOCK: another process does this now, call again later; another -errno: the incident could not be written,
 * the box stays for the next start. At most MAX_PER_HOUR incidents (0: no limit) for deaths within one hour: further boxes
 * are removed and logged. */
int gs_incident_recover_next(struct gs_store *store, uint64_t max_per_hour, char path[PATH_MAX]) GS_CHECK_RESULT;
/* The same, for a process that only looks after STORE: leaves boxes that were written within QUIET_NS, so that the parent of
 * the dead process, which knows the signal, or the next start there comes first. Context: CLI. */
int gs_incident_recover_quiet(struct gs_store *store, int64_t quiet_ns, uint64_t max_per_hour, char path[PATH_MAX]) GS_CHECK_RESULT;
/* A child of ours ended and may have left a box in STORE. STATUS: from waitpid; NAME: its gs_store_live_name, read while it
 * ran. Killed by a signal: an incident is made, 1, its folder in PATH. Exited: the box is removed, 0. -EWOULDBLOCK: another
 * process makes incidents now, call again later; or another -errno: the box stays. Context: CLI. */
int gs_incident_recover_child(struct gs_store *store, const char *name, int status, char path[PATH_MAX]) GS_CHECK_RESULT;
/* The pid of the process that makes incidents from boxes in STORE now; 0: none, or its pid is not visible here. A process
 * that may hold this lock itself must not call this: closing the lock's file would release it. Context: CLI. */
int gs_incident_recovering_pid(struct gs_store *store);
/* Make an incident from POST_MORTEM; its folder goes to PATH. 0 or -errno. Symbols come from the files that its maps name,
 * if their build ids are unchanged. -EWOULDBLOCK: another process makes incidents in STORE now, call again later. Context:
 * CLI. */
int gs_incident_from_post_mortem(struct gs_store *store, const struct gs_post_mortem *post_mortem, char path[PATH_MAX]) GS_CHECK_RESULT;

/* ---- naming an incident anew (read_back.c, rename.c) ---------------------------------------------------------------- */

enum { GS_INCIDENT_KINDS_MAX = 16 };
struct gs_incident_evidence {    // of a published incident, read from its folder; borrowed
    const json_t *json;          // incident.json
    const struct gs_rules *rules; // of rules.json; NULL: none, or not readable
    const char *path;            // the folder
    const char *const *plumbing; // patterns of functions that are no culprits, beside those of the rules
    size_t plumbing_count;
    const struct gs_profile *profile[GS_INCIDENT_KINDS_MAX], *base[GS_INCIDENT_KINDS_MAX]; // in the order of gs_kinds; NULL: none
};
struct gs_incident_words {       // what the evidence says; gs_incident_words_fini
    struct gs_text summary;      // summary.txt, without what is not in the evidence: memory account, notes, errors
    struct gs_text threads_head; // of threads.txt: deadlock and waits
    json_t *json;                // incident.json, likewise
};
/* Find the culprit in EVIDENCE and describe it, in the names that its profiles have now. Inlined functions are frames of
 * their own. 0 or -ENOMEM. Context: CLI. */
int gs_incident_read_back(const struct gs_incident_evidence *evidence, struct gs_incident_words *out) GS_CHECK_RESULT;
void gs_incident_words_fini(struct gs_incident_words *words);
/* Replace in SUMMARY (a stored summary.txt) and JSON (a stored incident.json) what BEFORE says by what AFTER says at the same
 * place. What is not in BEFORE stays, and so does the fingerprint. SUMMARY->failed is set if there is no memory.
 * 0 or -ENOMEM. */
void gs_incident_rename_summary(const struct gs_incident_words *before, const struct gs_incident_words *after, struct gs_text *summary);
int gs_incident_rename_json(const struct gs_incident_words *before, const struct gs_incident_words *after, json_t *json) GS_CHECK_RESULT;
/* Is the culprit of JSON, a stored incident.json, the one of CAPTURED, the words of the profiles as captured? It may have any names.
 * Then _rename_culprit puts that of AFTER in its place, and _rename_blocks those blocks of AFTER into SUMMARY that begin like one
 * there and have as many lines. 0 or -ENOMEM. */
bool gs_incident_has_culprit_of(const json_t *json, const struct gs_incident_words *captured);
void gs_incident_rename_blocks(const struct gs_incident_words *after, struct gs_text *summary);
int gs_incident_rename_culprit(const struct gs_incident_words *after, json_t *json) GS_CHECK_RESULT;
/* The same in TEXT, a threads.txt as it was captured: BEFORE is what it says of deadlock and waits, and frames get their names from
 * THREADS, the profile with lines, by their addresses. An inlined function is a line of its own, without address. */
void gs_incident_rename_threads(const struct gs_incident_words *before, const struct gs_incident_words *after,
                                const struct gs_profile *threads, struct gs_text *text);
/* Make the stacks of MEMORY (memory.json as it was captured) a profile: one sample for each, in order, of locations that have the
 * mappings of MAPPING[0..COUNT) and their captured names. Stacks without addresses (of earlier versions) have no sample. NULL: no
 * memory. _rename_memory: put the names of NAMED, the same profile with lines, into MEMORY; EVIDENCE says what is plumbing.
 * 0 or -ENOMEM. */
struct gs_profile *gs_incident_memory_profile(const json_t *memory, const struct gs_profile_mapping *mapping, size_t count) GS_CHECK_RESULT;
/* Has MEMORY, a memory.json, more frames with a name than OTHER? */
bool gs_incident_memory_has_more_names(const json_t *memory, const json_t *other);
int gs_incident_rename_memory(const struct gs_incident_evidence *evidence, const struct gs_profile *named, json_t *memory) GS_CHECK_RESULT;
