/* preload.c - what happens as the library is loaded.
 *
 *   GUMSHOE_DISABLE=1 ─▶ sampling off, nothing else
 *   linked            ─▶ sampling goes on; the host calls gumshoe_start when it likes
 *   LD_PRELOAD        ─▶ the watcher starts, unless this is a program exec'ed in a child of the watched process
 *
 * GUMSHOE_PID names the process that is meant: `gumshoe run` sets it, and so does the first process of a bare
 * LD_PRELOAD, for those that inherit its environment. A wrapper that execs the server keeps its pid and is followed;
 * a child that a server starts has another and is not watched.
 * Who: the main thread, in a constructor and in a destructor of the library. */
#include "base/log.h"
#include "probe/probe.h"
#include "watcher.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Is one of the files in LD_PRELOAD's list ours? */
static bool preloaded(void)
{
    const char *list = secure_getenv("LD_PRELOAD");
    while (list && *list) {
        size_t length = strcspn(list, ": ");
        const char *slash = memrchr(list, '/', length), *name = slash ? slash + 1 : list;
        if (strncmp(name, "libgumshoe.so", strlen("libgumshoe.so")) == 0)
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
    return !pid || strcmp(pid, mine) == 0;
}

__attribute__((constructor)) static void on_load(void)
{
    const char *disable = secure_getenv("GUMSHOE_DISABLE");
    bool disabled = disable && *disable && strcmp(disable, "0") != 0;
    if (disabled || (preloaded() && !meant()))
        gs_probe_stop();
    else if (preloaded())
        (void)gs_watcher_start(NULL); // it has logged what went wrong; the host goes on
}

__attribute__((destructor)) static void on_unload(void)
{
    gs_watcher_stop();
}
