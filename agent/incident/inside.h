/* incident/inside.h - what the files of incident/ share. */
#pragma once
#include "account/account.h"
#include "base/json.h"
#include "incident/incident.h"
#include "profile/profile.h"
#include "sys/identity.h"

/* ---- processes that died (post_mortem.c) ------------------------------------------------------------------------- */

/* Lock STORE, so that one process at a time makes incidents of dead processes. (Their folders are named after the dead pids,
 * so the name does not show which process makes them.) Returns a descriptor, whose close unlocks; -EWOULDBLOCK: another
 * process holds the lock; or another -errno. Never waits. A forked child does not hold the lock. */
int gs_incident_lock_recovery(struct gs_store *store) GS_CHECK_RESULT;
/* Like gs_incident_from_post_mortem, for a caller that holds the lock. */
int gs_incident_write_post_mortem(struct gs_store *store, const struct gs_post_mortem *post_mortem, char path[PATH_MAX]) GS_CHECK_RESULT;

/* ---- processes that crashed (crash.c) ------------------------------------------------------------------------------ */

struct gs_culprit;
struct gs_profile;
struct gs_text;
/* The sample of thread TID in THREADS; NULL: it has none, or one without a stack. */
const struct gs_sample *gs_incident_thread_sample(const struct gs_profile *threads, int tid);
/* The function that DEATH's crashed thread was in, or that recurses; kind "crash". False: it did not crash, or its thread is
 * not in THREADS. */
bool gs_incident_culprit_of_crash(const struct gs_post_mortem *death, struct gs_profile *threads, struct gs_culprit *out);
/* How DEATH, which has a crash, came about: "crashed in `parse_header` (SIGSEGV at 0x10)". */
void gs_incident_describe_crash(const struct gs_post_mortem *death, struct gs_text *out);
/* For the summary: ": crashed here (SIGSEGV at 0x10, address not mapped)"; the stack of the crashed thread. */
void gs_incident_add_crash(struct gs_text *out, const struct gs_given_crash *crash);
void gs_incident_add_crashed_stack(struct gs_text *out, const struct gs_post_mortem *death, const struct gs_profile *threads);
void gs_incident_set_crash(struct gs_json *died, const struct gs_given_crash *crash); // for incident.json

/* ---- what an incident contains -------------------------------------------------------------------------------------- */

enum { GS_CULPRIT_STACK_MAX = 64, GS_CULPRIT_VIA_MAX = 32 };
enum gs_doubt {                // why the culprit may be the wrong one; combined with |
    GS_DOUBT_SAMPLES = 1,      // too few samples
    GS_DOUBT_RUNNER_UP = 2,    // another function has about as much
    GS_DOUBT_NOT_OWN = 4,      // no function of the program is on its stack
};
struct gs_culprit {            // all zero: none found
    const char *kind;          // "growth", "in_use", "threads", "cpu", "deadlock", "lock", "crash", "fds", "allocation",
                               // "failed_allocation"
    const char *function;      // borrowed from the profile, like all below
    const char *file, *module; // "" when unknown
    int64_t line;
    int64_t value;             // bytes, nanoseconds or count
    double share;              // 0 to 1: of all growth, memory in use, threads or CPU time
    const char *caller;        // calls the function for most of the value, and others call it as well or it has no name; NULL
    double caller_share;       // of the function's value
    const char *via[GS_CULPRIT_VIA_MAX]; // passed over on the stack, leaf first: plumbing, functions of libraries
    uint32_t via_count;
    const char *through;       // the last of them: the file, if it is another module's; else a function that is plumbing. NULL: none
    unsigned doubts;           // enum gs_doubt
    double samples;            // the value rests on so many samples; 0: it was counted, not sampled
    const char *runner_up;     // with GS_DOUBT_RUNNER_UP
    double runner_up_share;
    const char *stack[GS_CULPRIT_STACK_MAX];
    uint32_t depth;
    char fingerprint[17];
    const char *mapped;        // about mapped memory: of which, "what is mapped outside malloc"; NULL: it is not
    const struct gs_waited *lock; // of "lock": what VALUE threads wait for; the function is the holder's. Else NULL
};
/* Find the culprit by SAMPLE_TYPE of PROFILE: stacks are charged to their own frame (gs_profile_own_frame), what a function
 * gained on one path and lost on another cancels, and OUT is the function with the largest sum, with its heaviest stack. False:
 * no sum is positive. KIND is borrowed. If an allocation fails (also below), profile->failed is set and the result may be wrong. */
bool gs_incident_culprit_find(struct gs_profile *profile, int sample_type, const char *kind, struct gs_culprit *out);

/* The deadlock's first thread: the program's function that waits, and its stack. */
void gs_incident_culprit_of_deadlock(struct gs_profile *threads, const struct gs_deadlock *deadlock, struct gs_culprit *out);

/* The holder of the lock that at least half of THREADS wait for: the program's function in it, and its stack. False: there is
 * no such lock, or its holder is not known. */
bool gs_incident_culprit_of_holder(struct gs_profile *threads, const struct gs_waits *waits, struct gs_culprit *out);

/* Frame FRAME of SAMPLE, with its stack. */
void gs_incident_culprit_at(struct gs_profile *profile, const struct gs_sample *sample, uint32_t frame, const char *kind,
                            struct gs_culprit *out);

struct gs_climb { int64_t age_ns; double rise; }; // how long before the trigger a metric began to climb, and by how much
/* The climb of TRIGGER's metric, if it is about memory (climb.c). HISTORY may be NULL. All zero: not known. */
struct gs_climb gs_incident_find_climb(const struct gs_incident_trigger *trigger, const struct gs_history *history);

/* Is a growth by BYTES in the last AGE_NS part of CLIMB? Yes, if it covers the climb, or goes on at half of its pace or more. */
bool gs_incident_is_of_climb(const struct gs_climb *climb, int64_t age_ns, double bytes);

/* Write memory.json, with WASTE unless that is NULL; write the lines of the summary. CLIMB: what led to the incident; all zero: not known. */
void gs_incident_write_memory(const struct gs_account *account, const struct gs_waste_facts *waste, struct gs_text *out);
void gs_incident_summarise_memory(const struct gs_account *account, const struct gs_climb *climb, struct gs_text *out);
/* The function that mapped memory outside malloc, if that memory grew more than the live heap since the baseline; if neither
 * grew, if it is larger than the live heap. Else false. */
bool gs_incident_culprit_of_mappings(const struct gs_account *account, const struct gs_climb *climb, struct gs_culprit *out);

/* Bytes by which those stacks grew that grew by more than their sampling error; 0: they make up less than 1 % of HEAP
 * (growth.c). If there is no memory, GROWTH has failed. */
double gs_incident_heap_growth(struct gs_profile *growth, const struct gs_profile *heap);

/* The peak (peak.c). Find who held most of it; write the part of the summary; a member of incident.json, null without a peak
 * (NULL: no memory); read the facts back from it. */
struct gs_incident_findings;
void gs_incident_find_peak(struct gs_incident_findings *findings);
void gs_incident_add_peak(struct gs_text *out, const struct gs_incident_findings *findings);
json_t *gs_incident_peak_json(const struct gs_incident_findings *findings) GS_CHECK_RESULT;
struct gs_peak_facts gs_incident_read_peak(const json_t *peak);

/* The pages of the heap in use (pages.c): how many bytes are in each state, and who has most of those that are swapped out or were
 * never touched. */
enum gs_page_state { GS_PAGES_RESIDENT, GS_PAGES_SWAPPED, GS_PAGES_UNTOUCHED, GS_PAGES_UNKNOWN,
    GS_PAGES_UNWRITTEN, // a part of those in memory; only if the kernel tells
    GS_PAGE_STATES };
struct gs_page_finding { int64_t bytes; struct gs_culprit holder; };
void gs_incident_find_pages(struct gs_incident_findings *findings);
void gs_incident_add_pages(struct gs_text *out, const struct gs_incident_findings *findings); // for summary.txt
/* "pages" of incident.json; one of its holders, also of the peak: null if there is none. NULL: no memory. */
json_t *gs_incident_pages_json(const struct gs_incident_findings *findings) GS_CHECK_RESULT;
json_t *gs_incident_holder_json(const struct gs_culprit *holder) GS_CHECK_RESULT;
bool gs_incident_pages_are_known(const struct gs_profile *profile); // has it the sample types?
/* The waste (waste.c). Find whose blocks pin most; write the part of the summary; a member of incident.json, null without a waste
 * (NULL: no memory), and one of memory.json (FACTS may be NULL); read the facts back from it. */
void gs_incident_find_waste(struct gs_incident_findings *findings);
void gs_incident_add_waste(struct gs_text *out, const struct gs_incident_findings *findings);
json_t *gs_incident_waste_json(const struct gs_incident_findings *findings) GS_CHECK_RESULT;
json_t *gs_incident_waste_facts_json(const struct gs_waste_facts *facts) GS_CHECK_RESULT;
struct gs_waste_facts gs_incident_read_waste(const json_t *waste);
/* How old the heap is (ages.c): for summary.txt; "ages" of incident.json (NULL: no memory), and what it says, read back. */
void gs_incident_add_ages(struct gs_text *out, const struct gs_incident_findings *findings);
json_t *gs_incident_ages_json(const struct gs_heap_ages *ages) GS_CHECK_RESULT;
struct gs_heap_ages gs_incident_read_ages(const json_t *json);
/* Who allocates what is freed at once, if it is much: for summary.txt (lifetimes.c). */
void gs_incident_add_lifetimes(struct gs_text *out, const struct gs_incident_findings *findings);

struct gs_incident_findings {           // what the profiles of one incident show; borrowed
    struct gs_profile *heap;   // NULL: not captured
    struct gs_profile *growth; // heap minus baseline; NULL: no baseline
    struct gs_heap_ages ages;  // of the heap
    struct gs_profile *threads;
    struct gs_profile *creators; // thread creation
    struct gs_profile *cpu;
    struct gs_profile *allocation; // the call that the rule fired for; NULL: it was not for one
    struct gs_profile *lifetimes; // of blocks; NULL: not captured
    struct gs_profile *peak;   // the heap at its peak; NULL: not captured, or not higher than it is now
    struct gs_peak_facts peak_facts;
    struct gs_culprit peak_holder; // who held most at the peak
    struct gs_profile *pages;  // the heap by the state of its pages; NULL: not captured
    struct gs_page_finding page_state[GS_PAGE_STATES];
    struct gs_profile *waste;  // free memory of the heap; NULL: not captured
    struct gs_waste_facts waste_facts;
    struct gs_culprit pinner;  // whose blocks pin most of it
    int64_t pinner_oldest_s;   // the age of the oldest of these blocks
    const struct gs_deadlock *deadlock; // NULL: threads were not captured
    const struct gs_waits *waits;       // NULL: threads were not captured
    int64_t base_age_ns;
    bool grew;                 // growth shows more than sampling error and 1 % of the heap
    bool growth_explains;      // it grew, by enough to be the cause of the incident
    bool base_is_late;         // the baseline was taken after the climb began
    struct gs_climb climb;     // that led to the incident; all zero: not known
    const struct gs_account *account; // NULL: not taken
    const char *heap_unseen;   // why the program's allocator is not seen; NULL: it is seen, or not known
    struct gs_profile *fds;    // open descriptors by who opened them; NULL: not captured
    const struct gs_text *descriptors; // lines about them for the summary; NULL: not captured
    struct gs_plumbing plumbing; // the user's from the start, then what the heap shows as well
    struct gs_culprit culprit;
};
struct gs_incident_process {   // the process of an incident, as its source describes it (source.h)
    int pid;
    unsigned kinds;            // the kinds of evidence that the source has: enum gs_kind, combined with |
    char exe[PATH_MAX], host[HOST_NAME_MAX + 1]; // exe "": not known
    bool host_is_readers;      // the process's host is not known: it is the machine that makes the incident
    struct gs_identity identity;
    const char *rules;         // the text of the rules in force; NULL: none
    size_t rules_length;
    const char *const *note;   // note_count sentences of the source, for the incident's notes
    size_t note_count;
    const struct gs_post_mortem *death; // how it died; NULL: it runs
};
struct gs_report {             // one incident while it is being made: for summary.txt and incident.json
    const struct gs_incident_trigger *trigger;
    const struct gs_incident_context *context;
    const struct gs_incident_process *process;
    struct gs_incident_findings findings;
    const char *build_id, *folder; // folder: its path
    struct gs_json steps, notes, errors; // lists
    int64_t step_ns;           // start of the current step, CLOCK_MONOTONIC
    size_t step_failures;      // gs_memory_failures at that time
};
void gs_incident_write_summary(const struct gs_report *report, struct gs_text *out);
/* Its sections (summary_stacks.c, summary_cpu.c, summary_threads.c). If there is no memory, out->failed is set. */

/* PART of WHOLE, as a percentage in 7 columns. */
void gs_incident_add_share(struct gs_text *out, int64_t part, int64_t whole);
/* " (cache.c:88)"; nothing if the file is not known. */
void gs_incident_add_line_number(struct gs_text *out, const char *file, int64_t line);
/* "SSL_new ← session_open ← accept_one ← … ← worker": without plumbing and runtime; too long a stack is cut in its middle, never
 * before or at the program's own frame. Ends the line. */
void gs_incident_add_stack(struct gs_text *out, const struct gs_profile *profile, const struct gs_stack_row *row);
/* The same after the leaf, if the leaf is in the C library: "memcpy ← cache_put ← handle_request". */
void gs_incident_add_stack_with_leaf(struct gs_text *out, const struct gs_profile *profile, const struct gs_stack_row *row);
/* gs_profile_stacks. False: no memory. */
bool gs_incident_stacks_of(const struct gs_profile *profile, int type, struct gs_stacks *stacks, struct gs_text *out);
/* The heaviest stacks of PROFILE by its sample type TYPE_NAME, under TITLE; of a heap profile by what is in use. */
void gs_incident_add_stacks(struct gs_text *out, const struct gs_profile *profile, const char *type_name, const char *title);
void gs_incident_add_heap_stacks(struct gs_text *out, const struct gs_profile *profile, const char *title);
/* The heaviest functions of PROFILE by its sample type TYPE_NAME, under "TITLE, TOTAL in all". */
void gs_incident_add_functions(struct gs_text *out, const struct gs_profile *profile, const char *type_name,
                               const char *title, const char *print(int64_t value, char *out));
/* The heaviest stacks of CPU time. */
void gs_incident_add_cpu_stacks(struct gs_text *out, const struct gs_profile *cpu);
void gs_incident_add_deadlock(struct gs_text *out, const struct gs_deadlock *deadlock);
void gs_incident_add_waits(struct gs_text *out, const struct gs_profile *threads, const struct gs_waits *waits);
/* The lock that most threads wait for, of those whose holder is known or changes; NULL: none. */
const struct gs_waited *gs_incident_largest_lock(const struct gs_waits *waits);
/* The rest of the culprit's line, for a culprit that holds LOCK. */
void gs_incident_add_held_lock(struct gs_text *out, const struct gs_profile *threads, const struct gs_waited *lock);
void gs_incident_add_threads(struct gs_text *out, const struct gs_profile *threads);
void gs_incident_add_creators(struct gs_text *out, const struct gs_profile *creators);
void gs_incident_add_openers(struct gs_text *out, const struct gs_profile *fds);

/* One item of "waits" in incident.json (waits_json.c). NULL: no memory. */
json_t *gs_incident_wait_json(struct gs_profile *threads, const struct gs_waited *wait) GS_CHECK_RESULT;
/* NULL: no memory. */
json_t *gs_incident_json(const struct gs_report *report, const json_t *files, bool complete) GS_CHECK_RESULT;

/* "redis-server (redis-check-rdb)", or the file's name alone where it is the same. */
void gs_incident_add_program(struct gs_text *out, const char *program, const char *exe);

/* ---- steps, notes and errors (report.c) ------------------------------------------------------------------------ */

/* Add one sentence to the notes. */
void gs_incident_add_note(struct gs_report *report, const char *format, ...) GS_PRINTF(2, 3);
/* Add each line of NOTES as a note. */
void gs_incident_add_notes(struct gs_report *report, const struct gs_text *notes);
/* WHAT is missing or incomplete because of WHY: add it to the errors and log it. The incident will not be complete. */
void gs_incident_add_failure(struct gs_report *report, const char *what, const char *why);
/* The same with the message of ERROR, a -errno. Does nothing if ERROR is 0. */
void gs_incident_add_error(struct gs_report *report, const char *what, int error);
/* Start the first step. */
void gs_incident_begin_step(struct gs_report *report);
/* Record the end of the current step under NAME, and start the next. */
void gs_incident_end_step(struct gs_report *report, const char *name);

/* ---- naming anew (rename.c) ----------------------------------------------------------------------------------------- */

/* The functions that the rules of EVIDENCE, and EVIDENCE, call plumbing; borrows from them. */
struct gs_plumbing gs_incident_plumbing_of_evidence(const struct gs_incident_evidence *evidence);
/* Replace the lines of TEXT that are in OLD and differ in NEW, which has as many lines. */
void gs_incident_replace_lines(const struct gs_text *old, const struct gs_text *new, struct gs_text *text);

/* ---- what the profiles show (findings.c) ---------------------------------------------------------------------------- */

/* Fill the report's findings from GATHERED (in the order of gs_kinds). The baseline's profile is changed in place: it
 * becomes the growth. Failures are added to the report's errors. */
void gs_incident_find(struct gs_report *report, const struct gs_gathered gathered[GS_INCIDENT_KINDS_MAX]);
/* Why the agent does not see the program's allocator, by the metrics that are not available; NULL: it sees it. */
const char *gs_incident_heap_unseen(const struct gs_incident_context *context);
/* The functions that RULES (may be NULL) call plumbing; borrows from them. */
struct gs_plumbing gs_incident_plumbing_of(const struct gs_rules *rules);
/* Is the trigger's metric about resident memory? */
bool gs_incident_is_about_resident(const struct gs_incident_trigger *trigger);
bool gs_incident_is_about_descriptors(const struct gs_incident_trigger *trigger);
