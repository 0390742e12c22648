/* fail.c - make one system call of the agent's fail: preloaded, it stands before the C library's functions of these names.
 *   FAIL_CALL=write FAIL_AT=7 FAIL_ERRNO=28 FAIL_TOLD=FILE: the seventh write(2) by a thread of the agent's fails with ENOSPC;
 *   FILE is made when it has. Everybody else's calls, and all the others, go through. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int is_the_agents(void)
{
    char name[16] = "";
    prctl(PR_GET_NAME, name);
    return strncmp(name, "gumshoe", 7) == 0;
}

/* Is this the call that is to fail? */
static int fails(const char *call)
{
    static _Atomic int calls;
    const char *which = getenv("FAIL_CALL"), *at = getenv("FAIL_AT"), *error = getenv("FAIL_ERRNO"),
               *told = getenv("FAIL_TOLD");
    if (!which || !at || !error || !told || strcmp(which, call) != 0 || !is_the_agents())
        return 0;
    if (atomic_fetch_add(&calls, 1) + 1 != atoi(at))
        return 0;
    syscall(SYS_close, syscall(SYS_openat, AT_FDCWD, told, O_WRONLY | O_CREAT, 0600));
    errno = atoi(error);
    return 1;
}

#define CALL(name, type, parameters, call)           \
    type name parameters                             \
    {                                                \
        return fails(#name) ? (type)-1 : (type)call; \
    }

// clang-format off
CALL(write, ssize_t, (int fd, const void *bytes, size_t length), syscall(SYS_write, fd, bytes, length))
CALL(read, ssize_t, (int fd, void *bytes, size_t length), syscall(SYS_read, fd, bytes, length))
CALL(pread, ssize_t, (int fd, void *bytes, size_t length, off_t at), syscall(SYS_pread64, fd, bytes, length, at))
CALL(fsync, int, (int fd), syscall(SYS_fsync, fd))
CALL(mkdirat, int, (int fd, const char *path, mode_t mode), syscall(SYS_mkdirat, fd, path, mode))
CALL(unlinkat, int, (int fd, const char *path, int flags), syscall(SYS_unlinkat, fd, path, flags))
CALL(renameat, int, (int from, const char *old, int to, const char *new), syscall(SYS_renameat2, from, old, to, new, 0))
CALL(renameat2, int, (int from, const char *old, int to, const char *new, unsigned flags), syscall(SYS_renameat2, from, old, to, new, flags))
CALL(fstat, int, (int fd, struct stat *out), syscall(SYS_fstat, fd, out))
CALL(fstatat, int, (int fd, const char *path, struct stat *out, int flags), syscall(SYS_newfstatat, fd, path, out, flags))
CALL(flock, int, (int fd, int how), syscall(SYS_flock, fd, how))
CALL(readlink, ssize_t, (const char *path, char *out, size_t size), syscall(SYS_readlink, path, out, size))
CALL(__read_chk, ssize_t, (int fd, void *bytes, size_t length, size_t room), ((void)room, read(fd, bytes, length)))
CALL(__pread_chk, ssize_t, (int fd, void *bytes, size_t length, off_t at, size_t room), ((void)room, pread(fd, bytes, length, at)))
CALL(__pread64_chk, ssize_t, (int fd, void *bytes, size_t length, off_t at, size_t room), ((void)room, pread(fd, bytes, length, at)))
CALL(__readlink_chk, ssize_t, (const char *path, char *out, size_t size, size_t room), ((void)room, readlink(path, out, size)))
// clang-format on

static mode_t mode_of(int flags, va_list args)
{
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
}

int openat(int fd, const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = mode_of(flags, args);
    va_end(args);
    return fails("openat") ? -1 : (int)syscall(SYS_openat, fd, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = mode_of(flags, args);
    va_end(args);
    return fails("openat") ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int __openat_2(int fd, const char *path, int flags)
{
    return openat(fd, path, flags, 0);
}

int __open_2(const char *path, int flags)
{
    return open(path, flags, 0);
}
