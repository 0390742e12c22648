/* history.c - the last hours tick by tick, before them half a day by minutes, before it a week by ten minutes.
 *
 *   ticks           ▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪ ◀── gs_history_add       7200 rows, or as many as fit into 384 KiB, at least 3600
 *                   └ the oldest is merged into the open step of
 *   minutes         ▫▫▫▫▫▫▫▫▫▫▫▫▫▫ [open]                          a step is 60 ticks, at least a minute, in two rows;
 *                   └ likewise into the open step of               720 steps
 *   ten minutes     ▫▫▫▫▫▫▫ [open]                                 a step is 600 ticks, at least ten minutes; 1008 steps
 *
 *   a step keeps    the lowest and the highest value of each metric, in the order in which they occurred:
 *                   one at its middle, one at its end         100 104 180 99 101  ──▶  180 │ 99
 *
 * So spikes and dips are not averaged away, a ramp stays a ramp, and a condition that held on every tick of a step holds on
 * both its rows. A step without values is not stored: a gap longer than a step stays a gap. Every row is in one part only,
 * so reading goes through the parts one after another, the coarsest first.
 *
 *   time[], step_ms[], value[][count]     one block for all parts, rows in rings; NAN: missing
 *
 * Who:    the watcher adds; an incident and the box read, on the same thread. A replay reads a history from a file,
 *         which has one part.
 * Bounds: allocated at once, touched as it fills: for three metrics 253 KiB in two hours, 375 KiB in a week. Adding a tick
 *         copies COUNT values and merges at most two rows. */
#include "base/clock.h"
#include "base/memory.h"
#include "history/inside.h"
#include <errno.h>
#include <math.h>
#include <string.h>

enum { TICKS_MAX = 7200, TICKS_MIN = 3600, TICKS_BYTES = 384 << 10, MINUTES = 720, TEN_MINUTES = 1008 };
#define MINUTE_NS (60 * GS_NS_PER_S)

struct extremes { // of one metric in the open step; NAN: no value yet
    double low, high;
    bool low_came_first;
};

struct row_step { // the step that is being filled
    bool open;
    int64_t start_ns, end_ns;
    struct extremes *extremes; // one for each metric
};

struct part {
    int64_t step_ns;               // length of a step; for the first part, the interval
    size_t capacity, length, next; // in rows; the row to write next
    int64_t *time_ns;
    uint32_t *step_ms; // the time that each row covers
    double *value;
    struct row_step step; // newer than its rows; unused in the first part
};

struct row_start { // a process begins
    size_t row;
    struct gs_history_owner owner;
};

struct gs_history {
    size_t count;                       // of metrics
    uint64_t added;                     // ticks ever added, with those of adopted histories
    uint64_t first_serial;              // serials below are of adopted histories
    struct part part[GS_HISTORY_PARTS]; // the finest first
    void *rows;
    struct extremes *extremes;
    struct row_start
        *start; // the rows that are the first of a process, ascending; only of a history from a file
    size_t start_count, start_capacity;
    char *name[];
};

/* ---- new and free -------------------------------------------------------------------------------------------- */

static size_t row_bytes(size_t count)
{
    return sizeof(int64_t) + sizeof(uint32_t) + count * sizeof(double);
}

/* Divide one block between the parts. Values and times come first, because they need the wider alignment. */
static bool make_rows(struct gs_history *history, size_t rows)
{
    size_t bytes;
    if (__builtin_mul_overflow(rows, row_bytes(history->count), &bytes))
        return false;
    history->rows = gs_alloc(bytes + 1); // + 1: no metrics and no rows must not look like out of memory
    if (!history->rows)
        return false;
    double *value = history->rows;
    int64_t *time_ns = (int64_t *)(value + rows * history->count);
    uint32_t *step_ms = (uint32_t *)(time_ns + rows);
    for (struct part *part = history->part; part < history->part + GS_HISTORY_PARTS; part++) {
        part->value = value;
        part->time_ns = time_ns;
        part->step_ms = step_ms;
        value += part->capacity * history->count;
        time_ns += part->capacity;
        step_ms += part->capacity;
    }
    return true;
}

static bool make_steps(struct gs_history *history)
{
    history->extremes = gs_alloc((GS_HISTORY_PARTS - 1) * history->count * sizeof *history->extremes + 1);
    for (size_t i = 1; history->extremes && i < GS_HISTORY_PARTS; i++)
        history->part[i].step.extremes = history->extremes + (i - 1) * history->count;
    return history->extremes;
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

struct gs_history *gs_history_shaped(const char *const *names, size_t count,
                                     const struct gs_history_shape *shape)
{
    if (count > GS_HISTORY_METRICS_MAX)
        return NULL;
    struct gs_history *history = gs_alloc(sizeof *history + count * sizeof *history->name);
    if (!history)
        return NULL;
    size_t rows = 0;
    bool fits = true;
    history->count = count;
    for (size_t i = 0; i < GS_HISTORY_PARTS; i++) {
        history->part[i].capacity = shape->part[i].rows;
        history->part[i].step_ns = shape->part[i].step_ns;
        fits &= !__builtin_add_overflow(rows, shape->part[i].rows, &rows);
    }
    if (fits && make_rows(history, rows) && make_steps(history) && copy_names(history, names))
        return history;
    gs_history_free(history);
    return NULL;
}

static int64_t at_least(int64_t ns, int64_t least_ns)
{
    return ns > least_ns ? ns : least_ns;
}

struct gs_history *gs_history_new(const char *const *names, size_t count, int64_t interval_ns)
{
    size_t fitting = TICKS_BYTES / row_bytes(count < GS_HISTORY_METRICS_MAX ? count : GS_HISTORY_METRICS_MAX);
    size_t ticks = fitting < TICKS_MIN ? TICKS_MIN : fitting > TICKS_MAX ? TICKS_MAX : fitting;
    const struct gs_history_shape shape = {{{ticks, interval_ns},
                                            {2 * MINUTES, at_least(60 * interval_ns, MINUTE_NS)},
                                            {2 * TEN_MINUTES, at_least(600 * interval_ns, 10 * MINUTE_NS)}}};
    return gs_history_shaped(names, count, &shape);
}

void gs_history_free(struct gs_history *history)
{
    if (!history)
        return;
    for (size_t i = 0; i < history->count; i++)
        gs_free(history->name[i]);
    gs_free(history->rows);
    gs_free(history->extremes);
    gs_free(history->start);
    gs_free(history);
}

/* ---- adding -------------------------------------------------------------------------------------------------- */

static uint32_t whole_ms(int64_t ns)
{
    int64_t ms = ns / GS_NS_PER_MS + (ns % GS_NS_PER_MS > 0);
    return ms < 0 ? 0 : ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

static size_t row_of(const struct part *part, size_t at)
{
    size_t oldest = part->length < part->capacity ? 0 : part->next;
    size_t rows_to_end = part->capacity - oldest;
    return at < rows_to_end ? oldest + at : at - rows_to_end;
}

static void merge_row(struct gs_history *history, size_t into, size_t row);

/* Add a row to part NUMBER and return its values, which the caller fills; NULL: the part has no rows. If the part is
 * full, its oldest row is merged into the next part. */
static double *push_row(struct gs_history *history, size_t number, int64_t time_ns, uint32_t step_ms)
{
    struct part *part = &history->part[number];
    if (part->capacity == 0)
        return NULL;
    size_t row = part->next;
    if (part->length == part->capacity)
        merge_row(history, number + 1, row);
    part->next = row + 1 == part->capacity ? 0 : row + 1;
    part->length += part->length < part->capacity;
    part->time_ns[row] = time_ns;
    part->step_ms[row] = step_ms;
    return part->value + row * history->count;
}

/* The time that each of the two rows of a step covers. */
static uint32_t half_step_ms(const struct part *part)
{
    return whole_ms(part->step_ns / 2);
}

static int64_t middle_ns(const struct row_step *step)
{
    return step->end_ns - (step->end_ns - step->start_ns) / 2;
}

/* The value of the step's FIRST row, or of its second row. */
static double step_value(const struct row_step *step, bool first, size_t metric)
{
    const struct extremes *extremes = &step->extremes[metric];
    return extremes->low_came_first == first ? extremes->low : extremes->high;
}

static void close_step(struct gs_history *history, size_t number)
{
    struct row_step *step = &history->part[number].step;
    if (!step->open)
        return;
    step->open = false;
    uint32_t step_ms = half_step_ms(&history->part[number]);
    for (int first = 1; first >= 0; first--) {
        double *row = push_row(history, number, first ? middle_ns(step) : step->end_ns, step_ms);
        for (size_t i = 0; row && i < history->count; i++)
            row[i] = step_value(step, first, i);
    }
}

static void open_step(struct row_step *step, size_t count, int64_t start_ns)
{
    step->open = true;
    step->start_ns = start_ns;
    for (size_t i = 0; i < count; i++)
        step->extremes[i] = (struct extremes){NAN, NAN, true};
}

static void widen_extremes(struct extremes *extremes, double value)
{
    if (!isfinite(value))
        return;
    if (isnan(extremes->low)) {
        extremes->low = extremes->high = value;
    } else if (value < extremes->low) {
        extremes->low = value;
        extremes->low_came_first = false;
    } else if (value > extremes->high) {
        extremes->high = value;
        extremes->low_came_first = true;
    }
}

/* Merge ROW of the part before INTO part INTO, if it exists: into its open step, or as a row of its own if the row is as
 * coarse already (it came from an adopted history). */
static void merge_row(struct gs_history *history, size_t into, size_t row)
{
    const struct part *from = &history->part[into - 1];
    if (into == GS_HISTORY_PARTS || history->part[into].capacity == 0)
        return;
    struct part *part = &history->part[into];
    struct row_step *step = &part->step;
    const double *value = from->value + row * history->count;
    int64_t time_ns = from->time_ns[row], step_ns = from->step_ms[row] * GS_NS_PER_MS;
    bool as_coarse = step_ns >= part->step_ns / 2;
    bool beyond = time_ns - step->start_ns > part->step_ns + step_ns / 2 || time_ns < step->end_ns;
    if (as_coarse || beyond) // also after the clock was set back
        close_step(history, into);
    if (as_coarse) {
        double *copy = push_row(history, into, time_ns, from->step_ms[row]);
        memcpy(copy, value, history->count * sizeof *value);
        return;
    }
    if (!step->open)
        open_step(step, history->count, time_ns - step_ns);
    step->end_ns = time_ns;
    for (size_t i = 0; i < history->count; i++)
        widen_extremes(&step->extremes[i], value[i]);
}

void gs_history_put(struct gs_history *history, int64_t time_ns, int64_t step_ns, const double *values)
{
    double *row = push_row(history, 0, time_ns, whole_ms(step_ns));
    if (row && history->count)
        memcpy(row, values, history->count * sizeof *values);
}

int gs_history_mark_start(struct gs_history *history, struct gs_history_owner owner)
{
    if (gs_grow(&history->start, &history->start_capacity, history->start_count + 1, sizeof *history->start))
        return -ENOMEM;
    history->start[history->start_count++] = (struct row_start){gs_history_length(history), owner};
    return 0;
}

/* How many processes begin before row AT. */
static size_t starts_before(const struct gs_history *history, size_t at)
{
    size_t low = 0, high = history->start_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (history->start[middle].row < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool gs_history_starts_process(const struct gs_history *history, size_t at)
{
    size_t next = starts_before(history, at);
    return next < history->start_count && history->start[next].row == at;
}

struct gs_history_owner gs_history_owner(const struct gs_history *history, size_t at)
{
    size_t begun = starts_before(history, at + 1);
    return begun ? history->start[begun - 1].owner : (struct gs_history_owner){0};
}

void gs_history_add(struct gs_history *history, int64_t realtime_ns, const double *values)
{
    history->added++;
    gs_history_put(history, realtime_ns, history->part[0].step_ns, values);
}

/* ---- reading ------------------------------------------------------------------------------------------------- */

static size_t rows_in(const struct part *part)
{
    return part->length + (part->step.open ? 2 : 0);
}

size_t gs_history_length(const struct gs_history *history)
{
    size_t length = 0;
    for (size_t i = 0; i < GS_HISTORY_PARTS; i++)
        length += rows_in(&history->part[i]);
    return length;
}

/* The part that contains row *AT; *AT becomes the index in that part. After the part's rows come the two of its open
 * step. */
static const struct part *find_row(const struct gs_history *history, size_t *at)
{
    const struct part *part = &history->part[GS_HISTORY_PARTS - 1];
    for (; part > history->part && *at >= rows_in(part); part--)
        *at -= rows_in(part);
    return part;
}

int64_t gs_history_time(const struct gs_history *history, size_t at)
{
    const struct part *part = find_row(history, &at);
    if (at < part->length)
        return part->time_ns[row_of(part, at)];
    return at == part->length ? middle_ns(&part->step) : part->step.end_ns;
}

int64_t gs_history_step_ns(const struct gs_history *history, size_t at)
{
    const struct part *part = find_row(history, &at);
    uint32_t step_ms = at < part->length ? part->step_ms[row_of(part, at)] : half_step_ms(part);
    return step_ms * GS_NS_PER_MS;
}

double gs_history_value(const struct gs_history *history, size_t at, size_t metric)
{
    const struct part *part = find_row(history, &at);
    if (at < part->length)
        return part->value[row_of(part, at) * history->count + metric];
    return step_value(&part->step, at == part->length, metric);
}

size_t gs_history_metric_count(const struct gs_history *history)
{
    return history->count;
}

const char *gs_history_metric_name(const struct gs_history *history, size_t metric)
{
    return history->name[metric];
}

int64_t gs_history_interval_ns(const struct gs_history *history)
{
    return history->part[0].step_ns;
}

size_t gs_history_since(const struct gs_history *history, uint64_t serial)
{
    uint64_t ticks = history->added - serial;
    bool known = serial > 0 && serial >= history->first_serial && serial <= history->added;
    return known && ticks <= history->part[0].length ? gs_history_length(history) - ticks : SIZE_MAX;
}

uint64_t gs_history_serial(const struct gs_history *history)
{
    return history->added;
}

size_t gs_history_find(const struct gs_history *history, const char *name)
{
    for (size_t i = 0; i < history->count; i++)
        if (strcmp(history->name[i], name) == 0)
            return i;
    return SIZE_MAX;
}

/* ---- after a reload ------------------------------------------------------------------------------------------ */

/* The value of metric NAME in row AT of OLD; NAN: OLD does not have it. */
static double value_by_name(const struct gs_history *old, size_t at, const char *name)
{
    size_t metric = gs_history_find(old, name);
    return metric == SIZE_MAX ? NAN : gs_history_value(old, at, metric);
}

static bool share_a_metric(const struct gs_history *a, const struct gs_history *b)
{
    for (size_t i = 0; i < a->count; i++)
        if (gs_history_find(b, a->name[i]) != SIZE_MAX)
            return true;
    return false;
}

/* Serials continue after OLD's, one higher, so that the next pack is a full one: the metrics may have changed. Parts
 * are copied from the coarsest: rows that do not fit into a part are merged into a coarser one, which has its older
 * rows already. */
void gs_history_adopt(struct gs_history *history, const struct gs_history *old)
{
    history->first_serial = old->added + 1;
    history->added += history->first_serial;
    bool has_rows = gs_history_length(history) > 0; // they are newer, so older rows cannot be added
    if (has_rows || !share_a_metric(history, old))
        return;
    size_t at = 0;
    for (size_t part = GS_HISTORY_PARTS; part-- > 0;)
        for (size_t end = at + rows_in(&old->part[part]); at < end; at++) {
            uint32_t step_ms = whole_ms(gs_history_step_ns(old, at));
            double *row = push_row(history, part, gs_history_time(old, at), step_ms);
            for (size_t i = 0; row && i < history->count; i++)
                row[i] = value_by_name(old, at, history->name[i]);
        }
}
