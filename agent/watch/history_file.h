/* history_file.h - DIR/.history/<program>-<hash>.gsh on disk: opened, locked, appended to, made smaller.
 * Context: watcher. */
#pragma once
#include "base/attributes.h"
#include "history/history.h"
#include "store/store.h"
#include "sys/owned_fd.h"
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

enum { GS_HISTORY_WRITERS_MAX = 4, GS_HISTORY_FILES_MAX = 64, GS_HISTORY_FILE_NAME = 96 };

struct gs_history_file {
    struct gs_store *store;    // borrowed
    char program[PATH_MAX];    // path of this program
    char name[GS_HISTORY_FILE_NAME]; // of the file
    struct gs_owned_fd lock;   // the file <name>.lock, which stays when the other is replaced
    struct gs_owned_fd data;
    unsigned slot;             // the place as a writer that this process has; 0: none
    uint64_t end;              // of the last whole record
    uint64_t day_bytes;        // of the day before it was opened
};

void gs_watch_history_file_init(struct gs_history_file *file, struct gs_store *store);
/* Open what is not open, take a place as a writer, and the turn to append. *FRESH: the file was opened now, perhaps a new
 * one. 0: this process may append until gs_watch_history_file_give. -EAGAIN: another one appends now; -EBUSY: as many
 * processes as can be recorded have a place; else -errno: -ENOTUNIQ: of another program; -EOPNOTSUPP: of a later version;
 * -EBADMSG: no history file; -EMFILE: GS_HISTORY_FILES_MAX programs have one. Never waits. */
int gs_watch_history_file_take(struct gs_history_file *file, int64_t now_ns, bool *fresh) GS_CHECK_RESULT;
void gs_watch_history_file_give(struct gs_history_file *file);
/* How many processes have a place as a writer, this one included. */
unsigned gs_watch_history_file_writers(const struct gs_history_file *file);
/* Append SIZE bytes, whole records. 0 or -errno: then nothing was appended. The caller has the turn. */
int gs_watch_history_file_append(struct gs_history_file *file, const void *bytes, size_t size) GS_CHECK_RESULT;
/* Leave out old records until the file is well below MAX_BYTES. 0 or -errno: then it stays as it was. The caller has the
 * turn. */
int gs_watch_history_file_shrink(struct gs_history_file *file, uint64_t max_bytes) GS_CHECK_RESULT;
void gs_watch_history_file_close(struct gs_history_file *file); // the turn and the place end

/* ---- walking through the records (history_scan.c) ------------------------------------------------------------------ */

struct gs_history_scan {
    int fd;
    uint64_t base, size, whole; // offset of the window; the file's size; the end of the last record
    unsigned char *window;
    size_t filled, at;
    unsigned damages;          // places that are no record
    int error;                 // 0 or -errno
};
/* Walk from offset FROM on. -ENOMEM. */
int gs_watch_history_scan_begin(struct gs_history_scan *scan, int fd, uint64_t from, uint64_t size) GS_CHECK_RESULT;
/* The next record, borrowed until the next call, and its offset. False: no more, or scan->error. */
bool gs_watch_history_scan_next(struct gs_history_scan *scan, struct gs_history_record *out, uint64_t *offset);
void gs_watch_history_scan_end(struct gs_history_scan *scan);
/* The entries of all records of the file FD; the caller frees *OUT. 0 or -errno. */
int gs_watch_history_scan_entries(int fd, uint64_t size, struct gs_history_entry **out, size_t *count) GS_CHECK_RESULT;
