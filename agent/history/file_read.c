/* file_read.c - reads a history file, which is not trusted.
 *
 *   1  walk: records ──▶ entry[]; damaged places are skipped, a cut-off end is ignored
 *   2  from the newest: as many rows as VALUES_MAX allow
 *   3  process by process, in the file's order:  its TICKS ──┐
 *                                                its STEPS ──┴▶ where no TICKS are ──▶ rows, sorted by time ──▶ gs_history
 *
 * The metrics are those of all processes; a process without one has no values of it.
 * Who: replay, suggest, the page of an incident, in the CLI. Bounds: VALUES_MAX values, each of 8 bytes, twice; DAMAGES_MAX places are looked at. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/sort.h"
#include "history/inside.h"
#include "metrics/metrics.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

enum { VALUES_MAX = 1 << 24, DAMAGES_MAX = 1000 };

struct past_process { // a process in the file
    uint32_t number;
    size_t first, end;            // its entries: [first, end) of past.entry, once sorted
    uint64_t first_offset;        // of its first record
    const unsigned char *metrics; // its pack of metrics; NULL: its PROCESS record is missing
    size_t metrics_length;
    struct gs_history_process is; // texts are not kept
};

struct past_row {
    int64_t time_ns, step_ns;
    size_t value; // index of its first value in past.value
};

struct past { // a history file while it is read
    const unsigned char *bytes;
    size_t length;
    struct gs_history_entry *entry;
    size_t entries, entry_capacity;
    struct past_process *process;
    size_t processes, process_capacity;
    size_t damages;               // places that are not records
    uint64_t lost_rows;           // of damaged records, or without their PROCESS
    bool has_older;               // rows that were left out because there are too many
    char (*name)[GS_METRIC_NAME]; // metrics of all processes
    size_t names, name_capacity;
    int64_t interval_ns;
    struct past_row *row; // of the process that is being read
    size_t rows, row_capacity;
    double *value;
    size_t values, value_capacity;
    bool no_memory;
};

/* ---- 1: the records ------------------------------------------------------------------------------------------------ */

static bool add_entry(struct past *past, size_t at, const struct gs_history_record *record)
{
    if (gs_grow(&past->entry, &past->entry_capacity, past->entries + 1, sizeof *past->entry))
        return false;
    past->entry[past->entries++] = (struct gs_history_entry){.offset = at,
                                                             .size = (uint32_t)record->size,
                                                             .process = record->process,
                                                             .from_ms = record->from_ms,
                                                             .to_ms = record->to_ms,
                                                             .rows = record->rows,
                                                             .type = (uint8_t)record->type};
    return true;
}

/* A place that is no record counts as damage if a record follows it. */
static void find_entries(struct past *past)
{
    struct gs_history_record record;
    bool damaged = false;
    size_t looks = 0;
    for (size_t at = GS_HISTORY_FILE_HEAD; at < past->length && looks < DAMAGES_MAX;) {
        if (!gs_history_file_record(past->bytes + at, past->length - at, &record)) {
            damaged = true;
            looks++;
            at += gs_history_file_next(past->bytes + at, past->length - at);
            continue;
        }
        past->damages += damaged;
        damaged = false;
        if (!add_entry(past, at, &record)) {
            past->no_memory = true;
            return;
        }
        at += record.size;
    }
    past->damages += looks == DAMAGES_MAX;
}

/* Leave out the entries that are not of PART. */
static void choose_part(struct past *past, const struct gs_history_file_part *part)
{
    size_t kept = 0;
    for (size_t i = 0; i < past->entries; i++)
        if (past->entry[i].type == GS_HISTORY_PROCESS || past->entry[i].from_ms <= part->to_ns / GS_NS_PER_MS)
            past->entry[kept++] = past->entry[i];
    past->entries = kept;
    gs_history_file_choose(past->entry, past->entries, part->max_bytes);
    kept = 0;
    for (size_t i = 0; i < past->entries; i++)
        if (past->entry[i].keep)
            past->entry[kept++] = past->entry[i];
    past->entries = kept;
}

static void record_of(const struct past *past, const struct gs_history_entry *entry,
                      struct gs_history_record *out)
{
    *out = (struct gs_history_record){0};
    if (!gs_history_file_record(past->bytes + entry->offset, entry->size, out))
        out->rows = 0; // cannot be: it was read before
}

/* ---- 2: processes and metrics --------------------------------------------------------------------------------------- */

static int by_first_offset(const void *a, const void *b)
{
    const struct past_process *x = a, *y = b;
    return x->first_offset < y->first_offset ? -1 : x->first_offset > y->first_offset;
}

/* Take the metrics of PROCESS into the names of all. False: they cannot be read. */
static bool take_names(struct past *past, const struct past_process *process)
{
    char why[160];
    struct gs_history *empty = gs_history_unpack(process->metrics, process->metrics_length, why, sizeof why);
    for (size_t i = 0; empty && i < gs_history_metric_count(empty); i++) {
        size_t known = 0;
        while (known < past->names && strcmp(past->name[known], gs_history_metric_name(empty, i)) != 0)
            known++;
        if (known < past->names)
            continue;
        if (past->names == GS_HISTORY_METRICS_MAX ||
            gs_grow(&past->name, &past->name_capacity, past->names + 1, sizeof *past->name)) {
            gs_history_free(empty);
            return false;
        }
        snprintf(past->name[past->names++], GS_METRIC_NAME, "%s", gs_history_metric_name(empty, i));
    }
    int64_t interval_ns = empty ? gs_history_interval_ns(empty) : 0;
    interval_ns =
        interval_ns < GS_NS_PER_S ? GS_NS_PER_S / 2 : interval_ns; // then a step of a second has two rows
    if (empty && (!past->interval_ns || interval_ns < past->interval_ns))
        past->interval_ns = interval_ns;
    gs_history_free(empty);
    return empty != NULL;
}

/* What the entries [FIRST, END) of one process say of it. */
static void describe_process(struct past *past, size_t first, size_t end)
{
    struct past_process process = {.number = past->entry[first].process,
                                   .first = first,
                                   .end = end,
                                   .first_offset = past->entry[first].offset};
    for (size_t i = first; i < end; i++) {
        struct gs_history_record record;
        char text[2][GS_HISTORY_TEXT];
        record_of(past, &past->entry[i], &record);
        if (record.type == GS_HISTORY_PROCESS && !process.metrics &&
            !gs_history_file_read_process(&record, &process.is, text, &process.metrics,
                                          &process.metrics_length))
            process.metrics = NULL;
    }
    process.is.program = process.is.host = "";
    if (process.metrics && !take_names(past, &process))
        process.metrics = NULL;
    if (gs_grow(&past->process, &past->process_capacity, past->processes + 1, sizeof process))
        past->no_memory = true;
    else
        past->process[past->processes++] = process;
}

static void find_processes(struct past *past)
{
    gs_sort(past->entry, past->entries, sizeof *past->entry, gs_history_entry_by_process);
    for (size_t first = 0, end; first < past->entries && !past->no_memory; first = end) {
        for (end = first; end < past->entries && past->entry[end].process == past->entry[first].process;
             end++)
            ;
        describe_process(past, first, end);
    }
    gs_sort(past->process, past->processes, sizeof *past->process, by_first_offset);
}

/* Mark the rows to read: the newest, so many that there is room for their values. Steps have a quarter of it for
 * themselves. */
static void choose_rows(struct past *past)
{
    uint64_t room = VALUES_MAX / (past->names + 1), ticks_left = room / 4 * 3, steps_left = room / 4;
    gs_sort(past->entry, past->entries, sizeof *past->entry, gs_history_entry_by_offset);
    for (size_t i = past->entries; i-- > 0;) {
        struct gs_history_entry *entry = &past->entry[i];
        bool steps = entry->type == GS_HISTORY_STEPS, has_rows = steps || entry->type == GS_HISTORY_TICKS;
        uint64_t *left = steps ? &steps_left : &ticks_left;
        entry->keep = has_rows && entry->rows <= *left;
        *left = entry->keep ? *left - entry->rows : has_rows ? 0 : *left; // older ones do not fill the rest
        past->has_older |= steps && !entry->keep;
    }
    gs_sort(past->entry, past->entries, sizeof *past->entry,
            gs_history_entry_by_process); // as the processes know them
}

/* ---- 3: rows -------------------------------------------------------------------------------------------------------- */

/* Inflate the pack of RECORD to OUT, which has room for it. */
static bool inflate_pack(const struct gs_history_record *record, unsigned char *out)
{
    z_stream zip = {.zalloc = gs_memory_zalloc, .zfree = gs_memory_zfree};
    if (inflateInit2(&zip, -15) != Z_OK)
        return false;
    zip.next_in = (Bytef *)record->payload; // zlib does not write to it
    zip.avail_in = (uInt)record->payload_length;
    zip.next_out = out;
    zip.avail_out = (uInt)record->packed_length;
    bool ok = inflate(&zip, Z_FINISH) == Z_STREAM_END && zip.avail_out == 0;
    inflateEnd(&zip);
    return ok;
}

/* The rows of RECORD with the metrics of PROCESS; NULL: damaged, or no memory. */
static struct gs_history *unpack_rows(const struct past_process *process,
                                      const struct gs_history_record *record)
{
    char why[160];
    unsigned char *packs = gs_alloc(process->metrics_length + record->packed_length + 1);
    struct gs_history *rows = NULL;
    if (packs && inflate_pack(record, packs + process->metrics_length)) {
        memcpy(packs, process->metrics, process->metrics_length);
        rows = gs_history_unpack(packs, process->metrics_length + record->packed_length, why, sizeof why);
    }
    gs_free(packs);
    if (rows && gs_history_length(rows) == record->rows)
        return rows;
    gs_history_free(rows);
    return NULL;
}

/* For each metric of HISTORY its index among the names of all; NULL: no memory. */
static size_t *columns_of(const struct past *past, const struct gs_history *history)
{
    size_t count = gs_history_metric_count(history), *column = gs_alloc(count * sizeof *column + 1);
    for (size_t i = 0; column && i < count; i++)
        while (strcmp(past->name[column[i]], gs_history_metric_name(history, i)) != 0)
            column[i]++;
    return column;
}

/* Is TIME_NS in one of the TICKS of the entries [FIRST, END) that are kept? They are sorted by their beginning. */
static bool has_ticks(const struct gs_history_entry *ticks, size_t count, int64_t time_ns)
{
    int64_t ms = time_ns / GS_NS_PER_MS;
    size_t low = 0, high = count;
    while (low < high) { // the first that begins later
        size_t middle = low + (high - low) / 2;
        if (ticks[middle].from_ms <= ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && ms <= ticks[low - 1].to_ms;
}

/* Add row AT of HISTORY. */
static void add_row(struct past *past, const struct gs_history *history, size_t at, const size_t *column)
{
    double *value = past->value + past->values;
    for (size_t i = 0; i < past->names; i++)
        value[i] = NAN;
    for (size_t i = 0; i < gs_history_metric_count(history); i++)
        value[column[i]] = gs_history_value(history, at, i);
    past->row[past->rows++] =
        (struct past_row){gs_history_time(history, at), gs_history_step_ns(history, at), past->values};
    past->values += past->names;
}

/* Add the rows of HISTORY, but not those of times that the TICKS have. */
static void add_rows(struct past *past, const struct gs_history *history,
                     const struct gs_history_entry *ticks, size_t tick_count)
{
    size_t length = gs_history_length(history), *column = columns_of(past, history);
    if (!column || gs_grow(&past->row, &past->row_capacity, past->rows + length, sizeof *past->row) ||
        gs_grow(&past->value, &past->value_capacity, past->values + length * past->names + 1,
                sizeof *past->value))
        past->no_memory = true;
    for (size_t at = 0; !past->no_memory && at < length; at++)
        if (!has_ticks(ticks, tick_count, gs_history_time(history, at)))
            add_row(past, history, at, column);
    gs_free(column);
}

static int by_beginning(const void *a, const void *b)
{
    const struct gs_history_entry *x = a, *y = b;
    int tiers = (x->type == GS_HISTORY_STEPS) - (y->type == GS_HISTORY_STEPS); // TICKS first
    if (tiers)
        return tiers;
    if (x->from_ms != y->from_ms)
        return x->from_ms < y->from_ms ? -1 : 1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int by_time(const void *a, const void *b)
{
    const struct past_row *x = a, *y = b;
    if (x->time_ns != y->time_ns)
        return x->time_ns < y->time_ns ? -1 : 1;
    return x->value < y->value ? -1 : x->value > y->value;
}

/* Gather the rows of PROCESS, in the order of time. */
static void gather_process(struct past *past, const struct past_process *process)
{
    struct gs_history_entry *entry = past->entry + process->first;
    size_t kept = 0, ticks = 0;
    for (size_t i = 0; i < process->end - process->first; i++)
        if (entry[i].keep)
            entry[kept++] = entry[i];
    gs_sort(entry, kept, sizeof *entry, by_beginning);
    while (ticks < kept && entry[ticks].type == GS_HISTORY_TICKS)
        ticks++;
    past->rows = past->values = 0;
    for (size_t i = 0; i < kept && !past->no_memory; i++) {
        struct gs_history_record record;
        record_of(past, &entry[i], &record);
        struct gs_history *rows = process->metrics ? unpack_rows(process, &record) : NULL;
        if (rows)
            add_rows(past, rows, entry, i < ticks ? 0 : ticks);
        else
            past->lost_rows += record.rows < VALUES_MAX ? record.rows : 0;
        gs_history_free(rows);
    }
    gs_sort(past->row, past->rows, sizeof *past->row, by_time);
}

/* ---- all of it ------------------------------------------------------------------------------------------------------ */

static struct gs_history *new_history(const struct past *past)
{
    uint64_t rows = 0;
    for (size_t i = 0; i < past->entries; i++)
        rows += past->entry[i].keep ? past->entry[i].rows : 0;
    const char **name = gs_alloc(past->names * sizeof *name + 1);
    for (size_t i = 0; name && i < past->names; i++)
        name[i] = past->name[i];
    const struct gs_history_shape shape = {{{rows, past->interval_ns}}};
    struct gs_history *history = name ? gs_history_shaped(name, past->names, &shape) : NULL;
    gs_free(name);
    return history;
}

/* Put the rows of all processes into HISTORY. */
static void put_processes(struct past *past, struct gs_history *history, struct gs_history_about *about)
{
    for (size_t i = 0; i < past->processes && !past->no_memory; i++) {
        const struct past_process *process = &past->process[i];
        gather_process(past, process);
        if (past->no_memory || past->rows == 0)
            continue;
        past->no_memory =
            gs_history_mark_start(history,
                                  (struct gs_history_owner){process->is.pid, process->is.started_ns}) != 0;
        for (size_t at = 0; at < past->rows; at++)
            gs_history_put(history, past->row[at].time_ns, past->row[at].step_ns,
                           past->value + past->row[at].value);
        about->processes++;
        about->pid = process->is.pid;
        about->limit_bytes = process->is.limit_bytes;
    }
}

static void write_note(const struct past *past, char *note, size_t size)
{
    size_t length = 0;
    *note = 0;
    if (past->damages)
        length += (size_t)snprintf(note, size, "%zu damaged %s skipped", past->damages,
                                   past->damages == 1 ? "place was" : "places were");
    if (past->lost_rows && length < size)
        length += (size_t)snprintf(note + length, size - length, "%s%llu rows cannot be read",
                                   length ? "; " : "", (unsigned long long)past->lost_rows);
    if (past->has_older && length < size)
        snprintf(note + length, size - length, "%sthe oldest rows were left out, because there are too many",
                 length ? "; " : "");
}

static const char *read_all(struct past *past, const struct gs_history_file_part *part,
                            struct gs_history **out, struct gs_history_about *about)
{
    if (past->length < GS_HISTORY_FILE_HEAD || !gs_history_file_is(past->bytes, past->length))
        return "this is not a history file, or only its beginning";
    if (past->bytes[GS_HISTORY_FILE_HEAD - 1] != gs_history_file_head[GS_HISTORY_FILE_HEAD - 1])
        return "this is a history file of a later version: use a newer gumshoe";
    find_entries(past);
    if (part)
        choose_part(past, part);
    find_processes(past);
    if (past->no_memory)
        return "out of memory";
    choose_rows(past);
    struct gs_history *history = *out = new_history(past);
    if (!history)
        return "out of memory";
    put_processes(past, history, about);
    if (past->no_memory)
        return "out of memory";
    return gs_history_length(history) ? NULL : "there are no rows in this history file yet";
}

bool gs_history_file_is(const void *bytes, size_t length)
{
    return length >= GS_HISTORY_FILE_HEAD - 1 &&
           memcmp(bytes, gs_history_file_head, GS_HISTORY_FILE_HEAD - 1) == 0;
}

struct gs_history *gs_history_file_read(const void *bytes, size_t length,
                                        const struct gs_history_file_part *part,
                                        struct gs_history_about *about, char *note, size_t note_size,
                                        char *why, size_t why_size)
{
    struct past past = {.bytes = bytes, .length = length};
    struct gs_history *history = NULL;
    const char *wrong = read_all(&past, part, &history, about);
    write_note(&past, note, note_size);
    if (wrong) {
        snprintf(why, why_size, "%s", wrong);
        gs_history_free(history);
        history = NULL;
    }
    gs_free(past.entry);
    gs_free(past.process);
    gs_free(past.name);
    gs_free(past.row);
    gs_free(past.value);
    return history;
}
