/* preload.c - what happens as the library is loaded.
 *
 *   GUMSHOE_DISABLE=1 ─▶ sampling off, nothing else
 *   linked            ─▶ sampling goes on; the host calls gumshoe_start when it likes
 *   LD_PRELOAD        ─▶ the watcher starts, unless this is a program exec'ed in a child of the watched process
 *
 * GUMSHOE_PID names the process that is meant: `gumshoe run` sets it, and so does the first process of a bare
 * LD_PRELOAD, for those that inherit its environment. A wrapper that execs the server keeps its pid and is followed;
 * a program that a child execs has another and is not watched. So it can tell without reading the rules; where these say
 * "children": "all", the first process makes it GUMSHOE_PID=all.
 * Who: the main thread, in a constructor and in a destructor of the library; a forked child, in the handler of fork. */
#include "preload.h"
#include "base/log.h"
#include "probe/probe.h"
#include "watcher.h"
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
    if (!pid)
        setenv("GUMSHOE_PID", mine, 1);
    return !pid || strcmp(pid, mine) == 0 || strcmp(pid, "all") == 0;
}

__attribute__((constructor)) static void on_load(void)
{
    const char *disable = secure_getenv("GUMSHOE_DISABLE");
    bool disabled = disable && *disable && strcmp(disable, "0") != 0;
    int kept = errno; // 0 as a program begins: C promises it
    if (disabled || (preloaded() && !meant()))
        gs_probe_stop();
    else if (preloaded()) {
        (void)gs_watcher_start(NULL); // it has logged what went wrong; the host goes on
        if (gs_watcher_children() == GS_CHILDREN_ALL)
            setenv("GUMSHOE_PID", "all", 1);
    }
    errno = kept;
}

/* The entry is taken out of the list as it stands: unsetenv takes a lock that another thread of the parent's may have held.
 * Others in LD_PRELOAD are the host's, and it stays then. */
void gs_preload_forget(void)
{
    static const char name[] = "LD_PRELOAD=";
    char **at = environ;
    while (at && *at && strncmp(*at, name, sizeof name - 1) != 0)
        at++;
    if (!at || !*at || strpbrk(*at, ": ") || !is_ours(*at + sizeof name - 1, strlen(*at) - (sizeof name - 1)))
        return;
    do
        at[0] = at[1];
    while (*at++);
}

__attribute__((destructor)) static void on_unload(void)
{
    gs_watcher_stop();
}
