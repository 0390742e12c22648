/* faults.c - which of a history's rises are faults: those that nothing in the history shows to be usual.
 *
 *   each metric ──▶ rises that matter (rises.c) ──▶ near the memory limit?          ──▶ a fault
 *                                                   recurs, or at the start, or the level was seen before,
 *                                                   or a day's load, or CPU and connections rise as well? ──▶ usual
 *                                                   none of these                   ──▶ a fault
 *   faults of one family of metrics at the same time are one fault with several parts
 *
 * A rise matters from 80 % of the level before it, or from a quarter of the memory limit; never below the noise. One that still goes
 * on at the end of the history matters from less than half of that.
 * Who: suggest.c. Context: CLI; pure. */
#include "base/memory.h"
#include "base/numbers.h"
#include "history/history.h"
#include "reader/suggest.h"
#include <errno.h>
#include <math.h>
#include <string.h>

struct study { // of one metric
    struct gs_suggestions *suggestions;
    const struct gs_metric_policy *policy;
    const char *metric;
    struct gs_track track; // of all processes, one after the other
    bool *begins;          // of each value: it is the first of a process
    double *scratch;       // one for each row of the history
    struct gs_rises rises;
    bool *is_fault; // of each rise
    int64_t span_ns;
};

static int64_t time_of(const struct study *study, size_t value)
{
    return study->track.time_ns[value];
}

static double height(const struct gs_rise *rise)
{
    return rise->to - rise->from;
}

static uint64_t limit_of(const struct study *study)
{
    return study->policy->leaks && gs_metrics_find(study->metric)->share == GS_OF_MEMORY_LIMIT
               ? study->suggestions->constraints->limit_bytes
               : 0;
}

static bool is_near_limit(const struct study *study, const struct gs_rise *rise)
{
    return limit_of(study) && rise->to >= 0.95 * (double)limit_of(study);
}

/* ---- what makes a rise usual ------------------------------------------------------------------------------------------ */

/* Rises that are at least 70 % as high come three times at regular intervals, or five times, over a third of the history; or
 * twice, a day apart, and both go back. Rises close together count once. */
static bool recurs(const struct study *study, const struct gs_rise *rise)
{
    int64_t first_ns = 0, last_ns = 0, shortest_ns = INT64_MAX, longest_ns = 0;
    size_t episodes = 0;
    bool all_return = true;
    for (size_t i = 0; i < study->rises.count; i++) {
        const struct gs_rise *other = &study->rises.item[i];
        int64_t begin_ns = time_of(study, other->begin), since_ns = begin_ns - last_ns;
        bool small = study->policy->never && height(other) < height(rise) / 2; // up and down within the fault
        if (small || other->to - rise->from < 0.7 * height(rise) ||
            (episodes && since_ns <= study->span_ns / 50))
            continue;
        if (episodes) {
            shortest_ns = since_ns < shortest_ns ? since_ns : shortest_ns;
            longest_ns = since_ns > longest_ns ? since_ns : longest_ns;
        } else {
            first_ns = begin_ns;
        }
        last_ns = begin_ns;
        all_return &= other->returned;
        episodes++;
    }
    if (episodes == 2)
        return all_return && longest_ns >= 20 * GS_NS_PER_HOUR && longest_ns <= 28 * GS_NS_PER_HOUR;
    bool regular = (double)longest_ns <= 2.5 * (double)shortest_ns;
    return episodes >= (regular ? 3 : 5) && last_ns - first_ns >= study->span_ns / 3;
}

/* It begins with the history, or with a process, and is high in the first half of that: tables are loaded, a cache fills. */
static bool is_at_start(const struct study *study, const struct gs_rise *rise)
{
    size_t first = rise->begin, end = rise->begin + 1;
    while (first > 0 && !study->begins[first])
        first--;
    while (end < study->track.count && !study->begins[end])
        end++;
    int64_t start_ns = time_of(study, first),
            lived_ns = first == 0 ? study->span_ns : time_of(study, end - 1) - start_ns;
    return time_of(study, rise->begin) - start_ns <= lived_ns / 50 &&
           time_of(study, rise->reach) - start_ns <= lived_ns / 2;
}

/* Does the value AT belong to a rise that was found to be a fault? */
static bool is_in_fault(const struct study *study, size_t at)
{
    for (size_t i = 0; i < study->rises.count; i++)
        if (study->is_fault[i] && at > study->rises.item[i].begin && at < study->rises.item[i].end)
            return true;
    return false;
}

/* Two values in a row before the rise, in no fault, were nearly as high: a restart, or the end of a quiet time. */
static bool was_seen_before(const struct study *study, const struct gs_rise *rise)
{
    double level = rise->from + 0.8 * height(rise);
    for (size_t i = 0; i < rise->begin; i++)
        if (study->track.value[i] >= level && study->track.value[i + 1] >= level && !study->begins[i + 1] &&
            !is_in_fault(study, i))
            return true;
    return false;
}

/* It takes a tenth of the history or more, and goes back slowly: one day with its load. */
static bool is_a_day(const struct study *study, const struct gs_rise *rise)
{
    int64_t up_ns = time_of(study, rise->reach) - time_of(study, rise->begin),
            down_ns = time_of(study, rise->end) - time_of(study, rise->falls);
    return rise->returned && up_ns >= study->span_ns / 10 && down_ns >= up_ns / 4; // a restart takes no time
}

/* The median of METRIC in the rows from FROM_NS to TO_NS; NAN: it has no value there. */
static double median_between(const struct study *study, const char *metric, int64_t from_ns, int64_t to_ns)
{
    const struct gs_history *history = study->suggestions->history;
    size_t column = gs_history_find(history, metric), count = 0;
    for (size_t i = 0; column != SIZE_MAX && i < gs_history_length(history); i++) {
        int64_t time_ns = gs_history_time(history, i);
        double value = gs_history_value(history, i, column);
        if (time_ns >= from_ns && time_ns <= to_ns && isfinite(value))
            study->scratch[count++] = value;
    }
    return count ? gs_median(study->scratch, count) : NAN;
}

/* Is VALUE of METRIC as high as few rows before TIME_NS were, one in fifty? */
static bool is_unusual_before(const struct study *study, const char *metric, double value, int64_t time_ns)
{
    const struct gs_history *history = study->suggestions->history;
    size_t column = gs_history_find(history, metric), rows = 0, higher = 0;
    for (size_t i = 0; column != SIZE_MAX && i < gs_history_length(history); i++) {
        double other = gs_history_value(history, i, column);
        if (gs_history_time(history, i) > time_ns || !isfinite(other))
            continue;
        rows++;
        higher += other >= value;
    }
    return higher * 50 <= rows;
}

/* How many times as high as in a time as long before it is METRIC during the rise? 0: less than 1.5 times, or it was that high
 * before, as on each day. */
static double factor_of(const struct study *study, const struct gs_rise *rise, const char *metric)
{
    int64_t begin_ns = time_of(study, rise->begin), end_ns = time_of(study, rise->end),
            least_ns = 10 * study->suggestions->out->interval_ns,
            length_ns = end_ns - begin_ns > least_ns ? end_ns - begin_ns : least_ns;
    if (strcmp(metric, study->metric) == 0)
        return 0;
    double before = median_between(study, metric, begin_ns - length_ns, begin_ns),
           then = median_between(study, metric, begin_ns + 1, end_ns);
    if (!(before > 0 && then > 1.5 * before) || !is_unusual_before(study, metric, then, begin_ns))
        return 0;
    return then / before;
}

/* More requests than before: CPU time rises, and connections or threads, and the metric hardly more than they do. */
static bool is_load(const struct study *study, const struct gs_rise *rise)
{
    double cpu = factor_of(study, rise, "cpu"), fds = factor_of(study, rise, "fds"),
           threads = factor_of(study, rise, "threads"), most = gs_larger(cpu, gs_larger(fds, threads));
    bool busy = cpu > 0 || study->policy->family == GS_FAMILY_CPU;
    return busy && (fds > 0 || threads > 0) && rise->to <= rise->from * 1.5 * most;
}

/* Why the rise is usual; GS_USUAL_CAUSES: it is not. */
static enum gs_usual_cause cause_of(const struct study *study, const struct gs_rise *rise)
{
    if (is_near_limit(study, rise))
        return GS_USUAL_CAUSES;
    if (recurs(study, rise))
        return GS_USUAL_RECURS;
    if (is_at_start(study, rise))
        return GS_USUAL_AT_START;
    if (was_seen_before(study, rise))
        return GS_USUAL_SEEN_BEFORE;
    if (is_a_day(study, rise))
        return GS_USUAL_DAY;
    return is_load(study, rise) ? GS_USUAL_LOAD : GS_USUAL_CAUSES;
}

/* ---- usual rises ------------------------------------------------------------------------------------------------------ */

static void note_usual(const struct study *study, const struct gs_rise *rise, enum gs_usual_cause cause)
{
    struct gs_suggested *out = study->suggestions->out;
    size_t at = 0;
    while (at < out->usual_count &&
           (out->usual[at].cause != cause || strcmp(out->usual[at].metric, study->metric) != 0))
        at++;
    if (at == GS_USUAL_MAX)
        return;
    struct gs_usual_rise *usual = &out->usual[at];
    if (at == out->usual_count) {
        out->usual_count++;
        *usual = (struct gs_usual_rise){
            .cause = cause, .metric = study->metric, .first_ns = time_of(study, rise->begin)};
        usual->from = rise->from;
        usual->to = rise->to;
    }
    usual->count++;
    usual->last_ns = time_of(study, rise->begin);
    if (rise->to > usual->to) {
        usual->from = rise->from;
        usual->to = rise->to;
    }
}

/* ---- faults ----------------------------------------------------------------------------------------------------------- */

static bool is_same_family(const char *a, const char *b)
{
    enum gs_metric_family family = gs_reader_metric_policy(a)->family;
    return family == gs_reader_metric_policy(b)->family && (family != GS_FAMILY_OWN || strcmp(a, b) == 0);
}

bool gs_reader_fault_concerns(const struct gs_suggestions *suggestions, size_t fault, const char *metric)
{
    return is_same_family(suggestions->out->fault[fault].part[0].metric, metric);
}

/* VALUE, or the nearer of LEAST and MOST. */
static int64_t bounded(int64_t value, int64_t least, int64_t most)
{
    return value < least ? least : value > most ? most : value;
}

static enum gs_fault_kind kind_of(const struct study *study, const struct gs_rise *rise)
{
    int64_t rows_ns = study->suggestions->out->interval_ns,
            up_ns = time_of(study, rise->reach) - time_of(study, rise->begin),
            all_ns = time_of(study, rise->end) - time_of(study, rise->begin);
    int64_t sudden_ns = bounded(study->span_ns / 500, 10 * GS_NS_PER_S, 5 * GS_NS_PER_MINUTE),
            short_ns = bounded(study->span_ns / 50, GS_NS_PER_MINUTE, 30 * GS_NS_PER_MINUTE);
    if (rise->returned && all_ns <= (short_ns > 10 * rows_ns ? short_ns : 10 * rows_ns))
        return GS_FAULT_SPIKE;
    return up_ns <= (sudden_ns > 3 * rows_ns ? sudden_ns : 3 * rows_ns) ? GS_FAULT_STEP : GS_FAULT_CLIMB;
}

/* The metric's part of FAULT. */
static void add_part(const struct study *study, const struct gs_rise *rise, struct gs_fault *fault)
{
    size_t at = 0;
    while (at < fault->part_count && strcmp(fault->part[at].metric, study->metric) != 0)
        at++;
    if (at == GS_FAULT_PARTS)
        return;
    if (at == fault->part_count) {
        fault->part_count++;
        fault->part[at].metric = study->metric;
        fault->part[at].from = rise->from;
        fault->part[at].to = rise->to;
    }
    fault->part[at].to = gs_larger(fault->part[at].to, rise->to);
    fault->to_limit |= is_near_limit(study, rise);
}

/* The fault of the same family at the time of RISE; NULL: there is none. */
static struct gs_fault *find_fault(const struct study *study, const struct gs_rise *rise)
{
    struct gs_suggested *out = study->suggestions->out;
    for (size_t i = 0; i < out->fault_count; i++)
        if (is_same_family(out->fault[i].part[0].metric, study->metric) &&
            time_of(study, rise->begin) < out->fault[i].end_ns &&
            time_of(study, rise->end) > out->fault[i].begin_ns)
            return &out->fault[i];
    return NULL;
}

static void note_fault(const struct study *study, const struct gs_rise *rise)
{
    struct gs_suggested *out = study->suggestions->out;
    struct gs_fault *fault = find_fault(study, rise);
    if (!fault && out->fault_count == GS_FAULTS_MAX) {
        out->faults_lost++;
        return;
    }
    if (!fault) {
        size_t at = out->fault_count++;
        for (; at > 0 && out->fault[at - 1].begin_ns > time_of(study, rise->begin); at--)
            out->fault[at] = out->fault[at - 1];
        fault = &out->fault[at];
        *fault = (struct gs_fault){.kind = kind_of(study, rise),
                                   .begin_ns = time_of(study, rise->begin),
                                   .peak_ns = time_of(study, rise->reach)};
    }
    if (time_of(study, rise->end) >= fault->end_ns || fault->part_count == 0) {
        fault->end_ns = time_of(study, rise->end);
        fault->lasts = !rise->returned && rise->end + 1 == study->track.count; // not if its process has ended
    }
    if (time_of(study, rise->begin) < fault->begin_ns)
        fault->begin_ns = time_of(study, rise->begin);
    add_part(study, rise, fault);
}

/* ---- a metric --------------------------------------------------------------------------------------------------------- */

/* Rates and shares have short peaks at any time: what does not last for the rule's "for" is none of a fault's. */
static bool is_too_short(const struct study *study, const struct gs_rise *rise)
{
    struct gs_unit_error error;
    int64_t least_ns = 0;
    bool is_level = study->policy->leaks || !study->policy->metric;
    if (is_level || gs_units_read_duration(study->policy->for_time, &least_ns, &error))
        return false;
    return time_of(study, rise->end) - time_of(study, rise->begin) < least_ns;
}

/* Rows with a time outside of the history (the clock was set) are left out, so that all differences of times fit. */
static int gather_track(struct study *study)
{
    const struct gs_history *history = study->suggestions->history;
    size_t rows = gs_history_length(history), column = gs_history_find(history, study->metric);
    struct gs_track *track = &study->track;
    track->time_ns = gs_alloc((rows + 1) * sizeof *track->time_ns);
    track->value = gs_alloc((rows + 1) * sizeof *track->value);
    study->scratch = gs_alloc((rows + 1) * sizeof *study->scratch);
    study->begins = gs_alloc(rows + 1);
    if (!track->time_ns || !track->value || !study->scratch || !study->begins)
        return -ENOMEM;
    int64_t first_ns = gs_history_time(history, 0), last_ns = gs_history_time(history, rows - 1);
    for (size_t i = 0; i < rows; i++) {
        double value = gs_history_value(history, i, column);
        int64_t time_ns = gs_history_time(history, i);
        study->begins[track->count] |= gs_history_starts_process(history, i);
        if (!isfinite(value) || time_ns < first_ns || time_ns > last_ns)
            continue;
        track->time_ns[track->count] = time_ns;
        track->value[track->count++] = value;
    }
    return 0;
}

/* The share of the level, and of the memory limit, from which a rise matters; a smaller one does if it goes on at the end. */
static const struct {
    double level, limit;
} shares = {0.8, 0.25}, shares_at_end = {0.35, 0.125};

static struct gs_rise_scale scale_of(const struct study *study, double level_share, double limit_share)
{
    int64_t day_ns = study->span_ns >= 2 * GS_NS_PER_DAY ? 26 * GS_NS_PER_HOUR : 0,
            share_ns = study->span_ns / 8;
    double noise = study->policy->never ? 0 : gs_reader_noise(&study->track, study->scratch);
    return (struct gs_rise_scale){.share = level_share,
                                  .most = limit_share * (double)limit_of(study),
                                  .floor = gs_larger(3 * study->policy->floor, 8 * noise),
                                  .settle_ns = share_ns > day_ns ? share_ns : day_ns};
}

/* A process that starts is no drop, and no rise from the level of the one before. */
static int find_rises(struct study *study, const struct gs_rise_scale *scale)
{
    gs_free(study->rises.item);
    gs_free(study->is_fault);
    study->rises = (struct gs_rises){0};
    study->is_fault = NULL;
    int error = 0;
    for (size_t first = 0, end; first < study->track.count && study->rises.count < GS_RISES_MAX && !error;
         first = end) {
        for (end = first + 1; end < study->track.count && !study->begins[end]; end++)
            ;
        error = gs_reader_find_rises_of(&study->track, first, end, scale, &study->rises);
    }
    study->is_fault = error ? NULL : gs_alloc(study->rises.count + 1);
    return study->is_fault ? 0 : -ENOMEM;
}

/* Does it still rise at the end of the history, after a fiftieth of it at least? */
static bool goes_on(const struct study *study, const struct gs_rise *rise)
{
    int64_t last_ns = time_of(study, study->track.count - 1),
            up_ns = time_of(study, rise->reach) - time_of(study, rise->begin);
    return !rise->returned && last_ns - time_of(study, rise->reach) <= study->span_ns / 50 &&
           up_ns >= study->span_ns / 50;
}

static void judge_rise(struct study *study, size_t at, bool small)
{
    const struct gs_rise *rise = &study->rises.item[at];
    if (is_too_short(study, rise))
        return;
    enum gs_usual_cause cause = cause_of(study, rise);
    study->is_fault[at] = cause == GS_USUAL_CAUSES;
    if (study->is_fault[at])
        note_fault(study, rise);
    else if (!small)
        note_usual(study, rise, cause);
}

/* Find the rises that matter and, if none of them goes on at the end, a smaller one that does: a climb that has only begun. */
static int study_rises(struct study *study)
{
    struct gs_rise_scale scale = scale_of(study, shares.level, shares.limit);
    bool last_goes_on = false;
    int error = find_rises(study, &scale);
    for (size_t i = 0; !error && i < study->rises.count; i++) {
        judge_rise(study, i, false);
        last_goes_on |= goes_on(study, &study->rises.item[i]);
    }
    if (error || last_goes_on)
        return error;
    scale = scale_of(study, shares_at_end.level, shares_at_end.limit);
    error = find_rises(study, &scale);
    for (size_t i = 0; !error && i < study->rises.count; i++)
        if (goes_on(study, &study->rises.item[i]))
            judge_rise(study, i, true);
    return error;
}

static int study_metric(struct gs_suggestions *suggestions, const char *metric)
{
    struct study study = {.suggestions = suggestions,
                          .policy = gs_reader_metric_policy(metric),
                          .metric = metric,
                          .span_ns = suggestions->out->span_ns};
    int error = gather_track(&study);
    if (!error && study.track.count >= GS_SUGGEST_ROWS_LEAST)
        error = study_rises(&study);
    gs_free(study.track.time_ns);
    gs_free(study.track.value);
    gs_free(study.scratch);
    gs_free(study.begins);
    gs_free(study.rises.item);
    gs_free(study.is_fault);
    return error;
}

int gs_reader_find_faults(struct gs_suggestions *suggestions)
{
    const struct gs_history *history = suggestions->history;
    const struct gs_metric_policy *policy;
    int error = 0;
    for (size_t i = 0; !error && (policy = gs_reader_metric_policy_at(i)); i++)
        if (policy->capture && gs_history_find(history, policy->metric) != SIZE_MAX)
            error = study_metric(suggestions, policy->metric);
    for (size_t i = 0; !error && i < gs_history_metric_count(history); i++) {
        const char *name = gs_history_metric_name(history, i);
        if (gs_metrics_find(name) && gs_reader_metric_policy(name)->metric == NULL)
            error = study_metric(suggestions, name);
    }
    return error;
}

/* ---- the time without faults ------------------------------------------------------------------------------------------ */

/* THIN: the first fifth of each climb is left in. */
static void list_periods(const struct gs_suggestions *suggestions, const char *metric, bool thin,
                         struct gs_periods *out)
{
    const struct gs_suggested *found = suggestions->out;
    out->count = 0;
    for (size_t i = 0; i < found->fault_count; i++) {
        const struct gs_fault *fault = &found->fault[i];
        int64_t usual_ns = thin ? (fault->peak_ns - fault->begin_ns) / 5 : 1,
                after_ns =
                    bounded((fault->end_ns - fault->peak_ns) / 2, 3 * found->interval_ns, GS_NS_PER_DAY);
        if (!gs_reader_fault_concerns(suggestions, i, metric))
            continue;
        out->item[out->count].from_ns = fault->begin_ns + usual_ns;
        out->item[out->count++].to_ns = fault->lasts ? fault->end_ns : fault->end_ns + after_ns;
    }
}

void gs_reader_fault_periods(const struct gs_suggestions *suggestions, const char *metric,
                             struct gs_periods *out)
{
    const struct gs_history *history = suggestions->history;
    size_t rows = gs_history_length(history), left = 0;
    list_periods(suggestions, metric, false, out);
    for (size_t i = 0; i < rows; i++)
        left += !gs_reader_is_within(out, gs_history_time(history, i));
    if (left < GS_SUGGEST_ROWS_LEAST || left < rows / 50)
        list_periods(suggestions, metric, true, out);
}
