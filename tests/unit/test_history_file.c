/* test_history_file.c - the bytes of a history file: what is written comes out again, whatever was cut off or damaged. */
#include "base/clock.h"
#include "history/history.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h> // wants the others before it

#define S(seconds) ((seconds)*GS_NS_PER_S)
#define T0         S(1763953509)
enum { ROOM = 1 << 20 };
static const char *const rss_and_cpu[] = {"rss", "cpu"};

static struct file { // a file that is being written
    unsigned char bytes[ROOM];
    size_t length;
    size_t end[64]; // after each record
    size_t records;
} f;
static struct gs_history_about about;
static char note[160], why[160];

static void begin_file(void)
{
    memcpy(f.bytes, gs_history_file_head, GS_HISTORY_FILE_HEAD);
    f.length = GS_HISTORY_FILE_HEAD;
    f.records = 0;
}

static void added(size_t size)
{
    assert_true(size > 0);
    f.length += size;
    f.end[f.records++] = f.length;
}

/* A process with PID and the metrics of HISTORY begins to write; its number. */
static uint32_t process_with(int pid, const struct gs_history *history)
{
    uint32_t number;
    const struct gs_history_process is = {.pid = pid,
                                          .start_ticks = 77,
                                          .started_ns = T0,
                                          .limit_bytes = 512 << 20,
                                          .program = "/usr/sbin/server",
                                          .host = "here"};
    added(gs_history_file_process(&is, history, f.bytes + f.length, ROOM - f.length, &number));
    return number;
}

/* COUNT ticks from second FROM on: rss is its second in pages, cpu a third of it. */
static struct gs_history *ticks(int from, int count)
{
    struct gs_history *history =
        gs_history_shaped(rss_and_cpu, 2, &(struct gs_history_shape){{{4000, S(1)}}});
    for (int at = from; at < from + count; at++)
        gs_history_put(history, T0 + S(at), S(1), (double[]){at * 4096.0, at / 3.0});
    return history;
}

static uint32_t process(int pid)
{
    struct gs_history *none = ticks(0, 0);
    uint32_t number = process_with(pid, none);
    gs_history_free(none);
    return number;
}

static void rows(uint32_t number, enum gs_history_record_type type, struct gs_history *history)
{
    assert_true(ROOM - f.length >= GS_HISTORY_RECORD_MAX);
    added(gs_history_file_rows(history, 0, type, number, f.bytes + f.length));
    gs_history_free(history);
}

static struct gs_history *steps(int from, int count)
{
    struct gs_history *fine = ticks(from, count), *coarse = gs_history_thinned(fine, 0, S(60));
    gs_history_free(fine);
    assert_non_null(coarse);
    return coarse;
}

/* The first LENGTH bytes, read from a block of just this size, which the sanitizer watches. */
static struct gs_history *read_first(size_t length)
{
    unsigned char *copy = malloc(length ? length : 1);
    memcpy(copy, f.bytes, length);
    about = (struct gs_history_about){0};
    *why = *note = 0;
    struct gs_history *history =
        gs_history_file_read(copy, length, NULL, &about, note, sizeof note, why, sizeof why);
    free(copy);
    return history;
}

static struct gs_history *read_all(void)
{
    struct gs_history *history = read_first(f.length);
    if (!history)
        fail_msg("%s", why);
    return history;
}

static void assert_row(const struct gs_history *history, size_t at, int second)
{
    double cpu = gs_history_value(history, at, 1);
    assert_int_equal(gs_history_time(history, at), T0 + S(second));
    assert_true(gs_history_value(history, at, 0) == second * 4096.0);
    assert_true(fabs(cpu - second / 3.0) <= second / 3.0 / 4096); // twelve significant bits
}

/* ---- what was written ---------------------------------------------------------------------------------------------- */

static void ticks_of_three_minutes_come_out(void **state)
{
    (void)state;
    begin_file();
    uint32_t number = process(7);
    for (int minute = 0; minute < 3; minute++)
        rows(number, GS_HISTORY_TICKS, ticks(60 * minute, 60));
    struct gs_history *history = read_all();
    assert_int_equal(gs_history_length(history), 180);
    for (int second = 0; second < 180; second++)
        assert_row(history, (size_t)second, second);
    assert_string_equal(gs_history_metric_name(history, 1), "cpu");
    assert_int_equal(gs_history_interval_ns(history), S(1));
    assert_int_equal(about.pid, 7);
    assert_int_equal(about.processes, 1);
    assert_true(about.limit_bytes == 512 << 20);
    assert_string_equal(note, "");
    gs_history_free(history);
}

/* The ticks of the first hour are gone: its minutes are there, two rows each; then the ticks. Nothing comes twice. */
static void steps_stand_where_no_ticks_are_left(void **state)
{
    (void)state;
    begin_file();
    uint32_t number = process(7);
    rows(number, GS_HISTORY_STEPS, steps(0, 3600));
    rows(number, GS_HISTORY_TICKS, ticks(3600, 60));
    rows(number, GS_HISTORY_STEPS, steps(3600, 60));
    struct gs_history *history = read_all();
    size_t length = gs_history_length(history);
    assert_in_range(length, 60 + 120, 60 + 122);
    assert_int_equal(gs_history_step_ns(history, 0), S(30));
    for (size_t at = 1; at < length; at++)
        assert_true(gs_history_time(history, at - 1) < gs_history_time(history, at));
    for (int second = 3600; second < 3660; second++)
        assert_row(history, length - 3660 + (size_t)second, second);
    gs_history_free(history);
}

/* A restart, and a process that ran beside: each begins with a marked row. A metric that only one has is missing in the other. */
static void processes_follow_each_other(void **state)
{
    (void)state;
    static const char *const with_gauge[] = {"rss", "cpu", "gauge:queue"};
    begin_file();
    uint32_t first = process(7);
    rows(first, GS_HISTORY_TICKS, ticks(0, 60));
    struct gs_history *other = gs_history_shaped(with_gauge, 3, &(struct gs_history_shape){{{10, S(1)}}});
    gs_history_put(other, T0 + S(30), S(1), (double[]){1, 2, 3});
    uint32_t second = process_with(8, other);
    rows(second, GS_HISTORY_TICKS, other);
    rows(first, GS_HISTORY_TICKS, ticks(60, 60));
    struct gs_history *history = read_all();
    assert_int_equal(gs_history_length(history), 121);
    assert_int_equal(about.processes, 2);
    for (size_t at = 0; at < 121; at++)
        assert_int_equal(gs_history_starts_process(history, at), at == 0 || at == 120);
    assert_int_equal(gs_history_time(history, 120), T0 + S(30));
    assert_true(gs_history_value(history, 120, 2) == 3 && isnan(gs_history_value(history, 0, 2)));
    gs_history_free(history);
}

/* ---- what was cut off, or damaged ------------------------------------------------------------------------------------- */

static void write_example(void)
{
    begin_file();
    uint32_t number = process(7);
    for (int minute = 0; minute < 4; minute++)
        rows(number, GS_HISTORY_TICKS, ticks(60 * minute, 60));
}

/* A write that was cut off at any byte costs that write alone, and nobody is told. */
static void torn_at_every_byte_all_before_is_read(void **state)
{
    (void)state;
    write_example();
    for (size_t length = 0; length <= f.length; length++) {
        struct gs_history *history = read_first(length);
        size_t whole = 0;
        while (whole < f.records && f.end[whole] <= length)
            whole++;
        assert_int_equal(history != NULL, whole >= 2); // PROCESS, and one TICKS
        assert_int_equal(history ? gs_history_length(history) : 0, whole >= 2 ? 60 * (whole - 1) : 0);
        assert_string_equal(note, "");
        if (history)
            assert_row(history, gs_history_length(history) - 1, 60 * (int)(whole - 1) - 1);
        gs_history_free(history);
    }
}

/* One bit is wrong, anywhere behind the head: all other records are read, and the damage is told. */
static void a_wrong_bit_costs_one_record(void **state)
{
    (void)state;
    write_example();
    for (size_t at = f.end[0]; at < f.end[3]; at++) {
        f.bytes[at] ^= 0x10;
        struct gs_history *history = read_all();
        assert_int_equal(gs_history_length(history), 180);
        assert_string_equal(note, "1 damaged place was skipped");
        gs_history_free(history);
        f.bytes[at] ^= 0x10;
    }
    f.bytes[f.end[0] - 1] ^= 1; // whose rows are these now?
    assert_null(read_first(f.length));
    assert_string_equal(note, "1 damaged place was skipped; 240 rows cannot be read");
    assert_string_equal(why, "there are no rows in this history file yet");
}

static void other_versions_and_other_files_are_refused(void **state)
{
    (void)state;
    write_example();
    f.bytes[7] = 2;
    assert_null(read_first(f.length));
    assert_string_equal(why, "this is a history file of a later version: use a newer gumshoe");
    f.bytes[0] = 'x';
    assert_null(read_first(f.length));
    assert_string_equal(why, "this is not a history file, or only its beginning");
    begin_file();
    assert_null(read_first(f.length));
    assert_string_equal(why, "there are no rows in this history file yet");
}

/* A type that a later version adds is skipped. */
static void unknown_records_are_skipped(void **state)
{
    (void)state;
    begin_file();
    uint32_t number = process(7);
    rows(number, (enum gs_history_record_type)9, ticks(0, 60));
    rows(number, GS_HISTORY_TICKS, ticks(60, 60));
    struct gs_history *history = read_all();
    assert_int_equal(gs_history_length(history), 60);
    assert_string_equal(note, "");
    gs_history_free(history);
}

/* The clock is set back by an hour: the rows are in the order of their times, and all of them are there. */
static void a_clock_that_is_set_back_loses_nothing(void **state)
{
    (void)state;
    begin_file();
    uint32_t number = process(7);
    rows(number, GS_HISTORY_TICKS, ticks(3600, 60));
    rows(number, GS_HISTORY_TICKS, ticks(0, 60));
    struct gs_history *history = read_all();
    assert_int_equal(gs_history_length(history), 120);
    for (int second = 0; second < 60; second++) {
        assert_row(history, (size_t)second, second);
        assert_row(history, 60 + (size_t)second, 3600 + second);
    }
    gs_history_free(history);
}

/* ---- what is left out of a file that is too large ------------------------------------------------------------------------ */

static struct gs_history_entry entry(uint64_t at, uint32_t number, uint8_t type, int64_t from_ms,
                                     int64_t to_ms)
{
    return (struct gs_history_entry){
        .offset = at * 100, .size = 100, .process = number, .type = type, .from_ms = from_ms, .to_ms = to_ms};
}

/* 1000 bytes: coarse rows may have 500, all 750. The steps cover the first six ticks; the other two are as dear as steps. */
static void the_oldest_ticks_go_first(void **state)
{
    (void)state;
    struct gs_history_entry list[11] = {entry(0, 5, GS_HISTORY_PROCESS, 0, 0)};
    for (int i = 0; i < 6; i++)
        list[1 + i] = entry(1 + (uint64_t)i, 5, GS_HISTORY_TICKS, 10 * i, 10 * i + 9);
    list[7] = entry(7, 5, GS_HISTORY_STEPS, 0, 59);
    list[8] = entry(8, 5, GS_HISTORY_TICKS, 60, 69);
    list[9] = entry(9, 5, GS_HISTORY_TICKS, 70, 79);
    list[10] = entry(10, 6, GS_HISTORY_PROCESS, 0, 0); // has no rows yet
    gs_history_file_choose(list, 11, 1000);
    static const bool kept[11] = {true, false, false, false, true, true, true, true, true, true, false};
    for (int i = 0; i < 11; i++)
        assert_int_equal(list[i].keep, kept[i]);
}

/* Nothing but steps: the newest five stay, with their process; a process whose rows all go, goes. */
static void then_the_oldest_steps_go(void **state)
{
    (void)state;
    struct gs_history_entry list[12] = {entry(0, 5, GS_HISTORY_PROCESS, 0, 0),
                                        entry(1, 5, GS_HISTORY_STEPS, 0, 9),
                                        entry(2, 6, GS_HISTORY_PROCESS, 0, 0)};
    for (int i = 3; i < 12; i++)
        list[i] = entry((uint64_t)i, 6, GS_HISTORY_STEPS, 10 * i, 10 * i + 9);
    gs_history_file_choose(list, 12, 1000);
    for (int i = 0; i < 12; i++)
        assert_int_equal(list[i].keep, i == 2 || i >= 8); // four and their process are 500
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ticks_of_three_minutes_come_out),
        cmocka_unit_test(steps_stand_where_no_ticks_are_left),
        cmocka_unit_test(processes_follow_each_other),
        cmocka_unit_test(torn_at_every_byte_all_before_is_read),
        cmocka_unit_test(a_wrong_bit_costs_one_record),
        cmocka_unit_test(other_versions_and_other_files_are_refused),
        cmocka_unit_test(unknown_records_are_skipped),
        cmocka_unit_test(a_clock_that_is_set_back_loses_nothing),
        cmocka_unit_test(the_oldest_ticks_go_first),
        cmocka_unit_test(then_the_oldest_steps_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
