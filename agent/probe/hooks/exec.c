/* exec.c - the exec family, taken over so that a program that the watched process becomes is watched as well.
 *
 *   execv…(file, argv, envp) ──▶ the listener (gs_probe_on_exec): another environment? ──▶ the real function
 *
 * So the preload need not be in the environment that the host sees and passes to its children. Children call these functions
 * too, those of vfork with our memory: the listener must handle that.
 * In libgumshoe.so alone. Who: host threads, in signal handlers and in children of vfork. */
#include "probe/hooks/inside.h"
#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

#define HOOK __attribute__((visibility("default")))

static struct {
    int (*execve)(const char *, char *const[], char *const[]);
    int (*execvpe)(const char *, char *const[], char *const[]);
    int (*fexecve)(int, char *const[], char *const[]);
    int (*execveat)(int, const char *, char *const[], char *const[], int);
} real;

__attribute__((constructor)) static void find_all(void)
{
    gs_hooks_find_next(&real.execve, "execve");
    gs_hooks_find_next(&real.execvpe, "execvpe");
    gs_hooks_find_next(&real.fexecve, "fexecve");
    gs_hooks_find_next(&real.execveat, "execveat");
}

/* The environment for the program: the listener's, which failed() gives back, or ENVP itself. */
static char *const *change(char *const envp[])
{
    char *const *changed = gs_hooks_exec_listener && !gs_is_sandboxed() ? gs_hooks_exec_listener(envp) : NULL;
    return changed ? changed : envp;
}

/* The exec failed: give CHANGED back to the listener. Returns -1 with the exec's errno. */
static int failed(char *const *changed, char *const envp[])
{
    int saved_errno = errno;
    if (changed != envp)
        gs_hooks_exec_failed_listener(changed);
    errno = saved_errno;
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

/* ---- those that take their arguments one by one -------------------------------------------------------------------------- */

/* The number of arguments from FIRST on, without the NULL. */
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

/* The arguments that follow FIRST as an array ARGV in this function's frame, and MORE behind them. (A macro, because the
 * array is to live as long as that frame: these may be called where there is no malloc.) */
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
