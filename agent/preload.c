/* preload.c - what happens as the library is loaded.
 *
 *   GUMSHOE_DISABLE=1 ─▶ sampling off, nothing else
 *   linked            ─▶ sampling goes on; the host calls gumshoe_start when it likes
 *   LD_PRELOAD        ─▶ the watcher starts, unless this is a program exec'ed in a child of the watched process
 *
 * As the watch begins, the library's name is taken out of LD_PRELOAD: the program sees the environment that it would have
 * without us, and what its children exec is not loaded with a library that they may not be able to load (32-bit programs,
 * other C libraries). A wrapper that execs the server keeps its pid and is followed: the hook of exec (probe/hooks/exec.c) puts
 * the name back for this process alone, with GUMSHOE_PID, which says who is meant; `gumshoe run` sets that, too. Where the rules
 * say "children": "all", both stay in the environment, as GUMSHOE_PID=all. The environment is written to here alone, before main.
 * Who: the main thread, in a constructor and in a destructor of the library. */
#include "probe/probe.h"
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

static char library[PATH_MAX]; // as LD_PRELOAD had it
static pid_t watched;          // whose exec is followed
static size_t ours_at_start;   // variables GUMSHOE_…

/* Is FILE, LENGTH bytes of a path, our library? */
static bool is_ours(const char *file, size_t length)
{
    static const char name[] = "libgumshoe.so";
    const char *slash = memrchr(file, '/', length), *last = slash ? slash + 1 : file;
    return (size_t)(file + length - last) >= sizeof name - 1 && strncmp(last, name, sizeof name - 1) == 0;
}

/* Is one of the files in LD_PRELOAD's list ours? */
static bool preloaded(void)
{
    const char *list = secure_getenv("LD_PRELOAD");
    while (list && *list) {
        size_t length = strcspn(list, ": ");
        if (is_ours(list, length))
            return true;
        list += length;
        list += strspn(list, ": ");
    }
    return false;
}

/* Is this the process that is to be watched? */
static bool meant(void)
{
    char mine[16];
    const char *pid = secure_getenv("GUMSHOE_PID");
    snprintf(mine, sizeof mine, "%d", (int)getpid());
    return !pid || strcmp(pid, mine) == 0 || strcmp(pid, "all") == 0;
}

/* ---- the environment ------------------------------------------------------------------------------------------------------- */

static bool is_variable(const char *entry, const char *name)
{
    size_t length = strlen(name);
    return strncmp(entry, name, length) == 0 && entry[length] == '=';
}

/* The entry of variable NAME in ENVP; NULL: there is none. */
static char *const *find_entry(char *const envp[], const char *name)
{
    for (char *const *at = envp; at && *at; at++)
        if (is_variable(*at, name))
            return at;
    return NULL;
}

/* Take variable NAME out of the environment, in place. Context: before main, when `environ` is still the kernel's array: later it
 * may be an array of the program's own (bash's), whose length the program keeps elsewhere. */
static void drop_variable(const char *name)
{
    char **at = (char **)find_entry(environ, name);
    do {
        if (at)
            at[0] = at[1];
    } while (at && *at++);
}

/* Take our library out of LD_PRELOAD's list, and keep its name. The rest is the user's and stays. Context: as above. */
static void drop_library(void)
{
    char *const *entry = find_entry(environ, "LD_PRELOAD");
    char *at = entry ? strchr(*entry, '=') + 1 : NULL;
    while (at && *at) {
        size_t length = strcspn(at, ": "), behind = length + strspn(at + length, ": ");
        if (!is_ours(at, length)) {
            at += behind;
            continue;
        }
        snprintf(library, sizeof library, "%.*s", (int)length, at);
        memmove(at, at + behind, strlen(at + behind) + 1);
    }
    if (entry && (*entry)[strcspn(*entry, "=") + 1] == 0)
        drop_variable("LD_PRELOAD");
}

/* This program is not to be watched, nor are those that it starts: they are spared the loading of the library. */
static void stay_dormant(void)
{
    gs_probe_stop();
    drop_library();
    drop_variable("GUMSHOE_PID");
}

/* ---- an exec
 * ------------------------------------------------------------------------------------------------------------------ */

/* How many variables of ours ENVP has: where it lacks some, the program is given an environment of its own, and is not ours. */
static size_t count_ours(char *const envp[])
{
    size_t count = 0;
    for (char *const *at = envp; at && *at; at++)
        count += strncmp(*at, "GUMSHOE_", 8) == 0;
    return count;
}

struct changed { // an environment of ours: one mapping
    size_t size;
    char preload[PATH_MAX + 4096], pid[32];
    char *envp[];
};

/* ENVP, with our library in front of what LD_PRELOAD has, and with this process as the one that is meant. Context: host thread,
 * in an exec: no malloc, no lock; a child passes on what it has. */
static char *const *follow_exec(char *const envp[])
{
    size_t count = 0, kept = 0;
    if (getpid() != watched || count_ours(envp) < ours_at_start)
        return NULL;
    while (envp && envp[count])
        count++;
    size_t size = sizeof(struct changed) + (count + 3) * sizeof *envp;
    struct changed *changed = gs_mapping_new(size, 0);
    if (changed == MAP_FAILED)
        return NULL;
    char *const *preload = find_entry(envp, "LD_PRELOAD");
    int length = snprintf(changed->preload, sizeof changed->preload, "LD_PRELOAD=%s%s%s", library,
                          preload ? ":" : "", preload ? *preload + sizeof "LD_PRELOAD" : "");
    changed->size = size;
    for (size_t i = 0; i < count; i++)
        if (!is_variable(envp[i], "LD_PRELOAD") && !is_variable(envp[i], "GUMSHOE_PID"))
            changed->envp[kept++] = envp[i];
    snprintf(changed->pid, sizeof changed->pid, "GUMSHOE_PID=%d", (int)watched);
    changed->envp[kept++] = changed->pid;
    changed->envp[kept] = changed->preload;
    if (length < (int)sizeof changed->preload)
        return changed->envp;
    gs_mapping_free(changed, size);
    return NULL;
}

static void exec_failed(char *const *envp)
{
    struct changed *changed =
        (struct changed *)(void *)((char *)(uintptr_t)envp - offsetof(struct changed, envp));
    gs_mapping_free(changed, changed->size);
}

/* The host and its children see nothing of the preload; what this process becomes by an exec is followed. */
static void leave_environment(void)
{
    drop_library();
    drop_variable("GUMSHOE_PID");
    watched = getpid();
    ours_at_start = count_ours(environ);
    gs_probe_tell_exec(follow_exec, exec_failed);
}

__attribute__((constructor)) static void on_load(void)
{
    int kept = errno; // 0 as a program begins: C promises it
    if (gs_watch_is_disabled())
        gs_probe_stop();
    else if (preloaded() && !meant())
        stay_dormant();
    else if (preloaded()) {
        (void)gs_watch_start(NULL); // it has logged what went wrong; the host goes on
        if (gs_watch_children() == GS_CHILDREN_ALL)
            setenv("GUMSHOE_PID", "all", 1);
        else
            leave_environment();
    }
    errno = kept;
}

__attribute__((destructor)) static void on_unload(void)
{
    gs_watch_stop();
}
