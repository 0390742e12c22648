/* status.h - what a running agent sees, as JSON (docs/formats.md). */
#pragma once
#include "base/json.h"
#include "base/text.h"
#include "metrics/metrics.h"
#include "rules/rules.h"
#include "watch/rules_file.h"

struct gs_status {              // all pointers are borrowed
    const struct gs_rules *rules;
    const struct gs_rules_file *file;
    const struct gs_judge *judge;
    const struct gs_metric_set *metrics;
    const double *values;       // of the last tick, one for each metric of the rules
    const char *dir, *limit_from;
    const char *other_dir;      // incidents.dir of reloaded rules, which has no effect before a restart; NULL: unchanged
    uint64_t limit_bytes;
    int64_t started_ns;         // CLOCK_REALTIME: start of the process
    unsigned active_captures;   // number of incidents being captured
};
/* Add STATUS as one line of JSON to OUT. Failure: out->failed. Context: watcher. */
void gs_watch_status_write(const struct gs_status *status, struct gs_text *out);
/* Add the figures that need no rule: of the process, of the agent, of the heap, of memory by use, of gauges; and labels
 * (status_figures.c). Context: watcher. */
void gs_watch_status_add_figures(struct gs_json *status, const struct gs_rules *rules);
