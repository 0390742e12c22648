/* log.c - the agent's log messages.
 *
 *   to stderr    host thread ──▶ descriptor 2
 *                thread with its own table ──▶ a copy of the process's 2 for each message (pidfd_getfd(2)): an open copy would
 *                keep a pipe's reader waiting for EOF, and would miss a later redirection of the host's stderr
 *   to a file    host thread ──▶ opened for each message, so that no descriptor stays in the host's table
 *                watcher ──▶ kept open, because the host may change its root; created again after a log rotation
 *
 * Bounds: a pipe that nobody reads: a thread with its own table drops the message after PATIENCE_MS. */
#include "sys/log.h"
#include "sys/file.h"
#include "sys/owned_fd.h"
#include "sys/process.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATIENCE_MS = 100 };

static struct {
    bool off, file;
    char path[512];
} target;
static struct gs_owned_fd kept_file; // a descriptor of the watcher's table
enum table { HOSTS, WATCHERS, PASSING };
static _Thread_local enum table own_table __attribute__((tls_model("initial-exec")));

static int open_file(void)
{
    return gs_file_openat(AT_FDCWD, target.path, O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY | O_NONBLOCK, 0600);
}

static int open_kept_file(void)
{
    struct stat status;
    if (gs_owned_fd_is_open(&kept_file, &status) && status.st_nlink)
        return kept_file.fd;
    gs_owned_fd_close(&kept_file);
    int error = gs_owned_fd_take(&kept_file, open_file());
    return error ? error : kept_file.fd;
}

void gs_log_from_own_table(bool passing)
{
    own_table = passing ? PASSING : WATCHERS;
    if (target.file && !passing)
        (void)open_kept_file();
}

void gs_log_to(const char *where)
{
    target.off = where && !strcmp(where, "off");
    target.file = where && !target.off && strcmp(where, "stderr");
    if (!target.file)
        return;
    snprintf(target.path, sizeof target.path, "%s", where);
    int fd = open_file();
    if (fd >= 0) {
        close(fd);
        return;
    }
    target.file = false;
    gs_log(GS_LOG_WARNING, "cannot log to %s (%s): logging to stderr", where, strerrordesc_np(-fd));
}

/* Copy descriptor 2 of the process's first thread; if the kernel refuses, open its file again. -errno on failure. */
static int copy_stderr(void)
{
    int process = gs_process_handle(),
        fd = process < 0 ? process : gs_process_copy_descriptor(process, STDERR_FILENO);
    if (process >= 0)
        close(process);
    return fd >= 0
               ? fd
               : gs_file_openat(AT_FDCWD, "/proc/self/fd/2", O_WRONLY | O_APPEND | O_NOCTTY | O_NONBLOCK, 0);
}

static bool takes_a_line(int fd)
{
    struct pollfd one = {.fd = fd, .events = POLLOUT};
    return poll(&one, 1, PATIENCE_MS) == 1 && !(one.revents & POLLERR);
}

static void write_line(const char *line, size_t length)
{
    bool kept = target.file ? own_table == WATCHERS : own_table == HOSTS;
    int fd = target.file ? (kept ? open_kept_file() : open_file()) : (kept ? STDERR_FILENO : copy_stderr());
    if (fd >= 0 && (!own_table || takes_a_line(fd)))
        (void)!gs_file_write_all(fd, line, length);
    if (!kept && fd >= 0)
        close(fd);
}

void gs_log(enum gs_log_level level, const char *format, ...)
{
    static const char *const name[] = {"error", "warning", "info"};
    if (target.off)
        return;
    int kept = errno;
    char line[1024];
    int length = snprintf(line, sizeof line, "gumshoe[%d]: %s: ", (int)getpid(), name[level]);
    va_list args;
    va_start(args, format);
    int more = vsnprintf(line + length, sizeof line - (size_t)length, format, args);
    va_end(args);
    size_t total = (size_t)length + (size_t)(more < 0 ? 0 : more);
    if (total > sizeof line - 1)
        total = sizeof line - 1;
    line[total] = '\n'; // replaces the NUL
    write_line(line, total + 1);
    errno = kept;
}
