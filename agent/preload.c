/* preload.c - runs when the library is loaded.
 *
 *   GUMSHOE_DISABLE=1 ─▶ sampling off, nothing else
 *   linked            ─▶ sampling runs; the host calls gumshoe_start when it wants
 *   LD_PRELOAD        ─▶ the watcher starts, unless this is a program exec'ed in a child of the watched process
 *
 * When the watcher starts, our library is removed from LD_PRELOAD. So the program has the same environment as without us,
 * and programs that its children exec do not load a library that they may be unable to load (32-bit programs, other C
 * libraries).
 * A wrapper that execs the server keeps its pid and is followed: for this process only, the exec hook (probe/hooks/exec.c)
 * puts the library back into LD_PRELOAD, and adds GUMSHOE_PID, the pid to watch, which `gumshoe run` sets, too. With
 * "children": "all" both stay in the environment, with GUMSHOE_PID=all. Only this file changes the environment, and only
 * before main.
 * Who: the main thread, in a constructor and a destructor of the library; host threads in exec. */
#include "probe/probe.h"
#include "sys/identity.h"
#include "sys/mapping.h"
#include "watch/watch.h"
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char library[PATH_MAX];       // our path in LD_PRELOAD
static pid_t watched;                // the pid whose exec is followed
static size_t gumshoe_vars_at_start; // number of GUMSHOE_… variables

/* True: the path FILE of LENGTH bytes names our library. */
static bool is_our_library(const char *file, size_t length)
{
    static const char name[] = "libgumshoe.so";
    const char *slash = memrchr(file, '/', length), *last = slash ? slash + 1 : file;
    return (size_t)(file + length - last) >= sizeof name - 1 && strncmp(last, name, sizeof name - 1) == 0;
}

/* True: LD_PRELOAD contains our library. */
static bool is_preloaded(void)
{
    const char *list = secure_getenv("LD_PRELOAD");
    while (list && *list) {
        size_t length = strcspn(list, ": ");
        if (is_our_library(list, length))
            return true;
        list += length;
        list += strspn(list, ": ");
    }
    return false;
}

/* True: GUMSHOE_PID is not set, or is this process, or is "all". */
static bool is_pid_to_watch(void)
{
    char mine[16];
    const char *pid = secure_getenv("GUMSHOE_PID");
    snprintf(mine, sizeof mine, "%d", (int)getpid());
    return !pid || strcmp(pid, mine) == 0 || strcmp(pid, "all") == 0;
}

/* ---- the environment -------------------------------------------------------------------------------------------------- */

static bool is_variable(const char *entry, const char *name)
{
    size_t length = strlen(name);
    return strncmp(entry, name, length) == 0 && entry[length] == '=';
}

/* The entry of variable NAME in ENVP; NULL: not set. */
static char *const *find_entry(char *const envp[], const char *name)
{
    for (char *const *at = envp; at && *at; at++)
        if (is_variable(*at, name))
            return at;
    return NULL;
}

/* Remove variable NAME from the environment, in place. Context: before main, while `environ` is the kernel's array. Later it
 * may be an array of the program (as in bash), which stores its length elsewhere. */
static void drop_variable(const char *name)
{
    char **at = (char **)find_entry(environ, name);
    do {
        if (at)
            at[0] = at[1];
    } while (at && *at++);
}

/* Remove our library from LD_PRELOAD, and store its path in `library`. Other libraries stay. Context: as above. */
static void drop_library(void)
{
    char *const *entry = find_entry(environ, "LD_PRELOAD");
    char *at = entry ? strchr(*entry, '=') + 1 : NULL;
    while (at && *at) {
        size_t length = strcspn(at, ": "), behind = length + strspn(at + length, ": ");
        if (!is_our_library(at, length)) {
            at += behind;
            continue;
        }
        snprintf(library, sizeof library, "%.*s", (int)length, at);
        memmove(at, at + behind, strlen(at + behind) + 1);
    }
    if (entry && (*entry)[strcspn(*entry, "=") + 1] == 0)
        drop_variable("LD_PRELOAD");
}

/* Do not watch this program or the programs that it starts: these do not even load the library. */
static void stay_dormant(void)
{
    gs_probe_stop();
    drop_library();
    drop_variable("GUMSHOE_PID");
}

/* ---- exec ------------------------------------------------------------------------------------------------------------- */

/* Number of GUMSHOE_… variables in ENVP. Fewer than at the start: the program gets a new environment, and is not
 * followed. */
static size_t count_gumshoe_vars(char *const envp[])
{
    size_t count = 0;
    for (char *const *at = envp; at && *at; at++)
        count += strncmp(*at, "GUMSHOE_", 8) == 0;
    return count;
}

struct followed_env { // the environment for an exec that is followed: one mapping
    size_t size;
    char preload[PATH_MAX + 4096], pid[32];
    char *envp[];
};

/* A copy of ENVP with our library first in LD_PRELOAD, and with GUMSHOE_PID. NULL: do not follow; exec uses ENVP. Context:
 * host thread, in exec, also in a child of vfork: no malloc, no lock. */
static char *const *follow_exec(char *const envp[])
{
    size_t count = 0, copied = 0;
    if (getpid() != watched || count_gumshoe_vars(envp) < gumshoe_vars_at_start)
        return NULL;
    while (envp && envp[count])
        count++;
    size_t size = sizeof(struct followed_env) + (count + 3) * sizeof *envp;
    struct followed_env *new_env = gs_mapping_new(size);
    if (new_env == MAP_FAILED)
        return NULL;
    char *const *preload = find_entry(envp, "LD_PRELOAD");
    int length = snprintf(new_env->preload, sizeof new_env->preload, "LD_PRELOAD=%s%s%s", library,
                          preload ? ":" : "", preload ? *preload + sizeof "LD_PRELOAD" : "");
    new_env->size = size;
    for (size_t i = 0; i < count; i++)
        if (!is_variable(envp[i], "LD_PRELOAD") && !is_variable(envp[i], "GUMSHOE_PID"))
            new_env->envp[copied++] = envp[i];
    snprintf(new_env->pid, sizeof new_env->pid, "GUMSHOE_PID=%d", (int)watched);
    new_env->envp[copied++] = new_env->pid;
    new_env->envp[copied] = new_env->preload;
    if (length < (int)sizeof new_env->preload)
        return new_env->envp;
    gs_mapping_free(new_env, size);
    return NULL;
}

static void exec_failed(char *const *envp)
{
    struct followed_env *new_env =
        (struct followed_env *)(void *)((char *)(uintptr_t)envp - offsetof(struct followed_env, envp));
    gs_mapping_free(new_env, new_env->size);
}

/* Remove LD_PRELOAD and GUMSHOE_PID from the environment; an exec of this process is followed. */
static void leave_environment(void)
{
    drop_library();
    drop_variable("GUMSHOE_PID");
    watched = getpid();
    gumshoe_vars_at_start = count_gumshoe_vars(environ);
    gs_probe_on_exec(follow_exec, exec_failed);
}

__attribute__((constructor)) static void on_load(int argc, char **argv, char **envp)
{
    int saved_errno = errno; // C guarantees 0 at program start
    (void)argc;
    gs_identity_remember(argv, envp);
    if (gs_watch_is_disabled())
        gs_probe_disable();
    else if (is_preloaded() && !is_pid_to_watch())
        stay_dormant();
    else if (is_preloaded()) {
        (void)gs_watch_start(NULL); // failure is logged; the host runs on
        if (gs_watch_children() == GS_CHILDREN_ALL)
            setenv("GUMSHOE_PID", "all", 1);
        else
            leave_environment();
    }
    errno = saved_errno;
}

__attribute__((destructor)) static void on_unload(void)
{
    gs_watch_stop();
}
