/* history_write.c - what goes into the history file, and when.
 *
 *   the history's new ticks ──▶ TICKS: as they are, or in steps of 10 s or 60 s, the finest that today's bytes allow
 *                          └──▶ steps of a minute, gathered ──▶ STEPS, once an hour
 *
 *   bytes: 2 MB a day for all processes of the program together, refilled steadily, DAY_BURST at most at once; each of N
 *   recorded processes has an N-th of it, and writes every N minutes (with short intervals after 60 N ticks, as long as
 *   there is room). STEPS go first: RESERVE is saved for them over the hour.
 *
 * So one process is recorded tick by tick if it is not too busy, and four at a time in steps of 10 s.
 * Who: the watcher, after a tick. Bounds: 200 µs once a minute; 20 ms when the file is opened, and when it is made smaller,
 * once in days. Memory: the steps of at most five hours, one record. */
#include "watch/history_write.h"
#include "base/clock.h"
#include "base/memory.h"
#include "history/history.h"
#include "rules/rules.h"
#include "sys/log.h"
#include "watch/history_file.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

enum {
    DAY_BYTES = 2000000, // of a whole file, whatever happens
    DAY_BURST = 64 << 10,
    RESERVE = 12 << 10, // a STEPS record takes some 6 KiB
    PENDING_MAX = 2400, // rows that may wait; the history has at least 3600 ticks one by one
    PERIOD_TICKS = 60,  // from one write to the next, but at least a second, at most a minute
    STEPS_MAX = 300,    // minutes
    PROCESS_BYTES = 8 << 10
};
#define DAY_S          86400
#define MINUTE_NS      (60 * GS_NS_PER_S)
#define STEPS_NS       (60 * MINUTE_NS)   // what one STEPS record covers
#define COARSE_TICK_NS (30 * GS_NS_PER_S) // ticks so far apart need no STEPS beside them
#define RETRY_NS       (10 * MINUTE_NS)   // after a failure that the next minute will not mend

struct gs_history_writer {
    struct gs_history_file file;
    struct gs_history_process process;
    char host[sizeof(((struct utsname *)NULL)->nodename)];
    bool has_name;            // `file` and `process` are filled in
    uint32_t metrics;         // the number that a PROCESS record of the present metrics has; 0: not known yet
    size_t process_size;      // of that record, in process_record
    uint32_t number;          // of the PROCESS record in the file; 0: none
    uint64_t serial;          // gs_history_serial of the last row that was written or dropped
    int64_t time_ns;          // of that row
    int64_t due_ns;           // CLOCK_MONOTONIC: of the next write; 0: not known yet
    struct gs_history *steps; // since the last STEPS record; NULL: none yet
    double room;              // bytes that may be written now
    int64_t refilled_ns;      // CLOCK_MONOTONIC
    int64_t period_ns;        // from one write to the next, of a process alone
    unsigned writers;         // processes that are recorded, as of the last write
    bool failing;
    unsigned char process_record[PROCESS_BYTES], record[GS_HISTORY_RECORD_MAX];
};

/* ---- new ------------------------------------------------------------------------------------------------------------- */

struct gs_history_writer *gs_watch_history_open(struct gs_store *store, int64_t start_ns)
{
    struct gs_history_writer *writer = gs_alloc(sizeof *writer);
    if (!writer)
        return NULL;
    writer->file =
        (struct gs_history_file){.store = store, .lock = GS_OWNED_FD_NONE, .data = GS_OWNED_FD_NONE};
    writer->time_ns = INT64_MIN;
    writer->refilled_ns = start_ns;
    writer->room = DAY_BURST;
    writer->writers = 1;
    return writer;
}

/* Find out who this process is: not at the start, for those that live shorter than a minute. */
static void name_writer(struct gs_history_writer *writer)
{
    struct gs_store_live_id id;
    struct utsname host;
    if (writer->has_name)
        return;
    writer->has_name = true;
    gs_watch_history_file_init(&writer->file, writer->file.store);
    (void)gs_store_live_id((int)getpid(), &id);
    snprintf(writer->host, sizeof writer->host, "%s", uname(&host) == 0 ? host.nodename : "");
    writer->process = (struct gs_history_process){.pid = id.pid,
                                                  .namespace = id.namespace,
                                                  .start_ticks = id.start_ticks,
                                                  .program = writer->file.program,
                                                  .host = writer->host};
}

/* ---- how many bytes -------------------------------------------------------------------------------------------------- */

/* The file was opened now: what its last day has taken counts, so that restarts do not add up. */
static void count_day(struct gs_history_writer *writer)
{
    double left = DAY_BYTES - DAY_BURST - (double)writer->file.day_bytes;
    writer->number = 0;
    if (writer->room > left)
        writer->room = left > 0 ? left : 0;
}

static void refill(struct gs_history_writer *writer, int64_t now_ns)
{
    static const double bytes_per_second = (double)(DAY_BYTES - DAY_BURST) / DAY_S;
    writer->writers = gs_watch_history_file_writers(&writer->file);
    double most = (double)DAY_BURST / writer->writers,
           seconds = (double)(now_ns - writer->refilled_ns) / (double)GS_NS_PER_S;
    writer->room += bytes_per_second / writer->writers * seconds;
    writer->room = writer->room > most ? most : writer->room;
    writer->refilled_ns = now_ns;
}

/* ---- records --------------------------------------------------------------------------------------------------------- */

/* Append RECORD, and count its SIZE bytes. 0 or -errno. */
static int append(struct gs_history_writer *writer, const void *record, size_t size)
{
    int error = gs_watch_history_file_append(&writer->file, record, size);
    if (!error)
        writer->room -= (double)size;
    return error;
}

/* Append the SIZE bytes of writer->record, and before them the PROCESS record, unless the file has it. */
static int append_rows(struct gs_history_writer *writer, size_t size)
{
    int error =
        writer->number == writer->metrics ? 0 : append(writer, writer->process_record, writer->process_size);
    if (error)
        return error;
    writer->number = writer->metrics;
    return append(writer, writer->record, size);
}

/* The rows of HISTORY from FROM on as a record of TICKS, in steps of STEP_NS (0: as they are), into writer->record. Its
 * size; 0: too large, or no memory. */
static size_t make_ticks(struct gs_history_writer *writer, const struct gs_history *history, size_t from,
                         int64_t step_ns)
{
    struct gs_history *thin = step_ns ? gs_history_thinned(history, from, step_ns) : NULL;
    if (step_ns && !thin)
        return 0;
    size_t size = gs_history_file_rows(thin ? thin : history, thin ? 0 : from, GS_HISTORY_TICKS,
                                       writer->metrics, writer->record);
    gs_history_free(thin);
    return size;
}

/* The finest step that a file has: that of the ticks (0), but not below a second. */
static int64_t finest_step_ns(const struct gs_history *history)
{
    return gs_history_interval_ns(history) < GS_NS_PER_S ? GS_NS_PER_S : 0;
}

/* The time that the gathered steps cover. */
static int64_t gathered_ns(const struct gs_history_writer *writer)
{
    size_t rows = writer->steps ? gs_history_length(writer->steps) : 0;
    return rows ? gs_history_time(writer->steps, rows - 1) - gs_history_time(writer->steps, 0) : 0;
}

/* Do the SIZE bytes of writer->record, with a PROCESS record if there is none, fit beside what is saved for STEPS? */
static bool has_room(const struct gs_history_writer *writer, size_t size)
{
    size_t all = size + (writer->number == writer->metrics ? 0 : writer->process_size);
    double hour = (double)gathered_ns(writer) / (double)STEPS_NS;
    double saved = (double)RESERVE / writer->writers * (hour < 1 ? hour : 1);
    return size && (double)all <= writer->room - saved;
}

/* May the rows of HISTORY from FROM on wait until there is more room? */
static bool may_wait(const struct gs_history_writer *writer, const struct gs_history *history, size_t from)
{
    size_t last = gs_history_length(history) - 1;
    return last - from < PENDING_MAX && gs_history_time(history, last) - gs_history_time(history, from) <
                                            writer->writers * MINUTE_NS - 2 * GS_NS_PER_S;
}

/* Append the rows from FROM on, as finely as there is room for; if there is none, not at all. *WAIT: not yet. */
static int append_ticks(struct gs_history_writer *writer, const struct gs_history *history, size_t from,
                        bool *wait)
{
    const int64_t step_ns[] = {finest_step_ns(history), 10 * GS_NS_PER_S, MINUTE_NS};
    for (size_t i = 0; i < sizeof step_ns / sizeof *step_ns; i++) {
        if (i && step_ns[i] <= gs_history_interval_ns(history))
            continue;
        size_t size = make_ticks(writer, history, from, step_ns[i]);
        bool fits = has_room(writer, size);
        *wait = *wait && !fits && may_wait(writer, history, from);
        if (fits || *wait)
            return fits ? append_rows(writer, size) : 0;
    }
    return 0;
}

/* Gather the rows of HISTORY from FROM on as steps of a minute. */
static void gather_steps(struct gs_history_writer *writer, const struct gs_history *history, size_t from)
{
    size_t count = gs_history_metric_count(history);
    const char **name = gs_alloc(count * sizeof *name + 1);
    double *value = gs_alloc(count * sizeof *value + 1);
    for (size_t i = 0; name && i < count; i++)
        name[i] = gs_history_metric_name(history, i);
    const struct gs_history_shape shape = {
        {{1, gs_history_interval_ns(history)}, {2 * STEPS_MAX, MINUTE_NS}}};
    if (name && value && !writer->steps)
        writer->steps = gs_history_shaped(name, count, &shape);
    for (size_t at = from; name && value && writer->steps && at < gs_history_length(history); at++) {
        for (size_t i = 0; i < count; i++)
            value[i] = gs_history_value(history, at, i);
        gs_history_put(writer->steps, gs_history_time(history, at), gs_history_step_ns(history, at), value);
    }
    gs_free(name);
    gs_free(value);
}

/* Append the gathered steps. Without room they wait for the next time. */
static int append_steps(struct gs_history_writer *writer)
{
    if (!writer->steps || writer->number == 0)
        return 0;
    size_t size = gs_history_file_rows(writer->steps, 0, GS_HISTORY_STEPS, writer->number, writer->record);
    if (size && (double)size > writer->room)
        return 0;
    int error = size ? append(writer, writer->record, size) : 0;
    if (!error) {
        gs_history_free(writer->steps);
        writer->steps = NULL;
    }
    return error;
}

/* Find out whether HISTORY has other metrics now, after a reload, or a new gauge: what was gathered is of the old ones. */
static int follow_metrics(struct gs_history_writer *writer, const struct gs_history *history)
{
    uint32_t metrics;
    size_t size =
        gs_history_file_process(&writer->process, history, writer->process_record, PROCESS_BYTES, &metrics);
    if (size == 0)
        return -EOVERFLOW;
    int error = metrics != writer->metrics && writer->number == writer->metrics ? append_steps(writer) : 0;
    if (!error && metrics != writer->metrics) {
        gs_history_free(writer->steps); // also if there was no room for them
        writer->steps = NULL;
        writer->metrics = metrics;
    }
    writer->process_size = size;
    return error;
}

/* Append all rows that are new. ENDS: the watch ends. The caller has the turn. */
static int append_new(struct gs_history_writer *writer, const struct gs_history *history, bool ends)
{
    size_t length = gs_history_length(history),
           from = gs_history_rows_since(history, writer->serial, writer->time_ns);
    bool wait = !ends;
    int error = follow_metrics(writer, history);
    if (!error && from < length)
        error = append_ticks(writer, history, from, &wait);
    if (error || wait)
        return error;
    if (from < length && gs_history_interval_ns(history) < COARSE_TICK_NS)
        gather_steps(writer, history, from);
    writer->serial = gs_history_serial(history);
    writer->time_ns = length ? gs_history_time(history, length - 1) : INT64_MIN;
    return ends || gathered_ns(writer) >= STEPS_NS ? append_steps(writer) : 0;
}

/* ---- when ------------------------------------------------------------------------------------------------------------ */

static const char *reason_of(int error)
{
    switch (error) {
    case -ENOTUNIQ: return "it is another program's";
    case -EOPNOTSUPP: return "a later version of gumshoe wrote it";
    case -EBADMSG: return "it is not a history file, or damaged";
    case -EMFILE: return "too many programs have a history there";
    case -EPERM: return "it, or its folder, is not a plain one that only this user may write to";
    default: return strerrordesc_np(-error);
    }
}

static void record_failure(struct gs_history_writer *writer, int error, int64_t now_ns)
{
    if (!writer->failing)
        gs_log(GS_LOG_WARNING,
               "the history file %s/.history/%s cannot be written: %s; it stays as it is until that works",
               gs_store_path(writer->file.store), writer->file.name, reason_of(error));
    writer->failing = true;
    writer->due_ns = now_ns + (error == -ENOSPC || error == -EDQUOT ? MINUTE_NS : RETRY_NS);
}

static void record_success(struct gs_history_writer *writer, int64_t now_ns)
{
    if (writer->failing)
        gs_log(GS_LOG_INFO, "the history file %s/.history/%s is written again",
               gs_store_path(writer->file.store), writer->file.name);
    writer->failing = false;
    writer->due_ns = now_ns + writer->writers * writer->period_ns;
}

static int shrink(struct gs_history_writer *writer, uint64_t max_bytes)
{
    writer->number = 0; // this process's record goes where no rows of it stay
    return gs_watch_history_file_shrink(&writer->file, max_bytes);
}

/* Write what is new. */
static void write_file(struct gs_history_writer *writer, const struct gs_incident_context *context,
                       struct gs_now now, bool ends)
{
    bool fresh;
    uint64_t max_bytes = context->rules->history.max_bytes;
    name_writer(writer);
    writer->process.started_ns = context->started_ns;
    writer->process.limit_bytes = context->limit_bytes;
    int error = gs_watch_history_file_take(&writer->file, now.real_ns, &fresh);
    if (error == -EAGAIN) // another process appends: again at the next tick
        return;
    if (error == -EBUSY) { // as many are recorded as can be
        writer->due_ns = now.judge_ns + writer->period_ns;
        return;
    }
    if (!error) {
        if (fresh)
            count_day(writer);
        refill(writer, now.judge_ns);
        error = append_new(writer, context->history, ends);
        if (!error && writer->file.end > max_bytes)
            error = shrink(writer, max_bytes);
        gs_watch_history_file_give(&writer->file);
    }
    if (error)
        record_failure(writer, error, now.judge_ns);
    else
        record_success(writer, now.judge_ns);
}

static void set_period(struct gs_history_writer *writer, int64_t interval_ns, int64_t now_ns)
{
    int64_t period_ns = interval_ns < MINUTE_NS / PERIOD_TICKS ? PERIOD_TICKS * interval_ns : MINUTE_NS;
    writer->period_ns = period_ns < GS_NS_PER_S ? GS_NS_PER_S : period_ns;
    if (writer->due_ns == 0)
        writer->due_ns = now_ns + writer->period_ns;
}

void gs_watch_history_tick(struct gs_history_writer *writer, const struct gs_incident_context *context,
                           struct gs_now now)
{
    if (!writer)
        return;
    set_period(writer, context->rules->interval_ns, now.judge_ns);
    if (context->rules->history.on && now.judge_ns >= writer->due_ns) {
        write_file(writer, context, now, false);
    } else if (!context->rules->history.on && writer->number) { // switched off by a reload
        gs_watch_history_file_close(&writer->file);
        writer->number = 0;
    }
}

void gs_watch_history_close(struct gs_history_writer *writer, const struct gs_incident_context *context,
                            struct gs_now now)
{
    if (!writer)
        return;
    if (context && context->rules->history.on && writer->number && !writer->failing)
        write_file(writer, context, now, true);
    gs_watch_history_file_close(&writer->file);
    gs_history_free(writer->steps);
    gs_free(writer);
}
