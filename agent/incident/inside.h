/* incident/inside.h - what the files of incident/ share. */
#pragma once
#include "account/account.h"
#include "base/json.h"
#include "incident/incident.h"

/* ---- processes that died (post_mortem.c) ------------------------------------------------------------------------- */

/* One process at a time makes incidents of the dead in STORE: their folders bear the dead's numbers, so that nobody could tell
 * else whether somebody is at it still. A descriptor, whose close unlocks; -EWOULDBLOCK when another process is at it, or another
 * -errno. Never waits; a forked child does not hold it. */
int gs_incident_lock_recovery(struct gs_store *store) GS_CHECK_RESULT;
/* As gs_incident_of_remains, by a caller that holds the lock. */
int gs_incident_write_post_mortem(struct gs_store *store, const struct gs_post_mortem *post_mortem, char path[PATH_MAX]) GS_CHECK_RESULT;

/* ---- what an incident says -------------------------------------------------------------------------------------------- */

enum { GS_CULPRIT_STACK_MAX = 64 };
struct gs_culprit {            // all zero: none found
    const char *kind;          // "growth", "in_use", "threads", "cpu", "deadlock"
    const char *function;      // borrowed from the profile, like all below
    const char *file, *module; // "" when unknown
    int64_t line;
    int64_t value;             // bytes, nanoseconds or count
    double share;              // of all growth, all in use, all threads, all CPU time
    const char *stack[GS_CULPRIT_STACK_MAX];
    uint32_t depth;
    char fingerprint[17];
    bool mapped;               // of memory that was mapped outside malloc
};
/* Who is to blame, by SAMPLE_TYPE of PROFILE: stacks are charged to their first frame that belongs to the program, and
 * the heaviest function is taken, with its heaviest stack. False when nothing is positive. KIND is borrowed. When memory runs
 * out, here and below, the profile has failed, and what was found may be wrong. */
bool gs_incident_culprit_find(struct gs_profile *profile, int sample_type, const char *kind, struct gs_culprit *out);

/* The deadlock's first thread: the function of the program's that waits, and its stack. */
void gs_incident_culprit_of_deadlock(struct gs_profile *threads, const struct gs_deadlock *deadlock, struct gs_culprit *out);

/* Thread TID of THREADS, from which the process's end came. False: it is not among them, or has no stack. */
bool gs_incident_culprit_of_thread(struct gs_profile *threads, int tid, struct gs_culprit *out);

/* memory.json, and the summary's two lines. */
void gs_incident_write_memory(const struct gs_account *account, struct gs_text *out);
void gs_incident_summarise_memory(const struct gs_account *account, struct gs_text *out);
/* Who mapped memory outside malloc, if that gained more than the live heap since the baseline; where neither grew, if it holds
 * more. */
bool gs_incident_culprit_of_mappings(const struct gs_account *account, struct gs_culprit *out);

/* fds.txt: how many descriptors of each kind, and to where; no contents. */
void gs_incident_write_descriptors(struct gs_text *out);

struct gs_incident_findings {           // what the profiles of one incident say; borrowed
    struct gs_profile *heap;   // NULL: not captured
    struct gs_profile *growth; // heap less base; NULL: no baseline
    struct gs_profile *threads;
    struct gs_profile *creators; // of threads
    struct gs_profile *cpu;
    const struct gs_deadlock *deadlock; // NULL: threads were not captured
    int64_t base_age_ns;
    const struct gs_account *account; // NULL: not taken
    struct gs_culprit culprit;
};
struct gs_incident_process {   // the process that an incident is of, as the source of its evidence describes it (source.h)
    int pid;
    unsigned kinds;            // the kinds of evidence that the source has: an or of enum gs_kind
    char exe[PATH_MAX], host[HOST_NAME_MAX + 1]; // "": not known
    const char *rules;         // the text of the rules that were in force; NULL: there were none
    size_t rules_length;
    const char *const *note;   // what the source wants to be said: note_count sentences
    size_t note_count;
    int died_tid;              // the thread that its end came from; 0: there is none, or it is not known
    const struct gs_post_mortem *death; // how it died; NULL: it lives
};
struct gs_report {             // one incident while it is made: for summary.txt and incident.json
    const struct gs_incident_trigger *trigger;
    const struct gs_incident_context *context;
    const struct gs_incident_process *process;
    struct gs_incident_findings findings;
    const char *build_id, *folder; // folder: its path
    struct gs_json steps, notes, errors; // lists
    int64_t step_ns;           // when the present step began, CLOCK_MONOTONIC
    size_t step_failures;      // gs_memory_failures then
};
void gs_incident_write_summary(const struct gs_report *report, struct gs_text *out);
/* NULL: no memory. */
json_t *gs_incident_json(const struct gs_report *report, const json_t *files, bool complete) GS_CHECK_RESULT;

/* ---- what it says of its own making (report.c) ------------------------------------------------------------------------ */

/* One sentence into the notes. */
void gs_incident_add_note(struct gs_report *report, const char *format, ...) GS_PRINTF(2, 3);
/* Each line of NOTES on its own. */
void gs_incident_add_notes(struct gs_report *report, const struct gs_text *notes);
/* WHAT is missing or incomplete, because of WHY: into the errors, and the log. The incident is not complete any more. */
void gs_incident_add_failure(struct gs_report *report, const char *what, const char *why);
/* The same with the words of ERROR, a -errno. 0: it does nothing. */
void gs_incident_add_error(struct gs_report *report, const char *what, int error);
/* The first step begins. */
void gs_incident_begin_step(struct gs_report *report);
/* The step that just ended was called NAME; the next begins. */
void gs_incident_end_step(struct gs_report *report, const char *name);

/* ---- what the profiles say (findings.c) ------------------------------------------------------------------------------- */

enum { GS_INCIDENT_KINDS_MAX = 8 };
/* The findings out of what was gathered, in the order of gs_kinds. A baseline is changed in place: it becomes the growth. What
 * fails is in the report's errors. */
void gs_incident_find(struct gs_report *report, const struct gs_gathered gathered[GS_INCIDENT_KINDS_MAX]);
/* Is the rule's metric one of resident memory? */
bool gs_incident_is_about_resident(const struct gs_incident_trigger *trigger);
