/* threshold.c - lines that a value crosses: how they are written, where they lie, and the conditions "above" and
 * "below", which are no more than that.
 *
 *   "512MiB"  a size    on metrics in bytes         "80%"  a share of the metric's limit, on those that have one
 *   "1MiB/s"  a rate    on metrics in bytes/s       "80%" or 80  a percentage, on metrics in percent
 *   500       a number  on all others
 *
 * Who: the readers and judges of rules/. */
#include "metrics/metrics.h"
#include "rules/inside.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- reading ---------------------------------------------------------------------------------------------------- */

static bool ends_in_percent(const char *text)
{
    size_t length = text ? strlen(text) : 0;
    return length > 0 && text[length - 1] == '%';
}

static void read_share(struct gs_reader *reader, const json_t *value, const struct gs_place *place,
                       const struct gs_field *field, struct gs_threshold *out)
{
    struct gs_field bounds = *field;
    bounds.least = 0.001; // 0.1 % to 100 %
    bounds.most = 1;
    double share = 0;
    gs_field_share(reader, value, place, &bounds, &share);
    if (share > 0)
        *out = (struct gs_threshold){.given = true, .share = true, .value = share};
}

static void read_size(struct gs_reader *reader, const json_t *value, const struct gs_place *place,
                      const struct gs_field *field, struct gs_threshold *out)
{
    struct gs_field bounds = *field;
    bounds.least = 0;
    bounds.most = 0x1p62;
    uint64_t bytes = UINT64_MAX;
    gs_field_size(reader, value, place, &bounds, &bytes);
    if (bytes != UINT64_MAX)
        *out = (struct gs_threshold){.given = true, .value = (double)bytes};
}

static void read_rate(struct gs_reader *reader, const json_t *value, const struct gs_place *place,
                      struct gs_threshold *out)
{
    struct gs_unit_error error;
    double rate;
    if (!json_is_string(value))
        gs_refuse_type(reader, value, place, "a rate such as \"1MiB/s\"");
    else if (gs_read_rate(json_string_value(value), &rate, &error))
        gs_refuse(reader, place, GS_THE_VALUE, error.hint, "%s", error.why);
    else
        *out = (struct gs_threshold){.given = true, .value = rate};
}

static void read_percent(struct gs_reader *reader, const json_t *value, const struct gs_place *place,
                         const struct gs_field *field, struct gs_threshold *out)
{
    struct gs_field bounds = *field;
    bounds.least = 0;
    bounds.most = json_is_number(value) ? 100 : 1;
    double percent = NAN;
    if (json_is_number(value))
        gs_field_number(reader, value, place, &bounds, &percent);
    else
        gs_field_share(reader, value, place, &bounds, &percent);
    if (!isnan(percent)) // the metric counts in percent: 12.5 is 12.5 %
        *out = (struct gs_threshold){.given = true, .value = json_is_number(value) ? percent : percent * 100};
}

static void read_number(struct gs_reader *reader, const json_t *value, const struct gs_place *place,
                        const struct gs_field *field, struct gs_threshold *out)
{
    static const double figure_max = 1e15; // up to here doubles tell all whole numbers apart
    struct gs_field bounds = *field;
    bounds.least = strncmp(field->subject->name, "gauge:", 6) ? 0 : -figure_max;
    bounds.most = figure_max;
    double number = NAN;
    if (ends_in_percent(json_string_value(value)))
        gs_refuse(reader, place, GS_THE_VALUE, "give a number", "%.40s has no limit that \"%.20s\" could be a share of",
                  field->subject->name, json_string_value(value));
    else
        gs_field_number(reader, value, place, &bounds, &number);
    if (!isnan(number))
        *out = (struct gs_threshold){.given = true, .value = number};
}

GS_FIELD_READER(gs_field_threshold)
{
    const struct gs_metric *metric = field->subject->metric;
    if (!metric) // unknown, which is reported already
        return;
    bool share = ends_in_percent(json_string_value(value)) && metric->share != GS_OF_NOTHING;
    if (share)
        read_share(reader, value, place, field, into);
    else if (metric->unit == GS_BYTES)
        read_size(reader, value, place, field, into);
    else if (metric->unit == GS_BYTES_PER_SECOND)
        read_rate(reader, value, place, into);
    else if (metric->unit == GS_PERCENT)
        read_percent(reader, value, place, field, into);
    else
        read_number(reader, value, place, field, into);
}

/* ---- where it lies ------------------------------------------------------------------------------------------------ */

bool gs_threshold_unknown(const struct gs_threshold *threshold, uint64_t limit)
{
    return threshold->given && threshold->share && limit == 0;
}

double gs_threshold_line(const struct gs_threshold *threshold, uint64_t limit)
{
    if (!threshold->given || gs_threshold_unknown(threshold, limit))
        return NAN;
    return threshold->share ? threshold->value * (double)limit : threshold->value;
}

const char *gs_print_threshold(const struct gs_threshold *threshold, enum gs_unit unit, uint64_t limit,
                               char out[GS_LINE_TEXT])
{
    char share[GS_UNIT_TEXT], line[GS_UNIT_TEXT], whole[GS_UNIT_TEXT];
    gs_print_value(gs_threshold_line(threshold, limit), unit, line);
    if (!threshold->share)
        snprintf(out, GS_LINE_TEXT, "%s", line);
    else if (limit == 0)
        snprintf(out, GS_LINE_TEXT, "%s of the limit, which is unknown",
                 gs_print_percent(threshold->value, share));
    else
        snprintf(out, GS_LINE_TEXT, "%s of the limit (%s of %s)", gs_print_percent(threshold->value, share), line,
                 gs_print_value((double)limit, unit, whole));
    return out;
}

/* ---- the conditions -------------------------------------------------------------------------------------------------- */

static void read_condition(struct gs_reader *reader, const json_t *value, const struct gs_place *place,
                           const struct gs_subject *subject, struct gs_condition *condition)
{
    struct gs_field field = {.key = place->key, .subject = subject};
    gs_field_threshold(reader, value, place, &field, &condition->threshold);
}

/* What is known of the value and the line; the answer is the caller's. */
static struct gs_finding look(const struct gs_condition *condition, const struct gs_sight *sight)
{
    double line = gs_threshold_line(&condition->threshold, sight->limit);
    return (struct gs_finding){.answer = isnan(line) ? GS_CANNOT_TELL : GS_NO, .line = line};
}

/* "rss 412 MiB is above 400 MiB"; where both round to the same figure, by how much. */
static void explain(const struct gs_condition *condition, const struct gs_sight *sight,
                    const struct gs_finding *finding, const char *side, char *out, size_t size)
{
    char value[GS_UNIT_TEXT], line[GS_LINE_TEXT], held[GS_UNIT_TEXT], by[GS_UNIT_TEXT], margin[GS_UNIT_TEXT + 8] = "";
    gs_print_value(sight->value, sight->unit, value);
    gs_print_threshold(&condition->threshold, sight->unit, sight->limit, line);
    if (strcmp(value, line) == 0)
        snprintf(margin, sizeof margin, " by %s", gs_print_value(fabs(sight->value - finding->line), sight->unit, by));
    if (finding->answer == GS_YES)
        snprintf(out, size, "%s %s is %s %s%s%s", sight->metric, value, side, line, margin, gs_print_held(sight, held));
    else
        snprintf(out, size, "value %s, fires %s %s", value, side, line);
}

void gs_above_read(struct gs_reader *reader, const json_t *value, const struct gs_place *place,
                   const struct gs_subject *subject, struct gs_condition *condition)
{
    read_condition(reader, value, place, subject, condition);
}

struct gs_finding gs_above_judge(const struct gs_condition *condition, const struct gs_sight *sight)
{
    struct gs_finding finding = look(condition, sight);
    if (sight->value > finding.line)
        finding.answer = GS_YES;
    return finding;
}

void gs_above_explain(const struct gs_condition *condition, const struct gs_sight *sight,
                      const struct gs_finding *finding, char *out, size_t size)
{
    explain(condition, sight, finding, "above", out, size);
}

void gs_below_read(struct gs_reader *reader, const json_t *value, const struct gs_place *place,
                   const struct gs_subject *subject, struct gs_condition *condition)
{
    read_condition(reader, value, place, subject, condition);
}

struct gs_finding gs_below_judge(const struct gs_condition *condition, const struct gs_sight *sight)
{
    struct gs_finding finding = look(condition, sight);
    if (sight->value < finding.line)
        finding.answer = GS_YES;
    return finding;
}

void gs_below_explain(const struct gs_condition *condition, const struct gs_sight *sight,
                      const struct gs_finding *finding, char *out, size_t size)
{
    explain(condition, sight, finding, "below", out, size);
}

/* ---- where they can hold ------------------------------------------------------------------------------------------------ */

struct gs_range gs_above_range(const struct gs_condition *condition, uint64_t limit, const char **key)
{
    *key = NULL;
    return gs_range_above(gs_threshold_line(&condition->threshold, limit));
}

struct gs_range gs_below_range(const struct gs_condition *condition, uint64_t limit, const char **key)
{
    *key = NULL;
    return gs_range_below(gs_threshold_line(&condition->threshold, limit));
}
