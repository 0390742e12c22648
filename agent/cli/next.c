/* next.c - the commands that help next with an incident: a table, of which an incident gets the rows whose command exists in this
 * build and whose files it has.
 *
 *   culprit cache_insert, kind growth ──▶ gumshoe list cache_insert DIR           the source lines of cache_insert
 *   heap.base.pb.gz, heap.pb.gz       ──▶ gumshoe diff DIR/heap.base.pb.gz …     what grew since the baseline
 */
#include "cli/next.h"
#include "base/kinds.h"
#include "cli/cli.h"
#include "cli/terminal.h"
#include "reader/reader.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct incident_folder {
    const char *path;
    const json_t *culprit;
    const char *function; // the culprit's, if it has a name in the profiles; else NULL
    char profile[64];     // the profile that shows it, or the first there is; "": none
    bool is_complete;     // symbolize changes no other
    bool is_first;        // the commands find this profile by the folder
};

static bool has(const struct incident_folder *folder, const char *file)
{
    char path[PATH_MAX];
    return snprintf(path, sizeof path, "%s/%s", folder->path, file) < (int)sizeof path &&
           access(path, R_OK) == 0;
}

/* The kind of profile that shows a culprit of KIND ("growth", …). */
static enum gs_kind kind_of_profile(const char *kind)
{
    return strcmp(kind, "cpu") == 0   ? GS_CPU
           : strcmp(kind, "fds") == 0 ? GS_FDS
           : strcmp(kind, "threads") == 0 || strcmp(kind, "deadlock") == 0 || strcmp(kind, "lock") == 0 ||
                   strcmp(kind, "crash") == 0
               ? GS_THREADS
               : GS_HEAP;
}

/* Choose the profile: the culprit's, else the first that view.c finds in a folder. */
static void choose_profile(struct incident_folder *folder)
{
    static const enum gs_kind order[] = {GS_HEAP, GS_CPU,   GS_THREADS, GS_THREADCREATE, GS_FDS,
                                         GS_PEAK, GS_PAGES, GS_WASTE,   GS_LIFETIMES};
    enum gs_kind wanted = kind_of_profile(gs_cli_json_text(folder->culprit, "kind", ""));
    const char *first = NULL, *chosen = NULL;
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        for (const struct gs_kind_entry *kind = gs_kinds; kind->name; kind++)
            if (kind->kind == order[i] && has(folder, kind->file)) {
                first = first ? first : kind->file;
                chosen = kind->kind == wanted ? kind->file : chosen;
            }
    chosen = chosen ? chosen : first;
    folder->is_first = chosen == first;
    snprintf(folder->profile, sizeof folder->profile, "%s", chosen ? chosen : "");
}

/* ---- the rows ---------------------------------------------------------------------------------------------------------- */

/* A row adds what follows "gumshoe NAME"; nothing: it does not apply to this incident. */
static void add_file(struct gs_text *out, const struct incident_folder *folder, const char *file)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s%s%s%s", *folder->path == '-' ? "./" : "", folder->path, *file ? "/" : "",
             file);
    gs_text_add(out, " ");
    gs_cli_add_quoted(out, path);
}

static void add_profile(struct gs_text *out, const struct incident_folder *folder)
{
    if (*folder->profile)
        add_file(out, folder, folder->is_first ? "" : folder->profile);
}

static void add_function_of_profile(struct gs_text *out, const struct incident_folder *folder)
{
    struct gs_text pattern = {0};
    if (!folder->function || !*folder->profile)
        return;
    gs_reader_add_function_pattern(&pattern, folder->function);
    if (pattern.length && !pattern.failed) {
        gs_text_add(out, *pattern.bytes == '-' ? " -- " : " ");
        gs_cli_add_quoted(out, pattern.bytes);
        add_profile(out, folder);
    }
    gs_text_fini(&pattern);
}

static bool has_lines(const struct incident_folder *folder)
{
    return *gs_cli_json_text(folder->culprit, "file", "") != 0;
}

static void add_list(struct gs_text *out, const struct incident_folder *folder)
{
    if (has_lines(folder))
        add_function_of_profile(out, folder);
}

static void add_symbolize(struct gs_text *out, const struct incident_folder *folder)
{
    if (folder->function && !has_lines(folder) && *folder->profile && folder->is_complete)
        add_file(out, folder, "");
}

static void add_growth(struct gs_text *out, const struct incident_folder *folder)
{
    if (has(folder, "heap.base.pb.gz") && has(folder, "heap.pb.gz")) {
        add_file(out, folder, "heap.base.pb.gz");
        add_file(out, folder, "heap.pb.gz");
    }
}

static void add_peak(struct gs_text *out, const struct incident_folder *folder)
{
    if (has(folder, "heap.peak.pb.gz") && has(folder, "heap.pb.gz")) {
        add_file(out, folder, "heap.peak.pb.gz");
        add_file(out, folder, "heap.pb.gz");
    }
}

static void add_pages(struct gs_text *out, const struct incident_folder *folder)
{
    if (has(folder, "heap.pages.pb.gz") && strcmp(folder->profile, "heap.pages.pb.gz") != 0)
        add_file(out, folder, "heap.pages.pb.gz");
}

static void add_waste(struct gs_text *out, const struct incident_folder *folder)
{
    if (has(folder, "waste.pb.gz") && strcmp(folder->profile, "waste.pb.gz") != 0)
        add_file(out, folder, "waste.pb.gz");
}

static void add_lifetimes(struct gs_text *out, const struct incident_folder *folder)
{
    if (!has(folder, "lifetimes.pb.gz"))
        return;
    gs_text_add(out, " --lifetime");
    add_file(out, folder, "lifetimes.pb.gz");
}

static void add_threads(struct gs_text *out, const struct incident_folder *folder)
{
    if (has(folder, "threads.pb.gz") && strcmp(folder->profile, "threads.pb.gz") != 0)
        add_file(out, folder, "threads.pb.gz");
}

static void add_history(struct gs_text *out, const struct incident_folder *folder)
{
    if (has(folder, "metrics.json") && has(folder, "rules.json")) {
        gs_text_add(out, " --plot --rules");
        add_file(out, folder, "rules.json");
        add_file(out, folder, "");
    }
}

static void add_output(struct gs_text *out, const struct incident_folder *folder, const char *argument,
                       const char *file)
{
    add_file(out, folder, argument);
    gs_text_add(out, " -o %s", file);
}

static void add_report(struct gs_text *out, const struct incident_folder *folder)
{
    add_output(out, folder, "", "incident.html");
}

static void add_flame(struct gs_text *out, const struct incident_folder *folder)
{
    if (*folder->profile)
        add_output(out, folder, folder->profile, "flame.svg");
}

static void add_bundle(struct gs_text *out, const struct incident_folder *folder)
{
    add_output(out, folder, "", "incident.tar.gz");
}

// clang-format off
static const struct {
    const char *command; // in the table of commands.c; a row whose command this build lacks is passed over
    void (*add)(struct gs_text *out, const struct incident_folder *folder);
    const char *shows;
} rows[] = {
    {"list",      add_list,                "the culprit's source, each line with its share"},
    {"symbolize", add_symbolize,           "fills in source lines, if this machine has the debug information"},
    {"report",    add_report,              "all of it as one page for a browser"},
    {"peek",      add_function_of_profile, "who calls the culprit, and what it calls"},
    {"diff",      add_growth,              "what grew since the baseline"},
    {"diff",      add_peak,                "what has gone since the heap's peak"},
    {"top",       add_profile,             "the heaviest functions"},
    {"top",       add_pages,               "whose memory in use is in memory; --sample inuse_swapped, inuse_untouched"},
    {"top",       add_waste,               "whose blocks pin the heap's free memory"},
    {"top",       add_lifetimes,           "how long blocks live, by function"},
    {"traces",    add_threads,             "every thread's stack"},
    {"replay",    add_history,             "the metrics before the incident, with the rules' lines"},
    {"flame",     add_flame,               "a flame graph"},
    {"bundle",    add_bundle,              "one file that can be read on another machine"},
};
// clang-format on
_Static_assert(sizeof rows / sizeof *rows <= GS_NEXT_MAX, "room for every row");

/* ---- the steps of one incident ----------------------------------------------------------------------------------------- */

static bool is_command(const char *name)
{
    for (const struct gs_command *command = gs_commands; command->name; command++)
        if (strcmp(command->name, name) == 0)
            return true;
    return false;
}

/* The command as it was called: by its path, if it is not in $PATH. */
static void add_program(struct gs_text *out)
{
    gs_cli_add_quoted(out, strchr(program_invocation_name, '/') ? program_invocation_name : "gumshoe");
}

/* Can FUNCTION be found in profiles by its name? Not "server+0x12a0", which is an address. */
static bool is_name(const char *function)
{
    const char *address = strstr(function, "+0x");
    return *function && !(address && strspn(address + 3, "0123456789abcdef") == strcspn(address + 3, " "));
}

size_t gs_cli_next_steps(const char *path, const json_t *incident, struct gs_next_step step[GS_NEXT_MAX])
{
    struct incident_folder folder = {.path = path, .culprit = json_object_get(incident, "culprit")};
    const char *function = gs_cli_json_text(folder.culprit, "function", "");
    folder.function = is_name(function) ? function : NULL;
    folder.is_complete = json_boolean_value(json_object_get(incident, "complete"));
    choose_profile(&folder);
    size_t count = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct gs_text arguments = {0};
        if (is_command(rows[i].command))
            rows[i].add(&arguments, &folder);
        if (arguments.length) {
            step[count] = (struct gs_next_step){.shows = rows[i].shows};
            add_program(&step[count].command);
            gs_text_add(&step[count++].command, " %s%s", rows[i].command, arguments.bytes);
        }
        gs_text_fini(&arguments);
    }
    return count;
}

void gs_cli_next_fini(struct gs_next_step *step, size_t count)
{
    for (size_t i = 0; i < count; i++)
        gs_text_fini(&step[i].command);
}
