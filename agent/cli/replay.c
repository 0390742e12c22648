/* replay.c - `gumshoe replay`: rules tried on what was recorded. When would each have fired, and what held back those that
 * would not? The judge is the watcher's own (rules/replay.c); here are the words, the plot and the expectations. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/units.h"
#include "cli/cli.h"
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { FILES_MAX = 16, EXPECTATIONS_MAX = 64, FIRINGS_SHOWN = 20, WIDTH_LEAST = 50, WIDTH_MOST = 160 };

struct expectation { // of --expect
    const char *rule;
    size_t length;   // of its name
    long long times; // -1: at least once
};

struct tried { // one rules file
    const char *file;
    struct gs_rules *rules;
    struct gs_replay *replay;
};

struct session {
    const char *path; // of the history
    struct gs_history *history;
    struct gs_history_about about;
    uint64_t limit_bytes;
    size_t columns; // of plots; 0: none
    struct tried tried[FILES_MAX];
    size_t count;
    struct expectation expected[EXPECTATIONS_MAX];
    size_t expected_count;
    bool expect_none;
    bool json;
};

/* ---- words for times and numbers ------------------------------------------------------------------------------- */

/* In the history's own terms: seconds, or a moment. */
static const char *print_moment(const struct session *session, int64_t time_ns, char out[GS_TIME_TEXT])
{
    if (!session->about.plain_seconds)
        return gs_print_time(time_ns, GS_TIME_ISO, out);
    int length = snprintf(out, GS_TIME_TEXT, "%.3f", (double)time_ns / GS_NS_PER_S);
    while (out[length - 1] == '0')
        out[--length] = 0;
    if (out[length - 1] == '.')
        out[--length] = 0;
    return out;
}

static json_t *moment_json(const struct session *session, int64_t time_ns)
{
    char text[GS_TIME_TEXT];
    if (!session->about.plain_seconds)
        return json_string(gs_print_time(time_ns, GS_TIME_ISO, text));
    if (time_ns % GS_NS_PER_S == 0)
        return json_integer(time_ns / GS_NS_PER_S);
    return json_real((double)time_ns / GS_NS_PER_S);
}

static json_t *number_or_null(double value)
{
    if (!isfinite(value))
        return json_null();
    bool whole = fabs(value) < 1e15 && value == (double)(long long)value;
    return whole ? json_integer((json_int_t)value) : json_real(value);
}

static const char *print_times_word(uint64_t times, char out[GS_UNIT_TEXT])
{
    snprintf(out, GS_UNIT_TEXT, "%llu time%s", (unsigned long long)times, times == 1 ? "" : "s");
    return out;
}

/* ---- notes: what a replay cannot know --------------------------------------------------------------------------- */

struct notes {
    char text[2][200];
    size_t count;
};

/* Live, `heap_in_use above` is judged as the line is crossed. Such rules are what the alarm is for. */
static bool has_alarm(const struct tried *tried, uint64_t limit_bytes)
{
    struct gs_judge *judge = gs_judge_new(tried->rules, limit_bytes);
    bool has = judge && gs_judge_alarm_line(judge, 0) != UINT64_MAX;
    gs_judge_free(judge);
    return has;
}

static struct notes notes_on(const struct session *session, const struct tried *tried)
{
    struct notes notes = {0};
    char step[GS_UNIT_TEXT], interval[GS_UNIT_TEXT];
    int64_t step_ns = gs_history_interval_ns(session->history);
    if (step_ns != tried->rules->interval_ns)
        snprintf(notes.text[notes.count++], sizeof *notes.text,
                 "rows are %s apart, the rules' interval is %s: a window of 10 ticks is taken for 10 rows",
                 gs_print_duration(step_ns, step), gs_print_duration(tried->rules->interval_ns, interval));
    if (has_alarm(tried, session->limit_bytes))
        snprintf(notes.text[notes.count++], sizeof *notes.text,
                 "live, heap_in_use \"above\" is judged as the line is crossed, not at ticks alone: it may "
                 "fire earlier");
    return notes;
}

/* ---- for people ---------------------------------------------------------------------------------------------------- */

static void print_line(const char *text)
{
    gs_print_harmless(text, strlen(text));
    putchar('\n');
}

static void print_history(const struct session *session)
{
    char from[GS_TIME_TEXT], to[GS_TIME_TEXT], step[GS_UNIT_TEXT], oldest[GS_UNIT_TEXT], limit[GS_UNIT_TEXT];
    const struct gs_history *history = session->history;
    size_t length = gs_history_length(history), gaps = session->tried[0].replay->gaps;
    int64_t oldest_ns = gs_history_step_ns(history, 0), step_ns = gs_history_interval_ns(history);
    gs_print_harmless(session->path, strlen(session->path));
    printf(": %zu row%s, every %s", length, length == 1 ? "" : "s", gs_print_duration(step_ns, step));
    if (oldest_ns != gs_history_step_ns(history, length - 1))
        printf(" (the oldest every %s)", gs_print_duration(oldest_ns, oldest));
    printf(", from %s to %s", print_moment(session, gs_history_time(history, 0), from),
           print_moment(session, gs_history_time(history, length - 1), to));
    if (gaps)
        printf(", %zu gap%s", gaps, gaps == 1 ? "" : "s");
    if (session->limit_bytes)
        printf("; memory limit %s", gs_print_size((double)session->limit_bytes, limit));
    putchar('\n');
}

static void print_firings(const struct session *session, const struct gs_replayed *replayed)
{
    char time[GS_TIME_TEXT];
    for (size_t i = 0; i < replayed->firing_count && i < FIRINGS_SHOWN; i++) {
        printf("  at %s: ", print_moment(session, replayed->firing[i].time_ns, time));
        print_line(replayed->firing[i].reason);
    }
    if (replayed->fired > FIRINGS_SHOWN)
        printf("  and %llu more\n", (unsigned long long)replayed->fired - FIRINGS_SHOWN);
}

enum { HELD_BACK_TEXT = 256 };
static const char *held_back(const struct gs_replayed *replayed, char out[HELD_BACK_TEXT])
{
    snprintf(out, HELD_BACK_TEXT, "%s%s", replayed->held_back,
             replayed->obstacle == GS_NO_LIMIT ? "; give the limit with --limit SIZE" : "");
    return out;
}

static void print_closest(const struct session *session, const struct gs_rule *rule,
                          const struct gs_replayed *replayed)
{
    char time[GS_TIME_TEXT], value[GS_UNIT_TEXT], line[GS_UNIT_TEXT], text[HELD_BACK_TEXT];
    if (replayed->obstacle != GS_NO_METRIC) {
        printf("  closest at %s", print_moment(session, replayed->time_ns, time));
        if (isfinite(replayed->value))
            printf(": value %s", gs_print_value(replayed->value, rule->unit, value));
        if (isfinite(replayed->line))
            printf(", line %s", gs_print_value(replayed->line, rule->unit, line));
        putchar('\n');
    }
    printf("  held back by \"%s\": ", gs_obstacle_name(replayed->obstacle));
    print_line(held_back(replayed, text));
}

static void print_missed(const struct gs_replayed *replayed)
{
    char times[GS_UNIT_TEXT];
    for (int i = 0; i < GS_OBSTACLES; i++)
        if (replayed->missed[i])
            printf("  held back %s by \"%s\"\n", print_times_word(replayed->missed[i], times),
                   gs_obstacle_name((enum gs_obstacle)i));
}

static void print_rule(const struct session *session, const struct tried *tried, size_t rule)
{
    const struct gs_rule *the_rule = &tried->rules->rule[rule];
    const struct gs_replayed *replayed = &tried->replay->rule[rule];
    char times[GS_UNIT_TEXT], from[GS_TIME_TEXT], to[GS_TIME_TEXT];
    int64_t last_ns = gs_history_time(session->history, tried->replay->rows - 1);
    if (replayed->fired) {
        printf("\n%s fires %s\n", the_rule->name, print_times_word(replayed->fired, times));
        print_firings(session, replayed);
    } else {
        printf("\n%s does not fire\n", the_rule->name);
        print_closest(session, the_rule, replayed);
    }
    print_missed(replayed);
    gs_print_plot(replayed->column, tried->replay->column_count, the_rule->unit,
                  print_moment(session, gs_history_time(session->history, 0), from),
                  print_moment(session, last_ns, to));
}

static void print_tried(const struct session *session, const struct tried *tried)
{
    struct notes notes = notes_on(session, tried);
    if (session->count > 1) {
        putchar('\n');
        print_line(tried->rules->file);
    }
    for (size_t i = 0; i < notes.count; i++)
        printf("note: %s\n", notes.text[i]);
    for (size_t i = 0; i < tried->rules->rule_count; i++)
        print_rule(session, tried, i);
}

/* ---- files side by side ------------------------------------------------------------------------------------------- */

static size_t find_rule(const struct tried *tried, const char *name, size_t length)
{
    for (size_t i = 0; i < tried->rules->rule_count; i++)
        if (strlen(tried->rules->rule[i].name) == length &&
            strncmp(tried->rules->rule[i].name, name, length) == 0)
            return i;
    return SIZE_MAX;
}

/* How wide a column is, when times are written in full. */
static int cell_width(const struct session *session)
{
    return session->about.plain_seconds ? 20 : 36;
}

/* "2, first 110", "never", or "-" where the file has no such rule. */
static void print_cell(const struct session *session, const struct tried *tried, const char *rule)
{
    size_t at = find_rule(tried, rule, strlen(rule));
    char cell[64] = "-", time[GS_TIME_TEXT];
    const struct gs_replayed *replayed = at == SIZE_MAX ? NULL : &tried->replay->rule[at];
    if (replayed && replayed->fired)
        snprintf(cell, sizeof cell, "%llu, first %s", (unsigned long long)replayed->fired,
                 print_moment(session, replayed->firing[0].time_ns, time));
    else if (replayed)
        snprintf(cell, sizeof cell, "never");
    bool last = tried == &session->tried[session->count - 1];
    printf("  %-*s", last ? 0 : cell_width(session), cell);
}

static void print_row(const struct session *session, const char *rule)
{
    printf("%-20s", rule);
    for (size_t i = 0; i < session->count; i++)
        print_cell(session, &session->tried[i], rule);
    putchar('\n');
}

static bool stood_before(const struct session *session, size_t file, const char *rule)
{
    for (size_t i = 0; i < file; i++)
        if (find_rule(&session->tried[i], rule, strlen(rule)) != SIZE_MAX)
            return true;
    return false;
}

/* The end of FILE's name, if all of it is too long for a column. */
static const char *short_name(const char *file, size_t width)
{
    size_t length = strlen(file);
    return length > width ? file + length - width : file;
}

static void print_table(const struct session *session)
{
    int width = cell_width(session);
    printf("\n%-20s", "RULE");
    for (size_t i = 0; i < session->count; i++) {
        struct gs_text name = {0};
        gs_text_add_printable(&name, session->tried[i].rules->file);
        printf("  %-*s", i + 1 == session->count ? 0 : width,
               name.bytes ? short_name(name.bytes, (size_t)width) : "");
        gs_text_fini(&name);
    }
    putchar('\n');
    for (size_t i = 0; i < session->count; i++)
        for (size_t k = 0; k < session->tried[i].rules->rule_count; k++)
            if (!stood_before(session, i, session->tried[i].rules->rule[k].name))
                print_row(session, session->tried[i].rules->rule[k].name);
}

static void print_all(const struct session *session)
{
    print_history(session);
    if (session->count > 1)
        print_table(session);
    for (size_t i = 0; i < session->count; i++)
        print_tried(session, &session->tried[i]);
}

/* ---- for machines ---------------------------------------------------------------------------------------------------- */

static json_t *firings_json(const struct session *session, const struct gs_replayed *replayed)
{
    json_t *list = json_array();
    for (size_t i = 0; i < replayed->firing_count; i++) {
        const struct gs_firing *firing = &replayed->firing[i];
        json_array_append_new(
            list, json_pack("{s:o, s:s, s:o, s:o, s:s}", "time", moment_json(session, firing->time_ns),
                            "condition", firing->condition, "value", number_or_null(firing->value), "line",
                            number_or_null(firing->line), "reason", firing->reason));
    }
    return list;
}

static json_t *closest_json(const struct session *session, const struct gs_replayed *replayed)
{
    if (replayed->fired || replayed->obstacle == GS_NO_METRIC)
        return json_null();
    return json_pack("{s:o, s:o, s:o}", "time", moment_json(session, replayed->time_ns), "value",
                     number_or_null(replayed->value), "line", number_or_null(replayed->line));
}

static json_t *missed_json(const struct gs_replayed *replayed)
{
    json_t *json = json_object();
    for (int i = 0; i < GS_OBSTACLES; i++)
        if (replayed->missed[i])
            json_object_set_new(json, gs_obstacle_name((enum gs_obstacle)i),
                                json_integer((json_int_t)replayed->missed[i]));
    return json;
}

static json_t *file_json(const struct tried *tried)
{
    struct gs_text name = {0};
    gs_text_add_printable(&name, tried->rules->file);
    json_t *json = json_string(name.bytes ? name.bytes : "");
    gs_text_fini(&name);
    return json;
}

static json_t *rule_json(const struct session *session, const struct tried *tried, size_t rule)
{
    const struct gs_rule *the_rule = &tried->rules->rule[rule];
    const struct gs_replayed *replayed = &tried->replay->rule[rule];
    json_t *json = json_pack("{s:o, s:s, s:s?, s:o, s:I, s:o, s:o}", "file", file_json(tried), "rule",
                             the_rule->name, "metric", the_rule->metric, "fired",
                             firings_json(session, replayed), "fired_count", (json_int_t)replayed->fired,
                             "closest", closest_json(session, replayed), "missed", missed_json(replayed));
    char text[HELD_BACK_TEXT];
    json_object_set_new(json, "held_back",
                        replayed->fired ? json_null() : json_string(held_back(replayed, text)));
    json_object_set_new(json, "held_back_by",
                        replayed->fired ? json_null() : json_string(gs_obstacle_name(replayed->obstacle)));
    return json;
}

static json_t *notes_json(const struct session *session)
{
    json_t *list = json_array();
    for (size_t i = 0; i < session->count; i++) {
        struct notes notes = notes_on(session, &session->tried[i]);
        for (size_t k = 0; k < notes.count; k++)
            json_array_append_new(list, json_sprintf("%s: %s", session->tried[i].rules->file, notes.text[k]));
    }
    return list;
}

static int print_json(const struct session *session)
{
    const struct gs_history *history = session->history;
    size_t last = gs_history_length(history) - 1;
    json_t *rules = json_array();
    for (size_t i = 0; i < session->count; i++)
        for (size_t k = 0; k < session->tried[i].rules->rule_count; k++)
            json_array_append_new(rules, rule_json(session, &session->tried[i], k));
    json_t *about = json_pack("{s:I, s:I, s:o, s:o, s:f}", "rows", (json_int_t)last + 1, "gaps",
                              (json_int_t)session->tried[0].replay->gaps, "from",
                              moment_json(session, gs_history_time(history, 0)), "to",
                              moment_json(session, gs_history_time(history, last)), "interval_ms",
                              (double)gs_history_interval_ns(history) / GS_NS_PER_MS);
    json_object_set_new(about, "limit",
                        session->limit_bytes ? json_integer((json_int_t)session->limit_bytes) : json_null());
    json_t *json =
        json_pack("{s:o, s:o, s:o}", "rules", rules, "history", about, "notes", notes_json(session));
    int status = gs_print_json(json);
    json_decref(json);
    return status;
}

/* ---- expectations ------------------------------------------------------------------------------------------------------ */

static bool check_one(const struct expectation *expected, const struct tried *tried, uint64_t fired)
{
    int length = (int)expected->length;
    char wanted[GS_UNIT_TEXT], times[GS_UNIT_TEXT];
    if (expected->times < 0 ? fired > 0 : fired == (uint64_t)expected->times)
        return true;
    if (expected->times < 0)
        gs_complain(GS_NO, "%s: %.*s was expected to fire, and does not", tried->rules->file, length,
                    expected->rule);
    else
        gs_complain(GS_NO, "%s: %.*s was expected to fire %s, and fires %s", tried->rules->file, length,
                    expected->rule, print_times_word((uint64_t)expected->times, wanted),
                    print_times_word(fired, times));
    return false;
}

/* In every file that has the rule; one must have it. */
static int check_expectation(const struct session *session, const struct expectation *expected)
{
    int status = GS_FINE;
    bool known = false;
    for (size_t i = 0; i < session->count; i++) {
        size_t rule = find_rule(&session->tried[i], expected->rule, expected->length);
        if (rule == SIZE_MAX)
            continue;
        known = true;
        if (!check_one(expected, &session->tried[i], session->tried[i].replay->rule[rule].fired))
            status = GS_NO;
    }
    return known ? status
                 : gs_usage("replay", "--expect: there is no rule \"%.*s\"", (int)expected->length,
                            expected->rule);
}

static int check_none(const struct tried *tried)
{
    int status = GS_FINE;
    char times[GS_UNIT_TEXT];
    for (size_t i = 0; i < tried->rules->rule_count; i++)
        if (tried->replay->rule[i].fired)
            status = gs_complain(GS_NO, "%s: no rule was expected to fire, and %s fires %s",
                                 tried->rules->file, tried->rules->rule[i].name,
                                 print_times_word(tried->replay->rule[i].fired, times));
    return status;
}

static int worse(int a, int b)
{
    return a > b ? a : b;
}

static int check_expectations(const struct session *session)
{
    int status = GS_FINE;
    for (size_t i = 0; i < session->expected_count; i++)
        status = worse(status, check_expectation(session, &session->expected[i]));
    for (size_t i = 0; session->expect_none && i < session->count; i++)
        status = worse(status, check_none(&session->tried[i]));
    return status;
}

/* ---- the command --------------------------------------------------------------------------------------------------------- */

static bool read_expectation(const char *text, struct expectation *out)
{
    const char *equals = strchr(text, '=');
    char *end = NULL;
    *out = (struct expectation){
        .rule = text, .length = equals ? (size_t)(equals - text) : strlen(text), .times = -1};
    if (equals)
        out->times = strtoll(equals + 1, &end, 10);
    return out->length > 0 && (!equals || (equals[1] >= '0' && equals[1] <= '9' && *end == 0));
}

/* How many columns a plot may have: the terminal's, within reason. */
static size_t plot_columns(void)
{
    struct winsize size = {0};
    const char *columns = getenv("COLUMNS");
    int width = columns ? atoi(columns) : 0;
    if (width <= 0)
        width = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
    width = width < WIDTH_LEAST ? WIDTH_LEAST : width > WIDTH_MOST ? WIDTH_MOST : width;
    return (size_t)width - GS_PLOT_MARGIN - 1;
}

enum {
    OPTION_RULES = 256,
    OPTION_LIMIT,
    OPTION_JSON,
    OPTION_PLOT,
    OPTION_NO_PLOT,
    OPTION_EXPECT,
    OPTION_EXPECT_NONE
};

static int take_option(struct session *session, int option)
{
    struct gs_unit_error error;
    switch (option) {
    case OPTION_RULES:
        if (session->count == FILES_MAX)
            return gs_usage("replay", "at most %d rules files", FILES_MAX);
        session->tried[session->count++].file = optarg;
        return GS_FINE;
    case OPTION_LIMIT:
        if (gs_read_size(optarg, &session->limit_bytes, &error) || session->limit_bytes == 0)
            return gs_usage("replay", "--limit: a size such as 512MiB is wanted, not \"%s\"", optarg);
        return GS_FINE;
    case OPTION_EXPECT:
        if (session->expected_count == EXPECTATIONS_MAX ||
            !read_expectation(optarg, &session->expected[session->expected_count]))
            return gs_usage("replay", "--expect: RULE or RULE=N is wanted, not \"%s\" (%d at most)", optarg,
                            EXPECTATIONS_MAX);
        session->expected_count++;
        return GS_FINE;
    case OPTION_JSON: session->json = true; return GS_FINE;
    case OPTION_PLOT: session->columns = plot_columns(); return GS_FINE;
    case OPTION_NO_PLOT: session->columns = 0; return GS_FINE;
    case OPTION_EXPECT_NONE: session->expect_none = true; return GS_FINE;
    default: return gs_usage("replay", "see gumshoe replay --help");
    }
}

/* Every file is read, so that all the errors are told. */
static int load(struct session *session)
{
    int status = GS_FINE, one = GS_FINE;
    session->count = session->count ? session->count : 1; // the built-in rules
    for (size_t i = 0; i < session->count; i++, status = worse(status, one)) {
        one = GS_FINE;
        session->tried[i].rules = gs_load_rules(session->tried[i].file, &one);
    }
    session->history = gs_load_history(session->path, &session->about, &one);
    if (!session->limit_bytes)
        session->limit_bytes = session->about.limit_bytes;
    return worse(status, one);
}

static int judge(struct session *session)
{
    size_t rows = gs_history_length(session->history);
    if (session->columns > rows) // a column without a row would be a hole in the plot
        session->columns = rows;
    for (size_t i = 0; i < session->count; i++) {
        struct tried *tried = &session->tried[i];
        tried->replay = gs_replay_run(tried->rules, session->history, session->limit_bytes, session->columns);
        if (!tried->replay)
            return gs_complain(GS_IO, "there is no memory for this history");
    }
    return GS_FINE;
}

static int replay(struct session *session)
{
    int status = load(session);
    if (status == GS_FINE)
        status = judge(session);
    if (status != GS_FINE)
        return status;
    if (session->json)
        status = print_json(session);
    else
        print_all(session);
    return worse(status, check_expectations(session));
}

int gs_cmd_replay(int argc, char **argv)
{
    static const struct option known[] = {{"rules", required_argument, NULL, OPTION_RULES},
                                          {"limit", required_argument, NULL, OPTION_LIMIT},
                                          {"json", no_argument, NULL, OPTION_JSON},
                                          {"plot", no_argument, NULL, OPTION_PLOT},
                                          {"no-plot", no_argument, NULL, OPTION_NO_PLOT},
                                          {"expect", required_argument, NULL, OPTION_EXPECT},
                                          {"expect-none", no_argument, NULL, OPTION_EXPECT_NONE},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    struct session session = {.columns = isatty(STDOUT_FILENO) ? plot_columns() : 0};
    int status = GS_FINE;
    for (int option; status == GS_FINE && (option = getopt_long(argc, argv, "h", known, NULL)) != -1;) {
        if (option == 'h') {
            gs_command_help("replay");
            return GS_FINE;
        }
        status = take_option(&session, option);
    }
    if (status == GS_FINE && optind + 1 != argc)
        status = gs_usage("replay", "one history is wanted");
    if (status != GS_FINE)
        return status;
    session.path = argv[optind];
    status = replay(&session);
    for (size_t i = 0; i < session.count; i++) {
        gs_replay_free(session.tried[i].replay);
        gs_rules_free(session.tried[i].rules);
    }
    gs_history_free(session.history);
    return status;
}
