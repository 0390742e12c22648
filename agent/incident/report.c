/* report.c - records how an incident was made: steps, notes and errors of incident.json.
 *
 *   step    { name, ms }; if an allocation failed during the step, there is an error, too
 *   note    one sentence that limits the evidence, but is no failure
 *   error   one sentence, also logged; an incident with errors is not complete
 *
 * If one of them cannot be stored, its list has failed (gs_json.failed), which becomes an error at the end. Context:
 * watcher, CLI. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "incident/inside.h"
#include "sys/log.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SENTENCE_MAX = 512 };

static const char *name_of(const struct gs_report *report)
{
    return gs_text_base_name(report->folder);
}

static void add_sentence(struct gs_json *list, const char *format, va_list arguments)
{
    char sentence[SENTENCE_MAX];
    vsnprintf(sentence, sizeof sentence, format, arguments);
    gs_json_add(list, gs_json_printable(sentence));
}

static void add_error(struct gs_report *report, const char *format, ...) GS_PRINTF(2, 3);

static void add_error(struct gs_report *report, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_sentence(&report->errors, format, arguments);
    va_end(arguments);
}

void gs_incident_add_note(struct gs_report *report, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_sentence(&report->notes, format, arguments);
    va_end(arguments);
}

void gs_incident_add_notes(struct gs_report *report, const struct gs_text *notes)
{
    report->notes.failed |= notes->failed;
    for (const char *at = notes->bytes; at && *at;) {
        size_t length = strcspn(at, "\n");
        gs_incident_add_note(report, "%.*s", (int)length, at);
        at += length + (at[length] == '\n');
    }
}

void gs_incident_add_failure(struct gs_report *report, const char *what, const char *why)
{
    add_error(report, "%s: %s", what, why);
    gs_log(GS_LOG_WARNING, "incident %s: %s: %s", name_of(report), what, why);
}

void gs_incident_add_error(struct gs_report *report, const char *what, int error)
{
    if (error)
        gs_incident_add_failure(report, what, strerrordesc_np(-error));
}

void gs_incident_begin_step(struct gs_report *report)
{
    report->step_ns = gs_clock_monotonic_ns();
    report->step_failures = gs_memory_failures();
}

void gs_incident_end_step(struct gs_report *report, const char *name)
{
    int64_t now_ns = gs_clock_monotonic_ns();
    if (gs_memory_failures() != report->step_failures) {
        add_error(report, "%s: memory ran out: names and other details may be missing", name);
        gs_log(GS_LOG_WARNING, "incident %s: %s: memory ran out", name_of(report), name);
    }
    gs_json_add(&report->steps, json_pack("{s:s, s:f}", "name", name, "ms",
                                          (double)((now_ns - report->step_ns) / 1000) / 1000));
    gs_incident_begin_step(report);
}
