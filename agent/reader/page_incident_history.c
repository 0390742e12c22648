/* page_incident_history.c - the metrics before the trigger: a table, and what the script plots.
 *
 *   metrics.json ──▶ history ──▶ COLUMNS of lowest and highest value, over all of it and over its last part
 *   rules.json   ──▶ replay  ──▶ each rule's line, which moves with some conditions
 *   siblings of the folder   ──▶ when this process had other incidents
 *
 * Context: CLI. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/numbers.h"
#include "reader/page_incident.h"
#include "store/store.h"
#include "sys/file.h"
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COLUMNS = 120, REPLAY_COLUMNS = 4 * COLUMNS, METRICS_MAX = 24, RULES_MAX = 8, SIBLINGS_MAX = 100 };
static const double JUDGED_MAX = 2e7; // rows times rules; more would take too long
#define NEAR_NS (30 * GS_NS_PER_MINUTE)

struct metric_range {
    int64_t from_ns, to_ns;
};
struct history_section {
    struct gs_incident_page *page;
    struct gs_history *history;
    struct gs_rules *rules;        // NULL: none
    struct gs_replay *replay;      // NULL: the lines are not known
    struct metric_range all, near; // near is empty if it would show the same
};

/* ---- columns --------------------------------------------------------------------------------------------------------- */

/* VALUE with four digits: more cannot be seen in a plot, and the page stays small. */
static json_t *rounded(double value)
{
    char text[32];
    if (!isfinite(value))
        return json_null();
    snprintf(text, sizeof text, "%.4g", value);
    value = strtod(text, NULL);
    bool whole = value > -1e15 && value < 1e15 && (double)(int64_t)value == value;
    return whole ? json_integer((json_int_t)value) : json_real(value);
}

static json_t *numbers(const double *value, size_t count)
{
    struct gs_json list = gs_json_array();
    for (size_t i = 0; i < count; i++)
        gs_json_add(&list, rounded(value[i]));
    return gs_json_take(&list);
}

/* Which of COLUMNS columns of RANGE the time is in; COLUMNS: none. */
static size_t column_at(const struct metric_range *range, int64_t time_ns)
{
    if (time_ns < range->from_ns || time_ns > range->to_ns || range->to_ns <= range->from_ns)
        return COLUMNS;
    double share = (double)(time_ns - range->from_ns) / (double)(range->to_ns - range->from_ns);
    size_t at = (size_t)(share * COLUMNS);
    return at < COLUMNS ? at : COLUMNS - 1;
}

/* {"low":[…],"high":[…]} of METRIC over RANGE; "high" is left out where it is the same. */
static json_t *columns_of(const struct gs_history *history, size_t metric, const struct metric_range *range)
{
    double low[COLUMNS], high[COLUMNS];
    bool same = true;
    struct gs_json columns = gs_json_object();
    for (size_t i = 0; i < COLUMNS; i++)
        low[i] = high[i] = NAN;
    for (size_t row = 0; row < gs_history_length(history); row++) {
        size_t at = column_at(range, gs_history_time(history, row));
        double value = gs_history_value(history, row, metric);
        if (at == COLUMNS || !isfinite(value))
            continue;
        low[at] = isnan(low[at]) || value < low[at] ? value : low[at];
        high[at] = isnan(high[at]) || value > high[at] ? value : high[at];
    }
    for (size_t i = 0; i < COLUMNS; i++)
        same = same && (isnan(low[i]) || low[i] == high[i]);
    gs_json_set(&columns, "low", numbers(low, COLUMNS));
    if (!same)
        gs_json_set(&columns, "high", numbers(high, COLUMNS));
    return gs_json_take(&columns);
}

/* ---- rules' lines ---------------------------------------------------------------------------------------------------- */

/* A column without a tick has the line of the column before it. */
static void fill_lines(struct gs_replay *replay)
{
    for (size_t rule = 0; rule < replay->rule_count; rule++)
        for (size_t i = 1; i < replay->column_count; i++) {
            struct gs_column *column = &replay->rule[rule].column[i];
            column->line = isnan(column->line) ? column[-1].line : column->line;
        }
}

/* The line of RULE over RANGE: one number if it never moves, else a column's number each; null: it has none. */
static json_t *line_of(const struct history_section *section, size_t rule, const struct metric_range *range)
{
    const struct gs_replay *replay = section->replay;
    double line[COLUMNS], first = NAN;
    bool moves = false;
    int64_t span_ns = section->all.to_ns - section->all.from_ns;
    for (size_t i = 0; i < COLUMNS; i++) {
        double share =
            (double)(range->from_ns - section->all.from_ns) / (double)span_ns +
            ((double)i + 0.5) / COLUMNS * (double)(range->to_ns - range->from_ns) / (double)span_ns;
        size_t at = (size_t)(gs_larger(share, 0) * (double)replay->column_count);
        line[i] = at < replay->column_count ? replay->rule[rule].column[at].line : NAN;
        if (isnan(first))
            first = line[i];
        moves = moves || (!isnan(line[i]) && line[i] != first);
    }
    return moves ? numbers(line, COLUMNS) : rounded(first);
}

static bool is_of(const struct history_section *section, size_t rule, size_t metric)
{
    const char *name = section->rules->rule[rule].metric;
    return name && strcmp(name, gs_history_metric_name(section->history, metric)) == 0;
}

static bool has_rule(const struct history_section *section, size_t metric)
{
    for (size_t i = 0; section->rules && i < section->rules->rule_count; i++)
        if (is_of(section, i, metric))
            return true;
    return false;
}

/* [{"name","fired","all","near"}] of the rules on METRIC. */
static json_t *lines_of(const struct history_section *section, size_t metric)
{
    struct gs_json lines = gs_json_array();
    const char *fired = gs_reader_report_text(section->page->json, "rule");
    size_t count = 0;
    for (size_t i = 0; section->replay && i < section->rules->rule_count && count < RULES_MAX; i++) {
        if (!is_of(section, i, metric))
            continue;
        struct gs_json line = gs_json_object();
        count++;
        gs_json_set(&line, "name", gs_json_printable(section->rules->rule[i].name));
        gs_json_set(&line, "fired", json_boolean(strcmp(section->rules->rule[i].name, fired) == 0));
        gs_json_set(&line, "all", line_of(section, i, &section->all));
        if (section->near.to_ns)
            gs_json_set(&line, "near", line_of(section, i, &section->near));
        gs_json_add(&lines, gs_json_take(&line));
    }
    return gs_json_take(&lines);
}

/* ---- metrics --------------------------------------------------------------------------------------------------------- */

static const char *const unit_names[] = {[GS_BYTES] = "bytes",
                                         [GS_COUNT] = "count",
                                         [GS_PERCENT] = "percent",
                                         [GS_BYTES_PER_SECOND] = "bytes/s",
                                         [GS_PER_SECOND] = "1/s"};

static void add_row(struct history_section *section, size_t metric, const struct gs_metric *row)
{
    struct gs_text *out = &section->page->body;
    double first = NAN, least = NAN, most = NAN, last = NAN;
    for (size_t i = 0; i < gs_history_length(section->history); i++) {
        double value = gs_history_value(section->history, i, metric);
        if (!isfinite(value))
            continue;
        first = isnan(first) ? value : first;
        least = isnan(least) || value < least ? value : least;
        most = isnan(most) || value > most ? value : most;
        last = value;
    }
    gs_text_add(out, "<tr>");
    gs_reader_report_element(out, "th", NULL, gs_history_metric_name(section->history, metric));
    gs_reader_report_cell(out, first, row->unit);
    gs_reader_report_cell(out, least, row->unit);
    gs_reader_report_cell(out, most, row->unit);
    gs_reader_report_cell(out, last, row->unit);
    gs_reader_report_element(out, "td", NULL, row->help);
    gs_text_add(out, "</tr>\n");
}

static void add_metric(struct history_section *section, struct gs_json *drawn, size_t metric)
{
    const char *name = gs_history_metric_name(section->history, metric);
    static const struct gs_metric unknown = {.unit = GS_COUNT, .help = ""};
    const struct gs_metric *row = gs_metrics_find(name);
    struct gs_json json = gs_json_object();
    row = row ? row : &unknown;
    add_row(section, metric, row);
    gs_json_set(&json, "name", gs_json_printable(name));
    gs_json_set(&json, "unit", json_string(unit_names[row->unit]));
    gs_json_set(&json, "fired",
                json_boolean(strcmp(name, gs_reader_report_text(section->page->json, "metric")) == 0));
    gs_json_set(&json, "all", columns_of(section->history, metric, &section->all));
    if (section->near.to_ns)
        gs_json_set(&json, "near", columns_of(section->history, metric, &section->near));
    gs_json_set(&json, "lines", lines_of(section, metric));
    gs_json_add(drawn, gs_json_take(&json));
}

/* The metric of the rule that fired comes first, then those with rules, then the others. */
static void add_metrics(struct history_section *section, struct gs_json *drawn)
{
    const char *fired = gs_reader_report_text(section->page->json, "metric");
    size_t count = gs_history_metric_count(section->history), shown = 0;
    for (int turn = 0; turn < 3; turn++)
        for (size_t i = 0; i < count && shown < METRICS_MAX; i++) {
            bool first = strcmp(gs_history_metric_name(section->history, i), fired) == 0;
            if (turn == (first ? 0 : has_rule(section, i) ? 1 : 2)) {
                add_metric(section, drawn, i);
                shown++;
            }
        }
    if (shown < count) {
        gs_text_add(&section->page->body,
                    "<tr><td colspan=\"6\">%zu more metrics are in metrics.json</td></tr>\n", count - shown);
    }
}

/* ---- marks ----------------------------------------------------------------------------------------------------------- */

static double seconds(int64_t time_ns)
{
    return (double)(time_ns / GS_NS_PER_MS) / 1000;
}

/* Add the other incidents of this process: folders beside this one, by their names. */
static void add_siblings(const struct history_section *section, struct gs_json *marks)
{
    struct gs_dir dir;
    size_t count = 0;
    double pid = gs_reader_report_number(section->page->json, "pid");
    int parent = gs_file_openat(section->page->from->folder, "..", O_RDONLY | O_DIRECTORY, 0);
    if (parent < 0)
        return;
    gs_file_dir_start(&dir, parent);
    for (const char *name; (name = gs_file_dir_next(&dir)) != NULL && count < SIBLINGS_MAX;) {
        struct gs_folder_name parts;
        if (!gs_store_folder_name_read(name, &parts) || parts.pid != pid ||
            parts.time_ns == section->page->triggered_ns || parts.time_ns < section->all.from_ns ||
            parts.time_ns > section->all.to_ns)
            continue;
        struct gs_json mark = gs_json_object();
        gs_json_set(&mark, "time", json_real(seconds(parts.time_ns)));
        gs_json_set(&mark, "rule", gs_json_printable(parts.rule));
        gs_json_add(marks, gs_json_take(&mark));
        count++;
    }
    close(parent);
}

static json_t *range_json(const struct metric_range *range)
{
    struct gs_json json = gs_json_array();
    gs_json_add(&json, json_real(seconds(range->from_ns)));
    gs_json_add(&json, json_real(seconds(range->to_ns)));
    return gs_json_take(&json);
}

static void add_drawn(struct history_section *section, struct gs_json *metrics)
{
    struct gs_json json = gs_json_object(), marks = gs_json_array();
    const struct gs_incident_page *page = section->page;
    double age_s = gs_reader_report_number(page->json, "baseline_age_s");
    add_siblings(section, &marks);
    gs_json_set(&json, "metrics", gs_json_take(metrics));
    gs_json_set(&json, "all", range_json(&section->all));
    if (section->near.to_ns)
        gs_json_set(&json, "near", range_json(&section->near));
    gs_json_set(&json, "triggered",
                page->triggered_ns ? json_real(seconds(page->triggered_ns)) : json_null());
    gs_json_set(&json, "baseline",
                page->triggered_ns && age_s >= 0 ? gs_json_real(seconds(page->triggered_ns) - age_s)
                                                 : json_null());
    gs_json_set(&json, "value", gs_json_real(gs_reader_report_number(page->json, "value")));
    gs_json_set(&json, "line", gs_json_real(gs_reader_report_number(page->json, "line")));
    gs_json_set(&json, "moment", json_string(json_object_get(page->json, "died") ? "end" : "trigger"));
    gs_json_set(&json, "incidents", gs_json_take(&marks));
    gs_json_set(&section->page->drawn, "history", gs_json_take(&json));
}

/* ---- the section ------------------------------------------------------------------------------------------------------ */

static struct gs_history *read_history(struct gs_incident_page *page, struct gs_history_about *about)
{
    char *text = NULL, why[640];
    size_t length;
    struct gs_errors errors = {0};
    if (!gs_reader_report_file(page, "metrics.json", GS_HISTORY_BYTES_MAX, &text, &length))
        return NULL;
    struct gs_history *history = gs_reader_history(text, length, "metrics.json", about, &errors);
    if (!history && errors.count) {
        gs_errors_format(&errors.item[0], why, sizeof why);
        gs_reader_report_problem(page, "metrics.json", why);
    } else if (!history || !gs_history_length(history))
        gs_reader_report_problem(page, "metrics.json", "it has no values");
    gs_errors_fini(&errors);
    gs_free(text);
    return history;
}

/* rules.json. What is wrong with it is said by the section of rules. */
static struct gs_rules *read_rules(const struct gs_incident_page *page)
{
    char *text = NULL;
    size_t length;
    struct gs_errors errors = {0};
    int fd = gs_store_open_regular(page->from->folder, "rules.json");
    int error = fd < 0 ? fd : gs_file_read_all(fd, GS_RULES_TEXT_MAX, &text, &length);
    struct gs_rules *rules = error ? NULL : gs_rules_read(text, length, "rules.json", &errors);
    gs_errors_fini(&errors);
    gs_free(text);
    if (fd >= 0)
        close(fd);
    return rules;
}

static void set_ranges(struct history_section *section)
{
    size_t length = gs_history_length(section->history);
    int64_t triggered_ns = section->page->triggered_ns;
    section->all = (struct metric_range){gs_history_time(section->history, 0),
                                         gs_history_time(section->history, length - 1)};
    if (triggered_ns > section->all.to_ns && triggered_ns - section->all.to_ns < NEAR_NS)
        section->all.to_ns = triggered_ns;
    if (section->all.to_ns - section->all.from_ns > 2 * NEAR_NS)
        section->near = (struct metric_range){section->all.to_ns - NEAR_NS, section->all.to_ns};
}

static void add_history(struct history_section *section, uint64_t limit_bytes)
{
    struct gs_text *out = &section->page->body;
    struct gs_json metrics = gs_json_array();
    set_ranges(section);
    section->rules = read_rules(section->page);
    double work = section->rules
                      ? (double)gs_history_length(section->history) * (double)section->rules->rule_count
                      : INFINITY;
    if (work <= JUDGED_MAX)
        section->replay = gs_reader_replay_run(section->rules, section->history, limit_bytes, REPLAY_COLUMNS);
    if (section->replay)
        fill_lines(section->replay);
    gs_text_add(out,
                "<div id=\"plots\" class=\"picture\"></div>\n<details id=\"metrics\"><summary>The metrics in "
                "numbers</summary>"
                "<div class=\"scroll\"><table><thead><tr><th>Metric</th><th class=\"number\">First</th><th "
                "class=\"number\">Lowest</th><th class=\"number\">Highest</th>"
                "<th class=\"number\">Last</th><th>Meaning</th></tr></thead><tbody>\n");
    add_metrics(section, &metrics);
    gs_text_add(out, "</tbody></table></div></details>\n");
    add_drawn(section, &metrics);
    if (section->replay)
        gs_reader_replay_free(section->replay);
    if (section->rules)
        gs_rules_free(section->rules);
}

void gs_reader_report_history(struct gs_incident_page *page)
{
    struct gs_history_about about = {0};
    struct gs_page_mark mark = gs_reader_report_section(&page->body, "history", "Metrics");
    struct history_section section = {.page = page, .history = read_history(page, &about)};
    double limit = gs_reader_report_number(page->json, "limit");
    if (section.history && gs_history_length(section.history))
        add_history(&section, about.limit_bytes           ? about.limit_bytes
                              : limit > 0 && limit < 1e18 ? (uint64_t)limit
                                                          : 0);
    if (section.history)
        gs_history_free(section.history);
    gs_reader_report_section_end(&page->body, mark);
}
