/* log.c - the agent's log messages.
 *
 *   2026-11-27T19:02:11.123Z gumshoe[1234 redis-server]: warning: …     in the journal: <4>gumshoe[1234 redis-server]: warning: …
 *
 *   to stderr    host thread ──▶ descriptor 2
 *                thread with its own table ──▶ a copy of the process's 2 for each message (pidfd_getfd(2)): an open copy would
 *                keep a pipe's reader waiting for EOF, and would miss a later redirection of the host's stderr
 *   to a file    host thread ──▶ opened for each message, so that no descriptor stays in the host's table
 *                watcher ──▶ kept open, because the host may change its root; created again after a log rotation
 *
 * Bounds: a pipe that nobody reads: a thread with its own table drops the message after PATIENCE_MS. */
#include "sys/log.h"
#include "base/clock.h"
#include "sys/file.h"
#include "sys/identity.h"
#include "sys/owned_fd.h"
#include "sys/process.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATIENCE_MS = 100 };

static struct {
    bool off, file, has_journal;
    uint64_t journal_device, journal_inode; // of the socket that is the journal's
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

/* Take the device and the inode of the journal's socket from VALUE: "8:4711" (systemd.exec(5)). */
static void find_journal(const char *value)
{
    unsigned long long device, inode;
    target.has_journal = value && sscanf(value, "%llu:%llu", &device, &inode) == 2;
    if (!target.has_journal)
        return;
    target.journal_device = device;
    target.journal_inode = inode;
}

void gs_log_to(const char *where)
{
    find_journal(secure_getenv("JOURNAL_STREAM"));
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

/* True: FD is the socket of systemd's journal, as $JOURNAL_STREAM names it. */
static bool is_journal(int fd)
{
    struct stat status;
    return target.has_journal && fstat(fd, &status) == 0 &&
           (uint64_t)status.st_dev == target.journal_device &&
           (uint64_t)status.st_ino == target.journal_inode;
}

/* Write "TIME gumshoe[PID PROGRAM]: LEVEL: " to OUT. For the journal, which has a time and a priority of its own, "<4>"
 * stands in the place of the time (sd-daemon(3)). Returns the length. */
static size_t print_start(char *out, size_t size, enum gs_log_level level, bool journal)
{
    static const char *const name[] = {"error", "warning", "info"};
    static const char *const priority[] = {"<3>", "<4>", "<6>"};
    char time[GS_TIME_TEXT + 1] = "", program[GS_PROGRAM_NAME];
    if (!journal) {
        gs_clock_print(gs_clock_realtime_ns(), GS_TIME_ISO, time);
        strcat(time, " ");
    }
    gs_identity_program(program);
    bool is_other = strcmp(program, "gumshoe") != 0; // not the command itself
    int length = snprintf(out, size, "%sgumshoe[%d%s%s]: %s: ", journal ? priority[level] : time,
                          (int)getpid(), is_other ? " " : "", is_other ? program : "", name[level]);
    return length > 0 ? (size_t)length : 0;
}

void gs_log(enum gs_log_level level, const char *format, ...)
{
    if (target.off)
        return;
    int kept = errno;
    char line[1024];
    bool own = target.file ? own_table == WATCHERS : own_table == HOSTS;
    int fd = target.file ? (own ? open_kept_file() : open_file()) : (own ? STDERR_FILENO : copy_stderr());
    size_t length = print_start(line, sizeof line, level, fd >= 0 && !target.file && is_journal(fd));
    va_list args;
    va_start(args, format);
    int more = vsnprintf(line + length, sizeof line - length, format, args);
    va_end(args);
    length += more < 0 ? 0 : (size_t)more;
    if (length > sizeof line - 1)
        length = sizeof line - 1;
    line[length] = '\n'; // replaces the NUL
    if (fd >= 0 && (!own_table || takes_a_line(fd)))
        (void)!gs_file_write_all(fd, line, length + 1);
    if (!own && fd >= 0)
        close(fd);
    errno = kept;
}
