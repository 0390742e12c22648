/* shell.c - finds out that the watched program is a shell, and what its script has started.
 *
 *   /proc/self/exe, cmdline ──▶ "sh (script start.sh)"              once
 *   /proc/PID/stat of all processes ──▶ children ──▶ their exe      3 s, 9 s, 21 s … after a shell began, then once a minute
 *
 * A script that calls exec is no shell by then, and a step of a script that ends within two seconds is no server. Not every kernel
 * lists a process's children, so all processes are looked at: 10 µs each.
 * Who: the watcher. */
#include "host/shell.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "sys/file.h"
#include "sys/log.h"
#include "sys/process.h"
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SERVER_AGE_NS (2 * GS_NS_PER_S)
#define FIRST_NS      (3 * GS_NS_PER_S) /* when the server of a script that starts it at once is old enough */
#define PAUSE_MAX_NS  (60 * GS_NS_PER_S)
enum { ARGUMENTS_MAX = 1 << 20 };

static enum { NOT_KNOWN, NO_SHELL, SHELL } kind;
static char name[GS_SHELL_NAME]; // once known
static struct {
    int pid; // the process that looks; its child of a fork begins anew
    bool logged;
    int64_t due_ns, pause_ns;
} look;

static bool read_exe(int pid, char out[PATH_MAX])
{
    char path[40];
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    ssize_t length = readlink(path, out, PATH_MAX - 1);
    out[length > 0 ? length : 0] = 0;
    return length > 0;
}

/* ---- the shell ---------------------------------------------------------------------------------------------------------- */

static bool is_shell(const char *exe)
{
    static const char *const shells[] = {"sh",  "dash", "bash", "ash",     "ksh",
                                         "zsh", "mksh", "yash", "busybox", "ksh93"};
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++)
        if (strcmp(gs_text_base_name(exe), shells[i]) == 0)
            return true;
    return false;
}

/* Does the option WORD take the next argument ("-o", "+O", "--rcfile")? */
static bool takes_argument(const char *word)
{
    if (word[0] == '-' && word[1] == '-')
        return strcmp(word, "--rcfile") == 0 || strcmp(word, "--init-file") == 0;
    return word[strlen(word) - 1] == 'o' || word[strlen(word) - 1] == 'O';
}

/* Describe the arguments of a shell, LENGTH bytes at WORDS, each with its NUL. False: it runs no script. */
static bool describe(const char *words, size_t length, char out[GS_SHELL_NAME])
{
    const char *end = words + length, *shell = gs_text_base_name(words), *word = words + strlen(words) + 1;
    for (; word < end && (*word == '-' || *word == '+') && word[1]; word += strlen(word) + 1) {
        if (*word == '-' && word[1] != '-' && strchr(word, 'c')) {
            snprintf(out, GS_SHELL_NAME, "%.40s (option -c)", shell);
            return true;
        }
        if (takes_argument(word))
            word += strlen(word) + 1;
        if (word >= end || strcmp(word, "--") == 0) {
            word += strlen(word) + 1;
            break;
        }
    }
    if (word >= end || !*word || *word == '-')
        return false;
    snprintf(out, GS_SHELL_NAME, "%.40s (script %.60s)", shell, gs_text_base_name(word));
    return true;
}

/* What this process was started as: later it may write over its arguments. */
static void learn(void)
{
    char exe[PATH_MAX], *words;
    size_t length;
    kind = NO_SHELL;
    if (!read_exe((int)getpid(), exe) || !is_shell(exe) ||
        gs_file_read(AT_FDCWD, "/proc/self/cmdline", ARGUMENTS_MAX, &words, &length) != 0)
        return;
    if (length && words[length - 1] == 0 && describe(words, length, name))
        kind = SHELL;
    gs_free(words);
}

bool gs_shell_name(char out[GS_SHELL_NAME])
{
    if (kind == NOT_KNOWN)
        learn();
    snprintf(out, GS_SHELL_NAME, "%s", kind == SHELL ? name : "");
    return kind == SHELL;
}

/* ---- what it has started ------------------------------------------------------------------------------------------------ */

/* Is process PID another program than SHELL, that this process has started and that is old enough? Its file goes to EXE. */
static bool is_server(int pid, const char *shell, char exe[PATH_MAX])
{
    if (gs_process_parent(pid) != (int)getpid())
        return false;
    int64_t started_ns = gs_process_started_ns(pid);
    return started_ns && gs_clock_realtime_ns() - started_ns >= SERVER_AGE_NS && read_exe(pid, exe) &&
           strcmp(exe, shell) != 0;
}

/* A program that the shell has started, by its number; its file goes to EXE. 0: none. */
static int find_server(char exe[PATH_MAX])
{
    char shell[PATH_MAX];
    struct gs_dir processes;
    int found = 0, fd = gs_file_openat(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0 || !read_exe((int)getpid(), shell)) {
        if (fd >= 0)
            close(fd);
        return 0;
    }
    gs_file_dir_start(&processes, fd);
    for (const char *entry; !found && (entry = gs_file_dir_next(&processes));) {
        int pid = *entry >= '1' && *entry <= '9' ? atoi(entry) : 0;
        if (pid && is_server(pid, shell, exe))
            found = pid;
    }
    close(fd);
    return found;
}

bool gs_shell_explain(char out[GS_SHELL_TEXT])
{
    char exe[PATH_MAX], shell[GS_SHELL_NAME];
    int server = gs_shell_name(shell) ? find_server(exe) : 0;
    out[0] = 0;
    if (server)
        snprintf(
            out, GS_SHELL_TEXT,
            "watching %s; exec the server, or set \"children\": \"all\" (%.60s, process %d, is not watched)",
            shell, gs_text_base_name(exe), server);
    return server != 0;
}

void gs_shell_tick(int64_t now_ns)
{
    char text[GS_SHELL_TEXT];
    if (kind == NO_SHELL)
        return;
    if (look.pid != (int)getpid()) {
        look.pid = (int)getpid();
        look.logged = false;
        look.pause_ns = FIRST_NS;
        look.due_ns = now_ns + look.pause_ns;
    }
    if (look.logged || now_ns < look.due_ns)
        return;
    look.pause_ns = 2 * look.pause_ns < PAUSE_MAX_NS ? 2 * look.pause_ns : PAUSE_MAX_NS;
    look.due_ns = now_ns + look.pause_ns;
    look.logged = gs_shell_explain(text);
    if (look.logged)
        gs_log(GS_LOG_WARNING, "%s", text);
}
