/* run.c - `gumshoe run`: runs a program under watch, with the library preloaded.
 *
 *   check the rules ▶ find libgumshoe.so ▶ fork ─┬─ child: GUMSHOE_*, LD_PRELOAD ▶ exec the program
 *                                                └─ parent: forwards signals, waits, makes an incident of the black box
 *                                                           if a signal ended the child, exits with the child's status
 *
 * Standard output belongs to the program: this command prints on stderr only. */
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

enum { NOT_EXECUTABLE = 126, NOT_FOUND = 127 }; // exit statuses, as a shell uses them

struct run_options {
    const char *rules, *dir, *log;
    bool verbose;
    char **command;
};

/* ---- before ----------------------------------------------------------------------------------------------------------- */

/* Read the rules as the library will. Stores the incident directory (of OPTIONS, else of the rules) in DIR, and the store's
 * limits in LIMITS. Returns an exit status after it printed the errors. */
static int check_rules(const struct run_options *options, char dir[PATH_MAX], struct gs_store_limits *limits)
{
    int status = GS_EXIT_OK;
    struct gs_rules *rules = gs_cli_load_rules(options->rules, &status);
    if (!rules)
        return status == GS_EXIT_NEGATIVE
                   ? gs_cli_complain(status, "not started: the rules have errors (see gumshoe check)")
                   : status;
    snprintf(dir, PATH_MAX, "%s", options->dir ? options->dir : rules->incidents.dir);
    *limits = gs_store_limits_of(rules);
    gs_rules_free(rules);
    return GS_EXIT_OK;
}

/* Find libgumshoe.so beside this command (a build tree), or where the installation puts it. */
static bool find_library(char out[PATH_MAX])
{
    static const char *const candidates[] = {"libgumshoe.so.1", "../" GS_LIBRARY_FROM_BIN "/libgumshoe.so.1"};
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    self[length > 0 ? length : 0] = 0;
    char *slash = strrchr(self, '/');
    if (slash)
        *slash = 0;
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++)
        if (snprintf(out, PATH_MAX, "%s/%s", self, candidates[i]) < PATH_MAX && access(out, R_OK) == 0)
            return true;
    return false;
}

/* ---- the child ----------------------------------------------------------------------------------------------------------- */

static void set_path(const char *variable, const char *path)
{
    char *absolute = realpath(path, NULL); // fails for a directory that does not exist yet
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

/* Exec the program, with LIBRARY preloaded (NULL: without). Returns only on failure, with the exit status. */
static int exec_program(const struct run_options *options, const char *library, const char *dir)
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
    gs_cli_complain(GS_EXIT_OK, "%s: %s", options->command[0],
                    error == ENOENT ? "command not found" : strerrordesc_np(error));
    return error == ENOENT ? NOT_FOUND : NOT_EXECUTABLE;
}

/* ---- the parent ---------------------------------------------------------------------------------------------------- */

static volatile pid_t child; // 0: it has ended
/* The last SIGTERM, SIGINT or SIGHUP that this process received, from a process or from the terminal; 0: none. */
static volatile sig_atomic_t stop_signal;
static volatile sig_atomic_t stop_waiting; // such a signal arrived after the child had ended

/* Forward a signal that a process sent to us. A signal from the terminal (si_code > 0) reaches the child anyway. */
static void forward_signal(int signal, siginfo_t *from, void *context)
{
    (void)context;
    if (signal == SIGTERM || signal == SIGINT || signal == SIGHUP) {
        stop_signal = signal;
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
        if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN) // keep what nohup ignores
            sigaction(signals[i], &action, NULL);
    }
}

/* Wait for the child. waitid with WNOWAIT keeps its pid reserved until CHILD is 0: after waitpid the kernel may give the pid to
 * another process, which must not get our signals. */
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

/* Call gs_incident_recover_child, and try again while another process makes an incident in DIR: for a bounded time, and not
 * after a signal asked this command to stop. */
static int recover_child(struct gs_store *store, const char *dir, const char *name, int status)
{
    char path[PATH_MAX];
    struct gs_cli_recover_wait wait = {.store = store, .dir = dir};
    for (;;) {
        int result = gs_incident_recover_child(store, name, status, path);
        if (result != -EWOULDBLOCK || stop_waiting || !gs_cli_recover_wait(&wait))
            return result;
    }
}

/* Handle the black box that the ended child left in DIR. It becomes an incident if a signal ended the child, unless that signal
 * was a request to stop that we forwarded; otherwise it is removed. Failures are printed and do not change our exit status.
 * NAME: the box's file name without ".box". STATUS: of wait. */
static void recover_or_remove_box(const char *dir, const struct gs_store_limits *limits, const char *name,
                                  int status)
{
    char path[PATH_MAX], why[256];
    if (snprintf(path, sizeof path, "%s/.live/%s.box", dir, name) >= (int)sizeof path ||
        access(path, F_OK) != 0)
        return;
    struct gs_store *store = gs_store_open(dir, limits, why, sizeof why);
    if (store)
        gs_store_sweep(store);
    bool requested = WIFSIGNALED(status) && WTERMSIG(status) == stop_signal;
    int result = store ? recover_child(store, dir, name, requested ? 0 : status) : 0;
    if (!store)
        gs_cli_complain(GS_EXIT_OK, "%s: %s", dir, why);
    else if (result == -EWOULDBLOCK)
        gs_cli_complain(GS_EXIT_OK,
                        "%s: the black box is kept; the next start makes an incident of it, or run gumshoe "
                        "recover %s/.live/%s.box",
                        dir, dir, name);
    else if (result < 0)
        gs_cli_complain(GS_EXIT_OK, "%s: the incident of the dead process could not be written: %s", dir,
                        strerrordesc_np(-result));
    gs_store_close(store);
}

static void report_incidents(const char *dir, int64_t since_ns)
{
    struct gs_store_list list;
    size_t new_count = 0;
    if (gs_store_list(dir, &list))
        return;
    for (size_t i = 0; i < list.count; i++)
        new_count += list.entry[i].triggered_ns >= since_ns;
    if (new_count)
        gs_cli_complain(GS_EXIT_OK, "%zu incident%s in %s: gumshoe show --dir %s", new_count,
                        new_count == 1 ? "" : "s", dir, dir);
    gs_store_list_fini(&list);
}

static int run(const struct run_options *options)
{
    char library[PATH_MAX], dir[PATH_MAX], name[GS_LIVE_NAME];
    struct gs_store_limits limits;
    struct gs_program program;
    int64_t started_ns = gs_clock_realtime_ns();
    int status = check_rules(options, dir, &limits);
    if (status != GS_EXIT_OK)
        return status;
    if (!find_library(library))
        return gs_cli_complain(GS_EXIT_IO,
                               "libgumshoe.so.1 is neither beside this command nor in ../" GS_LIBRARY_FROM_BIN
                               ": is the installation complete?");
    gs_cli_inspect_program(options->command[0], &program);
    if (*program.unwatched)
        gs_cli_complain(GS_EXIT_OK, "warning: %s %s: it runs unwatched", program.file, program.unwatched);
    sigset_t all, old;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &old); // no signal is lost between fork and the handlers' installation
    child = fork();
    if (child < 0)
        return gs_cli_complain(GS_EXIT_IO, "fork: %s", strerrordesc_np(errno));
    if (child == 0) {
        sigprocmask(SIG_SETMASK, &old, NULL);
        _exit(exec_program(options, program.preload ? library : NULL, dir));
    }
    bool has_name = gs_store_live_name(child, name); // the pid stays the child's until it is waited for
    forward_signals();
    sigprocmask(SIG_SETMASK, &old, NULL);
    if (!wait_for_child(&status))
        return gs_cli_complain(GS_EXIT_IO, "wait: %s", strerrordesc_np(errno));
    if (has_name)
        recover_or_remove_box(dir, &limits, name, status);
    if (options->verbose || isatty(STDERR_FILENO))
        report_incidents(dir, started_ns);
    return exit_status(status);
}

int gs_cli_run_run(struct gs_arguments *arguments)
{
    const char *rules = getenv("GUMSHOE_RULES"), *dir = getenv("GUMSHOE_DIR");
    struct run_options run_options = {.rules = rules && *rules ? rules : NULL,
                                      .dir = dir && *dir ? dir : NULL};
    int status;
    const struct gs_option options[] = {
        {"rules", .argument = "FILE", .text = &run_options.rules,
         .help = "the rules (default: the built-in ones)"},
        {"dir", .argument = "DIR", .text = &run_options.dir,
         .help = "the incident directory (default: the rules' incidents.dir, else ./incidents)"},
        {"log", .argument = "WHERE", .text = &run_options.log,
         .help = "stderr, a file, or off (default: stderr)"},
        {NULL, 'v', .set = &run_options.verbose,
         .help = "print afterwards how many incidents there were (default: on a terminal)"},
        {0},
    };
    arguments->options_first = true; // arguments after the program's name belong to the program
    if (!gs_cli_read_options(arguments, options, &status))
        return status;
    if (arguments->operand_count == 0)
        return gs_cli_usage(arguments->command, "which command?");
    run_options.command = arguments->operand;
    return run(&run_options);
}
