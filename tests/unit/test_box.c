/* The black box: what was written is read back, on a host that is hard on it, on a disk that is full, and with as many stacks as there
 * can be. (test_box_damaged.c: files that are not as they were written; test_box_live.c: whose a box is.) */
#include "box/box.h"
#include "box_story.h"
#include "gather/gather.h"
#include "history/history.h"
#include "probe/probe.h"
#include "store/inside.h"
#include "symbol/symbol.h"
#include "base/clock.h"
#include "sys/owned_fd.h"
#include "sys/file.h"
#include "sys/log.h"
#include "sys/process.h"
#include "base/memory.h"
#include "probe/heap/inside.h"
#include <fcntl.h>
#include <signal.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

/* ---- what it holds ---------------------------------------------------------------------------------------------------------- */

static void what_was_written_is_read_back(void **state)
{
    (void)state;
    assert_int_equal(gs_probe_label_set("tenant", "acme"), 0);
    uintptr_t labelled[] = {(uintptr_t)in_a_fresh_store + 1, (uintptr_t)remove_store + 4};
    uint32_t a = gs_heap_stack_intern(labelled, 2, false, gs_thread.labels), b = site(2);
    gs_probe_label_clear("tenant");
    allocate(a, 3, 300);
    tick(1000);
    allocate(a, 1, 100);
    allocate(b, 7, 700);
    gs_heap_stack_count_free(a, 2 << GS_OBJECT_SHIFT, 200);
    tick(2000);
    struct gs_box_contents *contents = read_now();
    const struct gs_post_mortem *post_mortem = &contents->post_mortem;
    const struct gs_given_stack *first = found(contents, 1), *second = found(contents, 2);
    assert_int_equal(post_mortem->pid, getpid());
    assert_true(contents->id.start_ticks == gs_process_start_ticks((int)getpid()));
    char name[GS_LIVE_NAME];
    assert_true(gs_store_live_name((int)getpid(), name));
    assert_string_equal(post_mortem->process, name);
    assert_true(post_mortem->started_ns == box_story.context.started_ns);
    assert_true(post_mortem->limit_bytes == MiB(512));
    assert_string_equal(post_mortem->limit_from, "cgroup /x/memory.max");
    assert_int_equal(post_mortem->rules_length, strlen(box_story_rules));
    assert_memory_equal(post_mortem->rules, box_story_rules, strlen(box_story_rules));
    assert_memory_equal(first->now, ((int64_t[]){4, 400, 2, 200}), sizeof first->now);
    assert_memory_equal(second->now, ((int64_t[]){7, 700, 7, 700}), sizeof second->now);
    assert_int_equal(first->label_count, 1);
    assert_string_equal(first->label[0].key, "tenant");
    assert_string_equal(first->label[0].text, "acme");
    assert_true(first->frame[1] == (uintptr_t)remove_store + 4);
    assert_true(contents->heap.base_age_ns == 0);
    assert_int_equal(gs_history_length(contents->history), 2);
    assert_true(gs_history_value(contents->history, 1, 0) == 2000);
    const struct gs_mapping *mapping = gs_symbol_maps_find(contents->maps, (uintptr_t)in_a_fresh_store);
    assert_true(mapping && contents->maps->main == (size_t)(mapping - contents->maps->mapping));
    assert_true(mapping->build_id_length == 20);
    assert_null(gs_box_post_mortem(contents)); // it runs
    gs_box_contents_free(contents);
}

/* Baselines are moments of the file: what it held by then. The one that an incident would take is taken: the youngest that is
 * ten minutes old, as the rules have it. */
static void growth_is_since_the_baseline_that_the_living_would_take(void **state)
{
    struct gs_baselines *baselines = (struct gs_baselines *)box_story.context.baselines;
    int64_t now_ns = gs_clock_monotonic_ns();
    uint32_t a = site(10), table = site(11);
    (void)state;
    allocate(table, 1, 50); // once, and for good: there is no word of it at either baseline
    allocate(a, 1, 1000);
    tick(1);
    gs_gather_baselines_tick(baselines, now_ns - 1500 * SECOND, 600 * SECOND, now_ns - 900 * SECOND); // 15 minutes ago
    tick(2);
    allocate(a, 1, 2000);
    gs_gather_baselines_tick(baselines, now_ns, 600 * SECOND, now_ns - 300 * SECOND); // 5 minutes ago: too young
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
        gs_box_request_rewrite(box_story.box);
        tick(5);
    }
    gs_gather_baselines_tick(baselines, now_ns, 200 * SECOND, now_ns); // of those two, the older is kept in the file
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
        gs_heap_stack_count_free(stack, 7 << GS_OBJECT_SHIFT, (uint64_t)turned_over[i]);
        tick(1);
        struct gs_box_contents *contents = read_now();
        assert_memory_equal(found(contents, 90 + i)->now, ((int64_t[]){7, turned_over[i], 0, 0}), sizeof turned_over);
        assert_int_equal(contents->post_mortem.note_count, 0);
        gs_box_contents_free(contents);
        gs_heap_stack_count_alloc(stack, 0, -(uint64_t)turned_over[i]); // so that the next one is alone
    }
}

/* More is in use, of STACK, for the heap as a whole as well; less. */
static void hold(uint32_t stack, uint64_t bytes)
{
    allocate(stack, 1, bytes);
    (void)gs_heap_totals_add(bytes);
}

static void give_back(uint32_t stack, uint64_t bytes)
{
    gs_heap_stack_count_free(stack, 1 << GS_OBJECT_SHIFT, bytes);
    gs_heap_totals_subtract(bytes);
}

/* What the box says of the peak: A and B of sites 120 and 121 were held then. */
static void the_peak_holds(uint64_t a, uint64_t b)
{
    struct gs_box_contents *contents = read_now();
    assert_int_equal(found(contents, 120)->peak[GS_INUSE_SPACE], a);
    assert_int_equal(found(contents, 121)->peak[GS_INUSE_SPACE], b);
    assert_int_equal(found(contents, 120)->now[GS_INUSE_SPACE], MiB(10));
    assert_int_equal(found(contents, 121)->now[GS_INUSE_SPACE], 0);
    assert_true(contents->heap.peak_age_ns > 0 && contents->heap.peak_highest_bytes >= a + b);
    gs_box_contents_free(contents);
}

/* The peak is in the box as it is appended, as it is begun again, and if it was copied too long before the write. */
static void the_peak_is_read_back(void **state)
{
    uint32_t a = site(120), b = site(121);
    (void)state;
    gs_gather_peak_configure(&(struct gs_peak_settings){3600 * SECOND, 1});
    for (uint32_t stack = 0; stack < gs_probe_stack_count(); stack++) // what other stories have left
        (void)gs_heap_totals_add(gs_probe_stack_counts(stack).inuse_space);
    hold(a, MiB(10));
    hold(b, MiB(1));
    assert_true(gs_gather_peak_tick(gs_clock_monotonic_ns()));
    tick(1);
    hold(b, MiB(50));
    assert_true(gs_gather_peak_look(gs_clock_monotonic_ns(), true));
    tick(2);
    give_back(b, MiB(51));
    tick(3);
    the_peak_holds(MiB(10), MiB(51));
    gs_box_request_rewrite(box_story.box);
    tick(4);
    the_peak_holds(MiB(10), MiB(51));
    hold(b, MiB(70));
    assert_true(gs_gather_peak_look(gs_clock_monotonic_ns() - SECOND / 2, true));
    give_back(b, MiB(70));
    tick(5);
    the_peak_holds(MiB(10), MiB(70));
    gs_gather_peak_forget();
    tick(6);
    struct gs_box_contents *contents = read_now();
    assert_int_equal(contents->heap.peak_age_ns, 0);
    gs_box_contents_free(contents);
}

static void a_library_that_came_is_in_the_map(void **state)
{
    uintptr_t outside[] = {0x10, 0x20};
    size_t before, after;
    (void)state;
    tick(1);
    gs_free(file_now(&before));
    allocate(gs_heap_stack_intern(outside, 2, false, 0), 1, 1); // in no mapping: the map is looked at again, and written
    tick(2);
    gs_free(file_now(&after));
    assert_true(after - before > 1000);
    allocate(site(20), 1, 1); // where it was known
    before = after;
    tick(3);
    gs_free(file_now(&after));
    assert_true(after - before < 200);
    struct gs_box_contents *contents = read_now();
    assert_non_null(gs_symbol_maps_find(contents->maps, (uintptr_t)in_a_fresh_store));
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

/* ---- a host that is hard on us, a disk that is full ---------------------------------------------------------------------------- */

/* The watcher's thread has ended with its table of descriptors, and begins again with another, in which the number may be of
 * something else. */
static void nothing_is_written_into_a_number_of_another_table(void **state)
{
    char mine[200];
    struct stat status;
    (void)state;
    tick(1);
    snprintf(mine, sizeof mine, "%s/mine", box_story.dir);
    int next = dup(0), own[64]; // whatever numbers the box_story.box, its folder and the store had: they are this file's now
    close(next);
    gs_owned_fd_new_table();
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
    snprintf(log, sizeof log, "%s/log", box_story.dir);
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
    assert_int_equal(gs_file_read(AT_FDCWD, log, 1 << 16, &said, &length), 0);
    char *first = strstr(said, "cannot be written: File too large; it stays as it is until writing works again");
    assert_non_null(first);
    assert_null(strstr(first + 1, "cannot be written"));
    assert_non_null(strstr(first, "can be written again"));
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
    gs_box_write(box_story.box, &box_story.context, MiB(640), GS_BOX_TICK);
    assert_true(gs_box_heap_line(box_story.box) == MiB(680)); // 640 + 40
    gs_box_write(box_story.box, &box_story.context, MiB(680), GS_BOX_EARLY);
    assert_true(gs_box_heap_line(box_story.box) == MiB(722.5)); // 680 + 42.5
    gs_box_write(box_story.box, &box_story.context, MiB(100), GS_BOX_EARLY); // it fell meanwhile: up and down does not wake us each time
    assert_true(gs_box_heap_line(box_story.box) == MiB(767.65625)); // 722.5 + 45.15625
    gs_box_write(box_story.box, &box_story.context, MiB(16), GS_BOX_TICK);
    assert_true(gs_box_heap_line(box_story.box) == MiB(20)); // 4 MiB at least
    assert_true(gs_box_heap_line(NULL) == UINT64_MAX);
}

static void a_watch_that_ends_takes_its_box_along(void **state)
{
    (void)state;
    tick(1);
    assert_int_equal(access(box_path(), F_OK), 0);
    gs_box_remove_file(box_story.box);
    assert_int_equal(access(box_path(), F_OK), -1);
    tick(2); // it has come back
    assert_int_equal(access(box_path(), F_OK), 0);
    gs_box_leave();
    assert_int_equal(access(box_path(), F_OK), -1);
    gs_box_request_rewrite(box_story.box);
    tick(3); // whoever is late does not bring it back
    assert_int_equal(access(box_path(), F_OK), -1);
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
        allocate(gs_heap_stack_intern(frames, DEPTH, false, 0), 1, 1000000);
    }
    tick(1);
    gs_free(file_now(&length));
    struct gs_box_contents *contents = read_now();
    size_t deep = 0;
    for (size_t i = 0; i < contents->heap.count; i++)
        deep += contents->stack[i].depth == DEPTH && contents->stack[i].now[GS_INUSE_SPACE] == 1000000;
    assert_int_equal(deep, STACKS);
    assert_int_equal(contents->post_mortem.note_count, 0);
    assert_true(length < GS_BOX_BYTES_MAX / 2);
    gs_box_contents_free(contents);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(what_was_written_is_read_back),
        STORY(growth_is_since_the_baseline_that_the_living_would_take),
        STORY(the_peak_is_read_back),
        STORY(counters_of_a_long_life_are_read_back), // in use is below 0 afterwards
        STORY(a_library_that_came_is_in_the_map),
        STORY(a_tick_in_which_nothing_was_counted_takes_some_seventy_bytes),
        STORY(nothing_is_written_into_a_number_of_another_table),
        STORY(a_box_that_was_removed_comes_again),
        STORY(a_full_disk_leaves_the_last_box_and_is_told_once),
        STORY(it_does_not_grow_with_time),
        STORY(the_line_is_a_sixteenth_above_and_only_a_tick_lowers_it),
        STORY(a_watch_that_ends_takes_its_box_along),
        STORY(the_fullest_table_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
