/* settings.h - what a running watcher works with, from gumshoe_start until the watcher ends. */
#pragma once
#include "box/box.h"
#include "gather/gather.h"
#include "gumshoe/gumshoe.h"
#include "history/history.h"
#include "metrics/metrics.h"
#include "rules/rules.h"
#include "watch/rules_file.h"

/* Call malloc once, so that the hooks, if they work in this process, have seen an allocation. Context: host thread, in
 * gumshoe_start. */
void gs_watch_settings_try_hooks(void);

struct gs_settings {
    struct gs_rules_file file;   // the file that the rules came from
    char *rules_dir;             // incidents.dir at the start; NULL: the environment or the program named the directory
    struct gs_rules *rules;
    struct gs_judge *judge;
    struct gs_metric_set *metrics;
    struct gs_history *history;
    struct gs_baselines *baselines;
    struct gs_store *store;
    const char **recorded;       // names of all metrics that are read: those of the rules first, in their order
    size_t recorded_count;
    unsigned gauges_seen;        // number of the program's gauges among them
    double *values;              // values of the last tick, one for each of them
    struct gs_verdict *verdicts; // one slot for each rule
    char **unavailable;          // "METRIC: WHY" for each metric that is not available, those of the rules first
    size_t unavailable_count, unavailable_of_rules;
    struct gs_incident_context *context;
    int64_t start_ns;            // CLOCK_MONOTONIC: start of the watcher
    int64_t focus_until_ns;      // CLOCK_MONOTONIC: the heap is sampled more densely until then (focus.c); 0: it is not
    char limit_from[160];        // where the memory limit comes from, as text
};

/* Make SETTINGS from OPTIONS and the environment, and start to sample. 0, or the error code for gumshoe_start, which is
 * logged and put into OPTIONS->error; the caller must call gs_watch_settings_drop then, too. Context: watcher. */
int gs_watch_settings_make(struct gs_settings *settings, const struct gumshoe_options *options) GS_CHECK_RESULT;
void gs_watch_settings_drop(struct gs_settings *settings);
/* Replace the rules of SETTINGS by RULES (owned by SETTINGS from now on), and keep the state of judge and history. The old
 * parts go to OLD; the caller drops them when no active capture needs them. -ENOMEM: nothing has changed. Context:
 * watcher. */
int gs_watch_settings_renew(struct gs_settings *settings, struct gs_rules *rules, struct gs_settings *old) GS_CHECK_RESULT;
/* In the child of a fork, where SETTINGS are the parent's: keep the rules and the directory, make the rest new. 0, or
 * -errno, which is logged; the caller must call gs_watch_settings_drop then, too. Context: the child's watcher. */
int gs_watch_settings_inherit(struct gs_settings *settings) GS_CHECK_RESULT;
/* The environment variable VARIABLE; OPTION if it is not set, or empty. */
const char *gs_watch_setting(const char *variable, const char *option);
/* Refuse to start: write CODE, FILE (may be "") and MESSAGE to the log and to ERROR (may be NULL). Returns CODE. */
int gs_watch_refuse_start(struct gumshoe_error *error, int code, const char *file, const char *message);

/* ---- denser samples for a while (focus.c) ------------------------------------------------------------------------ */

/* Sample the heap as the rules of SETTINGS say, or more densely while the focus lasts. */
void gs_watch_focus_apply(const struct gs_settings *settings);
/* An incident has captured the waste: sample more densely for as long as the rules say. _tick: until then. Context: watcher. */
void gs_watch_focus_begin(struct gs_settings *settings, int64_t now_ns);
void gs_watch_focus_tick(struct gs_settings *settings, int64_t now_ns);

/* ---- what is recorded (record.c) -------------------------------------------------------------------------------- */

/* Make, free, or move the parts of SETTINGS that read and record metrics. False: out of memory; free them then, too. */
bool gs_watch_record_make(struct gs_settings *settings) GS_CHECK_RESULT;
void gs_watch_record_drop(struct gs_settings *settings);
void gs_watch_record_move(const struct gs_settings *from, struct gs_settings *to);
/* Record the gauges, too, that the program has set since SETTINGS were made. No capture may be active. True: there
 * were new ones. Context: watcher. */
bool gs_watch_record_add_gauges(struct gs_settings *settings);
/* Open the files of all metrics anew: the process is in other groups now. No capture may be active. False: out of memory,
 * and nothing has changed. Context: watcher. */
bool gs_watch_record_renew(struct gs_settings *settings);
/* Fill `unavailable` with the metrics that cannot be read now, for the log and for incidents. Context: watcher. */
void gs_watch_record_find_unavailable(struct gs_settings *settings);
/* Log those of the rules. `gumshoe status` and incidents name the others too. */
void gs_watch_record_log_unavailable(const struct gs_settings *settings);
