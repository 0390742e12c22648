/* children.c - ways to be a child, and what daemons do to themselves before they begin to work.
 *   children [fork|twice|daemon] [closefrom|close|chroot|setuid|drop|seccomp|tsync] work|spin
 *   children execs N        N children that exec /bin/true at once, and one that works. Into the file with-thread: how many of
 *                           the last N - 100 had a thread that they did not start, and after how many milliseconds the slowest
 *                           of all came to its exec
 *   children fds            a child that execs ls: which descriptors does it have?
 * Whoever works allocates until there is a file "enough" in its directory, and ends with status 7. Prints what of its own it finds changed at the end. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/capability.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FILES = 600, BLOCK = 10000 };
static int own_fd[FILES]; // our own file; the agent may have a number between two of them at that moment
static int filled;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* A name that pprof is to show. */
__attribute__((noinline)) void *grow_in_the_child(void)
{
    char *block = malloc(BLOCK);
    memset(block, 1, BLOCK);
    return block;
}

static void work(int spin)
{
    enum { AT_MOST = 600000 }; // milliseconds, should the test have ended meanwhile
    for (double until = now() + AT_MOST; now() < until && access("enough", F_OK) != 0;) {
        *(void *volatile *)grow_in_the_child() = NULL;
        if (!spin)
            usleep(2000);
        else
            for (volatile int i = 0; i < 1000000; i++)
                ;
    }
}

/* As if it had never had any: then take all low numbers for a file of our own. */
static void close_all(int one_by_one)
{
    for (int fd = 3; one_by_one && fd < 4096; fd++)
        close(fd);
    if (!one_by_one)
        closefrom(3);
    own_fd[0] = open("own", O_RDWR | O_CREAT | O_TRUNC, 0600);
    for (filled = 1; filled < FILES; filled++)
        own_fd[filled] = dup(own_fd[0]);
    write(own_fd[0], "mine\n", 5);
}

static void look_at_own_files(void)
{
    struct stat own, there;
    char text[64] = "";
    int wrong = 0;
    stat("own", &own);
    for (int i = 0; i < filled; i++)
        wrong += fstat(own_fd[i], &there) != 0 || there.st_ino != own.st_ino;
    pread(own_fd[0], text, sizeof text - 1, 0);
    if (filled)
        printf("%d descriptors are not mine; the file says %s", wrong, text);
}

static void drop_capabilities(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2] = {{0}};
    if (syscall(SYS_capset, &header, none) != 0)
        perror("capset");
}

/* No files are opened, and no threads looked for, any more: by this thread (then that is death, as in sshd), or by any (then it is
 * refused). */
static void filter(unsigned flags, unsigned action)
{
    struct sock_filter rows[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_tgkill, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof rows / sizeof *rows, rows};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) != 0)
        perror("seccomp");
}

static int prepare(const char *way)
{
    if (!strcmp(way, "closefrom")) close_all(0);
    else if (!strcmp(way, "close")) close_all(1);
    else if (!strcmp(way, "chroot")) return chroot("jail") || chdir("/") ? perror("chroot"), 1 : 1;
    else if (!strcmp(way, "setuid")) return setgid(65534) || setuid(65534) ? perror("setuid"), 1 : 1;
    else if (!strcmp(way, "drop")) drop_capabilities();
    else if (!strcmp(way, "seccomp")) filter(0, SECCOMP_RET_KILL_PROCESS);
    else if (!strcmp(way, "tsync")) filter(SECCOMP_FILTER_FLAG_TSYNC, SECCOMP_RET_ERRNO | EPERM);
    else return 0;
    return 1;
}

static int end_of(pid_t child)
{
    int status = 0;
    waitpid(child, &status, 0);
    printf("child %s %d\n", WIFEXITED(status) ? "exited" : "died of", WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int threads(void)
{
    struct stat status;
    return stat("/proc/self/task", &status) == 0 ? (int)status.st_nlink - 2 : 0;
}

struct execs { // shared by all children
    int with_thread;
    double slowest;
};

static void tell_of(const struct execs *execs)
{
    FILE *out = fopen("with-thread", "w");
    fprintf(out, "%d %.0f\n", execs->with_thread, execs->slowest);
    fclose(out);
}

static void exec_at_once(struct execs *shared, double born, int may_have_thread)
{
    shared->with_thread += !may_have_thread && threads() > 1;
    double age = now() - born;
    if (age > shared->slowest)
        shared->slowest = age;
    execl("/bin/true", "true", (char *)NULL);
    _exit(1);
}

static int execs(int count)
{
    enum { FIRST = 100 };
    struct execs *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int wrong = 0;
    for (int i = 0; i < count; i++) {
        int status;
        if (i == FIRST)
            usleep(300000); // those have had the time to become something
        double born = now();
        pid_t child = fork();
        if (child == 0)
            exec_at_once(shared, born, i < FIRST);
        waitpid(child, &status, 0);
        wrong += status != 0;
    }
    printf("%d wrong\n", wrong);
    tell_of(shared);
    pid_t child = fork();
    if (child == 0)
        work(0);
    return child == 0 ? 7 : end_of(child);
}

static int list_descriptors(void)
{
    pid_t child = fork();
    if (child == 0) {
        execl("/bin/ls", "ls", "/proc/self/fd", (char *)NULL);
        _exit(1);
    }
    return end_of(child);
}

int main(int argc, char **argv)
{
    int at = 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 2 && !strcmp(argv[1], "execs")) return execs(atoi(argv[2]));
    if (argc > 1 && !strcmp(argv[1], "fds")) return list_descriptors();
    usleep(200000); // for the watch to have begun
    if (!strcmp(argv[at], "fork") || !strcmp(argv[at], "twice")) {
        int again = !strcmp(argv[at++], "twice");
        pid_t child = fork();
        if (child) return end_of(child);
        child = again ? fork() : 0;
        if (child) return end_of(child);
    } else if (!strcmp(argv[at], "daemon")) {
        at++;
        if (daemon(1, 1) != 0) return 1;
    }
    at += prepare(argv[at]);
    work(!strcmp(argv[at], "spin"));
    look_at_own_files();
    return 7;
}
