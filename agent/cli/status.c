/* status.c - `gumshoe status`: asks a running agent what it sees, and prints its metrics and rules as tables. */
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/terminal.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { ANSWER_SECONDS = 10 };

static void print_text(const char *text)
{
    gs_cli_print_escaped(text, strlen(text));
}

/* Print how often the rules file was reloaded, if it was. */
static void print_reloads(const json_t *file)
{
    long long reloads = json_integer_value(json_object_get(file, "reloads"));
    if (!reloads)
        return;
    printf("           reloaded %lld×, last at ", reloads);
    gs_cli_print_line(gs_cli_json_text(file, "taken", "?"));
}

/* Print what of the rules file is not in force, if anything. */
static void print_refusal(const json_t *file)
{
    const json_t *refused = json_object_get(file, "refused");
    long long more = json_integer_value(json_object_get(refused, "errors")) - 1;
    struct gs_text text = {0};
    if (json_is_object(refused))
        gs_text_add(&text, "REFUSED at %s, the rules of %s stay in force:\n  %s\n",
                    gs_cli_json_text(refused, "time", "?"), gs_cli_json_text(file, "taken", "?"),
                    gs_cli_json_text(refused, "error", "?"));
    if (json_is_object(refused) && more > 0)
        gs_text_add(&text, "  and %lld more: see the log, or gumshoe check\n", more);
    if (gs_cli_json_text(file, "other_dir", NULL))
        gs_text_add(&text,
                    "the rules file now names the incident directory %s: this takes effect after a restart\n",
                    gs_cli_json_text(file, "other_dir", ""));
    print_text(text.bytes ? text.bytes : "");
    gs_text_fini(&text);
}

/* Add the text at KEY, or FALLBACK, and spaces up to COLUMNS, before it, or after it if COLUMNS is negative. */
static void add_column(struct gs_text *out, const json_t *json, const char *key, const char *fallback,
                       int columns)
{
    struct gs_text text = {0};
    gs_text_add_printable(&text, gs_cli_json_text(json, key, fallback));
    int width = text.bytes ? (int)gs_text_columns(text.bytes) : 0;
    if (columns < 0)
        gs_text_add(out, "%s%*s", text.bytes ? text.bytes : "", -columns > width ? -columns - width : 0, "");
    else
        gs_text_add(out, " %*s%s", columns > width ? columns - width : 0, "", text.bytes ? text.bytes : "");
    gs_text_fini(&text);
}

/* Print LINE, a row whose last column begins at INDENT and may be long. */
static void print_row(struct gs_text *line, size_t indent, enum gs_style style)
{
    gs_cli_print_wrapped(line->bytes ? line->bytes : "", indent, style);
    gs_text_fini(line);
}

static void print_metrics(const json_t *list)
{
    size_t i;
    const json_t *metric;
    printf("%-24s %12s\n", "METRIC", "VALUE");
    json_array_foreach(list, i, metric)
    {
        struct gs_text line = {0};
        const char *unavailable = gs_cli_json_text(metric, "unavailable", NULL);
        add_column(&line, metric, "metric", "?", -24);
        add_column(&line, metric, "shown", "-", 12);
        gs_text_add(&line, "%s", unavailable ? "  not available: " : "");
        gs_text_add_printable(&line, unavailable ? unavailable : "");
        print_row(&line, 24 + 1 + 12 + 2, unavailable ? GS_STYLE_FAINT : GS_STYLE_PLAIN);
    }
}

/* The columns of the widest text at KEY in LIST, at least those of TITLE and at most MAX. */
static int column_width(const json_t *list, const char *key, const char *title, size_t max)
{
    size_t widest = strlen(title), i;
    const json_t *item;
    json_array_foreach(list, i, item)
    {
        size_t columns = gs_text_columns(gs_cli_json_text(item, key, ""));
        widest = columns > widest ? columns : widest;
    }
    return (int)(widest < max ? widest : max);
}

static void print_rules(const json_t *list)
{
    enum { WIDEST_NAME = 24, WIDEST_VALUE = 16 };
    size_t i;
    const json_t *rule;
    int name = column_width(list, "rule", "RULE", WIDEST_NAME),
        metric = column_width(list, "metric", "METRIC", WIDEST_NAME),
        value = column_width(list, "shown", "VALUE", WIDEST_VALUE),
        line = column_width(list, "line_shown", "LINE", WIDEST_VALUE);
    printf("\n%-*s  %-*s  %*s  %*s  FIRED  STATE\n", name, "RULE", metric, "METRIC", value, "VALUE", line,
           "LINE");
    json_array_foreach(list, i, rule)
    {
        struct gs_text row = {0};
        add_column(&row, rule, "rule", "?", -name);
        gs_text_add(&row, "  ");
        add_column(&row, rule, "metric", "-", -metric);
        gs_text_add(&row, " ");
        add_column(&row, rule, "shown", "-", value);
        gs_text_add(&row, " ");
        add_column(&row, rule, "line_shown", "-", line);
        gs_text_add(&row, "  %5lld  ", json_integer_value(json_object_get(rule, "fired")));
        gs_text_add_printable(&row, gs_cli_json_text(rule, "state", ""));
        print_row(&row, (size_t)(name + metric + value + line) + 15, GS_STYLE_PLAIN);
    }
}

/* Print NOTE, if there is one, as a paragraph of its own. */
static void print_note(const char *note)
{
    struct gs_text text = {0};
    if (!note)
        return;
    gs_text_add_printable(&text, note);
    gs_cli_print_wrapped(text.bytes ? text.bytes : "", 2, GS_STYLE_WARNING);
    gs_text_fini(&text);
}

/* Which process this is, and where its rules and incidents are: paths are to be copied, and stand in lines of their own. */
static void print_process(const json_t *status)
{
    const json_t *shell = json_object_get(status, "shell"), *file = json_object_get(status, "file");
    printf("process %lld, ", json_integer_value(json_object_get(status, "pid")));
    print_text(gs_cli_json_text(shell, "name", gs_cli_json_text(status, "program", "?")));
    fputs(", started ", stdout);
    gs_cli_print_line(gs_cli_json_text(status, "started", "?"));
    fputs("rules      ", stdout);
    gs_cli_print_line(gs_cli_json_text(status, "rules_file", "?"));
    print_reloads(file);
    fputs("incidents  ", stdout);
    gs_cli_print_line(gs_cli_json_text(status, "dir", "?"));
    print_note(gs_cli_json_text(shell, "note", NULL));
    print_refusal(file);
}

/* How memory is checked between ticks, if a rule needs it: by what notices of the kernel, and how often the agent looks. */
static void print_memory_lines(const json_t *lines)
{
    static const struct {
        const char *source, *words;
    } known[] = {
        {"thresholds", "cgroup thresholds"}, {"events", "cgroup events"}, {"pressure", "pressure (PSI)"}};
    struct gs_text text = {0};
    const json_t *source;
    size_t i;
    bool any = false;
    if (!json_is_true(json_object_get(lines, "between_ticks")))
        return;
    json_array_foreach(json_object_get(lines, "kernel"), i, source)
    {
        const char *name = gs_cli_json_text(source, "source", "");
        for (size_t k = 0; k < sizeof known / sizeof *known; k++)
            if (strcmp(known[k].source, name) == 0 && !gs_cli_json_text(source, "unavailable", NULL)) {
                gs_text_add(&text, "%s%s", any ? ", " : "notices of the kernel by ", known[k].words);
                any = true;
            }
    }
    double look_ms = json_number_value(json_object_get(lines, "look_ms"));
    if (look_ms > 0)
        gs_text_add(&text, "%sa look every %.0f ms", any ? "; " : "", look_ms);
    else
        gs_text_add(&text, "%sno looks needed now", any ? "; " : "");
    printf("memory     between ticks: %s\n", text.bytes ? text.bytes : "");
    gs_text_fini(&text);
}

static void print_status(const json_t *status)
{
    print_process(status);
    print_memory_lines(json_object_get(status, "memory_lines"));
    printf("\n");
    print_metrics(json_object_get(status, "metrics"));
    print_rules(json_object_get(status, "rules"));
    long long under_way = json_integer_value(json_object_get(status, "under_way"));
    if (under_way)
        printf("\n%lld %s being captured now\n", under_way, under_way == 1 ? "incident is" : "incidents are");
}

int gs_cli_run_status(struct gs_arguments *arguments)
{
    bool as_json = false;
    int status;
    const struct gs_option options[] = {
        {"json", .set = &as_json, .help = "the agent's answer as JSON"},
        {0},
    };
    if (!gs_cli_read_options(arguments, options, &status))
        return status;
    int pid = gs_cli_read_pid(arguments);
    if (!pid)
        return GS_EXIT_USAGE;
    bool has_agent;
    json_t *answer =
        gs_cli_ask_agent(pid, json_pack("{s:s}", "command", "status"), ANSWER_SECONDS, &has_agent, &status);
    if (!has_agent)
        return kill(pid, 0) != 0 && errno == ESRCH
                   ? gs_cli_complain(GS_EXIT_NEGATIVE, "there is no process %d", pid)
                   : gs_cli_complain(GS_EXIT_NEGATIVE, "process %d has no agent that answers", pid);
    if (!answer)
        return status;
    if (as_json)
        status = gs_cli_print_json(answer);
    else
        print_status(answer);
    json_decref(answer);
    return status;
}
