/* cli/cli.h - what the files of the command share. One file a command; commands.c has the table.
 * The command may use stdio and malloc as it likes: it runs in a process of its own. */
#pragma once
#include "base/attributes.h"
#include "base/json.h"
#include "base/text.h"
#include "history/history.h"
#include "reader/reader.h"
#include "rules/rules.h"
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

enum gs_exit { GS_FINE = 0, GS_NO = 1, GS_USAGE = 2, GS_IO = 3 }; // what an exit status says

struct gs_arguments;
struct gs_command {
    const char *name;
    const char *arguments;  // "[-n N] [--base FILE] PROFILE"
    const char *help;       // one line
    int (*run)(struct gs_arguments *arguments); // returns an exit status
};
extern const struct gs_command gs_commands[]; // ends with a NULL name

struct gs_arguments {       // what a command is called with
    const struct gs_command *command;
    int count;
    char **value;           // COUNT, and a NULL; value[0] is the command's name
    bool options_first;     // options end at the first operand: what follows is another program's
    char **operand;         // what gs_cli_read_options (options.h) leaves, and a NULL
    size_t operand_count;
};

/* Say what was wrong with the arguments of COMMAND, and how they are written (options.c). Returns GS_USAGE. */
int gs_cli_usage(const struct gs_command *command, const char *format, ...) GS_PRINTF(2, 3);

/* "gumshoe: TEXT" on stderr (output.c). Returns STATUS. */
int gs_cli_complain(enum gs_exit status, const char *format, ...) GS_PRINTF(2, 3);
/* TEXT to standard output with control characters (but newline and tab) made visible: it comes from files. */
void gs_cli_print_harmless(const char *text, size_t length);
/* The same of all of TEXT, and a newline. */
void gs_cli_print_line(const char *text);
/* JSON to standard output, and a newline. */
int gs_cli_print_json(const json_t *json);
/* The text at KEY of a document; OTHERWISE where there is none, or an empty one. */
const char *gs_cli_text_of(const json_t *json, const char *key, const char *otherwise);
/* May we colour what goes to descriptor FD? */
bool gs_cli_may_colour(int fd);

int gs_cli_run_run(struct gs_arguments *arguments);
int gs_cli_run_check(struct gs_arguments *arguments);
int gs_cli_run_replay(struct gs_arguments *arguments);
int gs_cli_run_suggest(struct gs_arguments *arguments);
int gs_cli_run_ls(struct gs_arguments *arguments);
int gs_cli_run_show(struct gs_arguments *arguments);
int gs_cli_run_top(struct gs_arguments *arguments);
int gs_cli_run_status(struct gs_arguments *arguments);
int gs_cli_run_capture(struct gs_arguments *arguments);
int gs_cli_run_recover(struct gs_arguments *arguments);

/* Ask the agent in process PID (ask.c): REQUEST, which is taken, with "version" added. Returns its answer, or NULL with *STATUS set: what
 * the command ends with, which was said; or with *HAS_AGENT false, and nothing said: there is no agent in it. */
json_t *gs_cli_ask_agent(int pid, json_t *request, int timeout_s, bool *has_agent, int *status) GS_CHECK_RESULT;
/* The one operand of ARGUMENTS as a process's number; 0, once that was complained about: it is none. */
int gs_cli_read_pid(const struct gs_arguments *arguments);

/* What execvp would run for a name, and what a preload would do to it (program_kind.c). */
struct gs_program {
    char file[PATH_MAX];  // the program, or the interpreter of a script; "": there is none
    bool preload;         // false: it starts only without libgumshoe.so
    char unwatched[256];  // why it cannot be watched, what follows its name in a sentence; "": it can
};
void gs_cli_inspect_program(const char *name, struct gs_program *out);

/* An incident of process PID, which has no agent: it is stopped for as long as it takes to read its stacks (foreign.c).
 * The incident's folder into PATH. Returns an exit status. */
int gs_cli_capture_foreign(int pid, const char *dir, char path[]);

/* Is FD's file a black box? */
bool gs_cli_is_box_file(int fd);
/* The incident of the process whose black box is the file BOX, in DIR (NULL: in the store that it stands in, else where commands
 * look); its folder into PATH. Returns an exit status (recover_box.c). */
int gs_cli_recover_box(const char *box, const char *dir, char path[]);
/* The incident of the core file CORE_PATH in the store DIR; its folder into PATH. EXE: the main program's file, if it is not
 * where it was; NULL. Returns an exit status (recover_core.c). */
int gs_cli_recover_core(const char *core_path, const char *exe, const char *dir, char path[]);
/* Call it while what makes an incident of the dead in STORE, the directory DIR, returns -EWOULDBLOCK: true after a short pause,
 * to be tried again; false once another process has kept it too long. It says what is waited for (recover_wait.c). */
struct gs_store;
struct gs_cli_recover_wait { struct gs_store *store; const char *dir; int64_t began_ns; bool told; };
bool gs_cli_recover_wait(struct gs_cli_recover_wait *wait);
/* The incident of POST_MORTEM, which were read from FILE, in the store DIR; its folder into PATH. Returns an exit status
 * (recover_write.c). */
struct gs_post_mortem;
int gs_cli_write_remains(const char *file, const struct gs_post_mortem *post_mortem, const char *dir, char path[]);

/* pprof's way to print quantities (scale.c). */
struct gs_scale { const char *unit; double factor; const char *suffix; }; // value * factor is printed with the suffix
/* Scale values of UNIT so that MIN (the smallest to be shown, not 0) and MAX both read well; as pprof chooses. */
struct gs_scale gs_cli_scale_for(const char *unit, long long min, long long max);
/* VALUE as SCALE has it, into OUT; returns OUT. */
const char *gs_cli_print_scaled(long long value, const struct gs_scale *scale, char *out, size_t size);
/* VALUE in the unit that suits it alone. */
const char *gs_cli_print_label(long long value, const char *unit, char *out, size_t size);
/* A share of TOTAL in five columns and "%". */
const char *gs_cli_print_share(long long value, long long total, char *out, size_t size);

/* The directory that commands look for incidents in when none is named: $GUMSHOE_DIR, else "incidents" (load.c). */
const char *gs_cli_default_dir(void);
/* Files of others (load.c). What is wrong with them is told on standard error; then they are NULL and *STATUS says what to
 * end with: GS_NO for rules with errors, GS_IO for what cannot be read. "-" is standard input.
 * The rules of FILE; NULL for the built-in ones. */
struct gs_rules *gs_cli_load_rules(const char *file, int *status) GS_CHECK_RESULT;
/* All of FILE, at most MAX bytes, or -errno; the caller frees *TEXT with gs_free. */
int gs_cli_read_text(const char *file, size_t max, char **text, size_t *length) GS_CHECK_RESULT;
/* FILE as messages have it: "-" is "(standard input)". */
const char *gs_cli_file_name(const char *file);
/* The history in PATH: metrics.json, an incident's folder, a black box, CSV or packs. The limit of an incident and of a box
 * stands in ABOUT. */
struct gs_history *gs_cli_load_history(const char *path, struct gs_history_about *about, int *status) GS_CHECK_RESULT;

/* A row of characters a line: the values between their lowest and highest, "-" where the line is, "^" below a firing
 * (plot.c). Nothing where there is nothing to draw. */
void gs_cli_print_plot(const struct gs_column *column, size_t count, enum gs_unit unit, const char *from, const char *to);
enum { GS_PLOT_MARGIN = 14 }; // to the left of its columns
