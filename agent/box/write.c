/* write.c - the black box: what an incident of this process will be made of, should it be killed. When it is written, and into
 * which file; what is written is in write_heap.c, write_maps.c and write_process.c.
 *
 *   begin       identity, rules, map, every stack, baselines, history ──▶ <name>.new ──rename──▶ <name>.box
 *   each tick   the stacks that have counted, the tick                ──▶ appended
 *   the heap grew by 1/16                                             ──▶ appended at once (gs_box_line, the probe's alarm)
 *   it is twice as long as when it began, or a write failed           ──▶ begin again
 *
 * Whatever moment the kill comes: a write counts from its last record on (box.h), and a box that is begun again takes the
 * place of the old one when it is whole. So the last write that was completed can be read, or the one before it.
 *
 * Who:    the watcher alone; host threads never touch a page of the file. The descriptor is looked at before each write:
 *         a host may have closed it, and been given its number.
 * Bounds: the file GS_BOX_BYTES_MAX, of which a box begins with half at most: stacks that do not fit are counted in it. While
 *         it is begun again there are two. Memory: the buffer, a bit a stack, the mappings; none of it grows with time. */
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
    BEGIN_AGAIN_AT_LEAST = 1 << 20, // bytes: a small box may grow that far
    GROWTH = 16,                    // the heap's share that makes a write due
    GROWTH_AT_LEAST = 4 << 20,      // bytes: so that a small host is not woken for nothing
};
#define TRY_AGAIN_NS   GS_NS_PER_S // behind a write that failed
#define BEGIN_PAUSE_NS (60 * GS_NS_PER_S)

/* ---- a write
 * ----------------------------------------------------------------------------------------------------------------------- */

/* What was written while allocations failed may lack something: that does not count. */
static int finish(struct gs_box *box, const struct gs_incident_context *context, size_t failures)
{
    if (!box->out.error && gs_memory_failures() != failures)
        box->out.error = -ENOMEM;
    gs_box_put_written(box, context);
    return gs_box_flush(&box->out);
}

static int append(struct gs_box *box, const struct gs_incident_context *context, enum gs_box_when when)
{
    size_t failures = gs_memory_failures();
    gs_box_out_start(&box->out, box->held.fd, box->size, box->chain);
    gs_box_put_changed_stacks(box);
    gs_box_put_new_maps(box);
    gs_box_put_new_baseline(box, context);
    gs_box_put_new_sampling(box);
    if (when == GS_BOX_TICK)
        gs_box_put_new_history(box, context);
    return finish(box, context, failures);
}

static int write_all(struct gs_box *box, const struct gs_incident_context *context, int fd)
{
    size_t failures = gs_memory_failures();
    gs_box_out_start(&box->out, fd, 0, 0);
    gs_box_put_identity(box, context);
    gs_box_long_text(&box->out, GS_BOX_RULES, context->rules->text, context->rules->text_length);
    gs_symbol_maps_free(box->maps);
    box->maps = NULL; // what the stacks' frames lie in is read after them
    gs_box_put_heap(box, context);
    gs_box_put_maps(box);
    gs_box_put_sampling(box);
    gs_box_put_history(box, context);
    return finish(box, context, failures);
}

/* ---- the file ---------------------------------------------------------------------------------------------------------- */

/* The new file under a name of its own; -errno. */
static int create_new(const char *new, int live, struct gs_owned_fd *held)
{
    unlinkat(live, new, 0); // of one that was killed at it, and had our number
    int fd = gs_file_openat(live, new, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    return fd < 0 ? fd : gs_owned_fd_take(held, fd);
}

static int fill_new(struct gs_box *box, const struct gs_incident_context *context, int live, const char *new,
                    int fd)
{
    (void)gs_box_lock(fd);   // nobody else can have it yet; where there are no locks, pids must do
    box->begin_again = true; // what has changed since the last write is not known any more, should this fail
    int error = write_all(box, context, fd);
    if (!error && gs_box_has_left())
        error = -ECANCELED;
    if (!error && renameat(live, new, live, box->name) != 0)
        error = -errno;
    if (error)
        unlinkat(live, new, 0);
    else if (gs_box_has_left()) // meanwhile
        unlinkat(live, box->name, 0);
    return error;
}

/* Write all of it into a new file, and put that in the old one's place. */
static int begin_again(struct gs_box *box, const struct gs_incident_context *context)
{
    char new[GS_LIVE_NAME + 8];
    struct gs_owned_fd held;
    int live = gs_store_live_open(box->store);
    if (live < 0)
        return live;
    gs_box_leave_prepare(box->store, box->name); // the store may have been opened anew
    snprintf(new, sizeof new, "%.*s.new", (int)(strlen(box->name) - strlen(".box")), box->name);
    int error = create_new(new, live, &held);
    if (!error) {
        error = fill_new(box, context, live, new, held.fd);
        struct gs_owned_fd old = box->held;
        if (!error)
            box->held = held;
        gs_owned_fd_close(error ? &held : &old);
    }
    close(live);
    if (!error)
        box->began = gs_box_out_size(&box->out);
    return error;
}

/* There is no file to go on with. */
static bool must_begin(const struct gs_box *box)
{
    struct stat status;
    return box->begin_again || !gs_owned_fd_is_open(&box->held, &status) || status.st_nlink == 0;
}

static bool is_long(const struct gs_box *box)
{
    return box->size >= (2 * box->began > BEGIN_AGAIN_AT_LEAST ? 2 * box->began : BEGIN_AGAIN_AT_LEAST);
}

static void failed(struct gs_box *box, int error)
{
    box->again_ns = gs_clock_monotonic_ns() + TRY_AGAIN_NS;
    if (!box->failing && error != -ECANCELED)
        gs_log(GS_LOG_WARNING,
               "the black box %s/.live/%s cannot be written: %s; it stays as it is until it can",
               gs_store_path(box->store), box->name, strerrordesc_np(-error));
    box->failing = true;
}

static void succeeded(struct gs_box *box)
{
    if (box->failing)
        gs_log(GS_LOG_INFO, "the black box %s/.live/%s is written again", gs_store_path(box->store),
               box->name);
    box->begin_again = box->failing = false;
    box->size = box->out.at;
    box->chain = box->out.chain;
}

/* Only a tick lowers the line: a heap that goes up and down wakes us once for each sixteenth that it has_parent_step, not each
 * time. */
static void set_line(struct gs_box *box, uint64_t heap_in_use, enum gs_box_when when)
{
    uint64_t from = when == GS_BOX_EARLY && box->heap_line > heap_in_use ? box->heap_line : heap_in_use;
    box->heap_line = from + (from / GROWTH > GROWTH_AT_LEAST ? from / GROWTH : GROWTH_AT_LEAST);
}

/* True: it is written. MUST: there is nothing to go on with. If there is (the host has given up its rights to the directory, but
 * the file is held), that is done, and this tried again later. */
static bool write_whole(struct gs_box *box, const struct gs_incident_context *context, bool must)
{
    int error = begin_again(box, context);
    if (!error)
        succeeded(box);
    else if (must || box->begin_again)
        failed(box, error);
    else
        box->again_ns = gs_clock_monotonic_ns() + BEGIN_PAUSE_NS;
    return !error;
}

static void go_on(struct gs_box *box, const struct gs_incident_context *context, enum gs_box_when when)
{
    int error = append(box, context, when);
    box->begin_again = error; // what has changed is not known any more
    if (error)
        failed(box, error);
    else
        succeeded(box);
}

void gs_box_write(struct gs_box *box, const struct gs_incident_context *context, uint64_t heap_in_use,
                  enum gs_box_when when)
{
    if (!box || gs_box_has_left())
        return;
    set_line(box, heap_in_use, when);
    bool must = must_begin(box), may = gs_clock_monotonic_ns() >= box->again_ns;
    bool written = may && (must || is_long(box)) && write_whole(box, context, must);
    if (!written && !must && !box->begin_again)
        go_on(box, context, when);
}

uint64_t gs_box_line(const struct gs_box *box)
{
    return box ? box->heap_line : UINT64_MAX;
}

void gs_box_renew(struct gs_box *box)
{
    if (box)
        box->begin_again = true;
}

/* ---- its life
 * ------------------------------------------------------------------------------------------------------------------- */

struct gs_box *gs_box_open(struct gs_store *store)
{
    struct gs_box *box = gs_alloc(sizeof *box);
    char name[GS_LIVE_NAME];
    if (!box)
        return NULL;
    box->store = store;
    box->held = (struct gs_owned_fd)GS_HELD_NONE;
    box->begin_again = true;
    gs_box_leave_reset();
    box->oom_kills = -1;
    if (!gs_metrics_oom_file("", box->oom_file, sizeof box->oom_file))
        box->oom_file[0] = 0;
    (void)gs_store_live_name((int)getpid(),
                             name); // without /proc: one that the next of our number has as well
    snprintf(box->name, sizeof box->name, "%.48s.box", name);
    return box;
}

void gs_box_put_away(struct gs_box *box)
{
    char path[GS_LIVE_NAME + 8];
    if (!box || !gs_owned_fd_is_open(&box->held, NULL))
        return;
    gs_box_leave_cancel();
    int store = gs_store_fd(box->store);
    snprintf(path, sizeof path, ".live/%s", box->name);
    if ((store < 0 || unlinkat(store, path, 0) != 0) &&
        ftruncate(box->held.fd, 0) != 0) // an empty one says as much
        gs_log(GS_LOG_WARNING,
               "the black box %s/%s cannot be removed: the next start will take it for a dead process's",
               gs_store_path(box->store), path);
    gs_owned_fd_close(&box->held);
    box->begin_again = true;
}

void gs_box_close(struct gs_box *box)
{
    if (!box)
        return;
    gs_box_put_away(box);
    gs_symbol_maps_free(box->maps);
    gs_free(box);
}
