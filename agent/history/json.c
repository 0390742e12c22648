/* json.c - writes a history as metrics.json.
 *
 *   {"version":1,"interval_ms":1000,"pid":7,
 *    "steps":[{"from":1763953209.123,"step_ms":30000},{"from":1763953509.123,"step_ms":1000}],
 *    "series":{"rss":[[1763953509.123,4096],…],…},"triggered":"2025-11-24T03:05:09.123Z"}
 *
 * It writes text directly: a jansson tree would need three objects for every value. The host may have called
 * setlocale, so the decimal point of printf is replaced.
 * Who: an incident. */
#include "base/clock.h"
#include "base/text.h"
#include "history/history.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Replace the decimal point of the host's locale, perhaps several bytes, by ".". */
static void make_point(char *number)
{
    char *point = number + strspn(number, "-0123456789");
    size_t length = strcspn(point, "0123456789e");
    if (length == 0)
        return;
    *point = '.';
    memmove(point + 1, point + length, strlen(point + length) + 1);
}

/* The shortest decimal that reads back as VALUE, so that a replay judges the same values. */
static void add_number(struct gs_text *out, double value)
{
    char number[64];
    if (fabs(value) < 1e15 && value == (double)(int64_t)value) {
        gs_text_add(out, "%lld", (long long)value);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(number, sizeof number, "%.*g", digits, value);
        if (strtod(number, NULL) == value)
            break;
    }
    make_point(number);
    gs_text_add(out, "%s", number);
}

static void add_time(struct gs_text *out, int64_t realtime_ns)
{
    int64_t ms = realtime_ns / GS_NS_PER_MS;
    const char *sign = ms < 0 ? "-" : "";
    uint64_t size = ms < 0 ? -(uint64_t)ms : (uint64_t)ms;
    gs_text_add(out, "%s%llu.%03llu", sign, (unsigned long long)(size / 1000),
                (unsigned long long)(size % 1000));
}

/* Names of metrics are ASCII; the escapes are for names that came from a file. */
static void add_string(struct gs_text *out, const char *words)
{
    gs_text_add_bytes(out, "\"", 1);
    for (const unsigned char *at = (const unsigned char *)words; *at; at++)
        if (*at < 0x20 || *at > 0x7e || *at == '"' || *at == '\\')
            gs_text_add(out, "\\u%04x", *at);
        else
            gs_text_add_bytes(out, at, 1);
    gs_text_add_bytes(out, "\"", 1);
}

static void add_series(struct gs_text *out, const struct gs_history *history, size_t metric)
{
    const char *between = "";
    add_string(out, gs_history_metric_name(history, metric));
    gs_text_add(out, ":[");
    for (size_t at = 0; at < gs_history_length(history); at++) {
        double value = gs_history_value(history, at, metric);
        if (!isfinite(value)) // missing; or an infinite gauge, which JSON cannot express
            continue;
        gs_text_add(out, "%s[", between);
        add_time(out, gs_history_time(history, at));
        gs_text_add_bytes(out, ",", 1);
        add_number(out, value);
        gs_text_add_bytes(out, "]", 1);
        between = ",\n";
    }
    gs_text_add(out, "]");
}

/* Write where the step of the rows changes; nothing when every row is a tick. */
static void add_steps(struct gs_text *out, const struct gs_history *history)
{
    const char *between = "\"steps\":[";
    int64_t before_ns = -1;
    size_t length = gs_history_length(history);
    if (length == 0 || gs_history_step_ns(history, 0) == gs_history_step_ns(history, length - 1))
        return;
    for (size_t at = 0; at < length; at++) {
        int64_t step_ns = gs_history_step_ns(history, at);
        if (step_ns == before_ns)
            continue;
        gs_text_add(out, "%s{\"from\":", between);
        add_time(out, gs_history_time(history, at));
        gs_text_add(out, ",\"step_ms\":%lld}", (long long)(step_ns / GS_NS_PER_MS));
        between = ",";
        before_ns = step_ns;
    }
    gs_text_add(out, "],\n");
}

void gs_history_write_json(const struct gs_history *history, const struct gs_history_about *about,
                           struct gs_text *out)
{
    char triggered[GS_TIME_TEXT];
    gs_text_add(out, "{\"version\":1,\"interval_ms\":");
    add_number(out, (double)gs_history_interval_ns(history) / GS_NS_PER_MS);
    gs_text_add(out, ",\"pid\":%d,", about->pid);
    if (about->limit_bytes)
        gs_text_add(out, "\"limit\":%llu,", (unsigned long long)about->limit_bytes);
    gs_text_add(out, "\n");
    add_steps(out, history);
    gs_text_add(out, "\"series\":{");
    for (size_t i = 0; i < gs_history_metric_count(history); i++) {
        gs_text_add(out, i ? ",\n" : "\n");
        add_series(out, history, i);
    }
    gs_text_add(out, "},\n\"triggered\":\"%s\"}\n",
                gs_clock_print(about->triggered_ns, GS_TIME_ISO, triggered));
}
