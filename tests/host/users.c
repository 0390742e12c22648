/* users UID GID PROBE [late]: a server that forks one worker at a time, which becomes user UID of group GID and leaks. A worker that
 * is killed is replaced; after SIGHUP the server ends instead. SIGTERM ends the server and its worker.
 *
 * late:    the worker changes its user at SIGUSR2, not at once.
 * SIGUSR1: the worker tries what a hostile one would: everything that the descriptors of all its threads lead to, and PROBE, an
 *          incident of the server's. It prints "reached WHAT" for whatever is not its user's own, and "tried N" at the end.
 *
 * Prints "worker PID" for each worker, "user UID" once it has become that. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BLOCK = 64 << 10, BLOCKS = 640 }; // 40 MiB

static volatile sig_atomic_t stopping, last_worker, attack_wanted, change_wanted;
static void *volatile leaked;
static unsigned user, group;

static void note(int number)
{
    if (number == SIGTERM)
        stopping = 1;
    else if (number == SIGHUP)
        last_worker = 1;
    else if (number == SIGUSR1)
        attack_wanted = 1;
    else if (number == SIGUSR2)
        change_wanted = 1;
}

static void handle(int number)
{
    struct sigaction action = {.sa_handler = note}; // without SA_RESTART
    sigaction(number, &action, NULL);
}

static void say(const char *what, const char *of, const char *name)
{
    printf("%s %s %s\n", what, of, name);
    fflush(stdout);
}

/* ---- a hostile worker ----------------------------------------------------------------------------------------------- */

/* Is FD the directory of this process's user, or in it? */
static bool is_own(int fd)
{
    char link[40], path[4096] = "", own[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    snprintf(own, sizeof own, "/.users/%u-%u", user, group);
    (void)!readlink(link, path, sizeof path - 1);
    return strstr(path, own) != NULL;
}

static void try_to_list(int fd, const char *name)
{
    char block[4096];
    if (!is_own(fd) && getdents64(fd, block, sizeof block) > 0)
        say("reached", "the names in", name);
}

/* Go WAY from the directory FROM, which is NAME. */
static void try_to_go(int from, const char *way, const char *name)
{
    char whole[4200];
    int fd = openat(from, way, O_RDONLY | O_DIRECTORY), path = openat(from, way, O_PATH | O_DIRECTORY);
    snprintf(whole, sizeof whole, "%s/%s", name, way);
    if (fd >= 0)
        try_to_list(fd, whole);
    if (path >= 0 && !is_own(path) &&
        (mkdirat(path, "planted", 0700) == 0 || symlinkat("/etc", path, "planted") == 0))
        say("reached", "with a new entry", whole);
    if (path >= 0 && !is_own(path) && (openat(path, ".live", O_PATH) >= 0 || openat(path, "..", O_PATH) >= 0))
        say("reached", "what is in", whole);
    close(fd);
    close(path);
}

/* All that leads on from LINK, a descriptor in some thread's table. True: it is a directory. */
static bool try_descriptor(const char *link)
{
    char name[4096] = "";
    struct stat status;
    int fd = open(link, O_RDONLY | O_NONBLOCK), path = open(link, O_PATH);
    (void)!readlink(link, name, sizeof name - 1);
    bool is_directory =
        path >= 0 && fstat(path, &status) == 0 && S_ISDIR(status.st_mode) && !strstr(name, "/proc");
    if (is_directory && strcmp(name, "/") != 0) {
        if (fd >= 0)
            try_to_list(fd, name);
        try_to_go(path, ".", name);
        try_to_go(path, "..", name);
        try_to_go(path, "../..", name);
        printf("directory %s\n", name);
    }
    close(fd);
    close(path);
    return is_directory;
}

static int try_table(const char *tid)
{
    char table[64], link[400];
    int tried = 0;
    snprintf(table, sizeof table, "/proc/self/task/%.20s/fd", tid);
    DIR *dir = opendir(table);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        snprintf(link, sizeof link, "%s/%s", table, entry->d_name);
        tried += entry->d_name[0] != '.' && try_descriptor(link);
    }
    if (dir)
        closedir(dir);
    return tried;
}

static void try_incident(const char *probe)
{
    char file[4200], other[4200];
    snprintf(file, sizeof file, "%s/incident.json", probe);
    snprintf(other, sizeof other, "%s-forged", probe);
    if (open(file, O_RDONLY) >= 0 || open(file, O_WRONLY) >= 0)
        say("reached", "to open", file);
    if (unlink(file) == 0 || rename(probe, other) == 0)
        say("reached", "to remove", file);
    if (mkdir(other, 0700) == 0 || link(file, "/tmp/gumshoe-users-link") == 0)
        say("reached", "to make", other);
    if (stat(file, &(struct stat){0}) == 0)
        say("reached", "to see", file);
}

static void attack(const char *probe)
{
    int tried = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *entry; tasks && (entry = readdir(tasks));)
        if (entry->d_name[0] != '.')
            tried += try_table(entry->d_name);
    if (tasks)
        closedir(tasks);
    try_incident(probe);
    printf("tried %d\n", tried);
    fflush(stdout);
}

/* ---- the worker ------------------------------------------------------------------------------------------------------- */

__attribute__((noinline)) void leak_in_worker(void)
{
    leaked = malloc(BLOCK);
    if (leaked)
        memset(leaked, 1, BLOCK);
}

static void become_user(void)
{
    if (setgroups(0, NULL) != 0 || setgid(group) != 0 || setuid(user) != 0)
        _exit(9);
    printf("user %u\n", user);
    fflush(stdout);
}

static void work(const char *probe, bool late, pid_t server)
{
    while (late && !change_wanted && !stopping)
        usleep(10000);
    become_user();
    for (int blocks = 0; !stopping && getppid() == server; blocks++) {
        if (blocks < BLOCKS)
            leak_in_worker();
        usleep(5000);
        if (attack_wanted)
            attack(probe);
        attack_wanted = 0;
    }
    exit(0);
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    user = (unsigned)atoi(argv[1]);
    group = (unsigned)atoi(argv[2]);
    handle(SIGTERM);
    handle(SIGHUP);
    handle(SIGUSR1);
    handle(SIGUSR2);
    while (!stopping) {
        int status;
        pid_t server = getpid(), worker = fork();
        if (worker == 0)
            work(argv[3], argc > 4, server);
        printf("worker %d\n", (int)worker);
        fflush(stdout);
        while (waitpid(worker, &status, 0) < 0 && errno == EINTR)
            if (stopping)
                kill(worker, SIGTERM);
        if (!WIFSIGNALED(status) || last_worker)
            return WIFSIGNALED(status) ? 0 : WEXITSTATUS(status);
    }
    return 0;
}
