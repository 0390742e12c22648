/* show.c - `gumshoe show`: prints one incident's summary, which was written when it was captured, and the commands that help next;
 * with --brief the culprit and these commands alone. With --plumbing the summary is written anew, in memory: the incident stays
 * as it is. */
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/next.h"
#include "cli/options.h"
#include "cli/renaming.h"
#include "cli/terminal.h"
#include "store/store.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { SUMMARY_BYTES_MAX = 1 << 20 };

/* Store the path of the newest incident of DIR whose name begins with PREFIX in OUT. Returns GS_EXIT_NEGATIVE if there is
 * none. */
static int find_incident(const char *dir, const char *prefix, char out[PATH_MAX])
{
    struct gs_store_list list;
    int error = gs_store_list(dir, &list), status = GS_EXIT_NEGATIVE;
    if (error)
        return gs_cli_complain(GS_EXIT_IO, "%s: %s", dir, strerrordesc_np(-error));
    for (size_t i = list.count; i-- > 0 && status == GS_EXIT_NEGATIVE;)
        if (strncmp(gs_text_base_name(list.entry[i].name), prefix, strlen(prefix)) == 0) {
            snprintf(out, PATH_MAX, "%s/%s", dir, list.entry[i].name);
            status = GS_EXIT_OK;
        }
    if (status == GS_EXIT_NEGATIVE && *prefix)
        gs_cli_complain(GS_EXIT_NEGATIVE, "%s: no incident's name begins with \"%s\"", dir, prefix);
    else if (status == GS_EXIT_NEGATIVE)
        gs_cli_complain(GS_EXIT_NEGATIVE, "no incidents in %s", dir);
    gs_store_list_fini(&list);
    return status;
}

/* Find the incident that NAME means: a folder, or the beginning of a folder's name in DIR; NULL: the newest. */
static int find_folder(const char *name, const char *dir, char out[PATH_MAX])
{
    struct stat status;
    if (name && stat(name, &status) == 0 && S_ISDIR(status.st_mode)) {
        snprintf(out, PATH_MAX, "%s", name);
        return GS_EXIT_OK;
    }
    if (name && strchr(name, '/'))
        return gs_cli_complain(GS_EXIT_IO, "%s: %s", name, strerrordesc_np(errno ? errno : ENOENT));
    return find_incident(dir, name ? name : "", out);
}

/* Remove trailing slashes: the store refuses a folder that is a link, and "link/" would hide that. */
static void remove_trailing_slashes(char *path)
{
    for (size_t length = strlen(path); length > 1 && path[length - 1] == '/';)
        path[--length] = 0;
}

/* ---- for people -------------------------------------------------------------------------------------------------------- */

/* Where a line of the summary that is wrapped goes on: behind its figures if it has any, else a little to the right. */
static size_t indent_of(const char *line)
{
    size_t start = strspn(line, " ");
    const char *percent = start > 2 ? strstr(line, " %  ") : NULL;
    return percent ? (size_t)(percent - line) + 4 + 2 : start + 4;
}

/* Print one LINE of the summary. What fired, its FIRST line, and the culprit are strong. */
static void print_summary_line(const char *line, bool first)
{
    struct gs_text escaped = {0};
    gs_text_add_printable(&escaped, line);
    bool strong = first || strncmp(line, "Culprit:", 8) == 0;
    gs_cli_print_wrapped(escaped.bytes ? escaped.bytes : "", indent_of(line),
                         strong ? GS_STYLE_STRONG : GS_STYLE_PLAIN);
    gs_text_fini(&escaped);
}

/* Print TEXT, a summary, without its own "read on": print_next has more. On a terminal its lines are wrapped. */
static void print_summary_text(char *text, size_t length)
{
    char *end = text + length;
    for (char *line = text, *next; line < end; line = next) {
        char *newline = memchr(line, '\n', (size_t)(end - line));
        next = newline ? newline + 1 : end;
        if (strncmp(line, "read on: ", strlen("read on: ")) == 0)
            continue;
        if (!gs_cli_columns() || !newline || memchr(line, '\t', (size_t)(newline - line))) {
            gs_cli_print_escaped(line, (size_t)(next - line));
        } else {
            *newline = 0;
            print_summary_line(line, line == text);
        }
    }
}

static int print_summary(const char *path)
{
    char *text = NULL;
    size_t length;
    int error = gs_store_read_incident_file(path, "summary.txt", SUMMARY_BYTES_MAX, &text, &length);
    if (error)
        return gs_cli_complain(GS_EXIT_IO, "%s/summary.txt: %s", path, strerrordesc_np(-error));
    print_summary_text(text, length);
    gs_free(text);
    return GS_EXIT_OK;
}

static void print_failures(const json_t *errors)
{
    size_t i;
    const json_t *error;
    printf("%sThis incident is not complete:%s\n", gs_cli_style(GS_STYLE_WARNING),
           gs_cli_style(GS_STYLE_PLAIN));
    json_array_foreach(errors, i, error)
    {
        fputs("  ", stdout);
        gs_cli_print_line(json_string_value(error) ? json_string_value(error) : "");
    }
    putchar('\n');
}

/* Each step is two lines, so that the command can be copied without what it shows. */
static void print_next(const char *path, const json_t *json)
{
    struct gs_next_step step[GS_NEXT_MAX];
    size_t count = gs_cli_next_steps(path, json, step);
    if (count)
        printf("%sNext%s\n", gs_cli_style(GS_STYLE_STRONG), gs_cli_style(GS_STYLE_PLAIN));
    for (size_t i = 0; i < count; i++)
        printf("  %s# %s%s\n  %s\n", gs_cli_style(GS_STYLE_FAINT), step[i].shows,
               gs_cli_style(GS_STYLE_PLAIN), step[i].command.bytes ? step[i].command.bytes : "");
    gs_cli_next_fini(step, count);
}

/* Print TEXT, which was escaped, if there is any, with BEFORE in front of it. */
static void print_brief_line(const char *before, const struct gs_text *text)
{
    struct gs_text line = {0};
    gs_text_add(&line, "%s%s", before, text->length ? text->bytes : "none found");
    gs_cli_print_wrapped(line.bytes ? line.bytes : "", 2, GS_STYLE_PLAIN);
    gs_text_fini(&line);
}

/* "cache_insert (leaky_server.c:61): 97 MiB more than 5.1 s ago, 100 % of all growth"; "" if no culprit was found. */
static void add_verdict(struct gs_text *out, const json_t *json)
{
    gs_cli_add_culprit(out, json, 0);
    if (out->length) {
        gs_text_add(out, ": ");
        gs_cli_add_charge(out, json);
    }
}

static void print_brief(const json_t *json)
{
    struct gs_text reason = {0}, verdict = {0};
    gs_text_add_printable(&reason, gs_cli_json_text(json, "rule", ""));
    gs_text_add(&reason, ": ");
    gs_text_add_printable(&reason, gs_cli_json_text(json, "reason", ""));
    add_verdict(&verdict, json);
    print_brief_line("", &reason);
    print_brief_line("Culprit: ", &verdict);
    putchar('\n');
    gs_text_fini(&reason);
    gs_text_fini(&verdict);
}

/* ---- for machines ------------------------------------------------------------------------------------------------------- */

/* The files of the incident, with their kinds: [{"kind": "heap", "path": "…/heap.pb.gz"}]. */
static json_t *evidence_of(const char *path, const json_t *json)
{
    struct gs_json list = gs_json_array();
    size_t i;
    const json_t *file;
    json_array_foreach(json_object_get(json, "files"), i, file)
    {
        const char *name = gs_cli_json_text(file, "name", "");
        struct gs_json item = gs_json_object();
        char whole[PATH_MAX];
        if (!*name || strchr(name, '/') || snprintf(whole, sizeof whole, "%s/%s", path, name) >= PATH_MAX)
            continue;
        gs_json_set(&item, "file", gs_json_text(name));
        gs_json_set(&item, "path", gs_json_text(whole));
        gs_json_add(&list, gs_json_take(&item));
    }
    return gs_json_take(&list);
}

static json_t *next_of(const char *path, const json_t *json)
{
    struct gs_next_step step[GS_NEXT_MAX];
    size_t count = gs_cli_next_steps(path, json, step);
    struct gs_json list = gs_json_array();
    for (size_t i = 0; i < count; i++) {
        struct gs_json item = gs_json_object();
        gs_json_set(&item, "command", gs_json_text(step[i].command.bytes));
        gs_json_set(&item, "shows", gs_json_text(step[i].shows));
        gs_json_add(&list, gs_json_take(&item));
    }
    gs_cli_next_fini(step, count);
    return gs_json_take(&list);
}

/* Add the members of JSON that are named in KEY. */
static void copy_members(struct gs_json *out, const json_t *json, const char *const key[])
{
    for (; *key; key++) {
        json_t *value = json_object_get(json, *key);
        gs_json_set(out, *key, value ? json_incref(value) : json_null());
    }
}

static int print_brief_json(const char *path, const json_t *json)
{
    static const char *const facts[] = {"rule", "reason", "triggered", "complete", NULL},
                             *const blame[] = {"kind",  "function",    "module",     "file",
                                               "share", "line_number", "confidence", NULL};
    const json_t *culprit = json_object_get(json, "culprit");
    struct gs_json brief = gs_json_object(), who = gs_json_object();
    struct gs_text verdict = {0};
    add_verdict(&verdict, json);
    copy_members(&who, culprit, blame);
    json_t *blamed = gs_json_take(&who);
    gs_json_set(&brief, "version", json_integer(1));
    gs_json_set(&brief, "dir", gs_json_text(path));
    copy_members(&brief, json, facts);
    gs_json_set(&brief, "verdict", verdict.length ? gs_json_text(verdict.bytes) : json_null());
    gs_json_set(&brief, "culprit", json_is_object(culprit) ? json_incref(blamed) : json_null());
    gs_json_set(&brief, "evidence", evidence_of(path, json));
    gs_json_set(&brief, "next", next_of(path, json));
    gs_text_fini(&verdict);
    json_decref(blamed);
    json_t *whole = gs_json_take(&brief);
    int status = gs_cli_print_json(whole);
    json_decref(whole);
    return status;
}

static int print_json(const char *path, json_t *json, bool brief)
{
    if (brief)
        return print_brief_json(path, json);
    bool added = json_object_set_new(json, "dir", gs_json_text(path)) == 0;
    return gs_cli_print_json(added ? json : NULL);
}

/* ---- the command -------------------------------------------------------------------------------------------------------- */

/* Show the incident at PATH, which JSON describes. SUMMARY: what to print as its summary; NULL: its file. */
static int show_parts(const char *path, json_t *json, struct gs_text *summary, bool as_json, bool brief)
{
    int status = GS_EXIT_OK;
    if (as_json)
        return print_json(path, json, brief);
    if (!json_boolean_value(json_object_get(json, "complete")))
        print_failures(json_object_get(json, "errors"));
    if (brief)
        print_brief(json);
    else if (summary)
        print_summary_text(summary->bytes, summary->length);
    else
        status = print_summary(path);
    print_next(path, json);
    return status;
}

static int show(const char *path, bool as_json, bool brief)
{
    char why[200];
    json_t *json = gs_store_load_incident(path, why, sizeof why);
    if (!json)
        return gs_cli_complain(GS_EXIT_IO, "%s: %s", path, why);
    int status = show_parts(path, json, NULL, as_json, brief);
    json_decref(json);
    return status;
}

/* Read the incident PATH and describe it without culprits that match PLUMBING. Returns an exit status. */
static int read_anew(struct gs_renaming *renaming, const char *path, const struct gs_option_list *plumbing)
{
    int fd = gs_file_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0),
        error = fd < 0 ? fd : gs_owned_fd_take(&renaming->folder, fd);
    if (error)
        return gs_cli_complain(GS_EXIT_IO, "%s: %s", path, strerrordesc_np(-error));
    renaming->path = path;
    int status = gs_cli_renaming_read(renaming);
    if (status == GS_EXIT_OK)
        status = gs_cli_renaming_add_plumbing(renaming, plumbing);
    if (status == GS_EXIT_OK &&
        (gs_cli_renaming_words(renaming) || gs_cli_renaming_json(renaming, renaming->json)))
        status = gs_cli_complain(GS_EXIT_IO, "there is not enough memory");
    return status;
}

static int show_anew(const char *path, const struct gs_option_list *plumbing, bool as_json, bool brief)
{
    struct gs_renaming *renaming = gs_alloc(sizeof *renaming);
    if (!renaming)
        return gs_cli_complain(GS_EXIT_IO, "there is not enough memory");
    int status = read_anew(renaming, path, plumbing);
    if (status == GS_EXIT_OK)
        status = show_parts(path, renaming->json, &renaming->summary, as_json, brief);
    gs_cli_renaming_fini(renaming);
    gs_owned_fd_close(&renaming->folder);
    gs_free(renaming);
    return status;
}

int gs_cli_run_show(struct gs_arguments *arguments)
{
    const char *dir = gs_cli_default_dir(), *pattern[GS_CLI_PLUMBING_MAX];
    struct gs_option_list plumbing = {pattern, 0, GS_CLI_PLUMBING_MAX, "patterns of --plumbing"};
    char path[PATH_MAX];
    bool json = false, brief = false;
    int status;
    const struct gs_option options[] = {
        {"json", .set = &json, .help = "incident.json instead of the summary"},
        {"brief", .set = &brief,
         .help = "the culprit in a sentence and the next commands; with --json also where the evidence is"},
        {"dir", .argument = "DIR", .text = &dir,
         .help = "where to look (default: $GUMSHOE_DIR, else ./incidents)"},
        GS_OPTION_PLUMBING(&plumbing, ";\nthe incident stays as it is"),
        {.argument = "INCIDENT", .help = "a folder, or the beginning of a folder's name in DIR"},
        {0},
    };
    if (!gs_cli_read_options(arguments, options, &status))
        return status;
    if (arguments->operand_count > 1)
        return gs_cli_usage(arguments->command, "one incident at a time");
    if (arguments->operand[0] && gs_reader_is_bundle(arguments->operand[0]))
        return gs_cli_show_bundle(arguments->operand[0], json);
    status = find_folder(arguments->operand[0], dir, path);
    if (status != GS_EXIT_OK)
        return status;
    remove_trailing_slashes(path);
    return plumbing.count ? show_anew(path, &plumbing, json, brief) : show(path, json, brief);
}
