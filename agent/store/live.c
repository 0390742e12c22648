/* live.c - DIR/.live: files by which others find a running agent. <pid>-<start time>-<namespace>.sock is its control socket,
 * .box its black box (box/write.c, incident/recover.c). The start time (/proc/PID/stat, clock ticks since boot)
 * distinguishes processes that had the same pid. The namespace, a hash of the pid namespace and of the boot id,
 * distinguishes containers: in each of them a process may have pid 1 and start in the same tick.
 * Who: the watcher, the command. */
#include "base/hash.h"
#include "base/memory.h"
#include "store/inside.h"
#include "sys/file.h"
#include "sys/process.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { CONNECT_TIMEOUT_S = 5 }; // of the command, while an agent's queue is full

/* ---- the id of a process -------------------------------------------------------------------------------------------- */

/* /proc/PID/NAME. For this process /proc/self/NAME: a container may see the /proc of another pid namespace, where another
 * process has this pid. */
static void proc_path(int pid, const char *name, char out[40])
{
    if (pid == (int)getpid())
        snprintf(out, 40, "/proc/self/%s", name);
    else
        snprintf(out, 40, "/proc/%d/%s", pid, name);
}

/* The first SIZE - 1 bytes of PATH; "" when it cannot be read. No allocation. */
static void read_beginning(const char *path, char *out, size_t size)
{
    int fd = gs_file_openat(AT_FDCWD, path, O_RDONLY | O_NOCTTY, 0);
    ssize_t got = fd < 0 ? 0 : read(fd, out, size - 1);
    out[got > 0 ? got : 0] = 0;
    if (fd >= 0)
        close(fd);
}

void gs_store_boot_id(char out[GS_BOOT_ID])
{
    read_beginning("/proc/sys/kernel/random/boot_id", out, GS_BOOT_ID);
    out[strcspn(out, "\n")] = 0;
}

/* A hash of the pid namespace of process PID and of the boot id; 0: not known. */
static uint32_t namespace_of(int pid)
{
    char path[40], text[64 + GS_BOOT_ID];
    proc_path(pid, "ns/pid", path);
    ssize_t length = readlink(path, text, 64);
    if (length <= 0)
        return 0;
    gs_store_boot_id(text + length);
    uint64_t hash = gs_hash_bytes(text, (size_t)length + strlen(text + length));
    return (uint32_t)hash ? (uint32_t)hash : 1;
}

/* The pid that process PID has in its own pid namespace; PID if that cannot be read. */
static int pid_in_own_namespace(int pid)
{
    char path[40], *text;
    size_t length;
    int own = pid;
    if (pid == (int)getpid())
        return pid;
    proc_path(pid, "status", path);
    if (gs_file_read(AT_FDCWD, path, 1 << 14, &text, &length))
        return pid;
    char *line = strstr(text, "\nNSpid:");
    if (line) {
        line += 1;
        line[strcspn(line, "\n")] = 0;
        const char *last = strrchr(line, '\t');
        own = last ? atoi(last) : pid;
    }
    gs_free(text);
    return own;
}

bool gs_store_live_id(int pid, struct gs_store_live_id *out)
{
    *out =
        (struct gs_store_live_id){pid_in_own_namespace(pid), namespace_of(pid), gs_process_start_ticks(pid)};
    return out->start_ticks != 0;
}

void gs_store_live_id_print(const struct gs_store_live_id *id, char out[GS_LIVE_NAME])
{
    snprintf(out, GS_LIVE_NAME, "%d-%llu-%u", id->pid, id->start_ticks, id->namespace);
}

/* Read a number of digits only, at most MAX, from TEXT; *END points after it. */
static bool read_number(const char *text, unsigned long long max, unsigned long long *out, const char **end)
{
    char *after;
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    *out = strtoull(text, &after, 10);
    *end = after;
    return errno == 0 && *out <= max;
}

bool gs_store_live_id_read(const char *name, const char *tail, struct gs_store_live_id *out)
{
    unsigned long long pid, start, namespace = 0;
    const char *at;
    if (!read_number(name, INT32_MAX, &pid, &at) || pid == 0 || *at != '-' ||
        !read_number(at + 1, ULLONG_MAX, &start, &at))
        return false;
    if (*at == '-' &&
        !read_number(at + 1, UINT32_MAX, &namespace, &at)) // names by earlier versions have no namespace
        return false;
    *out = (struct gs_store_live_id){(int)pid, (uint32_t) namespace, start};
    return strcmp(at, tail) == 0;
}

bool gs_store_live_is_running(const struct gs_store_live_id *id)
{
    uint32_t ours = namespace_of((int)getpid());
    if (id->namespace && ours && id->namespace != ours)
        return false; // its pid means nothing in this namespace
    return id->start_ticks ? gs_process_runs(id->pid, id->start_ticks)
                           : id->pid == (int)getpid(); // written by a process without /proc
}

bool gs_store_live_name(int pid, char name[GS_LIVE_NAME])
{
    struct gs_store_live_id id;
    bool known = gs_store_live_id(pid, &id);
    gs_store_live_id_print(&id, name);
    return known;
}

static void socket_name(int pid, char name[GS_LIVE_NAME])
{
    (void)gs_store_live_name(pid, name);
    strcat(name, ".sock"); // three numbers leave room for the suffix
}

bool gs_store_live_has_socket(int live, const char *key)
{
    char name[GS_LIVE_NAME];
    struct stat status;
    if (!*key || key[strspn(key, "0123456789-")])
        return false;
    snprintf(name, sizeof name, "%s.sock", key);
    return fstatat(live, name, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---- sockets -------------------------------------------------------------------------------------------------------- */

static bool set_address(struct sockaddr_un *address, const char *directory, const char *name)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    return snprintf(address->sun_path, sizeof address->sun_path, "%s/%s", directory, name) <
           (int)sizeof address->sun_path;
}

/* Connect to the socket NAME in DIRECTORY, and wait for at most TIMEOUT_S while its queue is full. The descriptor;
 * -EAGAIN: the queue stayed full; or another -errno. */
static int connect_to(const char *directory, const char *name, int timeout_s)
{
    struct sockaddr_un address;
    struct timeval timeout = {.tv_sec = timeout_s};
    if (!set_address(&address, directory, name))
        return -ENAMETOOLONG;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (timeout_s ? 0 : SOCK_NONBLOCK), 0), error = 0;
    if (fd < 0)
        return -errno;
    if (timeout_s && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) != 0)
        error = -errno;
    if (!error && connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        error = -errno;
    if (!error)
        return fd;
    close(fd);
    return error;
}

/* Is NAME the socket of a process that we see running? Then the sweep need not connect, which would wake its agent. */
static bool owner_is_running(const char *name)
{
    struct gs_store_live_id id;
    return gs_store_live_id_read(name, ".sock", &id) && gs_store_live_is_running(&id);
}

/* Remove sockets without a listener. A full queue means a stopped process: the sweep does not wait for it. */
static void sweep(int live, const char *directory)
{
    struct gs_dir dir;
    gs_file_dir_start(&dir, live);
    for (const char *name; (name = gs_file_dir_next(&dir));) {
        size_t length = strlen(name);
        if (length < 5 || strcmp(name + length - 5, ".sock") != 0 || owner_is_running(name))
            continue;
        int fd = connect_to(directory, name, 0);
        if (fd >= 0)
            close(fd);
        else if (fd == -ECONNREFUSED)
            unlinkat(live, name, 0);
    }
}

static int listen_at(const char *directory, int live, const char *name)
{
    struct sockaddr_un address;
    int fd = set_address(&address, directory, name) ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1,
        error = 0;
    if (fd < 0)
        return -EMFILE;
    unlinkat(live, name, 0); // left by an earlier process with this pid
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || fchmodat(live, name, 0600, 0) != 0 ||
        listen(fd, 8) != 0)
        error = -errno;
    if (!error)
        return fd;
    close(fd);
    return error;
}

/* Lock the directory LIVE. Between bind and listen a socket looks like one of a dead process, so making and sweeping sockets
 * take this lock. False: another process has held it for TRIES pauses; it may be stopped. */
static bool lock_sockets(int live)
{
    enum { TRIES = 20 };
    const struct timespec pause = {.tv_nsec = 5000000};
    for (int i = 0; i < TRIES; i++) {
        if (flock(live, LOCK_EX | LOCK_NB) == 0)
            return true;
        nanosleep(&pause, NULL);
    }
    return false;
}

/* Open folder NAME of the store, which is created if missing and must be writable for this user only. */
static int open_folder(struct gs_store *store, const char *name)
{
    struct stat status;
    int store_fd = gs_store_fd(store), error = 0;
    if (store_fd < 0)
        return store_fd;
    if (mkdirat(store_fd, name, 0700) != 0 && errno != EEXIST)
        return -errno;
    int folder = gs_file_openat(store_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (folder < 0)
        return folder;
    if (fstat(folder, &status) != 0)
        error = -errno;
    else if (status.st_uid != geteuid() || status.st_mode & (S_IWGRP | S_IWOTH))
        error = -EPERM;
    if (!error)
        return folder;
    close(folder);
    return error;
}

int gs_store_live_open(struct gs_store *store)
{
    return open_folder(store, ".live");
}

int gs_store_history_open(struct gs_store *store)
{
    return open_folder(store, ".history");
}

int gs_store_live_listen(struct gs_store *store, char name[GS_LIVE_NAME])
{
    char directory[32];
    int live = gs_store_live_open(store);
    if (live < 0)
        return live;
    snprintf(directory, sizeof directory, "/proc/thread-self/fd/%d",
             live); // a socket's path is at most 107 bytes; the store's may be longer
    bool locked = lock_sockets(live);
    if (locked)
        sweep(live, directory);
    socket_name((int)getpid(), name);
    int listener = listen_at(directory, live, name);
    if (locked)
        flock(live, LOCK_UN);
    close(live);
    return listener;
}

void gs_store_live_remove(struct gs_store *store, const char *name)
{
    char path[GS_LIVE_NAME + 8];
    int store_fd = gs_store_fd(store);
    snprintf(path, sizeof path, ".live/%s", name);
    if (store_fd >= 0)
        unlinkat(store_fd, path, 0);
}

/* Find the agent's store among the descriptors in TABLE (/proc/…/fd) and connect to its socket NAME.
 * -ENOENT: no store there; -EAGAIN: the queue stayed full; another -errno: TABLE may not be read. */
static int connect_through_table(const char *table, const char *name)
{
    struct gs_dir dir;
    int folder = open(table, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -ENOENT;
    if (folder < 0)
        return -errno;
    gs_file_dir_start(&dir, folder);
    for (const char *entry; fd < 0 && fd != -EAGAIN && (entry = gs_file_dir_next(&dir));) {
        char directory[400];
        snprintf(directory, sizeof directory, "%.60s/%.200s/.live", table, entry);
        fd = connect_to(directory, name, CONNECT_TIMEOUT_S);
    }
    close(folder);
    return fd >= 0 || fd == -EAGAIN ? fd : -ENOENT;
}

/* Is thread TID of process PID a thread of the agent? Its name begins with "gumshoe". */
static bool is_agent_thread(int pid, const char *tid)
{
    char path[60], *text;
    size_t length;
    snprintf(path, sizeof path, "/proc/%d/task/%.20s/comm", pid, tid);
    if (gs_file_read(AT_FDCWD, path, 4096, &text, &length))
        return false;
    bool is_agent = strncmp(text, "gumshoe", strlen("gumshoe")) == 0;
    gs_free(text);
    return is_agent;
}

/* Connect through the descriptor tables of the agent's own threads. The host may have thousands of threads; those are
 * skipped. */
static int connect_through_threads(int pid, const char *name)
{
    char path[60];
    struct gs_dir dir;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -ENOENT;
    if (folder < 0)
        return -errno;
    gs_file_dir_start(&dir, folder);
    for (const char *tid; fd < 0 && fd != -EAGAIN && (tid = gs_file_dir_next(&dir));)
        if (is_agent_thread(pid, tid)) {
            snprintf(path, sizeof path, "/proc/%d/task/%.20s/fd", pid, tid);
            fd = connect_through_table(path, name);
        }
    close(folder);
    return fd;
}

int gs_store_live_connect(int pid)
{
    char path[40], name[GS_LIVE_NAME];
    socket_name(pid, name);
    int fd = connect_through_threads(pid, name);
    if (fd == -ENOENT) {
        snprintf(path, sizeof path, "/proc/%d/fd", pid);
        fd = connect_through_table(path, name);
    }
    return fd == -EAGAIN ? -ETIMEDOUT : fd;
}
