/* write.c - the black box: what an incident of this process will be made of, should it be killed.
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
#include "base/clock.h"
#include "base/memory.h"
#include "box/inside.h"
#include "gather/gather.h"
#include "history/history.h"
#include "metrics/metrics.h"
#include "profile/profile.h"
#include "symbol/symbol.h"
#include "sys/file.h"
#include "sys/log.h"
#include "sys/owned_fd.h"
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

enum {
    BEGIN_AGAIN_AT_LEAST = 1 << 20, // bytes: a small box may grow that far
    HISTORY_ROOM = 1 << 20,         // of the whole history, packed
    MAPS_MAX = 1 << 20,             // of a memory map; of a longer one only what can be executed is written
    GROWTH = 16,                    // the heap's share that makes a write due
    GROWTH_AT_LEAST = 4 << 20,      // bytes: so that a small host is not woken for nothing
    ENTRY_MAX = 8 << 10,            // of one stack: 256 frames, 8 labels
    BEGIN_MAX = GS_BOX_BYTES_MAX / 2,
};
#define TRY_AGAIN_NS   GS_NS_PER_S // behind a write that failed
#define BEGIN_PAUSE_NS (60 * GS_NS_PER_S)
#define OOM_LOOK_NS    (10 * GS_NS_PER_S)
#define MAPS_PAUSE_NS  (60 * GS_NS_PER_S) // at most, between two looks for a library that is not there

struct gs_box {
    struct gs_store *store;
    char name[GS_LIVE_NAME]; // of its file, in .live
    struct gs_held held;     // the file; none: it is to be begun
    uint64_t size, began;    // of the file: by now, and when it was begun
    uint32_t chain;          // crc32 of its last record
    uint64_t heap_line;      // gs_box_line
    uint64_t history_mark;   // how much of the history is in it
    int64_t baseline_ns;     // the youngest baseline in it
    int64_t again_ns;        // not tried before, after a failure
    bool begin_again, failing;
    struct gs_maps *maps; // as they are in it
    int64_t maps_look_ns, maps_pause_ns;
    struct gs_heap_sampling sampling; // as it is in it
    uint64_t left_out;                // stacks
    char oom_file[256];
    int64_t oom_kills, oom_look_ns;
    uint64_t known[GS_BOX_STACKS_MAX / GS_HEAP_GROUP]; // stacks whose frames are in it
    struct gs_box_out out;
};

/* What is to be known of the box at an end that comes at any moment, on any thread: nothing of it is ever given back. */
static struct {
    _Atomic pid_t pid; // whose box it is; 0: there is none
    char path[GS_LIVE_NAME + 80];
    _Atomic bool left; // it does not come back
} leaving;

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- stacks ------------------------------------------------------------------------------------------------------------ */

static bool is_known(const struct gs_box *box, uint32_t stack)
{
    return box->known[stack / GS_HEAP_GROUP] >> stack % GS_HEAP_GROUP & 1;
}

/* Frames that lie outside of the map as it is in the box: a library has come. */
static void look_for_libraries(struct gs_box *box, const struct gs_given_stack *stack)
{
    for (uint32_t i = 0; box->maps && i < stack->depth; i++)
        if (!gs_maps_find(box->maps, stack->frame[i] - 1)) {
            gs_maps_free(box->maps);
            box->maps = NULL;
        }
}

static void put_frames(struct gs_box *box, uint32_t number)
{
    struct gs_box_out *out = &box->out;
    struct gs_label_value label[GS_HEAP_LABELS_MAX];
    struct gs_given_stack stack;
    uint64_t before = 0;
    gs_heap_stack_read(number, label, &stack);
    look_for_libraries(box, &stack);
    gs_box_number(out, stack.depth);
    for (uint32_t i = 0; i < stack.depth; i++) {
        gs_box_signed(out, (int64_t)(stack.frame[i] - before));
        before = stack.frame[i];
    }
    gs_box_number(out, stack.label_count);
    for (uint32_t i = 0; i < stack.label_count; i++) {
        gs_box_text(out, label[i].key);
        gs_box_text(out, label[i].text);
    }
    box->known[number / GS_HEAP_GROUP] |= (uint64_t)1 << number % GS_HEAP_GROUP;
}

/* One more, in a record of stacks that has begun. */
static void put_stack(struct gs_box *box, uint32_t stack, const int64_t *values)
{
    struct gs_box_out *out = &box->out;
    bool new = !is_known(box, stack);
    if (gs_box_room(out) < ENTRY_MAX) {
        gs_box_end(out);
        gs_box_begin(out, GS_BOX_STACKS);
    }
    gs_box_number(out, (uint64_t)stack * 2 + new);
    if (new)
        put_frames(box, stack);
    for (int i = 0; i < GS_HEAP_VALUES; i++)
        gs_box_signed(out, values[i]);
}

/* Those that have counted something since the last write. */
static void put_changed_stacks(struct gs_box *box)
{
    uint32_t groups = (gs_heap_stack_count() + GS_HEAP_GROUP - 1) / GS_HEAP_GROUP;
    bool any = false;
    for (uint32_t group = 0; group < groups; group++)
        for (uint64_t bits = gs_heap_stacks_changed(group); bits; bits &= bits - 1) {
            uint32_t stack = group * GS_HEAP_GROUP + (uint32_t)__builtin_ctzll(bits);
            int64_t values[GS_HEAP_VALUES];
            if (!any)
                gs_box_begin(&box->out, GS_BOX_STACKS);
            any = true;
            gs_heap_stack_values(stack, values);
            put_stack(box, stack, values);
        }
    if (any)
        gs_box_end(&box->out);
}

/* What STACK held at baseline number AT; at -1: holds now. */
static void values_at(const struct gs_incident_scene *scene, int at, uint32_t stack, int64_t *values)
{
    if (at < 0)
        gs_heap_stack_values(stack, values);
    else
        gs_baseline_values(scene->baselines, (unsigned)at, stack, values);
}

/* All stacks as of baseline AT (-1: now), but for those that were the same one step earlier, which is in the box already. */
static void put_all_stacks(struct gs_box *box, const struct gs_incident_scene *scene, int at, int oldest)
{
    uint32_t count = gs_heap_stack_count();
    gs_box_begin(&box->out, GS_BOX_STACKS);
    for (uint32_t stack = 0; stack < count; stack++) {
        int64_t values[GS_HEAP_VALUES], before[GS_HEAP_VALUES] = {0};
        values_at(scene, at, stack, values);
        if (at < oldest)
            values_at(scene, at + 1, stack, before);
        if (memcmp(values, before, sizeof values) == 0)
            continue;
        if (gs_box_out_size(&box->out) < BEGIN_MAX)
            put_stack(box, stack, values);
        else
            box->left_out += at < 0;
    }
    gs_box_end(&box->out);
}

static void put_baseline(struct gs_box *box, int64_t taken_ns)
{
    gs_box_begin(&box->out, GS_BOX_BASELINE);
    gs_box_number(&box->out, (uint64_t)(gs_realtime_ns() - (gs_monotonic_ns() - taken_ns)));
    gs_box_end(&box->out);
}

/* A baseline was taken since the last write: what is in the box by here is it, but for what has counted in these microseconds. */
static void put_new_baseline(struct gs_box *box, const struct gs_incident_scene *scene)
{
    int64_t taken_ns = gs_baseline_time_ns(scene->baselines, 0);
    if (taken_ns == box->baseline_ns)
        return;
    box->baseline_ns = taken_ns;
    put_baseline(box, taken_ns);
}

/* The two youngest baselines, and what is held now. */
static void put_heap(struct gs_box *box, const struct gs_incident_scene *scene)
{
    int oldest = gs_baseline_time_ns(scene->baselines, 1)   ? 1
                 : gs_baseline_time_ns(scene->baselines, 0) ? 0
                                                            : -1;
    memset(box->known, 0, sizeof box->known);
    box->left_out = 0;
    for (uint32_t group = 0; group < GS_BOX_STACKS_MAX / GS_HEAP_GROUP; group++)
        (void)gs_heap_stacks_changed(group); // all are written: before they are read, so that none is missed
    for (int at = oldest; at >= -1; at--) {
        put_all_stacks(box, scene, at, oldest);
        if (at >= 0)
            put_baseline(box, gs_baseline_time_ns(scene->baselines, (unsigned)at));
    }
    box->baseline_ns = gs_baseline_time_ns(scene->baselines, 0);
}

/* ---- the memory map ------------------------------------------------------------------------------------------------------ */

/* Of a very long map only the lines of what can be executed: they name the functions. */
static void put_map_text(struct gs_box *box, const struct gs_maps *maps)
{
    struct gs_text text = {0};
    bool whole = maps->text_length <= MAPS_MAX;
    for (const char *at = maps->text; !whole && *at;) {
        size_t length = strcspn(at, "\n"), line = length + (at[length] == '\n');
        const char *permissions = memchr(at, ' ', length);
        if (permissions && at + length - permissions > 4 && permissions[3] == 'x')
            gs_text_add_bytes(&text, at, line);
        at += line;
    }
    if (whole)
        gs_box_long_text(&box->out, GS_BOX_MAPS, maps->text, maps->text_length);
    else
        gs_box_long_text(&box->out, GS_BOX_MAPS, text.bytes, text.length);
    gs_text_fini(&text);
}

static void put_build_ids(struct gs_box *box, const struct gs_maps *maps)
{
    struct gs_box_out *out = &box->out;
    gs_box_begin(out, GS_BOX_BUILD_IDS);
    for (size_t i = 0; i < maps->count; i++) {
        const struct gs_mapping *mapping = &maps->mapping[i];
        if (mapping->build_id_length == 0)
            continue;
        if (gs_box_room(out) < 64) {
            gs_box_end(out);
            gs_box_begin(out, GS_BOX_BUILD_IDS);
        }
        gs_box_number(out, mapping->start);
        gs_box_number(out, mapping->build_id_length);
        gs_box_bytes(out, mapping->build_id, mapping->build_id_length);
    }
    gs_box_end(out);
}

static void put_maps(struct gs_box *box)
{
    struct gs_maps *maps = gs_maps_read(0);
    if (!maps)
        return;
    put_map_text(box, maps);
    put_build_ids(box, maps);
    gs_free(maps->text); // the ranges alone are of use from here on
    maps->text = NULL;
    gs_maps_free(box->maps);
    box->maps = maps;
}

/* The map again, if a stack was met that it does not explain. Code that is made at run time never will be: the pauses grow. */
static void put_new_maps(struct gs_box *box)
{
    int64_t now_ns = gs_monotonic_ns();
    if (box->maps || now_ns < box->maps_look_ns)
        return;
    put_maps(box);
    if (now_ns - box->maps_look_ns > MAPS_PAUSE_NS)
        box->maps_pause_ns = 0; // it was quiet for long
    box->maps_pause_ns = least(2 * box->maps_pause_ns + GS_NS_PER_S / 8, MAPS_PAUSE_NS);
    box->maps_look_ns = now_ns + box->maps_pause_ns;
}

/* ---- the rest --------------------------------------------------------------------------------------------------------------- */

static void put_identity(struct gs_box *box, const struct gs_incident_scene *scene)
{
    struct gs_box_out *out = &box->out;
    struct utsname host;
    struct gs_live_id id;
    char exe[PATH_MAX], boot[GS_BOOT_ID];
    ssize_t length = readlink("/proc/self/exe", exe, sizeof exe - 1);
    exe[length > 0 ? length : 0] = 0;
    if (uname(&host) != 0)
        host.nodename[0] = 0;
    gs_boot_id(boot);
    (void)gs_live_id((int)getpid(), &id);
    gs_box_begin(out, GS_BOX_IDENTITY);
    gs_box_number(out, (uint64_t)id.pid);
    gs_box_number(out, id.start_ticks);
    gs_box_number(out, (uint64_t)scene->started_ns);
    gs_box_number(out, scene->limit_bytes);
    gs_box_number(out, (uint64_t)scene->rules->heap.baseline_ns);
    gs_box_text(out, boot);
    gs_box_text(out, host.nodename);
    gs_box_text(out, exe);
    gs_box_text(out, scene->limit_from);
    gs_box_text(out, box->oom_file);
    gs_box_number(out, id.namespace);
    gs_box_end(out);
}

static void put_sampling(struct gs_box *box)
{
    struct gs_box_out *out = &box->out;
    const struct gs_heap_sampling *s = &box->sampling;
    const uint64_t number[] = {s->asked_bytes,     s->bytes,       s->for_budget, s->for_crowding,
                               s->samples_dropped, s->stacks_full, s->stacks_cut, s->labels_refused,
                               s->hooks_seen,      box->left_out};
    gs_box_begin(out, GS_BOX_SAMPLING);
    for (size_t i = 0; i < sizeof number / sizeof *number; i++)
        gs_box_number(out, number[i]);
    gs_box_end(out);
}

static bool same_sampling(const struct gs_heap_sampling *a, const struct gs_heap_sampling *b)
{
    return a->asked_bytes == b->asked_bytes && a->bytes == b->bytes && a->for_budget == b->for_budget &&
           a->for_crowding == b->for_crowding && a->samples_dropped == b->samples_dropped &&
           a->stacks_full == b->stacks_full && a->stacks_cut == b->stacks_cut &&
           a->labels_refused == b->labels_refused && a->hooks_seen == b->hooks_seen;
}

static void put_new_sampling(struct gs_box *box)
{
    struct gs_heap_sampling now;
    gs_heap_sampling_now(&now);
    if (same_sampling(&now, &box->sampling))
        return;
    box->sampling = now;
    put_sampling(box);
}

/* The ticks since the last write. */
static void put_new_history(struct gs_box *box, const struct gs_incident_scene *scene)
{
    struct gs_box_out *out = &box->out;
    if (gs_history_serial(scene->history) == box->history_mark)
        return;
    gs_box_begin(out, GS_BOX_HISTORY);
    out->filled +=
        gs_history_pack(scene->history, box->history_mark, out->buffer + out->filled, gs_box_room(out));
    gs_box_end(out);
    box->history_mark = gs_history_serial(scene->history);
}

static void put_history(struct gs_box *box, const struct gs_incident_scene *scene)
{
    struct gs_box_out *out = &box->out;
    char *packed = gs_alloc(HISTORY_ROOM);
    if (!packed) {
        out->error = out->error ? out->error : -ENOMEM;
        return;
    }
    size_t length = gs_history_pack(scene->history, 0, packed, HISTORY_ROOM);
    for (size_t at = 0; at < length; at += GS_BOX_RECORD_MAX) {
        gs_box_begin(out, GS_BOX_HISTORY);
        gs_box_bytes(out, packed + at, length - at < GS_BOX_RECORD_MAX ? length - at : GS_BOX_RECORD_MAX);
        gs_box_end(out);
    }
    box->history_mark = gs_history_serial(scene->history);
    gs_free(packed);
}

/* The record that makes a write count. */
static void put_written(struct gs_box *box, const struct gs_incident_scene *scene)
{
    struct gs_box_out *out = &box->out;
    int64_t now_ns = gs_monotonic_ns();
    if (now_ns >= box->oom_look_ns) {
        box->oom_kills = *box->oom_file ? gs_oom_kills(box->oom_file) : -1;
        box->oom_look_ns = now_ns + OOM_LOOK_NS;
    }
    gs_box_begin(out, GS_BOX_WRITTEN);
    gs_box_number(out, (uint64_t)gs_realtime_ns());
    gs_box_number(out, (uint64_t)(now_ns - scene->start_ns));
    gs_box_signed(out, box->oom_kills);
    gs_box_end(out);
}

/* ---- a write ----------------------------------------------------------------------------------------------------------------------- */

/* What was written while allocations failed may lack something: that does not count. */
static int finish(struct gs_box *box, const struct gs_incident_scene *scene, size_t failures)
{
    if (!box->out.error && gs_memory_failures() != failures)
        box->out.error = -ENOMEM;
    put_written(box, scene);
    return gs_box_flush(&box->out);
}

static int append(struct gs_box *box, const struct gs_incident_scene *scene, enum gs_box_when when)
{
    size_t failures = gs_memory_failures();
    gs_box_out_start(&box->out, box->held.fd, box->size, box->chain);
    put_changed_stacks(box);
    put_new_maps(box);
    put_new_baseline(box, scene);
    put_new_sampling(box);
    if (when == GS_BOX_TICK)
        put_new_history(box, scene);
    return finish(box, scene, failures);
}

static int write_all(struct gs_box *box, const struct gs_incident_scene *scene, int fd)
{
    size_t failures = gs_memory_failures();
    gs_box_out_start(&box->out, fd, 0, 0);
    put_identity(box, scene);
    gs_box_long_text(&box->out, GS_BOX_RULES, scene->rules->text, scene->rules->text_length);
    gs_maps_free(box->maps);
    box->maps = NULL; // what the stacks' frames lie in is read after them
    put_heap(box, scene);
    put_maps(box);
    gs_heap_sampling_now(&box->sampling);
    put_sampling(box);
    put_history(box, scene);
    return finish(box, scene, failures);
}

/* ---- an end without destructors ------------------------------------------------------------------------------------- */

static void prepare_leaving(const struct gs_box *box)
{
    atomic_store(&leaving.pid, 0);
    snprintf(leaving.path, sizeof leaving.path, "/proc/self/task/%d/fd/%d/.live/%s", (int)syscall(SYS_gettid),
             gs_store_fd(box->store), box->name);
    atomic_store(&leaving.pid, getpid());
}

void gs_box_leave(void)
{
    if (atomic_load(&leaving.pid) != getpid())
        return;
    atomic_store(&leaving.left, true);
    (void)!unlink(leaving.path); // by way of the watcher's own table of descriptors: none of it is in this thread's
}

/* ---- the file ---------------------------------------------------------------------------------------------------------- */

static bool is_over(void)
{
    return atomic_load(&leaving.left);
}

/* The new file under a name of its own; -errno. */
static int create_new(const char *new, int live, struct gs_held *held)
{
    unlinkat(live, new, 0); // of one that was killed at it, and had our number
    int fd = gs_openat(live, new, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    return fd < 0 ? fd : gs_hold(held, fd);
}

static int fill_new(struct gs_box *box, const struct gs_incident_scene *scene, int live, const char *new,
                    int fd)
{
    (void)gs_box_lock(fd);   // nobody else can have it yet; where there are no locks, pids must do
    box->begin_again = true; // what has changed since the last write is not known any more, should this fail
    int error = write_all(box, scene, fd);
    if (!error && is_over())
        error = -ECANCELED;
    if (!error && renameat(live, new, live, box->name) != 0)
        error = -errno;
    if (error)
        unlinkat(live, new, 0);
    else if (is_over()) // meanwhile
        unlinkat(live, box->name, 0);
    return error;
}

/* Write all of it into a new file, and put that in the old one's place. */
static int begin_again(struct gs_box *box, const struct gs_incident_scene *scene)
{
    char new[GS_LIVE_NAME + 8];
    struct gs_held held;
    int live = gs_live_open(box->store);
    if (live < 0)
        return live;
    prepare_leaving(box); // the store may have been opened anew
    snprintf(new, sizeof new, "%.*s.new", (int)(strlen(box->name) - strlen(".box")), box->name);
    int error = create_new(new, live, &held);
    if (!error) {
        error = fill_new(box, scene, live, new, held.fd);
        struct gs_held old = box->held;
        if (!error)
            box->held = held;
        gs_release(error ? &held : &old);
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
    return box->begin_again || !gs_is_held(&box->held, &status) || status.st_nlink == 0;
}

static bool is_long(const struct gs_box *box)
{
    return box->size >= (2 * box->began > BEGIN_AGAIN_AT_LEAST ? 2 * box->began : BEGIN_AGAIN_AT_LEAST);
}

static void failed(struct gs_box *box, int error)
{
    box->again_ns = gs_monotonic_ns() + TRY_AGAIN_NS;
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

/* Only a tick lowers the line: a heap that goes up and down wakes us once for each sixteenth that it climbs, not each time. */
static void set_line(struct gs_box *box, uint64_t heap_in_use, enum gs_box_when when)
{
    uint64_t from = when == GS_BOX_EARLY && box->heap_line > heap_in_use ? box->heap_line : heap_in_use;
    box->heap_line = from + (from / GROWTH > GROWTH_AT_LEAST ? from / GROWTH : GROWTH_AT_LEAST);
}

/* True: it is written. MUST: there is nothing to go on with. If there is (the host has given up its rights to the directory, but
 * the file is held), that is done, and this tried again later. */
static bool write_whole(struct gs_box *box, const struct gs_incident_scene *scene, bool must)
{
    int error = begin_again(box, scene);
    if (!error)
        succeeded(box);
    else if (must || box->begin_again)
        failed(box, error);
    else
        box->again_ns = gs_monotonic_ns() + BEGIN_PAUSE_NS;
    return !error;
}

static void go_on(struct gs_box *box, const struct gs_incident_scene *scene, enum gs_box_when when)
{
    int error = append(box, scene, when);
    box->begin_again = error; // what has changed is not known any more
    if (error)
        failed(box, error);
    else
        succeeded(box);
}

void gs_box_write(struct gs_box *box, const struct gs_incident_scene *scene, uint64_t heap_in_use,
                  enum gs_box_when when)
{
    if (!box || is_over())
        return;
    set_line(box, heap_in_use, when);
    bool must = must_begin(box), may = gs_monotonic_ns() >= box->again_ns;
    bool written = may && (must || is_long(box)) && write_whole(box, scene, must);
    if (!written && !must && !box->begin_again)
        go_on(box, scene, when);
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

/* ---- its life ------------------------------------------------------------------------------------------------------------------- */

struct gs_box *gs_box_open(struct gs_store *store)
{
    struct gs_box *box = gs_alloc(sizeof *box);
    char name[GS_LIVE_NAME];
    if (!box)
        return NULL;
    box->store = store;
    box->held = (struct gs_held)GS_HELD_NONE;
    box->begin_again = true;
    atomic_store(&leaving.left, false);
    box->oom_kills = -1;
    if (!gs_oom_file("", box->oom_file, sizeof box->oom_file))
        box->oom_file[0] = 0;
    (void)gs_live_name((int)getpid(), name); // without /proc: one that the next of our number has as well
    snprintf(box->name, sizeof box->name, "%.48s.box", name);
    return box;
}

void gs_box_put_away(struct gs_box *box)
{
    char path[GS_LIVE_NAME + 8];
    if (!box || !gs_is_held(&box->held, NULL))
        return;
    atomic_store(&leaving.pid, 0);
    int store = gs_store_fd(box->store);
    snprintf(path, sizeof path, ".live/%s", box->name);
    if ((store < 0 || unlinkat(store, path, 0) != 0) && ftruncate(box->held.fd, 0) != 0) // an empty one says as much
        gs_log(GS_LOG_WARNING,
               "the black box %s/%s cannot be removed: the next start will take it for a dead process's",
               gs_store_path(box->store), path);
    gs_release(&box->held);
    box->begin_again = true;
}

void gs_box_close(struct gs_box *box)
{
    if (!box)
        return;
    gs_box_put_away(box);
    gs_maps_free(box->maps);
    gs_free(box);
}
