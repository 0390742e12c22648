/* cli/cli.h - what the files of the command `gumshoe` share. Each sub-command has one file; commands.c has the table.
 * The command runs in its own process, not in the watched one: it may use stdio and malloc. */
#pragma once
#include "base/attributes.h"
#include "base/json.h"
#include "base/text.h"
#include "history/history.h"
#include "reader/reader.h"
#include "rules/rules.h"
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

enum gs_exit {                  // exit statuses
    GS_EXIT_OK       = 0,
    GS_EXIT_NEGATIVE = 1,       // nothing found, or the check failed
    GS_EXIT_USAGE    = 2,       // wrong arguments
    GS_EXIT_IO       = 3,       // input or output failed
};

struct gs_arguments;
struct gs_option;           // options.h
struct gs_option_list;
struct gs_command {
    const char *name;
    const char *arguments;  // "[-n N] [--base FILE] PROFILE"
    const char *help;       // one line
    int (*run)(struct gs_arguments *arguments); // returns an exit status
};
extern const struct gs_command gs_commands[]; // ends with a NULL name

struct gs_arguments {       // the arguments of a sub-command
    const struct gs_command *command;
    int count;
    char **value;           // COUNT strings and a NULL; value[0] is the command's name
    bool options_first;     // options end at the first operand; the rest belongs to another program (`gumshoe run`)
    char **operand;         // set by gs_cli_read_options (options.h): what is not an option; ends with NULL
    size_t operand_count;
    /* Not NULL: gs_cli_read_options, which every command calls first, passes the command's options to it and ends the command
     * (completion.c). */
    void (*visit)(const struct gs_arguments *arguments, const struct gs_option *options);
};

/* Print what is wrong with the arguments of COMMAND, and its usage line, on stderr (options.c). Returns GS_EXIT_USAGE. */
int gs_cli_usage(const struct gs_command *command, const char *format, ...) GS_PRINTF(2, 3);

/* Print "gumshoe: TEXT" on stderr, escaped like the text below: it may quote names (output.c). Returns STATUS. */
int gs_cli_complain(enum gs_exit status, const char *format, ...) GS_PRINTF(2, 3);
/* The same for a line that has begun. */
void gs_cli_print_error(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));
/* Print TEXT on standard output, with control characters (except newline and tab) escaped: the text comes from files that
 * anybody may have written. */
void gs_cli_print_escaped(const char *text, size_t length);
/* The same for a string, followed by a newline. */
void gs_cli_print_line(const char *text);
/* Print JSON on standard output, followed by a newline. */
int gs_cli_print_json(const json_t *json);
/* The string at KEY of a JSON object; FALLBACK if it is missing or empty. */
const char *gs_cli_json_text(const json_t *json, const char *key, const char *fallback);
/* May output to descriptor FD be coloured? Only on a terminal, and not with NO_COLOR or TERM=dumb. */
bool gs_cli_may_colour(int fd);

/* Not in the table of commands: `gumshoe completion SHELL` is run by the build. */
int gs_cli_run_completion(struct gs_arguments *arguments);

int gs_cli_run_run(struct gs_arguments *arguments);
int gs_cli_run_check(struct gs_arguments *arguments);
int gs_cli_run_replay(struct gs_arguments *arguments);
int gs_cli_run_suggest(struct gs_arguments *arguments);
int gs_cli_run_ls(struct gs_arguments *arguments);
int gs_cli_run_show(struct gs_arguments *arguments);
int gs_cli_run_top(struct gs_arguments *arguments);
int gs_cli_run_peek(struct gs_arguments *arguments);
int gs_cli_run_tree(struct gs_arguments *arguments);
int gs_cli_run_list(struct gs_arguments *arguments);
int gs_cli_run_diff(struct gs_arguments *arguments);
int gs_cli_run_merge(struct gs_arguments *arguments);
int gs_cli_run_export(struct gs_arguments *arguments);
int gs_cli_run_flame(struct gs_arguments *arguments);
int gs_cli_run_traces(struct gs_arguments *arguments);
int gs_cli_run_report(struct gs_arguments *arguments);
int gs_cli_run_symbolize(struct gs_arguments *arguments);
/* Add lines to the profiles of the incident in folder PATH, and name its culprit anew (symbolize_incident.c). PLUMBING: patterns of
 * functions that are no culprits. Returns an exit status. */
int gs_cli_symbolize_incident(const char *path, const struct gs_symbolize_options *options,
                              const struct gs_option_list *plumbing);
/* List file NAME of FOLDER as it is now in FILES, the "files" of incident.json. 0 or -errno; a missing file stays as it is
 * (symbolize_page.c). */
struct gs_owned_fd;
int gs_cli_list_incident_file(const struct gs_owned_fd *folder, json_t *files, const char *name) GS_CHECK_RESULT;
/* Write report.html into FOLDER, which is PATH and locked, and list it in incident.json (symbolize_page.c). Returns an exit
 * status. */
int gs_cli_write_incident_page(const char *path, const struct gs_owned_fd *folder);
int gs_cli_run_bundle(struct gs_arguments *arguments);
int gs_cli_run_status(struct gs_arguments *arguments);
int gs_cli_run_capture(struct gs_arguments *arguments);
int gs_cli_run_recover(struct gs_arguments *arguments);
int gs_cli_run_collect(struct gs_arguments *arguments);
int gs_cli_run_serve(struct gs_arguments *arguments);
int gs_cli_run_ship(struct gs_arguments *arguments);

/* Send REQUEST (with "version" added; the reference is taken) to the agent in process PID, and return its answer (ask.c).
 * On failure returns NULL. Then either *HAS_AGENT is false and nothing was printed, or the error was printed and *STATUS is the
 * exit status. */
json_t *gs_cli_ask_agent(int pid, json_t *request, int timeout_s, bool *has_agent, int *status) GS_CHECK_RESULT;
/* The same for a request that takes long: progress is shown on standard error (progress.h). WAIT NULL: none. */
struct gs_cli_wait { const char *what; double expected_s; }; // "capturing"; 0: not known
json_t *gs_cli_ask_agent_and_wait(int pid, json_t *request, int timeout_s, const struct gs_cli_wait *wait, bool *has_agent,
                                  int *status) GS_CHECK_RESULT;
/* Read the only operand of ARGUMENTS as a process id. Returns 0 after it printed an error: the operand is not a process id. */
int gs_cli_read_pid(const struct gs_arguments *arguments);

/* The file that execvp would run for a name, and whether the library can be preloaded into it (program_kind.c). */
struct gs_program {
    char file[PATH_MAX];  // the program, or the interpreter of a script; "": not found
    bool preload;         // false: the program would not start with libgumshoe.so preloaded
    char unwatched[256];  // why it cannot be watched, as a text that follows the program's name; "": it can be watched
};
void gs_cli_inspect_program(const char *name, struct gs_program *out);

/* Capture an incident of process PID, which has no agent (foreign.c). The process is stopped while its stacks are read. PLUMBING,
 * here and below: patterns of functions that are no culprits. Stores the incident's folder in PATH. Returns an exit status. */
int gs_cli_capture_foreign(int pid, const char *dir, const struct gs_option_list *plumbing, char path[]);

/* Does FD refer to a black box? */
bool gs_cli_is_box_file(int fd);
/* Make an incident of the black box in file BOX, in store DIR (recover_box.c). With DIR NULL the store is the one that the box
 * lies in, else gs_cli_default_dir(). Stores the incident's folder in PATH. Returns an exit status. */
int gs_cli_recover_box(const char *box, const char *dir, const struct gs_option_list *plumbing, char path[]);
/* Make an incident of the core file CORE_PATH, in store DIR (recover_core.c). EXE: the main program's file, if it was moved;
 * else NULL. Stores the incident's folder in PATH. Returns an exit status. */
int gs_cli_recover_core(const char *core_path, const char *exe, const char *dir, const struct gs_option_list *plumbing,
                        char path[]);
/* Call this each time that an incident of a dead process could not be made because another process holds the lock of STORE
 * (-EWOULDBLOCK). Returns true after a short pause: try again. Returns false once the wait has lasted too long. Prints what it
 * waits for (recover_wait.c). DIR: the store's directory. */
struct gs_store;
struct gs_cli_recover_wait { struct gs_store *store; const char *dir; int64_t began_ns; bool reported; };
bool gs_cli_recover_wait(struct gs_cli_recover_wait *wait);
/* Write the incident of POST_MORTEM, which was read from FILE, into store DIR (recover_write.c). Stores the incident's folder in
 * PATH. Returns an exit status. */
struct gs_post_mortem;
int gs_cli_write_post_mortem(const char *file, const struct gs_post_mortem *post_mortem, const char *dir,
                             const struct gs_option_list *plumbing, char path[]);

/* The directory where commands look for incidents if none is named: $GUMSHOE_DIR, else "incidents" (load.c). */
const char *gs_cli_default_dir(void);
/* Reading a user's files (load.c). Errors are printed on standard error; then the result is NULL and *STATUS is the exit status:
 * GS_EXIT_NEGATIVE for rules with errors, GS_EXIT_IO for a file that cannot be read. "-" is standard input.
 * Read the rules in FILE; NULL: the built-in rules. */
struct gs_rules *gs_cli_load_rules(const char *file, int *status) GS_CHECK_RESULT;
/* Read all of FILE, at most MAX bytes. Returns 0 or -errno; the caller frees *TEXT with gs_free. */
int gs_cli_read_text(const char *file, size_t max, char **text, size_t *length) GS_CHECK_RESULT;
/* Read file NAME of the bundle PATH, at most MAX bytes (bundle_open.c). Returns an exit status; the error was printed. The caller
 * frees *BYTES with gs_free. */
int gs_cli_read_bundle_file(const char *path, const char *name, size_t max, char **bytes, size_t *length) GS_CHECK_RESULT;
/* Print the incident in the bundle PATH as `gumshoe show` does. Returns an exit status. */
int gs_cli_show_bundle(const char *path, bool as_json);
/* The name of FILE for messages: "-" becomes "(standard input)". */
const char *gs_cli_file_name(const char *file);
/* If PATH is a directory of incidents, or its .history: the path of the one history file in it into *OUT, which the caller frees with
 * gs_free; else NULL: PATH itself is meant. Returns an exit status: there are several, or none; the error was printed
 * (load_directory.c). */
int gs_cli_find_history_file(const char *path, char **out) GS_CHECK_RESULT;
/* Read the history in PATH: a metrics.json, an incident's folder, a history file, the directory that it is in, a black box, packs, or
 * what another program wrote, as HOW says. Prints the notes on how it was understood. The memory limit that an incident or a box
 * recorded is stored in ABOUT. */
struct gs_history *gs_cli_load_history(const char *path, struct gs_import *how, struct gs_history_about *about, int *status)
    GS_CHECK_RESULT;

/* Draw a metric over time in characters: "*" the values, "-" the rule's line, "^" below a firing (plot.c). Prints nothing if no
 * column has a value. FROM, TO: the times at the ends of the axis. */
void gs_cli_print_plot(const struct gs_column *column, size_t count, enum gs_unit unit, const char *from, const char *to);
enum { GS_PLOT_MARGIN = 14 }; // characters to the left of the plot's columns
