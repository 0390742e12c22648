/* preload.c - what happens as the library is loaded.
 *
 *   GUMSHOE_DISABLE=1 ─▶ sampling off, nothing else
 *   linked            ─▶ sampling goes on; the host calls gumshoe_start when it likes
 *   LD_PRELOAD        ─▶ the watcher starts, unless this is a program exec'ed in a child of the watched process
 *
 * GUMSHOE_PID names the process that is meant: `gumshoe run` sets it, and so does the first process of a bare
 * LD_PRELOAD, for those that inherit its environment. A wrapper that execs the server keeps its pid and is followed;
 * a program that a child execs has another and is not watched. So it can tell without reading the rules; where these say
 * "children": "all", the first process makes it GUMSHOE_PID=all. The environment is written to here alone, before main.
 * Who: the main thread, in a constructor and in a destructor of the library. */
#include "base/log.h"
#include "probe/probe.h"
#include "watcher.h"
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
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

/* Take VARIABLE out of the environment where VALUE_IS_OURS says so, in place. Context: before main, when `environ` is still the
 * kernel's array: later it may be an array of the program's own (bash's), whose length the program keeps elsewhere. */
static void drop_variable(const char *variable, bool (*value_is_ours)(const char *value))
{
    size_t length = strlen(variable);
    char **at = environ;
    while (at && *at && (strncmp(*at, variable, length) != 0 || (*at)[length] != '='))
        at++;
    if (!at || !*at || !value_is_ours(*at + length + 1))
        return;
    do
        at[0] = at[1];
    while (*at++);
}

static bool is_our_library_alone(const char *list)
{
    return !strpbrk(list, ": ") && is_ours(list, strlen(list));
}

static bool is_any(const char *value)
{
    (void)value;
    return true;
}

/* This program is not to be watched, nor are those that it starts: they are spared the loading of the library. Other files in
 * LD_PRELOAD are the user's: then it stays as it is. */
static void stay_dormant(void)
{
    gs_probe_stop();
    drop_variable("LD_PRELOAD", is_our_library_alone);
    drop_variable("GUMSHOE_PID", is_any);
}

__attribute__((constructor)) static void on_load(void)
{
    const char *disable = secure_getenv("GUMSHOE_DISABLE");
    bool disabled = disable && *disable && strcmp(disable, "0") != 0;
    int kept = errno; // 0 as a program begins: C promises it
    if (disabled)
        gs_probe_stop();
    else if (preloaded() && !meant())
        stay_dormant();
    else if (preloaded()) {
        (void)gs_watcher_start(NULL); // it has logged what went wrong; the host goes on
        if (gs_watcher_children() == GS_CHILDREN_ALL)
            setenv("GUMSHOE_PID", "all", 1);
    }
    errno = kept;
}

__attribute__((destructor)) static void on_unload(void)
{
    gs_watcher_stop();
}
