/* test_history_write.c - the writer of the history file, with a clock of its own: days in seconds, restarts, failures. */
#include "base/clock.h"
#include "base/json.h"
#include "base/memory.h"
#include "fresh_store.h"
#include "history/history.h"
#include "sys/file.h"
#include "sys/log.h"
#include "watch/history_file.h"
#include "watch/history_write.h"
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h> // wants the others before it

#define S(seconds) ((seconds)*GS_NS_PER_S)
#define T0         S(1763953509)
enum { METRICS = 17, DAY = 86400 };
static const char *const names[METRICS] = {
    "rss",     "heap_in_use",    "heap_alloc_rate", "threads",          "cpu",       "fds",
    "swap",    "major_faults",   "memory_pressure", "context_switches", "run_delay", "io_wait",
    "gauge:q", "alloc_failures", "largest_alloc",   "group_memory",     "gauge:r"};

static struct machine {
    char dir[FRESH_DIR], path[FRESH_DIR + 128];
    struct gs_store *store;
    struct gs_rules rules;
    struct gs_incident_context context;
    struct gs_history *history;
    struct gs_history_writer *writer;
    int64_t second; // since T0, and on the monotonic clock
    uint64_t size, appended;
    uint32_t dice;
} m;

static uint32_t roll(uint32_t sides)
{
    m.dice = m.dice * 1664525u + 1013904223u;
    return (m.dice >> 8) % sides;
}

static uint64_t size_of(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 ? (uint64_t)status.st_size : 0;
}

/* A process starts. */
static void start(void)
{
    m.history = gs_history_new(names, METRICS, m.rules.interval_ns);
    m.context = (struct gs_incident_context){
        .rules = &m.rules, .history = m.history, .started_ns = T0 + S(m.second), .limit_bytes = 1 << 30};
    m.writer = gs_watch_history_open(m.store, S(m.second));
    assert_non_null(m.writer);
}

static struct gs_now now(void)
{
    return (struct gs_now){S(m.second), T0 + S(m.second)};
}

/* It ends: at once, as if it were killed, or after a normal stop. */
static void end(bool killed)
{
    gs_watch_history_close(m.writer, killed ? NULL : &m.context, now());
    gs_history_free(m.history);
    m.writer = NULL;
    m.history = NULL;
}

/* SECONDS ticks; BUSY: almost all metrics change at each. */
static void run(int64_t seconds, bool busy)
{
    for (int64_t until = m.second + seconds; m.second < until;) {
        double value[METRICS] = {4096.0 * (30000 + roll(busy ? 2000 : 2)),
                                 1000.0 * (90000 + roll(busy ? 9999 : 1))};
        value[2] = busy ? roll(1u << 22) / 3.0 : 0;
        for (int i = 3; i < METRICS; i++)
            value[i] = !busy || i % 3 == 0 ? 40 : i % 3 == 1 ? roll(100000) / 7.0 : roll(300);
        m.second++;
        gs_history_add(m.history, T0 + S(m.second), value);
        gs_watch_history_tick(m.writer, &m.context, now());
        if (m.second % 20)
            continue;
        uint64_t size = size_of(m.path);
        m.appended += size > m.size ? size - m.size : 0;
        m.size = size;
        assert_true(size <= m.rules.history.max_bytes);
    }
}

static int set_up(void **state)
{
    struct gs_history_file file;
    (void)state;
    gs_json_use_our_memory();
    gs_log_to("off");
    m = (struct machine){.dice = 1, .rules = {.interval_ns = S(1), .history = {true, 64 << 20}}};
    m.store = fresh_store(m.dir);
    assert_non_null(m.store);
    gs_watch_history_file_init(&file, m.store);
    snprintf(m.path, sizeof m.path, "%s/.history/%s", m.dir, file.name);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return remove_store_at(m.store, m.dir);
}

static struct gs_history *read_file(struct gs_history_about *about, char *note, size_t size)
{
    char why[160] = "", *bytes;
    size_t length;
    *about = (struct gs_history_about){0};
    assert_int_equal(gs_file_read(AT_FDCWD, m.path, 1 << 26, &bytes, &length), 0);
    struct gs_history *history =
        gs_history_file_read(bytes, length, NULL, about, note, size, why, sizeof why);
    gs_free(bytes);
    if (!history)
        fail_msg("%s", why);
    return history;
}

/* What a replay would see: so many rows and processes, and nothing damaged. */
static void assert_file(size_t least_rows, size_t most_rows, size_t processes)
{
    struct gs_history_about about;
    char note[160];
    struct gs_history *history = read_file(&about, note, sizeof note);
    assert_in_range(gs_history_length(history), least_rows, most_rows);
    assert_int_equal(about.processes, processes);
    assert_string_equal(note, "");
    gs_history_free(history);
}

/* ---- days ------------------------------------------------------------------------------------------------------------ */

static void a_minute_later_it_is_in_the_file(void **state)
{
    (void)state;
    start();
    run(59, true);
    assert_int_equal(size_of(m.path), 0);
    run(2, true);
    assert_file(60, 61, 1);
    run(30, true);
    end(false); // what is left is written at a normal end
    assert_file(91, 91 + 2, 1);
}

static void a_process_of_less_than_a_minute_leaves_nothing(void **state)
{
    (void)state;
    start();
    run(58, true);
    end(false);
    assert_int_equal(size_of(m.path), 0);
}

/* Two busy days: each costs 2 MB at most, and most of it is there tick by tick. */
static void a_busy_day_is_two_megabytes_at_most(void **state)
{
    (void)state;
    start();
    for (int day = 0; day < 2; day++) {
        m.appended = 0;
        run(DAY, true);
        assert_in_range(m.appended, 1000000, 2000000);
    }
    print_message("a busy day: %llu bytes\n", (unsigned long long)m.appended);
    end(true); // who starts then has what a minute of the day's bytes is, and not more: programs that crash in a loop share it
    uint64_t before = size_of(m.path);
    start();
    run(61, true);
    assert_in_range(size_of(m.path) - before, 1, 61 * 2000000 / DAY);
    end(true);
    struct gs_history_about about;
    char note[160];
    struct gs_history *history = read_file(&about, note, sizeof note);
    size_t length = gs_history_length(history), seconds = 0;
    for (size_t at = 0; at < length; at++)
        seconds += gs_history_step_ns(history, at) == S(1);
    print_message("%zu of %d rows are ticks\n", seconds, 2 * DAY);
    assert_true(seconds > DAY / 4);
    for (size_t at = 1; at < length; at++) // no hole: a step covers what lies before it
        assert_true(gs_history_time(history, at) - gs_history_time(history, at - 1) <=
                    gs_history_step_ns(history, at) + S(61));
    gs_history_free(history);
}

/* An idle day is small, and every second of it is there. */
static void an_idle_day_is_small(void **state)
{
    (void)state;
    start();
    run(DAY, false);
    end(false);
    print_message("an idle day: %llu bytes\n", (unsigned long long)size_of(m.path));
    assert_true(size_of(m.path) < 400000);
    assert_file(DAY, DAY + 4, 1);
}

/* 512 KiB: never exceeded (run checks it); the first hour is still there, in minutes, and the last one in seconds. */
static void a_full_file_keeps_minutes_of_the_past(void **state)
{
    (void)state;
    struct gs_history_about about;
    char note[160];
    m.rules.history.max_bytes = 512 << 10;
    start();
    run(DAY, true);
    end(true);
    struct gs_history *history = read_file(&about, note, sizeof note);
    size_t length = gs_history_length(history);
    assert_true(gs_history_time(history, 0) <= T0 + S(120));
    assert_int_equal(gs_history_step_ns(history, 0), S(30));
    assert_true(gs_history_time(history, length - 1) >= T0 + S(DAY - 61));
    assert_true(gs_history_step_ns(history, length - 1) <= S(10));
    assert_string_equal(note, "");
    gs_history_free(history);
}

/* A process that is killed each hour: the minutes before each end stay as ticks when the others have gone. */
static void what_was_before_a_kill_stays(void **state)
{
    (void)state;
    struct gs_history_about about;
    char note[160];
    m.rules.history.max_bytes = 256 << 10;
    for (int hour = 0; hour < 8; hour++) {
        start();
        run(4200, true); // an hour of steps, and ten minutes that none cover
        end(true);
    }
    struct gs_history *history = read_file(&about, note, sizeof note);
    size_t length = gs_history_length(history), ends = 0;
    assert_in_range(about.processes, 2, 8);
    for (size_t at = 0; at < length; at++)
        if (at + 1 == length || gs_history_starts_process(history, at + 1))
            ends += gs_history_step_ns(history, at) <= S(10);
    assert_int_equal(ends, about.processes);
    gs_history_free(history);
}

/* ---- restarts and failures --------------------------------------------------------------------------------------------- */

static void a_restart_is_marked(void **state)
{
    (void)state;
    start();
    run(125, true);
    end(true); // five seconds are not in the file
    m.second += 10;
    start();
    run(61, true);
    end(true);
    assert_file(120 + 60, 120 + 62, 2);
}

/* A write was cut off by the kill: the next process cuts the rest away, and its rows follow. */
static void a_torn_end_is_cut_at_the_next_start(void **state)
{
    (void)state;
    for (int lost = 1; lost < 400; lost += 57) {
        assert_int_equal(tear_down(NULL), 0);
        assert_int_equal(set_up(NULL), 0);
        start();
        run(121, true);
        end(true);
        uint64_t size = size_of(m.path);
        assert_int_equal(truncate(m.path, (off_t)(size - (uint64_t)lost)), 0);
        start();
        run(61, true);
        end(true);
        assert_file(60 + 60, 60 + 62, 2); // without the torn record
    }
}

/* Somebody empties the file under the running process, then removes it: it goes on in a new one. */
static void an_emptied_or_removed_file_is_begun_again(void **state)
{
    (void)state;
    start();
    run(61, true);
    assert_int_equal(truncate(m.path, 0), 0);
    run(60, true);
    assert_file(60, 62, 1);
    assert_int_equal(unlink(m.path), 0);
    run(60, true);
    assert_file(60, 62, 1);
    end(true);
}

static int set_file_limit(rlim_t bytes)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0)
        return -1;
    limit.rlim_cur = bytes;
    return setrlimit(RLIMIT_FSIZE, &limit);
}

/* No room for a while: nothing torn stays, and the rows of that time are written once there is room. */
static void a_full_disk_loses_nothing(void **state)
{
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    start();
    run(61, true);
    uint64_t size = size_of(m.path);
    assert_int_equal(set_file_limit(size + 100), 0);
    run(600, true);
    assert_int_equal(size_of(m.path), size);
    assert_int_equal(set_file_limit(RLIM_INFINITY), 0);
    run(601, true);
    end(false);
    assert_file(1100, 1264, 1);
}

/* A file that is not ours, or of a later version, stays as it is. */
static void other_files_are_left_alone(void **state)
{
    static const char *const contents[] = {"something else", "gshist\0\2later"};
    static const size_t lengths[] = {14, 13};
    (void)state;
    for (int i = 0; i < 2; i++) {
        start();
        run(61, true);
        end(true);
        int fd = open(m.path, O_WRONLY | O_TRUNC);
        assert_int_equal(write(fd, contents[i], lengths[i]), lengths[i]);
        close(fd);
        start();
        run(125, true);
        end(false);
        assert_int_equal(size_of(m.path), lengths[i]);
        unlink(m.path);
    }
}

/* The file of another program, which got our name. */
static void another_programs_file_is_left_alone(void **state)
{
    (void)state;
    static unsigned char bytes[4096];
    uint32_t number;
    const struct gs_history_process other = {.pid = 1, .program = "/opt/other", .host = ""};
    start();
    run(61, true);
    memcpy(bytes, gs_history_file_head, GS_HISTORY_FILE_HEAD);
    size_t size =
        GS_HISTORY_FILE_HEAD + gs_history_file_process(&other, m.history, bytes + GS_HISTORY_FILE_HEAD,
                                                       sizeof bytes - GS_HISTORY_FILE_HEAD, &number);
    end(true);
    int fd = open(m.path, O_WRONLY | O_TRUNC);
    assert_int_equal(write(fd, bytes, size), size);
    close(fd);
    start();
    run(125, true);
    end(false);
    assert_int_equal(size_of(m.path), size);
}

/* Switched off by a reload: nothing more is written. Switched on: it goes on. */
static void it_can_be_switched_off(void **state)
{
    (void)state;
    start();
    run(61, true);
    uint64_t size = size_of(m.path);
    m.rules.history.on = false;
    run(300, true);
    assert_int_equal(size_of(m.path), size);
    m.rules.history.on = true;
    run(61, true);
    assert_true(size_of(m.path) > size);
    end(true);
}

/* 200 ticks in 20 seconds are in the file after six of them, in steps of a second. */
static void short_intervals_are_steps_of_a_second(void **state)
{
    (void)state;
    m.rules.interval_ns = S(1) / 10;
    start();
    for (int tick = 0; tick < 200; tick++) {
        double value[METRICS] = {tick};
        gs_history_add(m.history, T0 + tick * S(1) / 10, value);
        gs_watch_history_tick(m.writer, &m.context, (struct gs_now){tick * S(1) / 10, T0 + tick * S(1) / 10});
        m.second = tick / 10;
    }
    assert_true(size_of(m.path) > 0);
    end(false);
    assert_file(40, 50, 1);
    struct gs_history_about about;
    char note[160];
    struct gs_history *history = read_file(&about, note, sizeof note);
    assert_int_equal(gs_history_interval_ns(history), S(1) / 2);
    gs_history_free(history);
}

#define SIMULATED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SIMULATED(a_minute_later_it_is_in_the_file),
        SIMULATED(a_process_of_less_than_a_minute_leaves_nothing),
        SIMULATED(a_busy_day_is_two_megabytes_at_most),
        SIMULATED(an_idle_day_is_small),
        SIMULATED(a_full_file_keeps_minutes_of_the_past),
        SIMULATED(what_was_before_a_kill_stays),
        SIMULATED(a_restart_is_marked),
        SIMULATED(a_torn_end_is_cut_at_the_next_start),
        SIMULATED(an_emptied_or_removed_file_is_begun_again),
        SIMULATED(a_full_disk_loses_nothing),
        SIMULATED(other_files_are_left_alone),
        SIMULATED(another_programs_file_is_left_alone),
        SIMULATED(it_can_be_switched_off),
        SIMULATED(short_intervals_are_steps_of_a_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
