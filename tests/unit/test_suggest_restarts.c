/* test_suggest_restarts.c - a history of several processes: a restart is neither a rise nor a drop. Rows are a minute apart, values MiB
 * of rss, the limit 1 GiB. */
#include "base/json.h"
#include "base/memory.h"
#include "history/history.h"
#include "reader/suggest.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h> // wants the others before it

#define MiB 1048576.0
enum { HOUR = 60, DAY = 1440, ROWS_MAX = 8 * DAY };
static const int64_t minute_ns = 60 * GS_NS_PER_S;
static const char *const names[] = {"rss"};

static struct gs_history *history;
static struct gs_suggested *suggested;
static size_t rows;

static void begin(void)
{
    gs_history_free(history);
    history = gs_history_shaped(names, 1, &(struct gs_history_shape){{{ROWS_MAX, minute_ns}}});
    assert_non_null(history);
    rows = 0;
}

static void process(int pid)
{
    assert_int_equal(gs_history_mark_start(history, (struct gs_history_owner){pid, 0}), 0);
}

/* COUNT rows from FROM to TO, a straight line, a little up and down. */
static void line(size_t count, double from, double to)
{
    for (size_t i = 0; i < count; i++, rows++) {
        double value = from + (to - from) * (double)i / (double)count + (double)(rows * 7 % 5);
        gs_history_put(history, (int64_t)rows * minute_ns, minute_ns, &(double){value * MiB});
    }
}

static struct gs_figures figures(int64_t slope_window_ns)
{
    struct gs_figures out;
    assert_int_equal(
        gs_reader_figures_of(history, 0, &(struct gs_periods){0}, slope_window_ns, 10 * minute_ns, &out), 0);
    return out;
}

static void suggest(void)
{
    gs_reader_suggested_free(suggested);
    assert_int_equal(gs_reader_suggest(history, &(struct gs_suggest_constraints){1, 1 << 30}, &suggested), 0);
}

/* Each starts at 100 MiB, and has loaded 600 more within 3 minutes. */
static void loading_after_a_restart_is_no_jump(void **state)
{
    (void)state;
    begin();
    for (int pid = 1; pid <= 4; pid++) {
        process(pid);
        line(3, 100, 700);
        line(DAY / 2, 700, 700);
    }
    assert_true(figures(3 * HOUR * minute_ns).jump < 150 * MiB); // the first full window has some of the loading in it
    suggest();
    assert_int_equal(suggested->fault_count, 0);
}

/* Lives of 6 hours, each of which grows by 60 MiB: that is the slope of every window of 3 hours, and none has two processes. */
static void growth_is_measured_in_each_life(void **state)
{
    (void)state;
    begin();
    for (int pid = 1; pid <= 8; pid++) {
        process(pid);
        line(6 * HOUR, 300, 360);
    }
    struct gs_figures found = figures(3 * HOUR * minute_ns);
    double slope = 60 * MiB / (6 * 3600);
    assert_true(fabs(found.slope - slope) < slope / 20);
    assert_true(found.slope_spread < slope / 20);
    assert_true(isnan(figures(12 * HOUR * minute_ns).slope)); // longer than any of them lived
}

/* The next version needs twice as much from its start on. */
static void a_process_that_starts_larger_is_no_step(void **state)
{
    (void)state;
    begin();
    process(1);
    line(2 * DAY, 200, 200);
    process(2);
    line(3, 100, 450);
    line(DAY, 450, 450);
    suggest();
    assert_int_equal(suggested->fault_count, 0);
    assert_int_equal(suggested->usual_count, 1);
    assert_int_equal(suggested->usual[0].cause, GS_USUAL_AT_START);
}

/* It leaks until somebody restarts it: the climb ends with its process. */
static void a_climb_ends_with_its_process(void **state)
{
    (void)state;
    begin();
    process(1);
    line(2 * DAY, 200, 200);
    line(DAY / 2, 200, 800);
    process(2);
    line(DAY, 200, 200);
    suggest();
    assert_int_equal(suggested->fault_count, 1);
    const struct gs_fault *fault = &suggested->fault[0];
    assert_int_equal(fault->kind, GS_FAULT_CLIMB);
    assert_false(fault->lasts);
    assert_int_equal(fault->end_ns / minute_ns, 2 * DAY + DAY / 2 - 1);
    assert_true(gs_reader_suggested_covers(suggested, 0));
}

/* Two at the same time, one after the other in the file: times go back. */
static void processes_beside_each_other(void **state)
{
    (void)state;
    begin();
    process(1);
    line(DAY, 300, 300);
    rows = 0;
    process(2);
    line(DAY, 150, 150);
    suggest();
    assert_int_equal(suggested->fault_count, 0);
    assert_int_equal(suggested->otherwise, 0);
}

static int forget(void **state)
{
    (void)state;
    gs_history_free(history);
    gs_reader_suggested_free(suggested);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loading_after_a_restart_is_no_jump),
        cmocka_unit_test(growth_is_measured_in_each_life),
        cmocka_unit_test(a_process_that_starts_larger_is_no_step),
        cmocka_unit_test(a_climb_ends_with_its_process),
        cmocka_unit_test(processes_beside_each_other),
    };
    gs_json_use_our_memory();
    return cmocka_run_group_tests(tests, NULL, forget);
}
