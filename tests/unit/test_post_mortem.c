/* What is left of a process that died becomes an incident like any other, and says how it died. */
#include "fresh_store.h"
#include "gather/gather.h"
#include "history/history.h"
#include "incident/incident.h"
#include "incident/inside.h"
#include "profile/profile.h"
#include "reader/reader.h"
#include "store/store.h"
#include "symbol/symbol.h"
#include "base/clock.h"
#include "sys/file.h"
#include "base/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define MiB(n) ((int64_t)(n) << 20)
#define SECOND GS_NS_PER_S
/* 2026-11-24T03:05:09.123Z, when it was last seen; it had been started an hour before. */
#define LAST_SEEN (1795489509123 * GS_NS_PER_MS)

static char dir[FRESH_DIR];
static struct gs_store *store;
static struct gs_maps *maps;

static int in_a_fresh_store(void **state)
{
    (void)state;
    store = fresh_store(dir);
    maps = gs_symbol_maps_read(0);
    return store && maps ? 0 : -1;
}

static int remove_store(void **state)
{
    (void)state;
    gs_symbol_maps_free(maps);
    return remove_store_at(store, dir);
}

/* The program that died: this one, so that its symbols are at hand. A cache that grew, and a table that did not. */
__attribute__((noinline)) static void fill_cache(void) { __asm__ volatile("nop; nop; nop"); }
__attribute__((noinline)) static void make_table(void) { __asm__ volatile("nop; nop; nop; nop"); }
__attribute__((noinline)) static void serve(void) { __asm__ volatile("nop; nop; nop; nop; nop"); }

static uint64_t in(void (*function)(void)) { return (uint64_t)(uintptr_t)function + 2; }

static const struct gs_label_value tenant = {.key = "tenant", .text = "acme"};
static uint64_t cache_stack[2], table_stack[2];
static struct gs_given_stack stacks[3];
static struct gs_given_heap heap = {.stack = stacks, .count = 3, .time_ns = LAST_SEEN, .duration_ns = 3600 * SECOND, .base_age_ns = 600 * SECOND,
                                    .sampling = {.asked_bytes = 512 << 10, .bytes = 1 << 20, .for_budget = 1, .samples_dropped = 7, .hooks_seen = true}};

static void make_heap(void)
{
    memcpy(cache_stack, (uint64_t[]){in(fill_cache), in(serve)}, sizeof cache_stack);
    memcpy(table_stack, (uint64_t[]){in(make_table), in(serve)}, sizeof table_stack);
    stacks[0] = (struct gs_given_stack){.now = {5, MiB(1), 5, MiB(1)}, .then = {5, MiB(1), 5, MiB(1)}}; // the table of stacks was full
    stacks[1] = (struct gs_given_stack){.frame = cache_stack, .depth = 2, .label = &tenant, .label_count = 1,
                                        .now = {1000, MiB(90), 800, MiB(80)}, .then = {100, MiB(10), 100, MiB(10)}};
    stacks[2] = (struct gs_given_stack){.frame = table_stack, .depth = 2, .now = {10, MiB(100), 10, MiB(100)}, .then = {10, MiB(100), 10, MiB(100)}};
}

static struct gs_post_mortem post_mortem(void)
{
    static const char *const notes[] = {"the black box was full: 3 stacks are missing"};
    make_heap();
    return (struct gs_post_mortem){
        .pid = 4711, .exe = "/usr/sbin/server", .host = "web-3", .started_ns = LAST_SEEN - 3600 * SECOND, .last_seen_ns = LAST_SEEN,
        .how = "killed by signal 9 (SIGKILL)", .signal = 9, .limit_bytes = (uint64_t)MiB(200), .limit_from = "cgroup /x/memory.max",
        .maps = maps, .heap = &heap, .rules = "{\"version\":1,\"interval\":\"2s\",\"labels\":{\"service\":\"checkout\"},\"rules\":[]}", .rules_length = 72,
        .note = notes, .note_count = 1,
    };
}

static json_t *written(const struct gs_post_mortem *left, char path[PATH_MAX])
{
    char why[200] = "";
    assert_int_equal(gs_incident_from_post_mortem(store, left, path), 0);
    json_t *json = gs_store_load_incident(path, why, sizeof why);
    if (!json)
        fail_msg("%s", why);
    return json;
}

static const char *text_of(const json_t *json, const char *key) { return json_string_value(json_object_get(json, key)); }

static char *file_of(const char *path, const char *name)
{
    char full[PATH_MAX + 40], *bytes;
    size_t length;
    snprintf(full, sizeof full, "%s/%s", path, name);
    return gs_file_read(AT_FDCWD, full, 1 << 24, &bytes, &length) ? NULL : bytes;
}

static int64_t total(const char *path, const char *name)
{
    char full[PATH_MAX + 40], *bytes, why[200];
    size_t length;
    snprintf(full, sizeof full, "%s/%s", path, name);
    assert_int_equal(gs_file_read(AT_FDCWD, full, 1 << 24, &bytes, &length), 0);
    struct gs_profile *profile = gs_reader_profile(bytes, length, why, sizeof why);
    struct gs_top top;
    assert_non_null(profile);
    assert_int_equal(profile->period, 1 << 20);
    assert_int_equal(gs_profile_top(profile, gs_profile_sample_type(profile, NULL), &top), 0);
    int64_t sum = top.total;
    gs_profile_top_fini(&top);
    gs_profile_free(profile);
    gs_free(bytes);
    return sum;
}

static void it_says_who_died_and_how(void **state)
{
    char path[PATH_MAX];
    struct gs_post_mortem left = post_mortem();
    json_t *json = written(&left, path), *died = json_object_get(json, "died");
    (void)state;
    assert_non_null(strstr(path, "/20261124T030509.123Z-previous-run-died-4711"));
    assert_string_equal(text_of(json, "rule"), "previous-run-died");
    assert_string_equal(text_of(json, "condition"), "died");
    assert_string_equal(text_of(json, "reason"), "server, pid 4711, died: killed by signal 9 (SIGKILL)");
    assert_string_equal(text_of(json, "triggered"), "2026-11-24T03:05:09.123Z");
    assert_string_equal(text_of(json, "started"), "2026-11-24T02:05:09.123Z");
    assert_string_equal(text_of(json, "host"), "web-3");
    assert_string_equal(text_of(json_object_get(json, "labels"), "service"), "checkout");
    assert_int_equal(json_integer_value(json_object_get(json, "limit")), MiB(200));
    assert_true(json_is_true(json_object_get(json, "complete")));
    assert_int_equal(json_array_size(json_object_get(json, "errors")), 0);
    assert_string_equal(text_of(died, "how"), "killed by signal 9 (SIGKILL)");
    assert_int_equal(json_integer_value(json_object_get(died, "signal")), 9);
    assert_string_equal(text_of(died, "last_seen"), "2026-11-24T03:05:09.123Z");
    json_decref(json);
}

static void its_heap_and_what_grew_are_there(void **state)
{
    char path[PATH_MAX];
    struct gs_post_mortem left = post_mortem();
    json_t *json = written(&left, path), *culprit = json_object_get(json, "culprit");
    (void)state;
    assert_int_equal(total(path, "heap.pb.gz"), MiB(181)); // 1 + 80 + 100
    assert_int_equal(total(path, "heap.base.pb.gz"), MiB(111)); // 1 + 10 + 100
    assert_string_equal(text_of(culprit, "kind"), "growth");
    assert_string_equal(text_of(culprit, "function"), "fill_cache");
    assert_int_equal(json_integer_value(json_object_get(culprit, "bytes")), MiB(70));
    assert_string_equal(json_string_value(json_array_get(json_object_get(culprit, "stack"), 1)), "serve");
    assert_true(json_real_value(json_object_get(json, "baseline_age_s")) == 600);
    json_t *notes = json_object_get(json, "notes");
    assert_int_equal(json_array_size(notes), 3);
    assert_memory_equal(json_string_value(json_array_get(notes, 0)), "7 heap samples were dropped", 27);
    assert_string_equal(json_string_value(json_array_get(notes, 1)), "sampled every 1 MiB instead of 512 KiB: the agent keeps within its budget");
    assert_string_equal(json_string_value(json_array_get(notes, 2)), "the black box was full: 3 stacks are missing");
    char *summary = file_of(path, "summary.txt"), *rules = file_of(path, "rules.json"), *kept = file_of(path, "maps.txt");
    assert_non_null(strstr(summary, "What grew since the baseline 10 min ago"));
    assert_memory_equal(rules, left.rules, left.rules_length);
    assert_string_equal(kept, maps->text);
    assert_null(file_of(path, "metrics.json")); // there was no history
    gs_free(summary);
    gs_free(rules);
    gs_free(kept);
    json_decref(json);
}

static void what_the_peak_held_is_there_if_it_was_higher(void **state)
{
    char path[PATH_MAX];
    struct gs_post_mortem left = post_mortem();
    (void)state;
    heap.peak_age_ns = 720 * SECOND;
    heap.peak_highest_bytes = (uint64_t)MiB(420);
    memcpy(stacks[1].peak, ((int64_t[]){900, MiB(320), 900, MiB(300)}), sizeof stacks[1].peak);
    memcpy(stacks[2].peak, ((int64_t[]){10, MiB(100), 10, MiB(100)}), sizeof stacks[2].peak);
    json_t *json = written(&left, path), *peak = json_object_get(json, "peak"), *holder = json_object_get(peak, "held_by");
    assert_int_equal(total(path, "heap.peak.pb.gz"), MiB(400));
    assert_int_equal(json_integer_value(json_object_get(peak, "bytes")), MiB(400));
    assert_int_equal(json_integer_value(json_object_get(peak, "highest")), MiB(420));
    assert_true(json_real_value(json_object_get(peak, "age_s")) == 720);
    assert_string_equal(text_of(holder, "function"), "fill_cache");
    assert_int_equal(json_integer_value(json_object_get(holder, "bytes")), MiB(300));
    assert_true(json_real_value(json_object_get(holder, "share")) == 0.75);
    char *summary = file_of(path, "summary.txt");
    assert_non_null(strstr(summary, "\nThe heap peaked at 400 MiB 12 min before; then held by\n     300 MiB   75 %  fill_cache"));
    gs_free(summary);
    json_decref(json);
    heap.peak_highest_bytes = (uint64_t)MiB(500); // for less time than a copy takes
    json = written(&left, path);
    summary = file_of(path, "summary.txt");
    assert_non_null(strstr(summary, "\nThe heap peaked at 400 MiB (for a moment: 500 MiB) 12 min before; then held by\n"));
    gs_free(summary);
    json_decref(json);
    memcpy(stacks[1].peak, stacks[1].now, sizeof stacks[1].peak); // 180 of 181 MiB
    json = written(&left, path);
    assert_true(json_is_null(json_object_get(json, "peak")));
    assert_null(file_of(path, "heap.peak.pb.gz"));
    json_decref(json);
    heap.peak_age_ns = 0;
}

static void without_a_baseline_the_culprit_is_who_holds_most(void **state)
{
    char path[PATH_MAX];
    struct gs_post_mortem left = post_mortem();
    heap.base_age_ns = 0;
    json_t *json = written(&left, path), *culprit = json_object_get(json, "culprit");
    heap.base_age_ns = 600 * SECOND;
    (void)state;
    assert_string_equal(text_of(culprit, "kind"), "in_use");
    assert_string_equal(text_of(culprit, "function"), "make_table");
    assert_null(file_of(path, "heap.base.pb.gz"));
    json_decref(json);
}

static void its_history_goes_to_the_last_tick(void **state)
{
    char path[PATH_MAX];
    struct gs_post_mortem left = post_mortem();
    const char *const names[] = {"rss"};
    struct gs_history *history = gs_history_new(names, 1, 2 * SECOND);
    for (int i = 0; i < 6; i++)
        gs_history_add(history, LAST_SEEN - (5 - i) * 2 * SECOND, (double[]){(double)i});
    left.history = history;
    json_decref(written(&left, path));
    char *metrics = file_of(path, "metrics.json");
    (void)state;
    assert_non_null(metrics);
    json_t *json = json_loads(metrics, 0, NULL), *rss = json_object_get(json_object_get(json, "series"), "rss");
    assert_int_equal(json_integer_value(json_object_get(json, "interval_ms")), 2000);
    json_t *last = json_array_get(rss, json_array_size(rss) - 1);
    assert_true(fabs(json_real_value(json_array_get(last, 0)) - 1795489509.123) < 1e-6);
    assert_int_equal(json_integer_value(json_array_get(last, 1)), 5);
    json_decref(json);
    gs_free(metrics);
    gs_history_free(history);
}

/* Nothing but a number, and names that would write on a terminal: still an incident that can be read. */
static void little_and_hostile_remains_will_do(void **state)
{
    char path[PATH_MAX];
    struct gs_maps *none = gs_symbol_maps_parse("", 0, "");
    struct gs_post_mortem left = {.pid = 1, .exe = "/x/\033[31m\xff", .host = "\xc0\xaf", .how = "un\nknown", .maps = none, .rules = "{", .rules_length = 1};
    json_t *json = written(&left, path);
    (void)state;
    assert_string_equal(text_of(json, "reason"), "\\x1b[31m\\xff, pid 1, died: un\\x0aknown");
    assert_string_equal(text_of(json, "exe"), "/x/\\x1b[31m\\xff");
    assert_true(json_is_null(json_object_get(json, "culprit")));
    json_decref(json);
    gs_symbol_maps_free(none);
}

/* What another process gets that asks for the lock of those who make incidents of the dead: 0, or -errno. */
static int lock_elsewhere(void)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        int lock = gs_incident_lock_recovery(store);
        _exit(lock < 0 ? -lock : 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return -WEXITSTATUS(status);
}

/* One at a time makes incidents of the dead. A worker that was forked meanwhile has the lock's file open, and does not hold it. */
static void the_lock_of_who_makes_incidents_of_the_dead_is_its_own(void **state)
{
    (void)state;
    int lock = gs_incident_lock_recovery(store);
    assert_true(lock >= 0);
    assert_int_equal(lock_elsewhere(), -EWOULDBLOCK);
    pid_t worker = fork();
    if (worker == 0)
        for (;;)
            pause();
    close(lock);
    assert_int_equal(lock_elsewhere(), 0);
    assert_int_equal(gs_incident_recovering_pid(store), 0);
    kill(worker, SIGKILL);
    assert_int_equal(waitpid(worker, NULL, 0), worker);
}

/* A folder half made is made again from what it was made of; but not taken from under the one who is making it. */
static void half_an_incident_of_a_dead_process_goes(void **state)
{
    char dot[128], file[160];
    struct stat status;
    (void)state;
    snprintf(dot, sizeof dot, "%s/.20261124T030509.123Z-previous-run-died-4711", dir);
    snprintf(file, sizeof file, "%s/incident.json", dot);
    mkdir(dot, 0700);
    close(open(file, O_CREAT | O_WRONLY, 0600));
    int maker = open(dot, O_RDONLY | O_DIRECTORY); // is at it: its lock says so
    assert_int_equal(flock(maker, LOCK_EX), 0);
    gs_store_sweep(store);
    assert_int_equal(stat(file, &status), 0);
    close(maker);
    gs_store_sweep(store);
    assert_int_equal(stat(dot, &status), -1);
}

static void maps_of_the_dead_are_parsed_and_not_believed(void **state)
{
    static const char text[] = "1000-2000 r--p 00000000 08:01 7 /bin/x\n2000-3000 r-xp 00001000 08:01 7 /bin/x\n"
                               "garbage\n9000-a000 r-xp 00000000 08:01 9 /lib/y.so (deleted)\nf000-ffff r-xp 00000000 00:00 0 [vdso]";
    struct gs_maps *parsed = gs_symbol_maps_parse(text, sizeof text - 1, "/bin/x");
    (void)state;
    assert_int_equal(parsed->count, 3);
    assert_int_equal(parsed->main, 0);
    assert_int_equal(parsed->pid, 0);
    assert_int_equal(parsed->mapping[0].build_id_length, 0);
    assert_true(parsed->mapping[1].deleted);
    assert_string_equal(parsed->mapping[1].path, "/lib/y.so");
    uint64_t address = 0xf010; // its vDSO is gone: our own memory is not looked at for it
    struct gs_symbols *symbols = gs_symbol_table_new(parsed, &address, 1);
    assert_null(gs_symbol_table_find(symbols, address).name);
    assert_int_equal(gs_symbol_table_note_count(symbols), 0);
    gs_symbol_table_free(symbols);
    gs_symbol_maps_free(parsed);
    for (size_t length = 0; length < sizeof text; length++)
        gs_symbol_maps_free(gs_symbol_maps_parse(text, length, "/bin/x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_says_who_died_and_how, in_a_fresh_store, remove_store),
        cmocka_unit_test_setup_teardown(its_heap_and_what_grew_are_there, in_a_fresh_store, remove_store),
        cmocka_unit_test_setup_teardown(what_the_peak_held_is_there_if_it_was_higher, in_a_fresh_store, remove_store),
        cmocka_unit_test_setup_teardown(without_a_baseline_the_culprit_is_who_holds_most, in_a_fresh_store, remove_store),
        cmocka_unit_test_setup_teardown(its_history_goes_to_the_last_tick, in_a_fresh_store, remove_store),
        cmocka_unit_test_setup_teardown(little_and_hostile_remains_will_do, in_a_fresh_store, remove_store),
        cmocka_unit_test_setup_teardown(the_lock_of_who_makes_incidents_of_the_dead_is_its_own, in_a_fresh_store, remove_store),
        cmocka_unit_test_setup_teardown(half_an_incident_of_a_dead_process_goes, in_a_fresh_store, remove_store),
        cmocka_unit_test(maps_of_the_dead_are_parsed_and_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
