/* opener.c - a host that opens descriptors in functions with known names, as its arguments say, one after another. Then it prints
 * "ready" with its pid and waits for the end of its input. Each NUMBER is of descriptors that stay open, unless it says otherwise. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define APART __attribute__((noinline, noclone))

static void check(int ok, const char *what)
{
    if (ok)
        return;
    perror(what);
    exit(1);
}

/* A listening socket that is not counted in any expectation but its own: opened by listen_here. */
static struct sockaddr_in address = {.sin_family = AF_INET};
static int listener = -1;
APART void listen_here(void)
{
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    check(listener >= 0 && bind(listener, (struct sockaddr *)&address, sizeof address) == 0 &&
              listen(listener, 64) == 0 && getsockname(listener, (struct sockaddr *)&address, &length) == 0,
          "listen");
}

APART int dial(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    check(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0, "connect");
    return fd;
}

APART int accept_peer(int flags)
{
    int fd = flags ? accept4(listener, NULL, NULL, SOCK_CLOEXEC) : accept(listener, NULL, NULL);
    check(fd >= 0, "accept");
    return fd;
}

APART void leak_peers(int count)
{
    listen_here();
    for (int i = 0; i < count; i++) {
        int other = dial();
        accept_peer(i % 2);
        check(close(other) == 0, "close");
    }
}

APART int open_log(int i)
{
    int fd = i % 4 == 0   ? open("/dev/null", O_RDONLY)
             : i % 4 == 1 ? openat(AT_FDCWD, "/dev/null", O_RDONLY)
             : i % 4 == 2 ? open("log", O_CREAT | O_WRONLY, 0640)
                          : creat("log2", 0600);
    check(fd >= 0, "open");
    return fd;
}

APART void leak_files(int count)
{
    for (int i = 0; i < count; i++)
        open_log(i);
}

APART int copy_one(int fd, int i)
{
    int copy = i % 3 == 0 ? dup(fd) : i % 3 == 1 ? fcntl(fd, F_DUPFD, 0) : fcntl(fd, F_DUPFD_CLOEXEC, 100);
    check(copy >= 0, "dup");
    return copy;
}

APART void leak_copies(int count)
{
    for (int i = 0; i < count; i++)
        copy_one(0, i);
}

APART void leak_pipes(int count) // two descriptors each
{
    int fd[2];
    for (int i = 0; i < count / 2; i++)
        check((i % 3 == 0   ? pipe(fd)
               : i % 3 == 1 ? pipe2(fd, O_CLOEXEC)
                            : socketpair(AF_UNIX, SOCK_STREAM, 0, fd)) == 0,
              "pipe");
}

/* Changes nothing about who opened FD. */
APART void keep_as_it_is(int fd, bool is_signalfd)
{
    sigset_t none;
    sigemptyset(&none);
    check((is_signalfd ? signalfd(fd, &none, 0) : dup2(fd, fd)) == fd, "the same descriptor");
}

APART void leak_events(int count)
{
    sigset_t none;
    sigemptyset(&none);
    for (int i = 0; i < count; i++)
        check((i % 8 == 0   ? eventfd(0, 0)
               : i % 8 == 1 ? epoll_create(1)
               : i % 8 == 2 ? epoll_create1(0)
               : i % 8 == 3 ? inotify_init()
               : i % 8 == 4 ? inotify_init1(0)
               : i % 8 == 5 ? timerfd_create(CLOCK_MONOTONIC, 0)
               : i % 8 == 6 ? signalfd(-1, &none, 0)
                            : memfd_create("m", 0)) >= 0,
              "events");
    int fd = signalfd(-1, &none, 0);
    keep_as_it_is(fd, true);
}

APART void leak_streams(int count)
{
    char path[] = "streamXXXXXX";
    check(mkstemp(path) >= 0, "mkstemp");
    for (int i = 1; i < count; i++)
        check((i % 2 ? (void *)fopen("/dev/null", "r") : (void *)opendir("/")) != NULL, "fopen");
}

/* All of these are closed again, each in another way: none may be left. */
APART void open_and_close(int count)
{
    for (int i = 0; i < count; i++) {
        check(close(open_log(i)) == 0, "close");
        check(fclose(fdopen(open_log(0), "r")) == 0, "fclose");
        check(closedir(opendir("/")) == 0, "closedir");
    }
    int first = open_log(0);
    for (int i = 0; i < count; i++)
        open_log(0);
    check(close_range(first, first + count, 0) == 0, "close_range");
    for (int i = 0; i < count; i++)
        open_log(0);
    closefrom(first);
}

/* COUNT descriptors of open_log that are closed in one way each, whose numbers then are opened again by direct system calls. */
APART void open_unseen(int count)
{
    enum { WAYS = 5 };
    for (int way = 0; way < WAYS; way++) {
        int first = open_log(0);
        for (int i = 1; i < count; i++)
            check(open(way == 4 ? "/" : "/dev/null", O_RDONLY) == first + i, "the next number");
        for (int fd = first; fd < first + count; fd++)
            if (way == 0)
                check(close(fd) == 0, "close");
            else if (way == 1)
                check(fclose(fdopen(fd, "r")) == 0, "fclose");
            else if (way == 4 && fd > first)
                check(closedir(fdopendir(fd)) == 0, "closedir");
        if (way == 2)
            check(close_range(first, first + count - 1, 0) == 0, "close_range");
        if (way == 3)
            closefrom(first);
        if (way == 4)
            close(first);
        for (int i = 0; i < count; i++)
            check(syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY) == first + i, "openat");
    }
}

/* Files that are closed unseen, whose numbers then become sockets, unseen: not open_log's. */
APART void reopen_unseen(int count)
{
    for (int i = 0; i < count; i++) {
        int fd = open_log(0);
        check(syscall(SYS_close, fd) == 0 && syscall(SYS_socket, AF_INET, SOCK_DGRAM, 0) == fd, "socket");
    }
}

/* Descriptors of open_log that become put_over's. */
APART void put_over(int count)
{
    for (int i = 0; i < count; i++) {
        int fd = open_log(0);
        check((i % 2 ? dup2(0, fd) : dup3(0, fd, O_CLOEXEC)) == fd, "dup2");
        keep_as_it_is(fd, false);
    }
}

/* A child of vfork closes all, opens others, and ends: ours are as before. */
APART void vfork_child(int count)
{
    leak_files(count);
    for (int i = 0; i < 20; i++) {
        pid_t child = vfork();
        if (child == 0) {
            closefrom(0);
            open("/dev/null", O_RDONLY);
            socket(AF_INET, SOCK_STREAM, 0);
            _exit(7);
        }
        int status;
        check(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
                  WEXITSTATUS(status) == 7,
              "vfork");
    }
    leak_copies(count);
}

/* A child of fork has the parent's descriptors, and waits in its place: the parent waits for it. */
APART void fork_child(int count)
{
    leak_files(count);
    pid_t child = fork();
    check(child >= 0, "fork");
    if (child == 0) {
        leak_copies(count);
        return;
    }
    close(0);
    close(1);
    waitpid(child, NULL, 0);
    exit(0);
}

static char ways_failed[1];

/* Every 250th stays open, often with a number that another thread has closed just now. */
static void *hammer(void *arg)
{
    void *failed = arg;
    for (int i = 0; i < 25000; i++) {
        int fd = open("/dev/null", O_RDONLY);
        if (fd < 0 || (i % 250 && close(fd) != 0))
            return failed;
    }
    return NULL;
}

/* 100000 opened in four threads; 400 of them are left, and what was there before. */
APART void storm(int count)
{
    pthread_t thread[4];
    void *failed;
    leak_files(count);
    for (int i = 0; i < 4; i++)
        check(pthread_create(&thread[i], NULL, hammer, ways_failed) == 0, "pthread_create");
    for (int i = 0; i < 4; i++)
        check(pthread_join(thread[i], &failed) == 0 && !failed, "hammer");
}

/* More opens than are walked: errno, results and the cancellation of accept are as without us. */
APART void keep_manners(int count)
{
    (void)count;
    errno = 77;
    int fd = open("/dev/null", O_RDONLY);
    check(fd >= 0 && errno == 77, "errno after open");
    check(close(fd) == 0 && errno == 77, "errno after close");
    check(close(fd) == -1 && errno == EBADF, "a second close");
    check(open("/no/such/file", O_RDONLY) == -1 && errno == ENOENT, "ENOENT");
    check(fcntl(0, F_GETFD) == 0 && fcntl(0, F_SETFD, FD_CLOEXEC) == 0 && fcntl(0, F_GETFD) == FD_CLOEXEC &&
              fcntl(0, F_SETFD, 0) == 0,
          "fcntl");
    DIR *volatile none = NULL;
    check(closedir(none) == -1 && errno == EINVAL, "closedir(NULL)");
    umask(0);
    fd = open("mode", O_CREAT | O_WRONLY, 0641);
    struct stat status;
    check(fd >= 0 && fstat(fd, &status) == 0 && (status.st_mode & 07777) == 0641 && close(fd) == 0,
          "the mode of open");
    fd = open(".", O_TMPFILE | O_WRONLY, 0604);
    check(fd < 0 || (fstat(fd, &status) == 0 && (status.st_mode & 07777) == 0604 && close(fd) == 0),
          "the mode of O_TMPFILE");
    FILE *memory = fmemopen(NULL, 10, "w");
    errno = 78;
    check(memory && fclose(memory) == 0 && errno == 78, "errno after fclose");
}

static void *accept_forever(void *arg)
{
    for (;;)
        accept(listener, NULL, NULL);
    return arg;
}

APART void cancel_accept(int count)
{
    listen_here();
    for (int i = 0; i < count; i++) {
        pthread_t thread;
        void *result;
        check(pthread_create(&thread, NULL, accept_forever, NULL) == 0 && pthread_cancel(thread) == 0 &&
                  pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED,
              "cancel");
    }
}

static const struct {
    const char *name;
    void (*run)(int count);
} ways[] = {
    {"peers", leak_peers},      {"files", leak_files},     {"copies", leak_copies},
    {"pipes", leak_pipes},      {"events", leak_events},   {"streams", leak_streams},
    {"closed", open_and_close}, {"unseen", open_unseen},   {"reopened", reopen_unseen},
    {"over", put_over},         {"vfork", vfork_child},    {"fork", fork_child},
    {"storm", storm},           {"manners", keep_manners}, {"cancelled", cancel_accept},
};

int main(int argc, char **argv)
{
    syscall(SYS_close_range, 3, ~0u, 0); // what a test runner has left open
    for (int i = 1; i + 1 < argc; i += 2)
        for (size_t k = 0; k < sizeof ways / sizeof *ways; k++)
            if (strcmp(argv[i], ways[k].name) == 0)
                ways[k].run(atoi(argv[i + 1]));
    printf("ready %d\n", (int)getpid());
    fflush(stdout);
    char byte;
    while (read(0, &byte, 1) > 0)
        ;
    return 0;
}
