/* descriptors.c - the functions that open and close descriptors, taken over to record which stack opened each.
 *
 *   open, socket, accept, dup, … ──▶ the real function ──▶ descriptors.c of probe/: walk, intern, note
 *   close, fclose, dup2, …       ──▶ descriptors.c of probe/: forget ──▶ the real function
 *
 * Nothing is held across the real function, and its result and errno are passed on: it may be cancelled, interrupted, or called
 * in a signal handler. Calls of children of vfork, and of the agent itself, which has other descriptors, are only passed on.
 * What the C library opens for itself (getaddrinfo, tmpfile, …) and direct system calls are not seen: nor is what they close,
 * so a reader compares entries with what is open.
 * The real functions are looked up when the library is loaded, or by constructors that run before.
 * In libgumshoe.so alone: a static program has no second name for most of these.
 * Who: host threads, in signal handlers and in children of vfork too. */
#include "probe/hooks/inside.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define HOOK __attribute__((visibility("default")))

/* ---- the real functions ---------------------------------------------------------------------------------------------- */

int __open_2(const char *path, int flags);
int __openat_2(int directory, const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat64_2(int directory, const char *path, int flags);

/* One row for each function that is taken over. */
#define FUNCTIONS(row)                                                                                       \
    row(open) row(openat) row(creat) row(__open_2) row(__openat_2) row(memfd_create) row(fopen) row(freopen) \
        row(opendir) row(mkstemp) row(mkostemp) row(socket) row(socketpair) row(accept) row(accept4)         \
            row(pipe) row(pipe2) row(popen) row(eventfd) row(epoll_create) row(epoll_create1)                \
                row(inotify_init) row(inotify_init1) row(timerfd_create) row(signalfd) row(dup) row(dup2)    \
                    row(dup3) row(fcntl) row(close) row(close_range) row(closefrom) row(fclose) row(pclose)  \
                        row(closedir)

#define MEMBER(name) __typeof__(&name) name;
static struct {
    FUNCTIONS(MEMBER)
} real;
static _Atomic bool resolved;

/* For a function that this C library lacks: a program may have looked for its name and found ours. */
static int missing(void)
{
    errno = ENOSYS;
    return -1;
}

static void resolve_one(void *slot, const char *name)
{
    int (*none)(void) = missing;
    void *found = gs_hooks_next_object_has(name);
    memcpy(slot, found ? (void *)&found : (void *)&none, sizeof found);
}

static __attribute__((constructor)) void resolve(void)
{
#define RESOLVE(name) resolve_one(&real.name, #name);
    FUNCTIONS(RESOLVE)
    atomic_store_explicit(&resolved, true, memory_order_release);
    gs_probe_descriptors_hook();
}

static inline void make_ready(void)
{
    if (GS_UNLIKELY(!atomic_load_explicit(&resolved, memory_order_acquire)))
        resolve();
}

#define REAL(name) (make_ready(), real.name)

/* ---- what is noted --------------------------------------------------------------------------------------------------- */

/* Is a call from PC one of the watched process's program? */
static inline bool is_noted(uintptr_t pc)
{
    extern const char __ehdr_start[] __attribute__((visibility("hidden"))), // of this library
        _end[] __attribute__((visibility("hidden")));
    return !gs_hooks_vfork_child && pc - (uintptr_t)__ehdr_start >= (uintptr_t)(_end - __ehdr_start);
}

static inline int opened(int fd, enum gs_descriptor_kind kind, struct gs_caller caller)
{
    if (fd >= 0 && is_noted(caller.pc))
        gs_probe_descriptor_opened(fd, kind, caller);
    return fd;
}

/* RESULT of a call that opens two. */
static inline int opened_two(int result, const int fd[2], enum gs_descriptor_kind kind,
                             struct gs_caller caller)
{
    if (result == 0) {
        opened(fd[0], kind, caller);
        opened(fd[1], kind, caller);
    }
    return result;
}

/* The same for the stream that a call returned. */
static FILE *opened_stream(FILE *stream, enum gs_descriptor_kind kind, struct gs_caller caller)
{
    int saved_errno = errno;
    if (stream)
        opened(fileno(stream), kind, caller);
    errno = saved_errno;
    return stream;
}

static inline void closing(unsigned first, unsigned last, uintptr_t pc)
{
    if (is_noted(pc))
        gs_probe_descriptors_closing(first, last);
}

static void closing_stream(FILE *stream, uintptr_t pc)
{
    int saved_errno = errno, fd = fileno(stream);
    if (fd >= 0)
        closing((unsigned)fd, (unsigned)fd, pc);
    errno = saved_errno;
}

static void closing_directory(DIR *directory, uintptr_t pc)
{
    __asm__("" : "+r"(directory)); // may be NULL, although the compiler is told that it is not
    int saved_errno = errno, fd = directory ? dirfd(directory) : -1;
    if (fd >= 0)
        closing((unsigned)fd, (unsigned)fd, pc);
    errno = saved_errno;
}

/* Where the hook that uses this macro was called from. */
#define CALLER_PC() ((uintptr_t)__builtin_return_address(0))

/* ---- files ----------------------------------------------------------------------------------------------------------- */

/* Set MODE to the argument behind FLAGS, if there is one. */
#define TAKE_MODE(flags, mode)                                     \
    mode_t mode = 0;                                               \
    if (flags & O_CREAT || (flags & __O_TMPFILE) == __O_TMPFILE) { \
        va_list more;                                              \
        va_start(more, flags);                                     \
        mode = va_arg(more, mode_t);                               \
        va_end(more);                                              \
    }

HOOK int open(const char *path, int flags, ...)
{
    TAKE_MODE(flags, mode)
    return opened(REAL(open)(path, flags, mode), GS_DESCRIPTOR_FILE, GS_CALLER());
}

HOOK int openat(int directory, const char *path, int flags, ...)
{
    TAKE_MODE(flags, mode)
    return opened(REAL(openat)(directory, path, flags, mode), GS_DESCRIPTOR_FILE, GS_CALLER());
}

HOOK int creat(const char *path, mode_t mode)
{
    return opened(REAL(creat)(path, mode), GS_DESCRIPTOR_FILE, GS_CALLER());
}

HOOK int __open_2(const char *path, int flags)
{
    return opened(REAL(__open_2)(path, flags), GS_DESCRIPTOR_FILE, GS_CALLER());
}

HOOK int __openat_2(int directory, const char *path, int flags)
{
    return opened(REAL(__openat_2)(directory, path, flags), GS_DESCRIPTOR_FILE, GS_CALLER());
}

HOOK int memfd_create(const char *name, unsigned flags)
{
    return opened(REAL(memfd_create)(name, flags), GS_DESCRIPTOR_FILE, GS_CALLER());
}

HOOK int mkstemp(char *path)
{
    return opened(REAL(mkstemp)(path), GS_DESCRIPTOR_FILE, GS_CALLER());
}

HOOK int mkostemp(char *path, int flags)
{
    return opened(REAL(mkostemp)(path, flags), GS_DESCRIPTOR_FILE, GS_CALLER());
}

HOOK FILE *fopen(const char *path, const char *mode)
{
    return opened_stream(REAL(fopen)(path, mode), GS_DESCRIPTOR_FILE, GS_CALLER());
}

HOOK FILE *freopen(const char *path, const char *mode, FILE *stream)
{
    struct gs_caller caller = GS_CALLER();
    closing_stream(stream, caller.pc);
    return opened_stream(REAL(freopen)(path, mode, stream), GS_DESCRIPTOR_FILE, caller);
}

HOOK DIR *opendir(const char *path)
{
    struct gs_caller caller = GS_CALLER();
    DIR *directory = REAL(opendir)(path);
    if (directory)
        opened(dirfd(directory), GS_DESCRIPTOR_FILE, caller);
    return directory;
}

/* On a 64-bit machine these are the same functions, in the C library too. */
HOOK int open64(const char *path, int flags, ...) __attribute__((alias("open")));
HOOK int __open(const char *path, int flags, ...) __attribute__((alias("open"), nonnull(1)));
HOOK int __open64(const char *path, int flags, ...) __attribute__((alias("open"), nonnull(1)));
HOOK int openat64(int directory, const char *path, int flags, ...) __attribute__((alias("openat")));
HOOK int __open64_2(const char *path, int flags) __attribute__((alias("__open_2")));
HOOK int __openat64_2(int directory, const char *path, int flags) __attribute__((alias("__openat_2")));
HOOK int creat64(const char *path, mode_t mode) __attribute__((alias("creat")));
HOOK FILE *fopen64(const char *path, const char *mode) __attribute__((alias("fopen")));
HOOK FILE *freopen64(const char *path, const char *mode, FILE *stream) __attribute__((alias("freopen")));
HOOK int mkstemp64(char *path) __attribute__((alias("mkstemp")));
HOOK int mkostemp64(char *path, int flags) __attribute__((alias("mkostemp")));

/* ---- sockets and pipes ----------------------------------------------------------------------------------------------- */

HOOK int socket(int domain, int type, int protocol)
{
    return opened(REAL(socket)(domain, type, protocol), GS_DESCRIPTOR_SOCKET, GS_CALLER());
}

HOOK int socketpair(int domain, int type, int protocol, int fd[2])
{
    return opened_two(REAL(socketpair)(domain, type, protocol, fd), fd, GS_DESCRIPTOR_SOCKET, GS_CALLER());
}

HOOK int accept(int fd, struct sockaddr *address, socklen_t *length)
{
    return opened(REAL(accept)(fd, address, length), GS_DESCRIPTOR_SOCKET, GS_CALLER());
}

HOOK int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    return opened(REAL(accept4)(fd, address, length, flags), GS_DESCRIPTOR_SOCKET, GS_CALLER());
}

HOOK int pipe(int fd[2])
{
    return opened_two(REAL(pipe)(fd), fd, GS_DESCRIPTOR_PIPE, GS_CALLER());
}

HOOK int pipe2(int fd[2], int flags)
{
    return opened_two(REAL(pipe2)(fd, flags), fd, GS_DESCRIPTOR_PIPE, GS_CALLER());
}

HOOK FILE *popen(const char *command, const char *mode)
{
    return opened_stream(REAL(popen)(command, mode), GS_DESCRIPTOR_PIPE, GS_CALLER());
}

/* ---- events ---------------------------------------------------------------------------------------------------------- */

HOOK int eventfd(unsigned count, int flags)
{
    return opened(REAL(eventfd)(count, flags), GS_DESCRIPTOR_EVENTS, GS_CALLER());
}

HOOK int epoll_create(int size)
{
    return opened(REAL(epoll_create)(size), GS_DESCRIPTOR_EVENTS, GS_CALLER());
}

HOOK int epoll_create1(int flags)
{
    return opened(REAL(epoll_create1)(flags), GS_DESCRIPTOR_EVENTS, GS_CALLER());
}

HOOK int inotify_init(void)
{
    return opened(REAL(inotify_init)(), GS_DESCRIPTOR_EVENTS, GS_CALLER());
}

HOOK int inotify_init1(int flags)
{
    return opened(REAL(inotify_init1)(flags), GS_DESCRIPTOR_EVENTS, GS_CALLER());
}

HOOK int timerfd_create(clockid_t clock, int flags)
{
    return opened(REAL(timerfd_create)(clock, flags), GS_DESCRIPTOR_EVENTS, GS_CALLER());
}

HOOK int signalfd(int fd, const sigset_t *set, int flags)
{
    struct gs_caller caller = GS_CALLER();
    int result = REAL(signalfd)(fd, set, flags);
    return fd == -1 ? opened(result, GS_DESCRIPTOR_EVENTS, caller) : result; // else it changes one
}

/* ---- duplicates ------------------------------------------------------------------------------------------------------ */

HOOK int dup(int fd)
{
    return opened(REAL(dup)(fd), gs_probe_descriptor_kind(fd), GS_CALLER());
}

HOOK int dup2(int fd, int to)
{
    struct gs_caller caller = GS_CALLER();
    int result = REAL(dup2)(fd, to);
    return fd == to ? result
                    : opened(result, gs_probe_descriptor_kind(fd), caller); // of itself: nothing changes
}

HOOK int __dup2(int fd, int to) __attribute__((alias("dup2"), nothrow, leaf));

HOOK int dup3(int fd, int to, int flags)
{
    return opened(REAL(dup3)(fd, to, flags), gs_probe_descriptor_kind(fd), GS_CALLER());
}

/* As the C library has it: one word more, whatever was passed. */
HOOK int fcntl(int fd, int command, ...)
{
    struct gs_caller caller = GS_CALLER();
    va_list more;
    va_start(more, command);
    void *word = va_arg(more, void *);
    va_end(more);
    int result = REAL(fcntl)(fd, command, word);
    if (command == F_DUPFD || command == F_DUPFD_CLOEXEC)
        return opened(result, gs_probe_descriptor_kind(fd), caller);
    return result;
}

HOOK int fcntl64(int fd, int command, ...) __attribute__((alias("fcntl")));

/* ---- closing --------------------------------------------------------------------------------------------------------- */

HOOK int close(int fd)
{
    closing((unsigned)fd, (unsigned)fd, CALLER_PC());
    return REAL(close)(fd);
}

HOOK int __close(int fd) __attribute__((alias("close")));

/* With CLOSE_RANGE_UNSHARE other threads keep the descriptors. */
HOOK int close_range(unsigned first, unsigned last, int flags)
{
    if (flags == 0)
        closing(first, last, CALLER_PC());
    return REAL(close_range)(first, last, flags);
}

HOOK void closefrom(int first)
{
    closing(first < 0 ? 0 : (unsigned)first, ~0u, CALLER_PC());
    REAL(closefrom)(first);
}

HOOK int fclose(FILE *stream)
{
    closing_stream(stream, CALLER_PC());
    return REAL(fclose)(stream);
}

HOOK int pclose(FILE *stream)
{
    closing_stream(stream, CALLER_PC());
    return REAL(pclose)(stream);
}

HOOK int closedir(DIR *directory)
{
    closing_directory(directory, CALLER_PC());
    return REAL(closedir)(directory);
}
