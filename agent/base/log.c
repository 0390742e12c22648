/* log.c - what the agent tells its operator. */
#include "base/log.h"
#include "base/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
    bool off, file;
    int fd;       // of the file
    dev_t device; // and what it was when we opened it: a host that closes all descriptors may have given
    ino_t inode;  // the number to a file of its own, which must never see our words
    char path[512];
} target = {.fd = STDERR_FILENO};

static bool open_file(void)
{
    struct stat status;
    target.fd = open(target.path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
    if (target.fd < 0 || fstat(target.fd, &status))
        return false;
    target.device = status.st_dev;
    target.inode = status.st_ino;
    return true;
}

void gs_log_to(const char *where)
{
    target.off = where && !strcmp(where, "off");
    target.file = where && !target.off && strcmp(where, "stderr");
    target.fd = STDERR_FILENO;
    if (!target.file)
        return;
    snprintf(target.path, sizeof target.path, "%s", where);
    if (open_file())
        return;
    int error = errno;
    target.file = false;
    target.fd = STDERR_FILENO;
    gs_log(GS_LOG_WARNING, "cannot log to %s (%s): logging to stderr", where, strerrordesc_np(error));
}

static bool still_ours(void)
{
    struct stat status;
    return fstat(target.fd, &status) == 0 && status.st_dev == target.device && status.st_ino == target.inode;
}

void gs_log(enum gs_log_level level, const char *format, ...)
{
    static const char *const name[] = {"error", "warning", "info"};
    if (target.off)
        return;
    int kept = errno;
    if (target.file && !still_ours() && !open_file()) {
        errno = kept;
        return;
    }
    char line[1024];
    int length = snprintf(line, sizeof line, "gumshoe[%d]: %s: ", (int)getpid(), name[level]);
    va_list args;
    va_start(args, format);
    int more = vsnprintf(line + length, sizeof line - (size_t)length, format, args);
    va_end(args);
    size_t total = (size_t)length + (size_t)(more < 0 ? 0 : more);
    if (total > sizeof line - 1)
        total = sizeof line - 1;
    line[total] = '\n'; // over the NUL
    (void)!gs_write_all(target.fd, line, total + 1);
    errno = kept;
}
