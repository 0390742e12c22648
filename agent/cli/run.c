/* run.c - `gumshoe run`: a program under watch, by preload.
 *
 *   check the rules ▶ find libgumshoe.so ▶ fork ─┬─ child: GUMSHOE_*, LD_PRELOAD ▶ exec the program
 *                                                └─ parent: hands signals on, waits, makes an incident of the black box
 *                                                           if a signal ended it, ends with the child's status
 *
 * What the program prints is its own: everything said here goes to stderr. */
#include "base/clock.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "incident/incident.h"
#include "rules/rules.h"
#include "store/store.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOT_EXECUTABLE = 126, NOT_FOUND = 127 }; // as a shell has it

struct run_options {
    const char *rules, *dir, *log;
    bool verbose;
    char **command;
};

/* ---- before ----------------------------------------------------------------------------------------------------------- */

/* Read the rules as the library will; their incident directory into DIR if OPTIONS name none, and what may be kept there. */
static int check_rules(const struct run_options *options, char dir[PATH_MAX], struct gs_store_limits *limits)
{
    char *text = NULL;
    size_t length = gs_default_rules_length;
    struct gs_errors errors = {0};
    int failed =
        options->rules ? gs_file_read(AT_FDCWD, options->rules, GS_RULES_TEXT_MAX, &text, &length) : 0;
    if (failed)
        return gs_cli_complain(GS_IO, "%s: %s", options->rules, strerrordesc_np(-failed));
    struct gs_rules *rules = gs_rules_read(text ? text : gs_default_rules_text, length,
                                           options->rules ? options->rules : "(built-in rules)", &errors);
    for (size_t i = 0; i < errors.count; i++) {
        char line[640];
        gs_errors_format(&errors.item[i], line, sizeof line);
        fprintf(stderr, "%s\n", line);
    }
    if (rules) {
        snprintf(dir, PATH_MAX, "%s", options->dir ? options->dir : rules->incidents.dir);
        *limits = (struct gs_store_limits){rules->incidents.keep, rules->incidents.max_bytes,
                                           rules->incidents.max_age_ns};
    }
    int status = rules ? GS_FINE
                       : gs_cli_complain(GS_NO, "not started: the rules are wrong (gumshoe check says more)");
    gs_rules_free(rules);
    gs_errors_fini(&errors);
    gs_free(text);
    return status;
}

/* libgumshoe.so beside this command (a build tree), or where an install puts it. */
static bool find_library(char out[PATH_MAX])
{
    static const char *const places[] = {"libgumshoe.so.1", "../" GS_LIBRARY_FROM_BIN "/libgumshoe.so.1"};
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    self[length > 0 ? length : 0] = 0;
    char *slash = strrchr(self, '/');
    if (slash)
        *slash = 0;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (snprintf(out, PATH_MAX, "%s/%s", self, places[i]) < PATH_MAX && access(out, R_OK) == 0)
            return true;
    return false;
}

/* ---- the child ------------------------------------------------------------------------------------------------------------ */

static void set_path(const char *variable, const char *path)
{
    char *absolute = realpath(path, NULL); // of a directory that is yet to be made there is none
    char here[PATH_MAX], joined[2 * PATH_MAX];
    if (!absolute && path[0] != '/' && getcwd(here, sizeof here)) {
        snprintf(joined, sizeof joined, "%s/%s", here, path);
        path = joined;
    }
    setenv(variable, absolute ? absolute : path, 1);
    free(absolute);
}

static void preload(const char *library)
{
    char joined[2 * PATH_MAX];
    const char *others = getenv("LD_PRELOAD");
    snprintf(joined, sizeof joined, "%s%s%s", library, others && *others ? ":" : "", others ? others : "");
    setenv("LD_PRELOAD", joined, 1);
}

/* Become the program, with LIBRARY preloaded (NULL: without). Returns only when that fails. */
static int become(const struct run_options *options, const char *library, const char *dir)
{
    char pid[16];
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("GUMSHOE_PID", pid, 1);
    set_path("GUMSHOE_DIR", dir);
    if (options->rules)
        set_path("GUMSHOE_RULES", options->rules);
    if (options->log)
        setenv("GUMSHOE_LOG", options->log, 1);
    if (library)
        preload(library);
    execvp(options->command[0], options->command);
    int error = errno;
    gs_cli_complain(GS_FINE, "%s: %s", options->command[0],
                    error == ENOENT ? "command not found" : strerrordesc_np(error));
    return error == ENOENT ? NOT_FOUND : NOT_EXECUTABLE;
}

/* ---- the parent -------------------------------------------------------------------------------------------------------------
 * */

static volatile pid_t child; // 0: it has ended
/* The last SIGTERM, SIGINT or SIGHUP that somebody sent us, or the terminal both of us; 0: none. */
static volatile sig_atomic_t asked_to_stop;
static volatile sig_atomic_t stop_waiting; // one of them came after the child's end

/* Hand a signal that somebody sent us on to the child. What the terminal sends, the child gets by itself. */
static void forward_signal(int signal, siginfo_t *from, void *context)
{
    (void)context;
    if (signal == SIGTERM || signal == SIGINT || signal == SIGHUP) {
        asked_to_stop = signal;
        stop_waiting = child == 0;
    }
    if (from->si_code <= 0 && child > 0)
        kill(child, signal);
}

static void forward_signals(void)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        struct sigaction old, action = {.sa_sigaction = forward_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
        if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN) // nohup's stay ignored
            sigaction(signals[i], &action, NULL);
    }
}

/* The child's number is given to others once it has been waited for: no signal is handed on from just before that. */
static bool wait_for_child(int *status)
{
    siginfo_t end;
    pid_t pid = child;
    while (waitid(P_PID, (id_t)pid, &end, WEXITED | WNOWAIT) != 0)
        if (errno != EINTR)
            return false;
    child = 0;
    return waitpid(pid, status, 0) == pid;
}

static int exit_status(int status)
{
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* gs_incident_recover_child, which is tried again while another process makes an incident in DIR; not for long, and not once we
 * are told to end as well. */
static int recover_child(struct gs_store *store, const char *dir, const char *name, int status)
{
    char path[PATH_MAX];
    struct gs_cli_recover_wait wait = {.store = store, .dir = dir};
    for (;;) {
        int made = gs_incident_recover_child(store, name, status, path);
        if (made != -EWOULDBLOCK || stop_waiting || !gs_cli_recover_wait(&wait))
            return made;
    }
}

/* The child has ended: what it has left in DIR becomes an incident if a signal ended it, but for one by which it was asked to
 * stop. The status stays the child's whatever comes of that. NAME: of its box, but for its ending. */
static void handle_box(const char *dir, const struct gs_store_limits *limits, const char *name, int status)
{
    char path[PATH_MAX], why[256];
    if (snprintf(path, sizeof path, "%s/.live/%s.box", dir, name) >= (int)sizeof path ||
        access(path, F_OK) != 0)
        return;
    struct gs_store *store = gs_store_open(dir, limits, why, sizeof why);
    if (store)
        gs_store_sweep(store);
    bool asked = WIFSIGNALED(status) && WTERMSIG(status) == asked_to_stop;
    int made = store ? recover_child(store, dir, name, asked ? 0 : status) : 0;
    if (!store)
        gs_cli_complain(GS_FINE, "%s: %s", dir, why);
    else if (made == -EWOULDBLOCK)
        gs_cli_complain(GS_FINE,
                        "%s: the black box stays: the next start makes an incident of it, or gumshoe recover "
                        "%s/.live/%s.box",
                        dir, dir, name);
    else if (made < 0)
        gs_cli_complain(GS_FINE, "%s: the incident of its death could not be written: %s", dir,
                        strerrordesc_np(-made));
    gs_store_close(store);
}

static void tell_incidents(const char *dir, int64_t since_ns)
{
    struct gs_store_list list;
    size_t fresh = 0;
    if (gs_store_list(dir, &list))
        return;
    for (size_t i = 0; i < list.count; i++)
        fresh += list.entry[i].triggered_ns >= since_ns;
    if (fresh)
        fprintf(stderr, "gumshoe: %zu incident%s in %s: gumshoe show --dir %s\n", fresh,
                fresh == 1 ? "" : "s", dir, dir);
    gs_store_list_fini(&list);
}

static int run(const struct run_options *options)
{
    char library[PATH_MAX], dir[PATH_MAX], name[GS_LIVE_NAME];
    struct gs_store_limits limits;
    struct gs_program program;
    int64_t started_ns = gs_clock_realtime_ns();
    int status = check_rules(options, dir, &limits);
    if (status != GS_FINE)
        return status;
    if (!find_library(library))
        return gs_cli_complain(GS_IO,
                               "libgumshoe.so.1 is neither beside this command nor in ../" GS_LIBRARY_FROM_BIN
                               ": is the installation complete?");
    gs_cli_inspect_program(options->command[0], &program);
    if (*program.unwatched)
        gs_cli_complain(GS_FINE, "warning: %s %s: it runs unwatched", program.file, program.unwatched);
    sigset_t all, old;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &old); // none is lost between fork and the handlers
    child = fork();
    if (child < 0)
        return gs_cli_complain(GS_IO, "fork: %s", strerrordesc_np(errno));
    if (child == 0) {
        sigprocmask(SIG_SETMASK, &old, NULL);
        _exit(become(options, program.preload ? library : NULL, dir));
    }
    bool named =
        gs_store_live_name(child, name); // its number is not given to others before we have waited for it
    forward_signals();
    sigprocmask(SIG_SETMASK, &old, NULL);
    if (!wait_for_child(&status))
        return gs_cli_complain(GS_IO, "wait: %s", strerrordesc_np(errno));
    if (named)
        handle_box(dir, &limits, name, status);
    if (options->verbose || isatty(STDERR_FILENO))
        tell_incidents(dir, started_ns);
    return exit_status(status);
}

int gs_cli_run_run(struct gs_arguments *arguments)
{
    const char *rules = getenv("GUMSHOE_RULES"), *dir = getenv("GUMSHOE_DIR");
    struct run_options wanted = {.rules = rules && *rules ? rules : NULL, .dir = dir && *dir ? dir : NULL};
    int status;
    const struct gs_option options[] = {
        {"rules", .argument = "FILE", .text = &wanted.rules,
         .help = "the rules (default: the built-in ones)"},
        {"dir", .argument = "DIR", .text = &wanted.dir,
         .help = "where incidents go (default: what the rules say, else ./incidents)"},
        {"log", .argument = "WHERE", .text = &wanted.log, .help = "stderr, a file, or off (default: stderr)"},
        {NULL, 'v', .set = &wanted.verbose,
         .help = "say afterwards which incidents there were, also when not on a terminal"},
        {0},
    };
    arguments->options_first = true; // what follows the program's name is the program's
    if (!gs_cli_read_options(arguments, options, &status))
        return status;
    if (arguments->operand_count == 0)
        return gs_cli_usage(arguments->command, "which command?");
    wanted.command = arguments->operand;
    return run(&wanted);
}
