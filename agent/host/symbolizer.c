/* symbolizer.c - finds and starts the command that gives an incident its source lines.
 *
 *   /proc/self/maps: PREFIX/lib/TRIPLET/libgumshoe.so.1.0.0 ──▶ PREFIX/bin/gumshoe     (in a build tree: beside the library)
 *   memory and tasks left in the control group ──▶ may it run now? ──▶ gs_spawn_run, of lowest priority
 *
 * The host did not ask for a program to be started, so it is not if that could hurt: not under a system call filter that
 * the program has set since the start (which might end the process), not where little memory or few tasks are left. The
 * environment is our own: PATH and where a user's cache of debug files is.
 * A process that has become another user starts it as that user, in the directory of that user (store/users.c), to which
 * no path leads. So what reads the files that this process names never has more rights than the process.
 * Who: the watcher; gs_symbolizer_run: the thread of on_incident.c. */
#include "host/symbolizer.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/units.h"
#include "host/command_line.h"
#include "metrics/metrics.h"
#include "store/store.h"
#include "sys/file.h"
#include "sys/process.h"
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAPS_MAX = 64 << 20, TASKS_LEAST = 16 };
#define DATA_MOST  (448ULL << 20) // bytes that the command may use
#define DATA_LEAST (48ULL << 20)  // with less it is not started

static struct {
    bool prepared;
    char path[PATH_MAX]; // of the command; "": there is none
    uid_t user;
    gid_t group;
    unsigned filters;
} command; // written once, by the watcher

/* ---- finding the command --------------------------------------------------------------------------------------------- */

/* Copy the path of the file that contains this code from the memory map TEXT. False: it has none. */
static bool find_library(const char *text, char out[PATH_MAX])
{
    uintptr_t here = (uintptr_t)gs_symbolizer_prepare;
    for (const char *line = text; *line;) {
        const char *end = strchrnul(line, '\n'), *path = memchr(line, '/', (size_t)(end - line));
        char *at;
        unsigned long start = strtoul(line, &at, 16), stop = *at == '-' ? strtoul(at + 1, NULL, 16) : 0;
        if (here >= start && here < stop && path && end - path < PATH_MAX) {
            memcpy(out, path, (size_t)(end - path));
            out[end - path] = 0;
            return true;
        }
        line = *end ? end + 1 : end;
    }
    return false;
}

/* Is PATH a program of root or of this user, that nobody else may change? */
static bool is_trusted(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) && status.st_mode & 0111 &&
           !(status.st_mode & (022 | S_ISUID | S_ISGID)) &&
           (status.st_uid == 0 || status.st_uid == geteuid());
}

/* Cut the last part off PATH. False: nothing is left. */
static bool go_up(char *path)
{
    char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return false;
    *slash = 0;
    return true;
}

static bool is_library_folder(const char *path)
{
    return strncmp(gs_text_base_name(path), "lib", 3) == 0;
}

/* Find the command of the library LIBRARY (changed): beside it, or in the bin of the prefix whose lib it is in. */
static bool find_command(char *library, char out[PATH_MAX])
{
    if (strncmp(gs_text_base_name(library), "libgumshoe.so", 13) != 0 || !go_up(library))
        return false; // our code is linked into the program: no installation is known
    if (snprintf(out, PATH_MAX, "%s/gumshoe", library) < PATH_MAX && is_trusted(out))
        return true;
    if (!is_library_folder(library) && !go_up(library)) // PREFIX/lib/TRIPLET
        return false;
    return is_library_folder(library) && go_up(library) &&
           snprintf(out, PATH_MAX, "%s/bin/gumshoe", library) < PATH_MAX && is_trusted(out);
}

void gs_symbolizer_prepare(void)
{
    char *maps, library[PATH_MAX], path[PATH_MAX];
    size_t length;
    if (command.prepared)
        return;
    command.prepared = true;
    command.user = geteuid();
    command.group = getegid();
    command.filters = gs_process_count_filters();
    if (gs_file_read(AT_FDCWD, "/proc/self/maps", MAPS_MAX, &maps, &length))
        return;
    if (find_library(maps, library) && find_command(library, path))
        strcpy(command.path, path);
    gs_free(maps);
}

/* ---- may it run? ------------------------------------------------------------------------------------------------------ */

static bool has_changed_user(void)
{
    return geteuid() != command.user || getegid() != command.group;
}

static bool is_in_users_store(void)
{
    int fd = gs_store_dup_user();
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* Why the command is never run in this process under RULES; NULL: it may be. */
static const char *why_not(const struct gs_rules *rules)
{
    if (rules->symbolize == GS_SYMBOLIZE_OFF)
        return "the rules say \"symbolize\": \"off\"";
    if (!*command.path)
        return "the command gumshoe is not installed with this library";
    if (getauxval(AT_SECURE) || getuid() != geteuid() || getgid() != getegid())
        return "the program runs with the rights of another user than its caller";
    if (has_changed_user() && !is_in_users_store())
        return "the program has changed its user";
    if (gs_process_count_filters() != command.filters)
        return "the program has set a filter for system calls";
    return NULL;
}

void gs_symbolizer_describe(const struct gs_rules *rules, char out[GS_SYMBOLIZER_TEXT])
{
    const char *why = why_not(rules);
    snprintf(out, GS_SYMBOLIZER_TEXT, why ? "not run: %.200s" : "runs %.200s", why ? why : command.path);
}

bool gs_symbolizer_may_run(const struct gs_rules *rules, uint64_t *data_bytes, char why[GS_SYMBOLIZER_TEXT])
{
    char left[GS_UNIT_TEXT];
    const char *never = why_not(rules);
    uint64_t room = gs_metrics_memory_room("");
    *data_bytes = room / 4 < DATA_MOST ? room / 4 : DATA_MOST;
    why[0] = 0;
    if (never)
        return false;
    if (*data_bytes < DATA_LEAST)
        snprintf(why, GS_SYMBOLIZER_TEXT, "the memory limit leaves %s",
                 gs_units_print_size((double)room, left));
    else if (gs_metrics_task_room("") < TASKS_LEAST)
        snprintf(why, GS_SYMBOLIZER_TEXT, "the limit of tasks is nearly reached");
    else if (!is_trusted(command.path))
        snprintf(why, GS_SYMBOLIZER_TEXT, "%.200s is missing, or other users may change it", command.path);
    return !why[0];
}

/* ---- running it ------------------------------------------------------------------------------------------------------- */

/* Fill ENVP, COUNT entries and a NULL: never the host's LD_PRELOAD, nor where another program would look for libraries. */
static void fill_environment(char **envp, size_t count)
{
    static const char *const taken[] = {"HOME=", "XDG_CACHE_HOME=", "DEBUGINFOD_CACHE_PATH="};
    char *const *from = gs_command_line_environment();
    size_t filled = 0;
    envp[filled++] = (char *)"GUMSHOE_DISABLE=1";
    envp[filled++] = (char *)"PATH=/usr/local/bin:/usr/bin:/bin";
    for (; from && *from && !has_changed_user(); from++) // else they are the first user's
        for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
            if (filled < count && strncmp(*from, taken[i], strlen(taken[i])) == 0)
                envp[filled++] = *from;
    envp[filled] = NULL;
}

void gs_symbolizer_run(const char *path, int folder_fd, uint64_t data_bytes, struct gs_spawn_end *out)
{
    const char *incident = folder_fd ? gs_text_base_name(path) : path;
    char *argv[] = {command.path, (char *)"symbolize", (char *)incident, NULL}, *envp[9];
    fill_environment(envp, sizeof envp / sizeof *envp - 1);
    const struct gs_spawn spawn = {.program = command.path,
                                   .argv = argv,
                                   .envp = envp,
                                   .limit_ns = GS_SYMBOLIZER_LIMIT_NS,
                                   .background = true,
                                   .folder_fd = folder_fd,
                                   .data_bytes = data_bytes};
    gs_spawn_run(&spawn, out);
}
