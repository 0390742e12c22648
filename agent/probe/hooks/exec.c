/* exec.c - the exec family, taken over so that a program which the watched process becomes is watched as well.
 *
 *   execv…(file, argv, envp) ──▶ whoever knows (gs_probe_tell_exec): another environment for it? ──▶ the real one
 *
 * So the preload need not stand in the environment that the host sees and hands to its children. Children pass through here,
 * too: those of vfork with our memory. Whoever is told sees to that.
 * In libgumshoe.so alone. Who: host threads, in signal handlers and in children of vfork. */
#include "probe/hooks/inside.h"
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#define HOOK __attribute__((visibility("default")))

static struct {
    int (*execve)(const char *, char *const[], char *const[]);
    int (*execvpe)(const char *, char *const[], char *const[]);
    int (*fexecve)(int, char *const[], char *const[]);
    int (*execveat)(int, const char *, char *const[], char *const[], int);
} real;

static void find(void *slot, const char *name)
{
    void *found = gs_hooks_next_object_has(name);
    memcpy(slot, &found, sizeof found);
}

__attribute__((constructor)) static void find_all(void)
{
    find(&real.execve, "execve");
    find(&real.execvpe, "execvpe");
    find(&real.fexecve, "fexecve");
    find(&real.execveat, "execveat");
}

/* An environment for the program, which is ours to give back; ENVP as it is where nobody asks for another. */
static char *const *change(char *const envp[])
{
    char *const *changed = gs_told_exec ? gs_told_exec(envp) : NULL;
    return changed ? changed : envp;
}

/* It did not come to that: the program could not be run. */
static int failed(char *const *changed, char *const envp[])
{
    int kept = errno;
    if (changed != envp)
        gs_told_exec_failed(changed);
    errno = kept;
    return -1;
}

HOOK int execve(const char *path, char *const argv[], char *const envp[])
{
    char *const *changed = change(envp);
    if (real.execve)
        real.execve(path, argv, changed);
    else
        errno = ENOSYS;
    return failed(changed, envp);
}

HOOK int execvpe(const char *file, char *const argv[], char *const envp[])
{
    char *const *changed = change(envp);
    if (real.execvpe)
        real.execvpe(file, argv, changed);
    else
        errno = ENOSYS;
    return failed(changed, envp);
}

HOOK int fexecve(int fd, char *const argv[], char *const envp[])
{
    char *const *changed = change(envp);
    if (real.fexecve)
        real.fexecve(fd, argv, changed);
    else
        errno = ENOSYS;
    return failed(changed, envp);
}

int execveat(int fd, const char *path, char *const argv[], char *const envp[], int flags);
HOOK int execveat(int fd, const char *path, char *const argv[], char *const envp[], int flags)
{
    char *const *changed = change(envp);
    if (real.execveat)
        real.execveat(fd, path, argv, changed, flags);
    else
        errno = ENOSYS;
    return failed(changed, envp);
}

HOOK int execv(const char *path, char *const argv[])
{
    return execve(path, argv, environ);
}

HOOK int execvp(const char *file, char *const argv[])
{
    return execvpe(file, argv, environ);
}

/* ---- those that take their arguments one by one --------------------------------------------------------------------------- */

/* How many there are from FIRST on, without the NULL. */
static size_t count_arguments(const char *first, va_list more)
{
    size_t count = 0;
    for (const char *argument = first; argument; argument = va_arg(more, const char *))
        count++;
    return count;
}

static void take_arguments(const char *first, va_list more, char **argv)
{
    *argv++ = (char *)first;
    for (const char *argument = first; argument;)
        *argv++ = (char *)(argument = va_arg(more, const char *));
}

/* The arguments that follow FIRST as an array ARGV in this function's frame, and MORE behind them. (A macro, because the array is
 * to live as long as that frame: these may be called where there is no malloc.) */
#define ARGUMENTS(first, argv, more)              \
    va_list more;                                 \
    va_start(more, first);                        \
    char *argv[count_arguments(first, more) + 2]; \
    va_end(more);                                 \
    va_start(more, first);                        \
    take_arguments(first, more, argv)

HOOK int execl(const char *path, const char *first, ...)
{
    ARGUMENTS(first, argv, more);
    va_end(more);
    return execve(path, argv, environ);
}

HOOK int execlp(const char *file, const char *first, ...)
{
    ARGUMENTS(first, argv, more);
    va_end(more);
    return execvpe(file, argv, environ);
}

HOOK int execle(const char *path, const char *first, ...)
{
    ARGUMENTS(first, argv, more);
    char *const *envp = va_arg(more, char *const *); // behind the NULL
    va_end(more);
    return execve(path, argv, envp);
}
