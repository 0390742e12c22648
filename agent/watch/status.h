/* status.h - what a running agent sees, as JSON (docs/formats.md). */
#pragma once
#include "base/text.h"
#include "metrics/metrics.h"
#include "rules/rules.h"
#include "watch/rules_file.h"

struct gs_status {              // borrowed
    const struct gs_rules *rules;
    const struct gs_rules_file *file;
    const struct gs_judge *judge;
    const struct gs_metric_set *metrics;
    const double *values;       // of the last tick, one for each of the rules' metrics
    const char *dir, *limit_from;
    const char *other_dir;      // that the rules name by now, too late; NULL: they do not
    uint64_t limit_bytes;
    int64_t started_ns;         // CLOCK_REALTIME, of the process
    unsigned under_way;         // incidents being captured
};
/* Context: watcher. */
void gs_watch_status_write(const struct gs_status *status, struct gs_text *out);
