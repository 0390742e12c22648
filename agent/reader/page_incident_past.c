/* page_incident_past.c - the metrics of the processes before: the history file of the incident's program.
 *
 *   DIR/.history/<program>-<hash>.gsh     process 1 ▪▪▪▪▪▪   process 2 ▪▪▪▪▪▪▪   the incident's ▪▪▪▪▪▪▪▪│
 *                                             beside 2 ▪▪▪▪▪▪▪▪▪                                       │ the trigger
 *   metrics.json                                                                        ▪▪▪▪▪▪▪▪│
 *     ──▶ one history: 1, 2, and the incident's process, whose last rows are those of metrics.json
 *
 * Each process before is the last that ended before the next one begins. Others ran beside these; they are counted.
 * Bounds: GS_HISTORY_BYTES_MAX of the file are in memory, rows of at most PART_BYTES of it are read. Context: CLI. */
#include "base/clock.h"
#include "base/memory.h"
#include "metrics/metrics.h"
#include "reader/page_incident.h"
#include "store/store.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

enum { PART_BYTES = 2 << 20 };
#define START_ERROR_NS (2 * GS_NS_PER_S) // a process's start is computed anew by whoever asks

/* ---- the file -------------------------------------------------------------------------------------------------------- */

/* The name that watch/history_file.c gives it. */
static void name_of(const json_t *incident, char out[GS_PAGE_FILE_NAME])
{
    struct gs_text hashed = {0};
    const char *program = gs_reader_report_text(incident, "program");
    gs_text_add(&hashed, "%s\n%s", gs_reader_report_text(incident, "exe"), program);
    gs_store_name_of_program(program, hashed.bytes ? hashed.bytes : "", ".gsh", out, GS_PAGE_FILE_NAME);
    gs_text_fini(&hashed);
}

int gs_reader_open_past(int folder)
{
    char why[160], name[GS_PAGE_FILE_NAME];
    json_t *incident = gs_store_read_incident(folder, why, sizeof why);
    if (!incident)
        return -EBADMSG;
    name_of(incident, name);
    json_decref(incident);
    int histories = gs_file_openat(folder, "../.history", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (histories < 0)
        return histories;
    int fd = gs_store_open_regular(histories, name);
    close(histories);
    return fd;
}

/* The file's records until TO_NS; NULL: there is none. */
static struct gs_history *read_file(struct gs_incident_page *page, int64_t to_ns)
{
    char *bytes = NULL, note[160] = "", why[160] = "";
    size_t length = 0;
    struct gs_history_about about = {0};
    struct gs_history *history = NULL;
    const struct gs_history_file_part part = {to_ns, PART_BYTES};
    int fd = page->from->past ? page->from->past : gs_reader_open_past(page->from->folder);
    if (fd < 0)
        return NULL;
    int error = gs_file_read_all(fd, GS_HISTORY_BYTES_MAX, &bytes, &length);
    if (!error)
        history = gs_history_file_read((const unsigned char *)bytes, length, &part, &about, note, sizeof note,
                                       why, sizeof why);
    if (error || (!history && length > GS_HISTORY_FILE_HEAD))
        gs_reader_report_problem(page, "the history file", error ? strerrordesc_np(-error) : why);
    else if (*note)
        gs_reader_report_problem(page, "a part of the history file", note);
    gs_free(bytes);
    if (!page->from->past)
        close(fd);
    return history;
}

/* ---- which processes ------------------------------------------------------------------------------------------------- */

struct life { // the rows [first, end) of one process
    size_t first, end;
    struct gs_history_owner owner;
    bool chosen;
};
struct earlier {
    const struct gs_history *file, *own; // own: metrics.json
    struct life *life;
    size_t lives, capacity;
    size_t order[GS_PAGE_LIVES_MAX]; // the chosen ones, the newest first
    size_t chosen;
    const struct life *self; // the incident's process; NULL: the file does not have it
};

static int64_t begin_of(const struct earlier *past, const struct life *life)
{
    return gs_history_time(past->file, life->first);
}

static int64_t end_of(const struct earlier *past, const struct life *life)
{
    return gs_history_time(past->file, life->end - 1);
}

static bool find_lives(struct earlier *past)
{
    for (size_t at = 0; at < gs_history_length(past->file); at++) {
        if (gs_history_starts_process(past->file, at)) {
            if (gs_grow(&past->life, &past->capacity, past->lives + 1, sizeof *past->life))
                return false;
            past->life[past->lives++] = (struct life){.first = at, .owner = gs_history_owner(past->file, at)};
        }
        past->life[past->lives - 1].end = at + 1; // the first row begins a process
    }
    return true;
}

static bool is_self(const struct earlier *past, const struct life *life, int pid, int64_t started_ns)
{
    int64_t own_ns = gs_history_time(past->own, 0),
            last_ns = gs_history_time(past->own, gs_history_length(past->own) - 1);
    if (life->owner.pid != pid)
        return false;
    if (started_ns && life->owner.started_ns)
        return life->owner.started_ns - started_ns < START_ERROR_NS &&
               started_ns - life->owner.started_ns < START_ERROR_NS;
    return begin_of(past, life) <= last_ns && end_of(past, life) >= own_ns;
}

/* The last process that ended before BEGIN_NS; SIZE_MAX: none. */
static size_t last_before(const struct earlier *past, int64_t begin_ns)
{
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < past->lives; i++)
        if (!past->life[i].chosen && end_of(past, &past->life[i]) < begin_ns &&
            (best == SIZE_MAX || end_of(past, &past->life[i]) > end_of(past, &past->life[best])))
            best = i;
    return best;
}

static void choose_lives(struct earlier *past, int pid, int64_t started_ns)
{
    int64_t begin_ns = gs_history_time(past->own, 0);
    for (size_t i = 0; i < past->lives && !past->self; i++)
        if (is_self(past, &past->life[i], pid, started_ns))
            past->self = &past->life[i];
    if (past->self) {
        past->life[past->self - past->life].chosen = true;
        if (begin_of(past, past->self) < begin_ns)
            begin_ns = begin_of(past, past->self);
    }
    for (size_t next;
         past->chosen < GS_PAGE_LIVES_MAX - 1 && (next = last_before(past, begin_ns)) != SIZE_MAX;) {
        past->life[next].chosen = true;
        past->order[past->chosen++] = next;
        begin_ns = begin_of(past, &past->life[next]);
    }
}

/* ---- one history ----------------------------------------------------------------------------------------------------- */

/* With the metrics of OWN. NULL: no memory. */
static struct gs_history *new_whole(const struct earlier *past, size_t rows)
{
    size_t count = gs_history_metric_count(past->own);
    const char **name = gs_alloc(count * sizeof *name + 1);
    for (size_t i = 0; name && i < count; i++)
        name[i] = gs_history_metric_name(past->own, i);
    const struct gs_history_shape shape = {{{rows, gs_history_interval_ns(past->own)}}};
    struct gs_history *whole = name ? gs_history_shaped(name, count, &shape) : NULL;
    gs_free(name);
    return whole;
}

/* Put the rows [FIRST, END) of FROM that are before BEFORE_NS into WHOLE. */
static bool put_rows(struct gs_history *whole, const struct gs_history *from, size_t first, size_t end,
                     int64_t before_ns)
{
    size_t count = gs_history_metric_count(whole), *metric = gs_alloc(count * sizeof *metric + 1);
    double *value = gs_alloc(count * sizeof *value + 1);
    bool ok = metric && value;
    for (size_t i = 0; ok && i < count; i++)
        metric[i] = gs_history_find(from, gs_history_metric_name(whole, i));
    for (size_t at = first; ok && at < end && gs_history_time(from, at) < before_ns; at++) {
        for (size_t i = 0; i < count; i++)
            value[i] = metric[i] == SIZE_MAX ? NAN : gs_history_value(from, at, metric[i]);
        gs_history_put(whole, gs_history_time(from, at), gs_history_step_ns(from, at), value);
    }
    gs_free(metric);
    gs_free(value);
    return ok;
}

static void put_life(const struct earlier *past, const struct life *life, struct gs_page_past *out)
{
    out->failed |= gs_history_mark_start(out->history, life->owner) != 0 ||
                   !put_rows(out->history, past->file, life->first, life->end, INT64_MAX);
    out->life[out->lives++] = (struct gs_page_life){life->owner, begin_of(past, life), end_of(past, life)};
}

/* The incident's process: what the file has from before metrics.json, and then metrics.json. */
static void put_self(const struct earlier *past, struct gs_history_owner owner, struct gs_page_past *out)
{
    const struct life *self = past->self;
    int64_t own_ns = gs_history_time(past->own, 0);
    size_t length = gs_history_length(past->own);
    out->failed |= gs_history_mark_start(out->history, owner) != 0 ||
                   (self && !put_rows(out->history, past->file, self->first, self->end, own_ns)) ||
                   !put_rows(out->history, past->own, 0, length, INT64_MAX);
    int64_t begin_ns = self && begin_of(past, self) < own_ns ? begin_of(past, self) : own_ns;
    out->life[out->lives++] = (struct gs_page_life){owner, begin_ns, gs_history_time(past->own, length - 1)};
}

/* Join the chosen processes, if there is anything that metrics.json does not have. */
static void join(struct earlier *past, struct gs_history_owner owner, struct gs_page_past *out)
{
    bool longer = past->self && begin_of(past, past->self) < gs_history_time(past->own, 0);
    if (!past->chosen && !longer)
        return;
    out->history = new_whole(past, gs_history_length(past->file) + gs_history_length(past->own));
    out->failed = !out->history;
    while (past->chosen && !out->failed)
        put_life(past, &past->life[past->order[--past->chosen]], out);
    if (!out->failed)
        put_self(past, owner, out);
    for (size_t i = 0; i < past->lives && !out->failed; i++)
        out->beside += !past->life[i].chosen && end_of(past, &past->life[i]) >= out->life[0].from_ns;
}

void gs_reader_report_past(struct gs_incident_page *page, const struct gs_history *own,
                           struct gs_page_past *out)
{
    double pid = gs_reader_report_number(page->json, "pid");
    struct gs_history_owner owner = {.pid = pid > 0 && pid < INT_MAX ? (int)pid : 0};
    struct earlier past = {.own = own};
    *out = (struct gs_page_past){0};
    if (!gs_store_time_read(gs_reader_report_text(page->json, "started"), &owner.started_ns))
        owner.started_ns = 0;
    struct gs_history *file = read_file(page, gs_history_time(own, gs_history_length(own) - 1));
    past.file = file;
    if (file && find_lives(&past)) {
        choose_lives(&past, owner.pid, owner.started_ns);
        join(&past, owner, out);
    } else
        out->failed = file != NULL;
    gs_free(past.life);
    gs_history_free(file);
}
