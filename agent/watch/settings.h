/* settings.h - what a running watcher works with: made by gumshoe_start, dropped when the watch ends. */
#pragma once
#include "box/box.h"
#include "gather/gather.h"
#include "gumshoe/gumshoe.h"
#include "history/history.h"
#include "metrics/metrics.h"
#include "rules/rules.h"
#include "watch/rules_file.h"

/* Make one allocation as the program does, so that the hooks have seen one if they see any. Context: host thread, in
 * gumshoe_start. */
void gs_watch_settings_try_hooks(void);

struct gs_settings {
    struct gs_rules_file file;   // where the rules came from
    char *rules_dir;             // incidents.dir of the first rules; NULL: the environment or the program decided
    struct gs_rules *rules;
    struct gs_judge *judge;
    struct gs_metric_set *metrics;
    struct gs_history *history;
    struct gs_baselines *baselines;
    struct gs_store *store;
    double *values;              // one for each metric
    struct gs_verdict *verdicts; // room for one from each rule
    char **unavailable;          // a sentence for each metric that is asked for in vain
    size_t unavailable_count;
    struct gs_incident_context *context;
    int64_t start_ns;            // CLOCK_MONOTONIC of the watch's start
    char limit_from[160];
};

/* Make them as OPTIONS and the environment say, and begin to sample. 0, or the code of gumshoe_start's refusal, which was logged
 * and put into OPTIONS->error: then gs_watch_settings_drop is still to be called. Context: watcher. */
int gs_watch_settings_make(struct gs_settings *settings, const struct gumshoe_options *options) GS_CHECK_RESULT;
void gs_watch_settings_drop(struct gs_settings *settings);
/* Make those that RULES (theirs from now on) determine anew, with what the old ones remember. The old ones are put into OLD, to
 * be dropped when no incident needs them. -ENOMEM: all is as it was, RULES still the caller's. Context: watcher. */
int gs_watch_settings_renew(struct gs_settings *settings, struct gs_rules *rules, struct gs_settings *old) GS_CHECK_RESULT;
/* In the child of a fork, where SETTINGS are still its parent's: the same rules and the same directory, all else anew. 0, or -errno,
 * which was logged: then gs_watch_settings_drop is still to be called. Context: the child's watcher. */
int gs_watch_settings_inherit(struct gs_settings *settings) GS_CHECK_RESULT;
/* Find out which metrics the rules ask for in vain just now: said at the start, and in every incident. Context: watcher. */
void gs_watch_settings_find_unavailable(struct gs_settings *settings);

/* The environment's VARIABLE, or OPTION where it is not set. */
const char *gs_watch_setting(const char *variable, const char *option);
/* Refuse to start: CODE, with FILE (or "") and MESSAGE, to the log and to ERROR, which may be NULL. Returns CODE. */
int gs_watch_refuse_start(struct gumshoe_error *error, int code, const char *file, const char *message);
