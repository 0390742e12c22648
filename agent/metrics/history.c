/* history.c - the last ticks, in a ring.
 *
 *   time[ticks]            1000   2000   3000          one row a tick; the oldest is overwritten
 *   value[ticks][count]    a b c  a b c  a b c         NAN: missing
 *
 * Who:    the watcher adds; an incident and the box read, on the same thread.
 * Bounds: all of it allocated at once; adding is a copy of COUNT values. */
#include "base/memory.h"
#include "metrics/metrics.h"
#include <math.h>
#include <string.h>

struct gs_history {
    size_t count, ticks; // metrics; rows there is room for
    size_t length, next; // rows in use; the row to be written next
    int64_t *time;
    double *value;
    char *name[];
};

static bool make_rows(struct gs_history *history)
{
    size_t row, rows;
    if (__builtin_mul_overflow(history->count, sizeof *history->value, &row) ||
        __builtin_mul_overflow(row, history->ticks, &rows) ||
        history->ticks > SIZE_MAX / sizeof *history->time)
        return false;
    history->time = gs_alloc(history->ticks * sizeof *history->time);
    history->value = gs_alloc(rows);
    return history->time && history->value;
}

static bool copy_names(struct gs_history *history, const char *const *names)
{
    for (size_t i = 0; i < history->count; i++) {
        history->name[i] = gs_strdup(names[i]);
        if (!history->name[i])
            return false;
    }
    return true;
}

struct gs_history *gs_history_new(const char *const *names, size_t count, size_t ticks)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, sizeof(char *), &bytes) ||
        __builtin_add_overflow(bytes, sizeof(struct gs_history), &bytes))
        return NULL;
    struct gs_history *history = gs_alloc(bytes);
    if (!history)
        return NULL;
    history->count = count;
    history->ticks = ticks ? ticks : 1; // a ring needs a place
    if (make_rows(history) && copy_names(history, names))
        return history;
    gs_history_free(history);
    return NULL;
}

void gs_history_free(struct gs_history *history)
{
    if (!history)
        return;
    for (size_t i = 0; i < history->count; i++)
        gs_free(history->name[i]);
    gs_free(history->time);
    gs_free(history->value);
    gs_free(history);
}

/* A new row at REALTIME_NS, its values for the caller to fill. */
static double *add_row(struct gs_history *history, int64_t realtime_ns)
{
    size_t row = history->next;
    history->next = row + 1 == history->ticks ? 0 : row + 1;
    if (history->length < history->ticks)
        history->length++;
    history->time[row] = realtime_ns;
    return history->value + row * history->count;
}

void gs_history_add(struct gs_history *history, int64_t realtime_ns, const double *values)
{
    double *row = add_row(history, realtime_ns);
    if (history->count)
        memcpy(row, values, history->count * sizeof *values);
}

size_t gs_history_length(const struct gs_history *history)
{
    return history->length;
}

static size_t row_of(const struct gs_history *history, size_t at)
{
    size_t oldest = history->length < history->ticks ? 0 : history->next;
    size_t to_the_end = history->ticks - oldest;
    return at < to_the_end ? oldest + at : at - to_the_end;
}

int64_t gs_history_time(const struct gs_history *history, size_t at)
{
    return history->time[row_of(history, at)];
}

double gs_history_value(const struct gs_history *history, size_t at, size_t metric)
{
    return history->value[row_of(history, at) * history->count + metric];
}

size_t gs_history_metric_count(const struct gs_history *history)
{
    return history->count;
}

const char *gs_history_metric_name(const struct gs_history *history, size_t metric)
{
    return history->name[metric];
}

/* Which metric of HISTORY is called NAME; SIZE_MAX: none. */
static size_t find_metric(const struct gs_history *history, const char *name)
{
    for (size_t i = 0; i < history->count; i++)
        if (strcmp(history->name[i], name) == 0)
            return i;
    return SIZE_MAX;
}

/* The value that tick AT of OLD has for a metric called NAME. */
static double value_by_name(const struct gs_history *old, size_t at, const char *name)
{
    size_t metric = find_metric(old, name);
    return metric == SIZE_MAX ? NAN : gs_history_value(old, at, metric);
}

static bool share_a_metric(const struct gs_history *a, const struct gs_history *b)
{
    for (size_t i = 0; i < a->count; i++)
        if (find_metric(b, a->name[i]) != SIZE_MAX)
            return true;
    return false;
}

void gs_history_adopt(struct gs_history *history, const struct gs_history *old)
{
    bool begun = history->length > 0; // its own ticks are younger: nothing goes behind them
    if (begun || !share_a_metric(history, old))
        return;
    for (size_t at = 0; at < old->length; at++) {
        double *row = add_row(history, gs_history_time(old, at));
        for (size_t i = 0; i < history->count; i++)
            row[i] = value_by_name(old, at, history->name[i]);
    }
}
