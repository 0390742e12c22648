/* The black box: what was written is read back; cut short anywhere, the last write that was whole counts; spoilt or made up by
 * somebody, it is refused or read, and nothing else. */
#include "box/box.h"
#include "box/inside.h"
#include "fresh_store.h"
#include "gather/gather.h"
#include "history/history.h"
#include "incident/incident.h"
#include "probe/probe.h"
#include "rules/rules.h"
#include "store/inside.h"
#include "symbol/symbol.h"
#include "base/clock.h"
#include "sys/owned_fd.h"
#include "sys/file.h"
#include "sys/log.h"
#include "base/memory.h"
#include "probe/heap/inside.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>
#include <cmocka.h>

#define MiB(n) ((uint64_t)((n) * 1048576.0))
#define SECOND GS_NS_PER_S

static char dir[FRESH_DIR];
static struct gs_store *store;
static struct gs_incident_scene scene;
static struct gs_box *box;

static const char rules_text[] = "{\"version\":1,\"heap\":{\"baseline\":\"10m\"},\"rules\":[{\"name\":\"a\",\"metric\":\"rss\",\"above\":\"1GiB\"}]}";

static int in_a_fresh_store(void **state)
{
    const char *const names[] = {"rss"};
    struct gs_errors errors = {0};
    (void)state;
    store = fresh_store(dir);
    if (!store)
        return -1;
    scene = (struct gs_incident_scene){
        .rules = gs_rules_read(rules_text, sizeof rules_text - 1, "rules", &errors),
        .history = gs_history_new(names, 1, SECOND),
        .baselines = gs_baselines_new(NULL),
        .limit_bytes = MiB(512),
        .limit_from = "cgroup /x/memory.max",
        .start_ns = gs_monotonic_ns(),
        .started_ns = gs_realtime_ns() - 60 * SECOND,
    };
    box = gs_box_open(store);
    return scene.rules && scene.history && scene.baselines && box ? 0 : -1;
}

static int remove_store(void **state)
{
    (void)state;
    gs_box_close(box);
    gs_rules_free((struct gs_rules *)scene.rules);
    gs_history_free((struct gs_history *)scene.history);
    gs_baselines_free((struct gs_baselines *)scene.baselines);
    return remove_store_at(store, dir);
}

/* ---- the host, and its box ---------------------------------------------------------------------------------------------- */

/* The stack of an allocation site, at an address of this program. */
static uint32_t site(uintptr_t offset)
{
    uintptr_t frames[] = {(uintptr_t)in_a_fresh_store + offset, (uintptr_t)remove_store + 4};
    return gs_stack_intern(frames, 2, false, 0);
}

static void allocate(uint32_t stack, uint64_t objects, uint64_t bytes) { gs_stack_count_alloc(stack, objects << GS_OBJECT_SHIFT, bytes); }

static void tick(double rss)
{
    gs_history_add((struct gs_history *)scene.history, gs_realtime_ns(), &rss);
    gs_box_write(box, &scene, 0, GS_BOX_TICK);
}

static const char *box_path(void)
{
    static char path[200];
    char name[GS_LIVE_NAME];
    gs_live_name((int)getpid(), name);
    snprintf(path, sizeof path, "%s/.live/%s.box", dir, name);
    return path;
}

static char *file_now(size_t *length)
{
    char *bytes;
    assert_int_equal(gs_read_file(AT_FDCWD, box_path(), 64 << 20, &bytes, length), 0);
    return bytes;
}

static struct gs_box_contents *read_now(void)
{
    size_t length;
    char why[200], *bytes = file_now(&length);
    struct gs_box_contents *contents = gs_box_read(bytes, length, why, sizeof why);
    if (!contents)
        fail_msg("%s", why);
    gs_free(bytes);
    return contents;
}

/* The stack of SITE as the box has it. */
static const struct gs_given_stack *found(const struct gs_box_contents *contents, uintptr_t offset)
{
    for (size_t i = 0; i < contents->heap.count; i++)
        if (contents->stack[i].depth == 2 && contents->stack[i].frame[0] == (uintptr_t)in_a_fresh_store + offset)
            return &contents->stack[i];
    return NULL;
}

/* ---- what it holds ---------------------------------------------------------------------------------------------------------- */

static void what_was_written_is_read_back(void **state)
{
    (void)state;
    assert_int_equal(gs_probe_label_set("tenant", "acme"), 0);
    uintptr_t labelled[] = {(uintptr_t)in_a_fresh_store + 1, (uintptr_t)remove_store + 4};
    uint32_t a = gs_stack_intern(labelled, 2, false, gs_thread.labels), b = site(2);
    gs_probe_label_clear("tenant");
    allocate(a, 3, 300);
    tick(1000);
    allocate(a, 1, 100);
    allocate(b, 7, 700);
    gs_stack_count_free(a, 2 << GS_OBJECT_SHIFT, 200);
    tick(2000);
    struct gs_box_contents *contents = read_now();
    const struct gs_remains *remains = &contents->remains;
    const struct gs_given_stack *first = found(contents, 1), *second = found(contents, 2);
    assert_int_equal(remains->pid, getpid());
    assert_true(contents->id.start_ticks == gs_start_ticks((int)getpid()));
    char name[GS_LIVE_NAME];
    assert_true(gs_live_name((int)getpid(), name));
    assert_string_equal(remains->process, name);
    assert_true(remains->started_ns == scene.started_ns);
    assert_true(remains->limit_bytes == MiB(512));
    assert_string_equal(remains->limit_from, "cgroup /x/memory.max");
    assert_int_equal(remains->rules_length, sizeof rules_text - 1);
    assert_memory_equal(remains->rules, rules_text, sizeof rules_text - 1);
    assert_memory_equal(first->now, ((int64_t[]){4, 400, 2, 200}), sizeof first->now);
    assert_memory_equal(second->now, ((int64_t[]){7, 700, 7, 700}), sizeof second->now);
    assert_int_equal(first->label_count, 1);
    assert_string_equal(first->label[0].key, "tenant");
    assert_string_equal(first->label[0].text, "acme");
    assert_true(first->frame[1] == (uintptr_t)remove_store + 4);
    assert_true(contents->heap.base_age_ns == 0);
    assert_int_equal(gs_history_length(contents->history), 2);
    assert_true(gs_history_value(contents->history, 1, 0) == 2000);
    const struct gs_mapping *mapping = gs_maps_find(contents->maps, (uintptr_t)in_a_fresh_store);
    assert_true(mapping && contents->maps->main == (size_t)(mapping - contents->maps->mapping));
    assert_true(mapping->build_id_length == 20);
    assert_null(gs_box_remains(contents)); // it runs
    gs_box_contents_free(contents);
}

/* Baselines are moments of the file: what it held by then. The one that an incident would take is taken: the youngest that is
 * ten minutes old, as the rules have it. */
static void growth_is_since_the_baseline_that_the_living_would_take(void **state)
{
    struct gs_baselines *baselines = (struct gs_baselines *)scene.baselines;
    int64_t now_ns = gs_monotonic_ns();
    uint32_t a = site(10), table = site(11);
    (void)state;
    allocate(table, 1, 50); // once, and for good: there is no word of it at either baseline
    allocate(a, 1, 1000);
    tick(1);
    gs_baselines_tick(baselines, now_ns - 1500 * SECOND, 600 * SECOND, now_ns - 900 * SECOND); // 15 minutes ago
    tick(2);
    allocate(a, 1, 2000);
    gs_baselines_tick(baselines, now_ns, 600 * SECOND, now_ns - 300 * SECOND); // 5 minutes ago: too young
    tick(3);
    allocate(a, 1, 4000);
    tick(4);
    for (int again = 0; again < 2; again++) { // as it was appended, and as it is begun again
        struct gs_box_contents *contents = read_now();
        const struct gs_given_stack *stack = found(contents, 10);
        assert_int_equal(stack->now[GS_INUSE_SPACE], 7000);
        assert_int_equal(stack->then[GS_INUSE_SPACE], 1000);
        assert_int_equal(found(contents, 11)->then[GS_INUSE_SPACE], 50);
        assert_true(llabs(contents->heap.base_age_ns - 900 * SECOND) < SECOND);
        gs_box_contents_free(contents);
        gs_box_renew(box);
        tick(5);
    }
    gs_baselines_tick(baselines, now_ns, 200 * SECOND, now_ns); // of those two, the older is kept in the file
    tick(6);
    allocate(a, 1, 8000);
    tick(7);
    struct gs_box_contents *contents = read_now();
    assert_int_equal(found(contents, 10)->then[GS_INUSE_SPACE], 3000);
    gs_box_contents_free(contents);
}

/* Ten hours at a GB/s on one stack, and far more: what was turned over is read back to the byte. */
static void counters_of_a_long_life_are_read_back(void **state)
{
    const int64_t turned_over[] = {((int64_t)1 << 45) - 1, ((int64_t)1 << 45) + 1, (int64_t)1 << 55, (int64_t)1 << 62};
    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t stack = site(90 + i);
        allocate(stack, 7, (uint64_t)turned_over[i]);
        gs_stack_count_free(stack, 7 << GS_OBJECT_SHIFT, (uint64_t)turned_over[i]);
        tick(1);
        struct gs_box_contents *contents = read_now();
        assert_memory_equal(found(contents, 90 + i)->now, ((int64_t[]){7, turned_over[i], 0, 0}), sizeof turned_over);
        assert_int_equal(contents->remains.note_count, 0);
        gs_box_contents_free(contents);
        gs_stack_count_alloc(stack, 0, -(uint64_t)turned_over[i]); // so that the next one is alone
    }
}

static void a_library_that_came_is_in_the_map(void **state)
{
    uintptr_t outside[] = {0x10, 0x20};
    size_t before, after;
    (void)state;
    tick(1);
    gs_free(file_now(&before));
    allocate(gs_stack_intern(outside, 2, false, 0), 1, 1); // in no mapping: the map is looked at again, and written
    tick(2);
    gs_free(file_now(&after));
    assert_true(after - before > 1000);
    allocate(site(20), 1, 1); // where it was known
    before = after;
    tick(3);
    gs_free(file_now(&after));
    assert_true(after - before < 200);
    struct gs_box_contents *contents = read_now();
    assert_non_null(gs_maps_find(contents->maps, (uintptr_t)in_a_fresh_store));
    gs_box_contents_free(contents);
}

static void a_tick_in_which_nothing_was_counted_takes_some_seventy_bytes(void **state)
{
    size_t before, after;
    (void)state;
    tick(1000);
    gs_free(file_now(&before));
    for (int i = 0; i < 10; i++)
        tick(1000);
    gs_free(file_now(&after));
    assert_true((after - before) / 10 <= 80);
}

/* ---- killed at any moment ------------------------------------------------------------------------------------------------------ */

enum { WRITES = 6 };

/* Six writes, each of which allocates a thousand bytes more; where each ends in the file. */
static char *six_writes(uintptr_t offset, size_t end[WRITES])
{
    size_t length = 0;
    char *bytes = NULL;
    uint32_t stack = site(offset);
    for (int i = 0; i < WRITES; i++) {
        allocate(stack, 1, 1000);
        if (i == 3)
            allocate(site(offset + 1), 1, 1);
        tick(i);
        gs_free(bytes);
        bytes = file_now(&length);
        end[i] = length;
    }
    return bytes;
}

static void cut_short_anywhere_the_last_whole_write_counts(void **state)
{
    size_t end[WRITES];
    char why[200], *bytes = six_writes(30, end);
    (void)state;
    for (size_t length = 0; length <= end[WRITES - 1]; length++) {
        int writes = 0;
        while (writes < WRITES && end[writes] <= length)
            writes++;
        char *cut = malloc(length + 1); // so that a byte beyond is one too many
        memcpy(cut, bytes, length);
        cut = realloc(cut, length ? length : 1);
        struct gs_box_contents *contents = gs_box_read(cut, length, why, sizeof why);
        if (!contents != !writes)
            fail_msg("%zu bytes, %d writes: %s", length, writes, contents ? "read" : why);
        if (contents)
            assert_int_equal(found(contents, 30)->now[GS_INUSE_SPACE], 1000 * writes);
        gs_box_contents_free(contents);
        free(cut);
        if (length + 200 < end[0]) // the map's text: not each of its bytes
            length += 61;
    }
    gs_free(bytes);
}

static uint32_t seed = 1;
static uint32_t any(uint32_t below) { return (seed = seed * 1664525 + 1013904223, (uint32_t)((uint64_t)seed * below >> 32)); }

/* Whatever bytes were changed, behind or before: what is read is what some write had written. */
static void spoilt_anywhere_it_is_what_some_write_had_or_nothing(void **state)
{
    size_t end[WRITES], unread = 0;
    char why[200], *bytes = six_writes(40, end);
    (void)state;
    for (int round = 0; round < 3000; round++) {
        size_t length = end[WRITES - 1];
        char *spoilt = malloc(length);
        memcpy(spoilt, bytes, length);
        for (uint32_t i = any(4); i < 4; i++)
            spoilt[round % 2 ? any((uint32_t)length) : end[0] + any((uint32_t)(length - end[0]))] ^= (char)(1 + any(255));
        struct gs_box_contents *contents = gs_box_read(spoilt, length, why, sizeof why);
        if (contents) {
            int64_t held = found(contents, 40)->now[GS_INUSE_SPACE];
            assert_true(held % 1000 == 0 && held >= 1000 && held <= 6000);
        }
        unread += !contents;
        gs_box_contents_free(contents);
        free(spoilt);
    }
    assert_true(unread > 1000 && unread < 2000); // those that were spoilt in their first write
    gs_free(bytes);
}

/* Give every record the checksum that it should have. */
static void forge(unsigned char *bytes, size_t length)
{
    uint32_t chain = 0;
    for (size_t at = GS_BOX_HEAD; length - at >= GS_BOX_RECORD_HEAD;) {
        uint32_t payload = (uint32_t)bytes[at] | (uint32_t)bytes[at + 1] << 8 | (uint32_t)bytes[at + 2] << 16 | (uint32_t)bytes[at + 3] << 24;
        if (payload > length - at - GS_BOX_RECORD_HEAD)
            return;
        chain = (uint32_t)crc32(chain, bytes + at + 8, payload + 1);
        for (int i = 0; i < 4; i++)
            bytes[at + 4 + (size_t)i] = (unsigned char)(chain >> 8 * i);
        at += GS_BOX_RECORD_HEAD + payload;
    }
}

/* Is byte AT a length or a checksum? */
static bool is_head(const char *bytes, size_t at)
{
    size_t record = GS_BOX_HEAD;
    for (;;) {
        const unsigned char *head = (const unsigned char *)bytes + record;
        size_t next = record + GS_BOX_RECORD_HEAD + (head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16);
        if (at < next)
            return at < record + 8;
        record = next;
    }
}

static void made_up_by_somebody_it_is_refused_or_read_and_nothing_else(void **state)
{
    size_t end[WRITES], refused = 0, length;
    char why[200], *bytes = six_writes(50, end);
    (void)state;
    length = end[WRITES - 1];
    for (int round = 0; round < 4000; round++) {
        unsigned char *forged = malloc(length);
        memcpy(forged, bytes, length);
        for (uint32_t i = any(6); i < 6; i++) {
            size_t at = round % 3 ? end[0] - 600 + any((uint32_t)(length - end[0] + 600)) : GS_BOX_HEAD + any((uint32_t)length - GS_BOX_HEAD);
            if (!is_head(bytes, at))
                forged[at] = (unsigned char[]){0, 0xff, 0x80, 0x7f, (unsigned char)any(256)}[any(5)];
        }
        forge(forged, length);
        struct gs_box_contents *contents = gs_box_read(forged, length, why, sizeof why);
        refused += !contents;
        gs_box_contents_free(contents);
        free(forged);
    }
    assert_true(refused > 500 && refused < 3900);
    gs_free(bytes);
}

/* A box of records that were made by hand, each of which is one too much for something. */
static void extremes_are_refused(void **state)
{
    char path[200], why[200], *bytes;
    size_t length;
    struct gs_box_out *out = malloc(sizeof *out);
    (void)state;
    for (int what = 0; what < 7; what++) {
        snprintf(path, sizeof path, "%s/made-%d", dir, what);
        int fd = open(path, O_CREAT | O_RDWR, 0600);
        gs_box_out_start(out, fd, 0, 0);
        gs_box_begin(out, GS_BOX_IDENTITY);
        for (int i = 0; i < 5; i++)
            gs_box_number(out, what == 1 && i == 0 ? UINT64_MAX : 7); // a pid
        for (int i = 0; i < 5; i++)
            gs_box_text(out, "x");
        gs_box_end(out);
        gs_box_begin(out, what == 2 ? 99 : GS_BOX_STACKS); // 2: a record of a later day is passed over
        gs_box_number(out, what == 3 ? 2 * GS_BOX_STACKS_MAX + 1 : what == 4 ? 6 : 7); // 4: never seen before, and not new
        if (what != 4)
            gs_box_number(out, what == 5 ? 1000000 : 1); // a depth
        gs_box_signed(out, 0x1000);
        gs_box_number(out, what == 6 ? 9 : 0); // labels
        for (int i = 0; i < GS_HEAP_VALUES; i++)
            gs_box_signed(out, 1);
        gs_box_end(out);
        gs_box_begin(out, GS_BOX_WRITTEN);
        for (int i = 0; i < 3; i++)
            gs_box_number(out, 1);
        gs_box_end(out);
        assert_int_equal(gs_box_flush(out), 0);
        close(fd);
        assert_int_equal(gs_read_file(AT_FDCWD, path, 1 << 20, &bytes, &length), 0);
        struct gs_box_contents *contents = gs_box_read(bytes, length, why, sizeof why);
        bool good = what == 0 || what == 2;
        if (good != (contents != NULL))
            fail_msg("%d: %s", what, contents ? "read" : why);
        if (!good)
            assert_string_equal(why, "it is damaged: a record says what cannot be");
        gs_box_contents_free(contents);
        gs_free(bytes);
    }
    free(out);
}

/* VALUES of stacks 1 and up, one each for all that it counts; NEW: with their frames. */
static void put_stacks(struct gs_box_out *out, const int64_t *values, size_t count, bool new)
{
    gs_box_begin(out, GS_BOX_STACKS);
    for (size_t i = 0; i < count; i++) {
        gs_box_number(out, 2 * (i + 1) + new);
        if (new) {
            gs_box_number(out, 1);
            gs_box_signed(out, 0x1000 * (int64_t)(i + 1));
            gs_box_number(out, 0);
        }
        for (int v = 0; v < GS_HEAP_VALUES; v++)
            gs_box_signed(out, values[i]);
    }
    gs_box_end(out);
}

/* A box that somebody made up: COUNT stacks that held THEN at the baseline, and hold NOW. */
static struct gs_box_contents *made_up(const int64_t *then, const int64_t *now, size_t count)
{
    char path[200], why[200], *bytes;
    size_t length;
    struct gs_box_out *out = malloc(sizeof *out);
    snprintf(path, sizeof path, "%s/made-up", dir);
    int fd = open(path, O_CREAT | O_TRUNC | O_RDWR, 0600);
    gs_box_out_start(out, fd, 0, 0);
    gs_box_begin(out, GS_BOX_IDENTITY);
    for (int i = 0; i < 5; i++)
        gs_box_number(out, 7);
    for (int i = 0; i < 5; i++)
        gs_box_text(out, "x");
    gs_box_end(out);
    put_stacks(out, then, count, true);
    gs_box_begin(out, GS_BOX_BASELINE);
    gs_box_number(out, 50);
    gs_box_end(out);
    put_stacks(out, now, count, false);
    gs_box_begin(out, GS_BOX_WRITTEN);
    for (int i = 0; i < 3; i++)
        gs_box_number(out, 100);
    gs_box_end(out);
    assert_int_equal(gs_box_flush(out), 0);
    free(out);
    close(fd);
    assert_int_equal(gs_read_file(AT_FDCWD, path, 1 << 20, &bytes, &length), 0);
    struct gs_box_contents *contents = gs_box_read(bytes, length, why, sizeof why);
    if (!contents)
        fail_msg("%s", why);
    gs_free(bytes);
    return contents;
}

/* Numbers that no process comes to make an incident like any other. They are added, subtracted and turned round on the way:
 * UBSan watches. */
static void counters_beyond_all_reason_are_divided(void **state)
{
    const int64_t then[] = {INT64_MIN, INT64_MAX, INT64_MIN, 1 << 20}, now[] = {INT64_MAX, INT64_MAX, 0, 1 << 21};
    char path[PATH_MAX], why[200];
    (void)state;
    struct gs_box_contents *contents = made_up(then, now, 4);
    const struct gs_given_stack *stack = contents->stack;
    /* 2^63 + 2 (2^63 - 1) + 2^63 + (2^63 - 1) + 3 · 2^20 is a little more than 5 · 2^63: by 8 it is less than 2^63 */
    assert_true(stack[0].then[0] == INT64_MIN / 8 && stack[0].now[0] == INT64_MAX / 8);
    assert_true(stack[3].then[GS_INUSE_SPACE] == 1 << 17 && stack[3].now[GS_INUSE_SPACE] == 1 << 18);
    assert_int_equal(contents->remains.note_count, 1);
    assert_string_equal(contents->remains.note[0],
                        "the box's counters add up to more than 64 bits hold: they are shown divided by 8");
    contents->remains.how = "made up";
    assert_int_equal(gs_incident_of_remains(store, &contents->remains, path), 0);
    json_t *json = gs_incident_load(path, why, sizeof why);
    assert_true(json_is_true(json_object_get(json, "complete")));
    json_decref(json);
    gs_box_contents_free(contents);

    const int64_t none = 0, most = INT64_MAX;
    contents = made_up(&none, &most, 1);
    assert_true(contents->stack[0].now[GS_ALLOC_SPACE] == INT64_MAX && contents->stack[0].then[GS_ALLOC_SPACE] == 0);
    assert_int_equal(contents->remains.note_count, 0);
    gs_box_contents_free(contents);
}

static void others_files_are_no_boxes(void **state)
{
    char why[200];
    (void)state;
    assert_null(gs_box_read("", 0, why, sizeof why));
    assert_string_equal(why, "it is no black box");
    assert_null(gs_box_read("gsbox\0\0\2", 8, why, sizeof why));
    assert_string_equal(why, "it is a black box of a later version: a newer gumshoe reads it");
    assert_null(gs_box_read("gsbox\0\0\1", 8, why, sizeof why));
    assert_string_equal(why, "it holds no write that was completed");
}

/* ---- a host that is hard on us, a disk that is full ---------------------------------------------------------------------------- */

/* The watcher's thread has ended with its table of descriptors, and begins again with another, in which the number may be of
 * something else. */
static void nothing_is_written_into_a_number_of_another_table(void **state)
{
    char mine[200];
    struct stat status;
    (void)state;
    tick(1);
    snprintf(mine, sizeof mine, "%s/mine", dir);
    int next = dup(0), own[64]; // whatever numbers the box, its folder and the store had: they are this file's now
    close(next);
    gs_held_new_table();
    for (int i = 0; i < 64; i++) {
        own[i] = open(mine, O_CREAT | O_RDWR, 0600);
        if (i < next)
            dup2(own[i], i > 2 ? i : own[i]);
    }
    allocate(site(60), 1, 123);
    tick(2);
    assert_int_equal(stat(mine, &status), 0);
    assert_int_equal(status.st_size, 0);
    struct gs_box_contents *contents = read_now();
    assert_int_equal(found(contents, 60)->now[GS_INUSE_SPACE], 123);
    gs_box_contents_free(contents);
    for (int i = 0; i < 64; i++)
        close(own[i]);
}

static void a_box_that_was_removed_comes_again(void **state)
{
    (void)state;
    tick(1);
    unlink(box_path());
    tick(2);
    gs_box_contents_free(read_now());
}

/* Files may not grow beyond what the box is: as good as a full disk. */
static void a_full_disk_leaves_the_last_box_and_is_told_once(void **state)
{
    char log[200], *said;
    size_t length;
    struct rlimit old, none;
    (void)state;
    snprintf(log, sizeof log, "%s/log", dir);
    gs_log_to(log);
    signal(SIGXFSZ, SIG_IGN);
    allocate(site(70), 1, 500);
    tick(1);
    gs_free(file_now(&length));
    getrlimit(RLIMIT_FSIZE, &old);
    none = (struct rlimit){length / 2, old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &none);
    allocate(site(70), 1, 500);
    for (int i = 0; i < 5; i++)
        tick(2);
    setrlimit(RLIMIT_FSIZE, &old);
    struct gs_box_contents *contents = read_now();
    assert_int_equal(found(contents, 70)->now[GS_INUSE_SPACE], 500);
    gs_box_contents_free(contents);
    usleep(1100000);
    tick(3);
    contents = read_now();
    assert_int_equal(found(contents, 70)->now[GS_INUSE_SPACE], 1000);
    gs_box_contents_free(contents);
    gs_log_to("off");
    assert_int_equal(gs_read_file(AT_FDCWD, log, 1 << 16, &said, &length), 0);
    char *first = strstr(said, "cannot be written: File too large; it stays as it is until it can");
    assert_non_null(first);
    assert_null(strstr(first + 1, "cannot be written"));
    assert_non_null(strstr(first, "is written again"));
    gs_free(said);
}

/* A day of ticks, a stack of them busy: the file is begun again now and then, and stays small. */
static void it_does_not_grow_with_time(void **state)
{
    uint32_t stack = site(80);
    struct stat status;
    off_t most = 0;
    ino_t inode = 0;
    unsigned begun = 0;
    (void)state;
    for (int i = 0; i < 40000; i++) {
        allocate(stack, 1, 100);
        tick(i);
        if (stat(box_path(), &status) == 0 && status.st_size > most)
            most = status.st_size;
        begun += status.st_ino != inode;
        inode = status.st_ino;
    }
    assert_true(most <= (1 << 20) + 1000);
    assert_true(begun >= 2 && begun <= 20);
    struct gs_box_contents *contents = read_now();
    assert_int_equal(found(contents, 80)->now[GS_INUSE_SPACE], 4000000);
    assert_true(gs_history_value(contents->history, gs_history_length(contents->history) - 1, 0) == 39999);
    gs_box_contents_free(contents);
}

static void the_line_is_a_sixteenth_above_and_only_a_tick_lowers_it(void **state)
{
    (void)state;
    gs_box_write(box, &scene, MiB(640), GS_BOX_TICK);
    assert_true(gs_box_line(box) == MiB(680)); // 640 + 40
    gs_box_write(box, &scene, MiB(680), GS_BOX_EARLY);
    assert_true(gs_box_line(box) == MiB(722.5)); // 680 + 42.5
    gs_box_write(box, &scene, MiB(100), GS_BOX_EARLY); // it fell meanwhile: up and down does not wake us each time
    assert_true(gs_box_line(box) == MiB(767.65625)); // 722.5 + 45.15625
    gs_box_write(box, &scene, MiB(16), GS_BOX_TICK);
    assert_true(gs_box_line(box) == MiB(20)); // 4 MiB at least
    assert_true(gs_box_line(NULL) == UINT64_MAX);
}

/* Who ends as it should and cannot remove its box leaves an empty one, which tells of no death. */
static void an_emptied_box_is_no_death(void **state)
{
    char path[PATH_MAX], empty[200];
    (void)state;
    tick(1);
    snprintf(empty, sizeof empty, "%s/.live/4711-9.box", dir);
    close(open(empty, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(gs_recover_next(store, 0, path), 0);
    assert_int_equal(access(empty, F_OK), -1);
}

static void a_watch_that_ends_takes_its_box_along(void **state)
{
    (void)state;
    tick(1);
    assert_int_equal(access(box_path(), F_OK), 0);
    gs_box_put_away(box);
    assert_int_equal(access(box_path(), F_OK), -1);
    tick(2); // it has come back
    assert_int_equal(access(box_path(), F_OK), 0);
    gs_box_leave();
    assert_int_equal(access(box_path(), F_OK), -1);
    gs_box_renew(box);
    tick(3); // whoever is late does not bring it back
    assert_int_equal(access(box_path(), F_OK), -1);
}

/* ---- whose it is ------------------------------------------------------------------------------------------------------------------ */

/* A box in .live as NAME, of a process on HOST in another start of the machine, whose file was last written SECONDS ago. */
static void put_foreign(const char *name, const char *host, int seconds)
{
    static int64_t last_seen_ns; // one moment for all
    char path[200];
    struct gs_live_id id;
    assert_true(gs_live_id_read(name, ".box", &id));
    last_seen_ns = last_seen_ns ? last_seen_ns : gs_realtime_ns();
    struct gs_box_out *out = malloc(sizeof *out);
    snprintf(path, sizeof path, "%s/.live/%s", dir, name);
    int fd = open(path, O_CREAT | O_RDWR, 0600);
    gs_box_out_start(out, fd, 0, 0);
    gs_box_begin(out, GS_BOX_IDENTITY);
    gs_box_number(out, (uint64_t)id.pid);
    gs_box_number(out, id.start_ticks);
    for (int i = 0; i < 3; i++)
        gs_box_number(out, 4711);
    gs_box_text(out, "another-boot");
    gs_box_text(out, host);
    for (int i = 0; i < 3; i++)
        gs_box_text(out, "");
    gs_box_number(out, id.namespace);
    gs_box_end(out);
    gs_box_begin(out, GS_BOX_WRITTEN);
    gs_box_number(out, (uint64_t)last_seen_ns);
    gs_box_number(out, 1);
    gs_box_signed(out, -1);
    gs_box_end(out);
    assert_int_equal(gs_box_flush(out), 0);
    free(out);
    const struct timespec then[] = {{.tv_sec = time(NULL) - seconds}, {.tv_sec = time(NULL) - seconds}};
    futimens(fd, then);
    close(fd);
}

static void boxes_of_other_machines_are_left_alone_while_they_may_live(void **state)
{
    char path[PATH_MAX], here[HOST_NAME_MAX + 1];
    (void)state;
    tick(1); // makes .live, and is never taken for a dead one
    gethostname(here, sizeof here);
    put_foreign("4711-1.box", "elsewhere", 10);
    assert_int_equal(gs_recover_next(store, 0, path), 0);
    put_foreign("4711-2.box", "elsewhere", 400);
    assert_int_equal(gs_recover_next(store, 0, path), 1);
    put_foreign("4711-3.box", here, 10); // this one, before it was started anew
    assert_int_equal(gs_recover_next(store, 0, path), 1);
    char why[200], *how;
    json_t *json = gs_incident_load(path, why, sizeof why);
    how = strdup(json_string_value(json_object_get(json_object_get(json, "died"), "how")));
    assert_string_equal(how, "unknown: the machine was started anew since, or is another");
    json_decref(json);
    free(how);
    assert_int_equal(gs_recover_next(store, 0, path), 0);
    assert_int_equal(access(box_path(), F_OK), 0);
}

/* Killed between an incident and the removal of its box: the incident is not made twice. */
static void an_incident_that_was_made_is_not_made_again(void **state)
{
    char path[PATH_MAX], copy[600];
    struct gs_incident_list list;
    (void)state;
    tick(1);
    put_foreign("4711-2.box", "elsewhere", 400);
    snprintf(copy, sizeof copy, "cp -p %s/.live/4711-2.box %s/kept", dir, dir);
    assert_int_equal(system(copy), 0);
    assert_int_equal(gs_recover_next(store, 0, path), 1);
    snprintf(copy, sizeof copy, "cp -p %s/kept %s/.live/4711-2.box", dir, dir);
    assert_int_equal(system(copy), 0);
    assert_int_equal(gs_recover_next(store, 0, path), 0);
    snprintf(copy, sizeof copy, "%s/.live/4711-2.box", dir);
    assert_int_equal(access(copy, F_OK), -1);
    assert_int_equal(gs_incident_list(dir, &list), 0);
    assert_int_equal(list.count, 1);
    gs_incident_list_fini(&list);
}

/* Two containers, each with a process 1 that started in the same tick and was last seen in the same millisecond. */
static void deaths_that_look_alike_are_told_apart(void **state)
{
    char path[PATH_MAX];
    struct gs_incident_list list;
    (void)state;
    tick(1);
    put_foreign("1-5-10.box", "elsewhere", 400);
    put_foreign("1-5-11.box", "elsewhere", 400);
    assert_int_equal(gs_recover_next(store, 0, path), 1);
    assert_int_equal(gs_recover_next(store, 0, path), 1);
    put_foreign("1-5-11.box", "elsewhere", 400); // as if it had not been removed
    put_foreign("1-5-10.box", "elsewhere", 400);
    assert_int_equal(gs_recover_next(store, 0, path), 0);
    assert_int_equal(gs_incident_list(dir, &list), 0);
    assert_int_equal(list.count, 2);
    gs_incident_list_fini(&list);
}

/* What names in .live say: an earlier version's have no namespace, and anything may stand there. */
static void names_are_read_back_or_refused(void **state)
{
    static const char *const refused[] = {"",           "1.box",      "1-.box",       "-1-2.box",    "0-1-2.box",
                                          "1-2-.box",   "1-2-3-.box", "1-2-3-4.box",  "+1-2-3.box",  "1- 2-3.box",
                                          "1-2-3.sock", "1-2-3.box2", "1-2--3.box",   "x-2-3.box",   "1-2-4294967296.box",
                                          "2147483648-1-1.box",       "1-18446744073709551616-1.box"};
    char name[GS_LIVE_NAME];
    struct gs_live_id id;
    (void)state;
    assert_true(gs_live_id_read("2147483647-18446744073709551615-4294967295.box", ".box", &id));
    assert_true(id.pid == INT32_MAX && id.start_ticks == UINT64_MAX && id.namespace == UINT32_MAX);
    gs_live_id_print(&id, name);
    assert_string_equal(name, "2147483647-18446744073709551615-4294967295");
    assert_true(gs_live_id_read("4711-9.sock", ".sock", &id));
    assert_true(id.pid == 4711 && id.start_ticks == 9 && id.namespace == 0);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (gs_live_id_read(refused[i], ".box", &id))
            fail_msg("%s was read", refused[i]);
    assert_true(gs_live_id((int)getpid(), &id) && gs_live_is_running(&id));
    id.namespace++; // another container's: it is not the process that we see
    assert_false(gs_live_is_running(&id));
    id.namespace = 0; // of an earlier version
    assert_true(gs_live_is_running(&id));
}

/* An agent's thread that shares no descriptor with its process, and listens. */
static void *listen_apart(void *told)
{
    char name[GS_LIVE_NAME], why[200];
    prctl(PR_SET_NAME, "gumshoe");
    if (unshare(CLONE_FILES) != 0)
        _exit(1);
    struct gs_store *own = gs_store_open(dir, &(struct gs_store_limits){0}, why, sizeof why);
    if (!own || gs_live_listen(own, name) < 0 || write(*(int *)told, "x", 1) != 1)
        _exit(1);
    for (;;)
        pause();
    return NULL;
}

static void an_agent_with_descriptors_of_its_own_is_found(void **state)
{
    int told[2];
    char byte;
    pthread_t thread;
    (void)state;
    assert_int_equal(pipe(told), 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(store->held.fd);
        if (pthread_create(&thread, NULL, listen_apart, &told[1]) != 0)
            _exit(1);
        for (;;)
            pause();
    }
    close(told[1]);
    assert_int_equal(read(told[0], &byte, 1), 1);
    int fd = gs_live_connect((int)pid);
    if (fd < 0)
        fail_msg("%s", strerror(-fd));
    close(fd);
    close(told[0]);
    assert_int_equal(gs_live_connect((int)getpid()), -ENOENT);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(gs_live_connect((int)pid), -ENOENT);
}

static void rss_close_to_the_limit_speaks_of_the_oom_killer(void **state)
{
    char how[GS_DEATH_TEXT];
    (void)state;
    tick((double)MiB(400));
    struct gs_box_contents *contents = read_now();
    gs_tell_death(contents, 9, how);
    assert_string_equal(how, "killed by signal 9 (SIGKILL)");
    gs_box_contents_free(contents);
    tick((double)MiB(496)); // of 512: 96.9 %
    contents = read_now();
    gs_tell_death(contents, 9, how);
    assert_string_equal(how, "killed by signal 9 (SIGKILL), probably the OOM killer: rss was 97 % of the limit (496 MiB of 512 MiB)");
    gs_tell_death(contents, 0, how);
    assert_string_equal(how, "probably the OOM killer: rss was 97 % of the limit (496 MiB of 512 MiB)");
    gs_tell_death(contents, 11, how);
    assert_string_equal(how, "killed by signal 11 (SIGSEGV)");
    gs_box_contents_free(contents);
}

/* ---- as many stacks as there can be (last: they stay in the probe's table) -------------------------------------------------------- */

static void the_fullest_table_fits(void **state)
{
    enum { STACKS = 40000, DEPTH = 24 };
    uintptr_t frames[DEPTH];
    size_t length;
    (void)state;
    for (uint32_t i = 0; i < STACKS; i++) {
        for (uint32_t f = 0; f < DEPTH; f++)
            frames[f] = (uintptr_t)in_a_fresh_store + ((i + f * 7919) % 200003) * 0x10001;
        allocate(gs_stack_intern(frames, DEPTH, false, 0), 1, 1000000);
    }
    tick(1);
    gs_free(file_now(&length));
    struct gs_box_contents *contents = read_now();
    size_t deep = 0;
    for (size_t i = 0; i < contents->heap.count; i++)
        deep += contents->stack[i].depth == DEPTH && contents->stack[i].now[GS_INUSE_SPACE] == 1000000;
    assert_int_equal(deep, STACKS);
    assert_int_equal(contents->remains.note_count, 0);
    assert_true(length < GS_BOX_BYTES_MAX / 2);
    gs_box_contents_free(contents);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, in_a_fresh_store, remove_store)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(what_was_written_is_read_back),
        STORY(growth_is_since_the_baseline_that_the_living_would_take),
        STORY(counters_of_a_long_life_are_read_back),
        STORY(a_library_that_came_is_in_the_map),
        STORY(a_tick_in_which_nothing_was_counted_takes_some_seventy_bytes),
        STORY(cut_short_anywhere_the_last_whole_write_counts),
        STORY(spoilt_anywhere_it_is_what_some_write_had_or_nothing),
        STORY(made_up_by_somebody_it_is_refused_or_read_and_nothing_else),
        STORY(extremes_are_refused),
        STORY(counters_beyond_all_reason_are_divided),
        cmocka_unit_test(others_files_are_no_boxes),
        STORY(nothing_is_written_into_a_number_of_another_table),
        STORY(a_box_that_was_removed_comes_again),
        STORY(a_full_disk_leaves_the_last_box_and_is_told_once),
        STORY(it_does_not_grow_with_time),
        STORY(the_line_is_a_sixteenth_above_and_only_a_tick_lowers_it),
        STORY(an_emptied_box_is_no_death),
        STORY(a_watch_that_ends_takes_its_box_along),
        STORY(boxes_of_other_machines_are_left_alone_while_they_may_live),
        STORY(an_incident_that_was_made_is_not_made_again),
        STORY(deaths_that_look_alike_are_told_apart),
        cmocka_unit_test(names_are_read_back_or_refused),
        STORY(an_agent_with_descriptors_of_its_own_is_found),
        STORY(rss_close_to_the_limit_speaks_of_the_oom_killer),
        STORY(the_fullest_table_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
