/* write.c - the black box, a file from which an incident is made if this process is killed: when it is written, and to which
 * file. Its contents are in write_heap.c, write_libraries.c, write_maps.c and
 * write_process.c.
 *
 *   begin       identity, rules, map, every stack, baselines, history ──▶ <name>.new ──rename──▶ <name>.box
 *   each tick   changed stacks, the tick's values                     ──▶ appended
 *   the heap grew by 1/16                                             ──▶ appended at once (gs_box_heap_line)
 *   a thread has crashed                                              ──▶ appended at once (write_crash.c)
 *   the heap has reached a new peak                                   ──▶ appended at once
 *   the file is twice its first size, or a write failed               ──▶ rewrite: begin a new file
 *
 * A kill at any time leaves a readable box: a write is valid only with its last record (inside.h), and a new file
 * replaces the old one by rename when it is complete. So the box contains the last complete write.
 *
 * Who:    the watcher, and the agent's thread for crashes; host threads never touch the file. The descriptor is checked before each write: the host may have
 *         closed it and got its number for another file.
 * Bounds: GS_BOX_BYTES_MAX; a new file uses at most half of that for stacks, and counts those that do not fit. During a
 *         rewrite two files exist. Memory: the buffer, one bit for each stack, the mappings; none of it grows with time. */
#include "box/write.h"
#include "base/clock.h"
#include "base/memory.h"
#include "gather/gather.h"
#include "metrics/metrics.h"
#include "rules/rules.h"
#include "symbol/symbol.h"
#include "sys/file.h"
#include "sys/log.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    REWRITE_BYTES_MIN = 1 << 20, // a smaller file is not rewritten
    GROWTH_DIVISOR = 16,         // growth by 1/16 of the heap makes a write due
    GROWTH_BYTES_MIN = 4 << 20,  // so that a small host does not wake us too often
};
#define RETRY_NS         GS_NS_PER_S        // after a failed write
#define LOCK_PATIENCE_NS (GS_NS_PER_S / 2)  // for the watcher to end its write
#define REWRITE_PAUSE_NS (60 * GS_NS_PER_S) // after a failed rewrite while the old file can be used

/* ---- one write ------------------------------------------------------------------------------------------------------ */

/* End a write. If an allocation failed during it, something may be missing: then it fails with -ENOMEM and is
 * not valid. */
static int finish(struct gs_box *box, size_t failures)
{
    if (!box->out.error && gs_memory_failures() != failures)
        box->out.error = -ENOMEM;
    gs_box_put_written(box);
    return gs_box_flush(&box->out);
}

static int append(struct gs_box *box, const struct gs_incident_context *context, enum gs_box_when when)
{
    size_t failures = gs_memory_failures();
    gs_box_out_start(&box->out, box->file.fd, box->size, box->chain);
    gs_box_put_changed_stacks(box);
    gs_box_put_new_libraries(box); // after the stacks: every library that they name is in the table by now
    gs_box_put_new_maps(box);
    gs_box_put_new_baseline(box, context);
    gs_box_put_new_peak(box);
    gs_box_put_new_sampling(box);
    if (when == GS_BOX_TICK)
        gs_box_put_new_history(box, context);
    if (!box->account_is_written)
        gs_box_put_account(box);
    return finish(box, failures);
}

static int write_all(struct gs_box *box, const struct gs_incident_context *context, int fd)
{
    size_t failures = gs_memory_failures();
    gs_box_out_start(&box->out, fd, 0, 0);
    gs_box_put_identity(box, context);
    gs_box_long_text(&box->out, GS_BOX_RULES, context->rules->text, context->rules->text_length);
    gs_symbol_maps_free(box->maps);
    box->maps = NULL; // gs_box_put_maps reads them after the stacks, so that they cover all frames
    gs_box_put_heap(box, context);
    gs_box_put_libraries(box);
    gs_box_put_maps(box);
    gs_box_put_sampling(box);
    gs_box_put_history(box, context);
    gs_box_put_account(box);
    gs_box_put_crash(box);
    return finish(box, failures);
}

/* ---- the file ------------------------------------------------------------------------------------------------------- */

/* Create file NEW_NAME, which replaces the box when it is complete. 0 or -errno. */
static int create_new(const char *new_name, int live, struct gs_owned_fd *file)
{
    unlinkat(live, new_name, 0); // left by a killed process with our pid
    int fd = gs_file_openat(live, new_name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    return fd < 0 ? fd : gs_owned_fd_take(file, fd);
}

static int fill_new(struct gs_box *box, const struct gs_incident_context *context, int live,
                    const char *new_name, int fd)
{
    (void)gs_box_lock(
        fd); // cannot be held by others yet; a file system without locks relies on the pid in the name
    box->must_rewrite = true; // if this fails, the changes since the last write are lost
    int error = write_all(box, context, fd);
    if (!error)
        gs_box_leave_map(fd);
    if (!error && gs_box_has_left())
        error = -ECANCELED;
    if (!error && renameat(live, new_name, live, box->name) != 0)
        error = -errno;
    if (error)
        unlinkat(live, new_name, 0);
    else if (gs_box_has_left()) // left after the first check
        unlinkat(live, box->name, 0);
    return error;
}

/* Write everything to a new file and rename it over the old one. 0 or -errno. */
static int rewrite(struct gs_box *box, const struct gs_incident_context *context)
{
    char new_name[GS_LIVE_NAME + 8];
    struct gs_owned_fd file;
    int live = gs_store_live_open(box->store);
    if (live < 0)
        return live;
    gs_box_leave_prepare(box->store, box->name); // the store may have been opened again
    snprintf(new_name, sizeof new_name, "%.*s.new", (int)(strlen(box->name) - strlen(".box")), box->name);
    int error = create_new(new_name, live, &file);
    if (!error) {
        error = fill_new(box, context, live, new_name, file.fd);
        struct gs_owned_fd old = box->file;
        if (!error)
            box->file = file;
        gs_owned_fd_close(error ? &file : &old);
    }
    close(live);
    if (!error)
        box->first_size = gs_box_out_size(&box->out);
    return error;
}

/* Is there no file to append to? */
static bool must_rewrite(const struct gs_box *box)
{
    struct stat status;
    return box->must_rewrite || !gs_owned_fd_is_open(&box->file, &status) || status.st_nlink == 0;
}

static bool has_doubled(const struct gs_box *box)
{
    return box->size >= (2 * box->first_size > REWRITE_BYTES_MIN ? 2 * box->first_size : REWRITE_BYTES_MIN);
}

static void record_failure(struct gs_box *box, int error)
{
    box->retry_ns = gs_clock_monotonic_ns() + RETRY_NS;
    if (!box->failing && error != -ECANCELED)
        gs_log(GS_LOG_WARNING,
               "the black box %s/.live/%s cannot be written: %s; it stays as it is until writing works again",
               gs_store_path(box->store), box->name, strerrordesc_np(-error));
    box->failing = true;
}

static void record_success(struct gs_box *box)
{
    if (box->failing)
        gs_log(GS_LOG_INFO, "the black box %s/.live/%s can be written again", gs_store_path(box->store),
               box->name);
    box->must_rewrite = box->failing = false;
    box->size = box->out.at;
    box->chain = box->out.chain;
}

/* Set the heap size above which an early write is due. Only a tick lowers it: a heap that shrinks and grows between two
 * ticks wakes the watcher once for each new sixteenth, not each time. */
static void set_heap_line(struct gs_box *box, uint64_t heap_in_use, enum gs_box_when when)
{
    uint64_t from = when == GS_BOX_EARLY && box->heap_line > heap_in_use ? box->heap_line : heap_in_use;
    box->heap_line =
        from + (from / GROWTH_DIVISOR > GROWTH_BYTES_MIN ? from / GROWTH_DIVISOR : GROWTH_BYTES_MIN);
}

/* Rewrite the box; false: it failed. REQUIRED: there is no file to append to. Otherwise a failure (for example, the
 * host gave up its rights to the directory, but the file is open) means that the caller appends, and the rewrite is tried
 * again later. */
static bool try_rewrite(struct gs_box *box, const struct gs_incident_context *context, bool required)
{
    int error = rewrite(box, context);
    if (!error)
        record_success(box);
    else if (required || box->must_rewrite)
        record_failure(box, error);
    else
        box->retry_ns = gs_clock_monotonic_ns() + REWRITE_PAUSE_NS;
    return !error;
}

static void append_changes(struct gs_box *box, const struct gs_incident_context *context,
                           enum gs_box_when when)
{
    int error = append(box, context, when);
    box->must_rewrite = error; // after a failure the changes are lost
    if (error)
        record_failure(box, error);
    else
        record_success(box);
}

static void write_locked(struct gs_box *box, const struct gs_incident_context *context, enum gs_box_when when)
{
    bool required = must_rewrite(box), allowed = gs_clock_monotonic_ns() >= box->retry_ns;
    box->start_ns = context->start_ns;
    bool written = allowed && (required || has_doubled(box) || gs_box_peak_is_stale(box)) &&
                   try_rewrite(box, context, required);
    if (!written && !required && !box->must_rewrite)
        append_changes(box, context, when);
}

void gs_box_write(struct gs_box *box, const struct gs_incident_context *context, uint64_t heap_in_use,
                  enum gs_box_when when)
{
    if (!box || gs_box_has_left())
        return;
    set_heap_line(box, heap_in_use, when);
    gs_lock_take(&box->lock);
    write_locked(box, context, when);
    gs_lock_give(&box->lock);
}

/* Append the crash. False: there is no file to append to yet, or it failed. */
static bool append_crash(struct gs_box *box)
{
    if (must_rewrite(box) || gs_box_has_left())
        return false;
    size_t failures = gs_memory_failures();
    gs_box_out_start(&box->out, box->file.fd, box->size, box->chain);
    gs_box_put_changed_stacks(box);
    gs_box_put_crash(box);
    int error = finish(box, failures);
    box->must_rewrite = error;
    if (!error)
        record_success(box);
    return !error;
}

bool gs_box_write_crash(struct gs_box *box, const struct gs_given_crash *crash)
{
    if (!box || !gs_lock_try(&box->lock, LOCK_PATIENCE_NS))
        return false;
    if (!box->crash)
        box->crash = gs_alloc(sizeof *box->crash);
    if (box->crash)
        *box->crash = *crash;
    bool written = box->crash && append_crash(box);
    gs_lock_give(&box->lock);
    return written;
}

uint64_t gs_box_heap_line(const struct gs_box *box)
{
    return box ? box->heap_line : UINT64_MAX;
}

void gs_box_request_rewrite(struct gs_box *box)
{
    if (box)
        box->must_rewrite = true;
}

/* ---- open and close ------------------------------------------------------------------------------------------------- */

struct gs_box *gs_box_open(struct gs_store *store)
{
    struct gs_box *box = gs_alloc(sizeof *box);
    char name[GS_LIVE_NAME];
    if (!box)
        return NULL;
    box->store = store;
    box->file = (struct gs_owned_fd)GS_OWNED_FD_NONE;
    box->lock.rank = GS_RANK_BOX;
    box->must_rewrite = true;
    gs_box_leave_reset();
    box->oom_kills = -1;
    if (!gs_metrics_oom_file("", box->oom_file, sizeof box->oom_file))
        box->oom_file[0] = 0;
    (void)gs_store_live_name(
        (int)getpid(),
        name); // without /proc the name is not unique: a later process of this pid gets it, too
    snprintf(box->name, sizeof box->name, "%.48s.box", name);
    return box;
}

void gs_box_remove_file(struct gs_box *box)
{
    char path[GS_LIVE_NAME + 8];
    if (!box || !gs_owned_fd_is_open(&box->file, NULL))
        return;
    gs_box_leave_cancel();
    int store = gs_store_fd(box->store);
    snprintf(path, sizeof path, ".live/%s", box->name);
    if ((store < 0 || unlinkat(store, path, 0) != 0) &&
        ftruncate(box->file.fd, 0) != 0) // an empty file means the same
        gs_log(GS_LOG_WARNING,
               "the black box %s/%s cannot be removed: the next start will report this end as a death",
               gs_store_path(box->store), path);
    gs_owned_fd_close(&box->file);
    box->must_rewrite = true;
}

void gs_box_close(struct gs_box *box)
{
    if (!box)
        return;
    gs_box_remove_file(box);
    gs_symbol_maps_free(box->maps);
    gs_free(box->crash);
    gs_free(box);
}
