/* page_incident_history.c - the metrics before the trigger: a table, and what the script plots.
 *
 *   metrics.json ──▶ own ──┬──▶ COLUMNS of lowest and highest value, in each of up to RANGES ranges that end at the trigger
 *   history file ──▶ past ─┘
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

enum {
    COLUMNS = 120,
    REPLAY_COLUMNS = 4 * COLUMNS,
    METRICS_MAX = 24,
    RULES_MAX = 8,
    SIBLINGS_MAX = 100,
    RANGES = 4,
    LIVES_SHOWN = 10
};
static const double JUDGED_MAX = 2e7; // rows times rules; more would take too long
#define HOUR_NS (60 * GS_NS_PER_MINUTE)

struct metric_range {
    const char *id;
    int64_t from_ns, to_ns;
};
static const struct {
    const char *id;
    int64_t ns, least_ns; // shown if the history is longer than that: else it looks like the next one
} last_parts[RANGES - 1] = {{"near", HOUR_NS / 2, HOUR_NS},
                            {"hours", 3 * HOUR_NS, 5 * HOUR_NS},
                            {"days", 72 * HOUR_NS, 120 * HOUR_NS}};

struct judged { // a history, and the lines of the rules on it
    const struct gs_history *history;
    struct gs_replay *replay; // NULL: the lines are not known
};
struct history_section {
    struct gs_incident_page *page;
    struct gs_history *history; // metrics.json
    struct gs_page_past past;
    struct gs_rules *rules;   // NULL: none
    struct judged own, whole; // metrics.json; with the processes before, if there are any
    struct metric_range range[RANGES];
    size_t ranges;
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

/* The column of ROW, of the process before number NEXT. A column is of one process: the rows of another, in the column in which the
 * next one begins, are drawn in the column before. */
static size_t column_of_row(const struct history_section *section, const struct metric_range *range,
                            size_t row, size_t next)
{
    size_t at = column_at(range, gs_history_time(section->whole.history, row));
    bool shared = at < COLUMNS && at > 0 && next < section->past.lives &&
                  at == column_at(range, section->past.life[next].from_ns);
    return at - shared;
}

/* {"low":[…],"high":[…]} of METRIC over RANGE; "high" is left out where it is the same. */
static json_t *columns_of(const struct history_section *section, size_t metric,
                          const struct metric_range *range)
{
    const struct gs_history *history = section->whole.history;
    double low[COLUMNS], high[COLUMNS];
    bool same = true;
    struct gs_json columns = gs_json_object();
    for (size_t i = 0; i < COLUMNS; i++)
        low[i] = high[i] = NAN;
    for (size_t row = 0, next = 0; row < gs_history_length(history); row++) {
        next += gs_history_starts_process(history, row);
        size_t at = column_of_row(section, range, row, next);
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
    bool is_own = range->from_ns >= gs_history_time(section->history, 0);
    const struct judged *judged = is_own && section->own.replay ? &section->own : &section->whole;
    const struct gs_replay *replay = judged->replay;
    double line[COLUMNS], first = NAN;
    bool moves = false;
    if (!replay || gs_history_length(judged->history) < 2)
        return json_null();
    int64_t from_ns = gs_history_time(judged->history, 0),
            span_ns = gs_history_time(judged->history, gs_history_length(judged->history) - 1) - from_ns;
    for (size_t i = 0; i < COLUMNS; i++) {
        double time_ns = (double)(range->from_ns - from_ns) +
                         ((double)i + 0.5) / COLUMNS * (double)(range->to_ns - range->from_ns);
        size_t at = (size_t)(gs_larger(time_ns / (double)span_ns, 0) * (double)replay->column_count);
        line[i] = replay->rule[rule].column[at < replay->column_count ? at : replay->column_count - 1].line;
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

/* [{"name","fired", and a member for each range}] of the rules on METRIC. */
static json_t *lines_of(const struct history_section *section, size_t metric)
{
    struct gs_json lines = gs_json_array();
    const char *fired = gs_reader_report_text(section->page->json, "rule");
    size_t count = 0;
    bool any = section->own.replay || section->whole.replay;
    for (size_t i = 0; any && i < section->rules->rule_count && count < RULES_MAX; i++) {
        if (!is_of(section, i, metric))
            continue;
        struct gs_json line = gs_json_object();
        count++;
        gs_json_set(&line, "name", gs_json_printable(section->rules->rule[i].name));
        gs_json_set(&line, "fired", json_boolean(strcmp(section->rules->rule[i].name, fired) == 0));
        for (size_t k = 0; k < section->ranges; k++)
            gs_json_set(&line, section->range[k].id, line_of(section, i, &section->range[k]));
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
    for (size_t i = 0; i < section->ranges; i++)
        gs_json_set(&json, section->range[i].id, columns_of(section, metric, &section->range[i]));
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

/* The range of all: the last one. */
static const struct metric_range *all_of(const struct history_section *section)
{
    return &section->range[section->ranges - 1];
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
            parts.time_ns == section->page->triggered_ns || parts.time_ns < all_of(section)->from_ns ||
            parts.time_ns > all_of(section)->to_ns)
            continue;
        struct gs_json mark = gs_json_object();
        gs_json_set(&mark, "time", json_real(seconds(parts.time_ns)));
        gs_json_set(&mark, "rule", gs_json_printable(parts.rule));
        gs_json_add(marks, gs_json_take(&mark));
        count++;
    }
    close(parent);
}

/* When the processes began that rows are of, but for the first. */
static json_t *restarts(const struct gs_page_past *past)
{
    struct gs_json list = gs_json_array();
    for (size_t i = 1; i < past->lives; i++) {
        struct gs_json restart = gs_json_object();
        gs_json_set(&restart, "time", json_real(seconds(past->life[i].from_ns)));
        gs_json_set(&restart, "pid", json_integer(past->life[i].owner.pid));
        gs_json_add(&list, gs_json_take(&restart));
    }
    return gs_json_take(&list);
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
    for (size_t i = 0; i < section->ranges; i++)
        gs_json_set(&json, section->range[i].id, range_json(&section->range[i]));
    gs_json_set(&json, "triggered",
                page->triggered_ns ? json_real(seconds(page->triggered_ns)) : json_null());
    gs_json_set(&json, "baseline",
                page->triggered_ns && age_s >= 0 ? gs_json_real(seconds(page->triggered_ns) - age_s)
                                                 : json_null());
    gs_json_set(&json, "value", gs_json_real(gs_reader_report_number(page->json, "value")));
    gs_json_set(&json, "line", gs_json_real(gs_reader_report_number(page->json, "line")));
    gs_json_set(&json, "moment", json_string(json_object_get(page->json, "died") ? "end" : "trigger"));
    gs_json_set(&json, "incidents", gs_json_take(&marks));
    gs_json_set(&json, "restarts", restarts(&section->past));
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
    const struct gs_history *whole = section->whole.history;
    int64_t triggered_ns = section->page->triggered_ns, from_ns = gs_history_time(whole, 0),
            to_ns = gs_history_time(whole, gs_history_length(whole) - 1);
    if (triggered_ns > to_ns && triggered_ns - to_ns < HOUR_NS / 2)
        to_ns = triggered_ns;
    for (size_t i = 0; i < RANGES - 1; i++)
        if (to_ns - from_ns > last_parts[i].least_ns)
            section->range[section->ranges++] =
                (struct metric_range){last_parts[i].id, to_ns - last_parts[i].ns, to_ns};
    section->range[section->ranges++] = (struct metric_range){"all", from_ns, to_ns};
}

static void judge(const struct history_section *section, struct judged *judged, uint64_t limit_bytes)
{
    double work = section->rules
                      ? (double)gs_history_length(judged->history) * (double)section->rules->rule_count
                      : INFINITY;
    if (work <= JUDGED_MAX)
        judged->replay = gs_reader_replay_run(section->rules, judged->history, limit_bytes, REPLAY_COLUMNS);
    if (judged->replay)
        fill_lines(judged->replay);
}

/* Say which processes the plots show. */
static void add_lives(const struct gs_page_past *past, struct gs_text *out)
{
    char begin[GS_TIME_TEXT], age[GS_UNIT_TEXT];
    size_t before = past->lives - 1, first = before > LIVES_SHOWN ? before - LIVES_SHOWN : 0;
    gs_text_add(out, "<p class=\"why\">The history file of this program goes back to %s",
                gs_clock_print(past->life[0].from_ns, GS_TIME_ISO, begin));
    gs_text_add(out, before ? ", with %zu %s before this one." : ".", before,
                before == 1 ? "process" : "processes");
    if (past->beside)
        gs_text_add(out, " %zu other %s at the same time, and %s not shown.", past->beside,
                    past->beside == 1 ? "process ran" : "processes ran", past->beside == 1 ? "is" : "are");
    gs_text_add(out, "</p>\n");
    if (before)
        gs_text_add(out, "<details id=\"processes\"><summary>The processes before</summary><ul>\n");
    for (size_t i = before; i-- > first;) {
        const struct gs_page_life *life = &past->life[i];
        gs_text_add(out, "<li>process %d, from %s for %s</li>\n", life->owner.pid,
                    gs_clock_print(life->from_ns, GS_TIME_ISO, begin),
                    gs_units_print_duration(life->to_ns - life->from_ns, age));
    }
    if (first)
        gs_text_add(out, "<li>%zu earlier ones</li>\n", first);
    if (before)
        gs_text_add(out, "</ul></details>\n");
}

static void add_plots(struct history_section *section)
{
    struct gs_text *out = &section->page->body;
    struct gs_json metrics = gs_json_array();
    gs_text_add(out, "<div id=\"plots\" class=\"picture\"></div>\n");
    if (section->past.history)
        add_lives(&section->past, out);
    gs_text_add(out,
                "<details id=\"metrics\"><summary>The metrics in numbers</summary>"
                "<div class=\"scroll\"><table><thead><tr><th>Metric</th><th class=\"number\">First</th><th "
                "class=\"number\">Lowest</th><th class=\"number\">Highest</th>"
                "<th class=\"number\">Last</th><th>Meaning</th></tr></thead><tbody>\n");
    add_metrics(section, &metrics);
    gs_text_add(out, "</tbody></table></div></details>\n");
    add_drawn(section, &metrics);
}

static void add_history(struct history_section *section, uint64_t limit_bytes)
{
    gs_reader_report_past(section->page, section->history, &section->past);
    section->page->failed |= section->past.failed;
    section->own.history = section->history;
    section->whole.history = section->past.history ? section->past.history : section->history;
    section->rules = read_rules(section->page);
    judge(section, &section->own, limit_bytes);
    if (section->past.history)
        judge(section, &section->whole, limit_bytes);
    else
        section->whole.replay = section->own.replay;
    set_ranges(section);
    add_plots(section);
    if (section->own.replay)
        gs_reader_replay_free(section->own.replay);
    if (section->past.history && section->whole.replay)
        gs_reader_replay_free(section->whole.replay);
    if (section->rules)
        gs_rules_free(section->rules);
    gs_history_free(section->past.history);
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
