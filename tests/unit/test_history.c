/* test_history.c - the ring of ticks, and metrics.json as other programs read it. */
#include "base/clock.h"
#include "base/text.h"
#include "history/history.h"
#include <fcntl.h>
#include <jansson.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#include <cmocka.h> // wants the others before it

#define T0 (1763953509 * GS_NS_PER_S) // 2025-11-24T03:05:09Z
static const char *const rss_and_queue[] = {"rss", "gauge:queue"};

/* A history with room for TICKS ticks, and nothing coarser. */
static struct gs_history *of_ticks(const char *const *names, size_t count, size_t ticks)
{
    return gs_history_shaped(names, count, &(struct gs_history_shape){{{ticks, GS_NS_PER_S}}});
}

static void tick(struct gs_history *history, int second, double rss, double queue)
{
    gs_history_add(history, T0 + second * GS_NS_PER_S, (double[]){rss, queue});
}

static json_t *written(const struct gs_history *history)
{
    struct gs_text text = {0};
    const struct gs_history_about about = {.pid = 4242, .triggered_ns = T0 + 61 * GS_NS_PER_MS};
    gs_history_write_json(history, &about, &text);
    assert_false(text.failed);
    json_error_t error;
    json_t *json = json_loads(text.bytes, JSON_REJECT_DUPLICATES, &error);
    if (!json)
        fail_msg("%s in %s", error.text, text.bytes);
    gs_text_fini(&text);
    return json;
}

static const char *raw(const struct gs_history *history, struct gs_text *text)
{
    gs_history_write_json(history, &(struct gs_history_about){.pid = 1, .triggered_ns = T0}, text);
    return text->bytes;
}

/* Three ticks fit; five come. The last three are there, oldest first. */
static void the_ring_keeps_the_newest_ticks(void **state)
{
    (void)state;
    struct gs_history *history = of_ticks(rss_and_queue, 2, 3);
    assert_int_equal(gs_history_length(history), 0);
    tick(history, 1, 10, NAN);
    assert_int_equal(gs_history_length(history), 1);
    assert_int_equal(gs_history_time(history, 0), T0 + GS_NS_PER_S);
    for (int second = 2; second <= 5; second++)
        tick(history, second, 10 * second, second);
    assert_int_equal(gs_history_length(history), 3);
    for (size_t at = 0; at < 3; at++) {
        assert_int_equal(gs_history_time(history, at), T0 + (int64_t)(3 + at) * GS_NS_PER_S);
        assert_true(gs_history_value(history, at, 0) == 30 + 10 * (double)at);
        assert_true(gs_history_value(history, at, 1) == 3 + (double)at);
    }
    gs_history_free(history);
}

static void names_are_copies(void **state)
{
    (void)state;
    char name[] = "rss";
    struct gs_history *history = of_ticks((const char *const[]){name}, 1, 4);
    strcpy(name, "xxx");
    assert_int_equal(gs_history_metric_count(history), 1);
    assert_string_equal(gs_history_metric_name(history, 0), "rss");
    gs_history_free(history);
}

/* Rules with nothing but "every" watch no metric; a ring of no ticks is asked for by mistake. */
static void odd_sizes_are_harmless(void **state)
{
    (void)state;
    struct gs_history *none = of_ticks(NULL, 0, 8);
    gs_history_add(none, T0, NULL);
    assert_int_equal(gs_history_length(none), 1);
    json_t *json = written(none);
    assert_int_equal(json_object_size(json_object_get(json, "series")), 0);
    json_decref(json);
    gs_history_free(none);

    struct gs_history *no_rows = of_ticks(rss_and_queue, 2, 0);
    tick(no_rows, 1, 1, 1);
    assert_int_equal(gs_history_length(no_rows), 0);
    gs_history_free(no_rows);

    assert_null(of_ticks(rss_and_queue, 2, SIZE_MAX / 8)); // more bytes than can be counted
    gs_history_free(NULL);
}

/* The rules were reloaded: "threads" is new, "gauge:queue" went, the ring is shorter. */
static void a_reload_keeps_what_both_know(void **state)
{
    (void)state;
    struct gs_history *old = of_ticks(rss_and_queue, 2, 3);
    for (int second = 1; second <= 4; second++) // wraps
        tick(old, second, second, 100 + second);
    struct gs_history *history = of_ticks((const char *const[]){"threads", "rss"}, 2, 2);
    gs_history_adopt(history, old);
    gs_history_free(old);
    assert_int_equal(gs_history_length(history), 2);
    assert_int_equal(gs_history_time(history, 0), T0 + 3 * GS_NS_PER_S);
    assert_true(isnan(gs_history_value(history, 0, 0)));
    assert_true(gs_history_value(history, 0, 1) == 3);
    assert_true(gs_history_value(history, 1, 1) == 4);
    tick(history, 5, 7, 5);
    assert_int_equal(gs_history_length(history), 2);
    assert_true(gs_history_value(history, 0, 1) == 4);
    assert_true(gs_history_value(history, 1, 0) == 7);
    gs_history_free(history);
}

/* There is no metric in common; or the new history has begun, and older ticks cannot come after its own. */
static void what_does_not_fit_is_not_adopted(void **state)
{
    (void)state;
    struct gs_history *old = of_ticks(rss_and_queue, 2, 3);
    tick(old, 1, 1, 1);
    struct gs_history *stranger = of_ticks((const char *const[]){"threads"}, 1, 2);
    gs_history_adopt(stranger, old);
    assert_int_equal(gs_history_length(stranger), 0);
    struct gs_history *begun = of_ticks(rss_and_queue, 2, 3);
    tick(begun, 2, 2, 2);
    gs_history_adopt(begun, old);
    assert_int_equal(gs_history_length(begun), 1);
    assert_true(gs_history_value(begun, 0, 0) == 2);
    gs_history_free(begun);
    gs_history_free(stranger);
    gs_history_free(old);
}

/* A half-second watch of three ticks; the second has no rss, the first no queue. */
static void metrics_json_is_what_the_design_says(void **state)
{
    (void)state;
    struct gs_history *history = gs_history_new(rss_and_queue, 2, GS_NS_PER_S / 2);
    gs_history_add(history, T0 + 7 * GS_NS_PER_MS, (double[]){137363456, NAN});
    gs_history_add(history, T0 + 507999999, (double[]){NAN, -3});
    gs_history_add(history, T0 + 1008 * GS_NS_PER_MS, (double[]){137367552, 0.5});
    struct gs_text text = {0};
    const struct gs_history_about about = {
        .pid = 4242, .limit_bytes = 536870912, .triggered_ns = T0 + 1061 * GS_NS_PER_MS};
    gs_history_write_json(history, &about, &text);
    assert_string_equal(text.bytes, "{\"version\":1,\"interval_ms\":500,\"pid\":4242,\"limit\":536870912,\n"
                                    "\"series\":{\n"
                                    "\"rss\":[[1763953509.007,137363456],\n"
                                    "[1763953510.008,137367552]],\n"
                                    "\"gauge:queue\":[[1763953509.507,-3],\n"
                                    "[1763953510.008,0.5]]},\n"
                                    "\"triggered\":\"2025-11-24T03:05:10.061Z\"}\n");
    gs_text_fini(&text);
    json_t *json = written(history);
    assert_int_equal(json_array_size(json_object_get(json_object_get(json, "series"), "rss")), 2);
    json_decref(json);
    gs_history_free(history);
}

/* Every number reads back as the very same one; whole numbers have neither exponent nor decimals. */
static void numbers_read_back_as_they_were(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } number[] = {
        {0, ",0]"},
        {0.1, ",0.1]"},
        {-0.25, ",-0.25]"},
        {1e14, ",100000000000000]"},
        {-999999999999999, ",-999999999999999]"},
        {1.0 / 3, ",0.3333333333333333]"},
        {12.34, ",12.34]"},
        {1e300, ",1e+300]"},
        {1.5e-12, ",1.5e-12]"},
        {18446744073709551616.0, ",1.8446744073709552e+19]"},
    };
    for (size_t i = 0; i < sizeof number / sizeof *number; i++) {
        struct gs_history *history = of_ticks(rss_and_queue, 1, 1);
        gs_history_add(history, T0, &number[i].value);
        struct gs_text text = {0};
        if (!strstr(raw(history, &text), number[i].text))
            fail_msg("%s is not in %s", number[i].text, text.bytes);
        json_t *json = json_loads(text.bytes, 0, NULL);
        json_t *point = json_array_get(json_object_get(json_object_get(json, "series"), "rss"), 0);
        assert_true(json_number_value(json_array_get(point, 1)) == number[i].value);
        json_decref(json);
        gs_text_fini(&text);
        gs_history_free(history);
    }
}

/* A gauge was set to infinity, then to NaN: neither is a JSON number, so neither is written. */
static void what_json_cannot_say_is_left_out(void **state)
{
    (void)state;
    struct gs_history *history = of_ticks(rss_and_queue, 2, 4);
    tick(history, 1, 1, INFINITY);
    tick(history, 2, -INFINITY, NAN);
    json_t *json = written(history), *series = json_object_get(json, "series");
    assert_int_equal(json_array_size(json_object_get(series, "rss")), 1);
    assert_int_equal(json_array_size(json_object_get(series, "gauge:queue")), 0);
    assert_true(json_is_array(json_object_get(series, "gauge:queue")));
    json_decref(json);
    gs_history_free(history);
}

/* A locale NAME below DIR in which printf writes POINT for the decimal point: an LC_NUMERIC as localedef(1)
 * compiles it, for a bare machine has no locale but "C". */
static void plant_locale(const char *dir, const char *name, const char *point)
{
    struct {
        uint32_t magic, fields, at[6];
        wchar_t wide_point, wide_separator;
        char text[32];
    } numeric = {.magic = 0x20031114, .fields = 6, .at = {41, 40, 40, 32, 36, 49}, .wide_point = L'x'};
    strcpy(numeric.text + 1, point);
    strcpy(numeric.text + 9, "UTF-8");
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/%s/LC_NUMERIC", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, &numeric, sizeof numeric), sizeof numeric);
    close(fd);
}

/* A German server: printf writes 0,5. A Persian one: the point is two bytes. */
static void the_hosts_locale_does_not_matter(void **state)
{
    (void)state;
    static const char *const point[] = {",", "\xd9\xab"};
    char dir[] = "/tmp/gumshoe-locale-XXXXXX", command[64], printed[16], expected[16];
    assert_non_null(mkdtemp(dir));
    setenv("LOCPATH", dir, 1);
    for (size_t i = 0; i < sizeof point / sizeof *point; i++) {
        const char *name = i ? "two-bytes" : "comma";
        plant_locale(dir, name, point[i]);
        struct gs_history *history = of_ticks(rss_and_queue, 2, 2);
        tick(history, 1, 0.5, -1.25e-7);
        struct gs_text text = {0};
        assert_non_null(setlocale(LC_NUMERIC, name));
        snprintf(printed, sizeof printed, "%.1f", 0.5);
        raw(history, &text);
        setlocale(LC_NUMERIC, "C");
        snprintf(expected, sizeof expected, "0%s5", point[i]);
        assert_string_equal(printed, expected); // the locale does what it is here for
        assert_non_null(strstr(text.bytes, "[1763953510.000,0.5]"));
        assert_non_null(strstr(text.bytes, "[1763953510.000,-1.25e-07]"));
        gs_text_fini(&text);
        gs_history_free(history);
    }
    unsetenv("LOCPATH");
    snprintf(command, sizeof command, "rm -r %s", dir);
    assert_int_equal(system(command), 0);
}

/* A history out of a stranger's CSV: the name tries to end the string. The clock stood before 1970, or far
 * beyond 2038. */
static void odd_names_and_times_stay_json(void **state)
{
    (void)state;
    struct gs_history *history = of_ticks((const char *const[]){"a\"b\\c\n\x1b\xff"}, 1, 3);
    gs_history_add(history, -1500 * GS_NS_PER_MS, (double[]){1});
    gs_history_add(history, 0, (double[]){2});
    gs_history_add(history, 4102444800 * GS_NS_PER_S, (double[]){3}); // 2100-01-01
    struct gs_text text = {0};
    raw(history, &text);
    assert_non_null(strstr(text.bytes, "\"a\\u0022b\\u005cc\\u000a\\u001b\\u00ff\":[[-1.500,1],\n"
                                       "[0.000,2],\n[4102444800.000,3]]"));
    gs_text_fini(&text);
    json_decref(written(history));
    gs_history_free(history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_ring_keeps_the_newest_ticks),
        cmocka_unit_test(names_are_copies),
        cmocka_unit_test(odd_sizes_are_harmless),
        cmocka_unit_test(a_reload_keeps_what_both_know),
        cmocka_unit_test(what_does_not_fit_is_not_adopted),
        cmocka_unit_test(metrics_json_is_what_the_design_says),
        cmocka_unit_test(numbers_read_back_as_they_were),
        cmocka_unit_test(what_json_cannot_say_is_left_out),
        cmocka_unit_test(the_hosts_locale_does_not_matter),
        cmocka_unit_test(odd_names_and_times_stay_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
