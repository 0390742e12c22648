/* threshold.c - thresholds: how they are written, their value in the metric's unit, and the conditions "above" and
 * "below".
 *
 *   "512MiB"  a size    on metrics in bytes         "80%"  a share of the metric's limit, on those that have one
 *   "1MiB/s"  a rate    on metrics in bytes/s       "80%" or 80  a percentage, on metrics in percent
 *   500       a number  on all others
 *
 * Who: the readers and judges of rules/. */
#include "base/text.h"
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

static void read_share(struct gs_rules_reader *reader, const json_t *value, const struct gs_json_path *path,
                       const struct gs_field *field, struct gs_threshold *out)
{
    struct gs_field bounds = *field;
    bounds.least = 0.001; // 0.1 % to 100 %
    bounds.most = 1;
    double share = 0;
    gs_field_share(reader, value, path, &bounds, &share);
    if (share > 0)
        *out = (struct gs_threshold){.given = true, .share = true, .value = share};
}

static void read_size(struct gs_rules_reader *reader, const json_t *value, const struct gs_json_path *path,
                      const struct gs_field *field, struct gs_threshold *out)
{
    struct gs_field bounds = *field;
    bounds.least = 0;
    bounds.most = 0x1p62;
    uint64_t bytes = UINT64_MAX;
    gs_field_size(reader, value, path, &bounds, &bytes);
    if (bytes != UINT64_MAX)
        *out = (struct gs_threshold){.given = true, .value = (double)bytes};
}

static void read_rate(struct gs_rules_reader *reader, const json_t *value, const struct gs_json_path *path,
                      struct gs_threshold *out)
{
    struct gs_unit_error error;
    double rate;
    if (!json_is_string(value))
        gs_rules_refuse_type(reader, value, path, "a rate such as \"1MiB/s\"");
    else if (gs_units_read_rate(json_string_value(value), &rate, &error))
        gs_rules_refuse(reader, path, GS_THE_VALUE, error.hint, "%s", error.why);
    else
        *out = (struct gs_threshold){.given = true, .value = rate};
}

static void read_percent(struct gs_rules_reader *reader, const json_t *value, const struct gs_json_path *path,
                         const struct gs_field *field, struct gs_threshold *out)
{
    struct gs_field bounds = *field;
    bounds.least = 0;
    bounds.most = json_is_number(value) ? 100 : 1;
    double percent = NAN;
    if (json_is_number(value))
        gs_field_number(reader, value, path, &bounds, &percent);
    else
        gs_field_share(reader, value, path, &bounds, &percent);
    if (!isnan(percent)) // the metric's unit is percent: 12.5 is 12.5 %
        *out = (struct gs_threshold){.given = true, .value = json_is_number(value) ? percent : percent * 100};
}

static void read_number(struct gs_rules_reader *reader, const json_t *value, const struct gs_json_path *path,
                        const struct gs_field *field, struct gs_threshold *out)
{
    static const double figure_max = 1e15; // up to here a double represents every whole number
    struct gs_field bounds = *field;
    bounds.least = strncmp(field->subject->name, "gauge:", 6) ? 0 : -figure_max;
    bounds.most = figure_max;
    double number = NAN;
    if (ends_in_percent(json_string_value(value)))
        gs_rules_refuse(reader, path, GS_THE_VALUE, "give a number",
                        "%.40s has no limit that \"%.20s\" could be a share of", field->subject->name,
                        json_string_value(value));
    else
        gs_field_number(reader, value, path, &bounds, &number);
    if (!isnan(number))
        *out = (struct gs_threshold){.given = true, .value = number};
}

GS_FIELD_READER(gs_field_threshold)
{
    const struct gs_metric *metric = field->subject->metric;
    if (!metric) // unknown; this error is reported already
        return;
    bool share = ends_in_percent(json_string_value(value)) && metric->share != GS_OF_NOTHING;
    if (share)
        read_share(reader, value, path, field, into);
    else if (metric->unit == GS_BYTES)
        read_size(reader, value, path, field, into);
    else if (metric->unit == GS_BYTES_PER_SECOND)
        read_rate(reader, value, path, into);
    else if (metric->unit == GS_PERCENT)
        read_percent(reader, value, path, field, into);
    else
        read_number(reader, value, path, field, into);
}

/* ---- its value ------------------------------------------------------------------------------------------------ */

bool gs_rules_threshold_unknown(const struct gs_threshold *threshold, uint64_t limit)
{
    return threshold->given && threshold->share && limit == 0;
}

double gs_rules_threshold_line(const struct gs_threshold *threshold, uint64_t limit)
{
    if (!threshold->given || gs_rules_threshold_unknown(threshold, limit))
        return NAN;
    return threshold->share ? threshold->value * (double)limit : threshold->value;
}

/* LINE: the threshold's value as a text. */
static const char *print_threshold(const struct gs_threshold *threshold, enum gs_unit unit, uint64_t limit,
                                   const char *line, char out[GS_LINE_TEXT])
{
    char share[GS_UNIT_TEXT], whole[GS_UNIT_TEXT];
    if (!threshold->share)
        snprintf(out, GS_LINE_TEXT, "%s", line);
    else if (limit == 0)
        snprintf(out, GS_LINE_TEXT, "%s of the limit, which is unknown",
                 gs_units_print_percent(threshold->value, share));
    else
        snprintf(out, GS_LINE_TEXT, "%s of the limit (%s of %s)",
                 gs_units_print_percent(threshold->value, share), line,
                 gs_units_print_value((double)limit, unit, whole));
    return out;
}

const char *gs_rules_print_threshold(const struct gs_threshold *threshold, enum gs_unit unit, uint64_t limit,
                                     char out[GS_LINE_TEXT])
{
    char line[GS_UNIT_TEXT];
    gs_units_print_value(gs_rules_threshold_line(threshold, limit), unit, line);
    return print_threshold(threshold, unit, limit, line, out);
}

const char *gs_rules_print_apart(double value, const struct gs_threshold *threshold, enum gs_unit unit,
                                 uint64_t limit, char value_out[GS_UNIT_TEXT], char line_out[GS_LINE_TEXT])
{
    char line[GS_UNIT_TEXT];
    gs_units_print_apart(value, gs_rules_threshold_line(threshold, limit), unit, value_out, line);
    print_threshold(threshold, unit, limit, line, line_out);
    return value_out;
}

/* ---- the conditions -------------------------------------------------------------------------------------------------- */

static void read_condition(struct gs_rules_reader *reader, const json_t *value,
                           const struct gs_json_path *path, const struct gs_subject *subject,
                           struct gs_condition *condition)
{
    struct gs_field field = {.key = path->key, .subject = subject};
    gs_field_threshold(reader, value, path, &field, &condition->threshold);
}

/* The evaluation with its line, and GS_NO unless the line is unknown. The caller compares the value. */
static struct gs_evaluation evaluate_line(const struct gs_condition *condition,
                                          const struct gs_condition_inputs *inputs)
{
    double line = gs_rules_threshold_line(&condition->threshold, inputs->limit);
    return (struct gs_evaluation){.answer = isnan(line) ? GS_CANNOT_TELL : GS_NO, .line = line};
}

/* "rss 412 MiB is above 400 MiB". */
static void explain(const struct gs_condition *condition, const struct gs_condition_inputs *inputs,
                    const struct gs_evaluation *evaluation, const char *side, char *out, size_t size)
{
    char value[GS_UNIT_TEXT], line[GS_LINE_TEXT], held[GS_UNIT_TEXT];
    gs_rules_print_apart(inputs->value, &condition->threshold, inputs->unit, inputs->limit, value, line);
    if (evaluation->answer == GS_YES)
        snprintf(out, size, "%s %s is %s %s%s", inputs->metric, value, side, line,
                 gs_rules_print_held(inputs, held));
    else
        snprintf(out, size, "value %s, fires %s %s", value, side, line);
}

void gs_rules_above_read(struct gs_rules_reader *reader, const json_t *value, const struct gs_json_path *path,
                         const struct gs_subject *subject, struct gs_condition *condition)
{
    read_condition(reader, value, path, subject, condition);
}

struct gs_evaluation gs_rules_above_judge(const struct gs_condition *condition,
                                          const struct gs_condition_inputs *inputs)
{
    struct gs_evaluation evaluation = evaluate_line(condition, inputs);
    if (inputs->value > evaluation.line)
        evaluation.answer = GS_YES;
    return evaluation;
}

void gs_rules_above_explain(const struct gs_condition *condition, const struct gs_condition_inputs *inputs,
                            const struct gs_evaluation *evaluation, char *out, size_t size)
{
    explain(condition, inputs, evaluation, "above", out, size);
}

void gs_rules_below_read(struct gs_rules_reader *reader, const json_t *value, const struct gs_json_path *path,
                         const struct gs_subject *subject, struct gs_condition *condition)
{
    read_condition(reader, value, path, subject, condition);
}

struct gs_evaluation gs_rules_below_judge(const struct gs_condition *condition,
                                          const struct gs_condition_inputs *inputs)
{
    struct gs_evaluation evaluation = evaluate_line(condition, inputs);
    if (inputs->value < evaluation.line)
        evaluation.answer = GS_YES;
    return evaluation;
}

void gs_rules_below_explain(const struct gs_condition *condition, const struct gs_condition_inputs *inputs,
                            const struct gs_evaluation *evaluation, char *out, size_t size)
{
    explain(condition, inputs, evaluation, "below", out, size);
}

void gs_rules_above_describe(const struct gs_condition *condition, const struct gs_rule *rule, uint64_t limit,
                             struct gs_text *out)
{
    char line[GS_LINE_TEXT];
    gs_text_add(out, "is above %s", gs_rules_name_line(&condition->threshold, rule, limit, line));
}

void gs_rules_below_describe(const struct gs_condition *condition, const struct gs_rule *rule, uint64_t limit,
                             struct gs_text *out)
{
    char line[GS_LINE_TEXT];
    gs_text_add(out, "is below %s", gs_rules_name_line(&condition->threshold, rule, limit, line));
}

/* ---- their ranges ------------------------------------------------------------------------------------------------ */

struct gs_range gs_rules_above_range(const struct gs_condition *condition, uint64_t limit, const char **key)
{
    *key = NULL;
    return gs_rules_range_above(gs_rules_threshold_line(&condition->threshold, limit));
}

struct gs_range gs_rules_below_range(const struct gs_condition *condition, uint64_t limit, const char **key)
{
    *key = NULL;
    return gs_rules_range_below(gs_rules_threshold_line(&condition->threshold, limit));
}
