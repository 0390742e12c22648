/* history_scan.c - walks through the records of a history file, through a window of 128 KiB.
 *
 *   file   ▪▪▪▪▪▪▪▪▪▪▪▪▪▪░░▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪░     ▪ record   ░ no record: skipped; at the end: a write that was cut off
 *               [  window   ]──▶
 *
 * Who: the watcher, when it opens the file and when it makes it smaller. Bounds: the window; DAMAGES_MAX places that are no
 * record. */
#include "base/memory.h"
#include "watch/history_file.h"
#include <errno.h>
#include <unistd.h>

enum { WINDOW = 2 * GS_HISTORY_RECORD_MAX, DAMAGES_MAX = 1000, MARKER = 4 };

int gs_watch_history_scan_begin(struct gs_history_scan *scan, int fd, uint64_t from, uint64_t size)
{
    *scan = (struct gs_history_scan){
        .fd = fd, .base = from, .size = size, .whole = from, .window = gs_alloc(WINDOW)};
    return scan->window ? 0 : -ENOMEM;
}

void gs_watch_history_scan_end(struct gs_history_scan *scan)
{
    gs_free(scan->window);
    scan->window = NULL;
}

/* Move the window so that it begins at scan->at. False: no more bytes, or scan->error. */
static bool refill(struct gs_history_scan *scan)
{
    ssize_t got;
    scan->base += scan->at;
    scan->at = scan->filled = 0;
    do
        got = pread(scan->fd, scan->window, WINDOW, (off_t)scan->base);
    while (got < 0 && errno == EINTR);
    scan->error = got < 0 ? -errno : 0;
    scan->filled = got > 0 ? (size_t)got : 0;
    return got > 0;
}

static bool sees_the_end(const struct gs_history_scan *scan)
{
    return scan->base + scan->filled >= scan->size;
}

/* Go to the next place where a record may begin. */
static void skip(struct gs_history_scan *scan)
{
    scan->damages++;
    scan->at += gs_history_file_next(scan->window + scan->at, scan->filled - scan->at);
    if (scan->at == scan->filled && !sees_the_end(scan))
        scan->at -= MARKER - 1; // a marker may lie across the window's end
}

bool gs_watch_history_scan_next(struct gs_history_scan *scan, struct gs_history_record *out, uint64_t *offset)
{
    while (!scan->error && scan->damages < DAMAGES_MAX) {
        if (scan->filled - scan->at < GS_HISTORY_RECORD_MAX && !sees_the_end(scan) && !refill(scan))
            return false;
        if (scan->at >= scan->filled)
            return false;
        if (!gs_history_file_record(scan->window + scan->at, scan->filled - scan->at, out)) {
            skip(scan);
            continue;
        }
        *offset = scan->base + scan->at;
        scan->at += out->size;
        scan->whole = scan->base + scan->at;
        return true;
    }
    scan->error = scan->error ? scan->error : -EBADMSG; // hardly anything of it is a record
    return false;
}

int gs_watch_history_scan_entries(int fd, uint64_t size, struct gs_history_entry **out, size_t *count)
{
    struct gs_history_scan scan;
    struct gs_history_record record;
    uint64_t offset;
    size_t capacity = 0;
    int error = gs_watch_history_scan_begin(&scan, fd, GS_HISTORY_FILE_HEAD, size);
    *out = NULL;
    *count = 0;
    while (!error && gs_watch_history_scan_next(&scan, &record, &offset)) {
        error = gs_grow(out, &capacity, *count + 1, sizeof **out);
        if (!error)
            (*out)[(*count)++] = (struct gs_history_entry){.offset = offset,
                                                           .size = (uint32_t)record.size,
                                                           .process = record.process,
                                                           .from_ms = record.from_ms,
                                                           .to_ms = record.to_ms,
                                                           .rows = record.rows,
                                                           .type = (uint8_t)record.type};
    }
    gs_watch_history_scan_end(&scan);
    return error ? error : scan.error;
}
