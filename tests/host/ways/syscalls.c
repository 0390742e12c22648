/* syscalls.c - calls through syscall(3), which the agent stands before: what they return, errno, with few and many arguments, and in
 * children that they make. Prints all of it. */
#include <errno.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void tell(const char *what, long result)
{
    printf("%s: %ld, errno %d\n", what, result, errno);
    errno = 0;
}

static void tell_end(const char *what, pid_t child)
{
    int status = -1;
    waitpid(child, &status, 0);
    printf("%s: status %x\n", what, status);
    errno = 0;
}

int main(void)
{
    struct clone_args arguments = {.exit_signal = SIGCHLD};
    unsigned action = SECCOMP_RET_LOG;
    char room[100];
    setvbuf(stdout, NULL, _IONBF, 0);
    tell("six arguments", syscall(SYS_mmap, NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != -1);
    tell("the sixth is wrong", syscall(SYS_mmap, NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 1));
    tell("the fifth is wrong", syscall(SYS_mmap, NULL, 8192, PROT_READ, MAP_PRIVATE, 1000, 0));
    tell("no such call", syscall(99999));
    tell("no argument", syscall(SYS_getpid) == getpid());
    tell("a bad descriptor", syscall(SYS_read, -1, room, 1));
    pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0)
        _exit(5);
    tell_end("clone", child);
    child = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
    if (child == 0)
        syscall(SYS_exit_group, 6);
    tell_end("clone3", child);
    tell("has the kernel filters", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL));
    tell("has the kernel filters, by prctl", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL));
    tell("a bad operation of seccomp", syscall(SYS_seccomp, 99, 0, NULL));
    memset(room, 0, sizeof room);
    tell("a filter without code", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, room));
    tell("a filter without code, for all threads", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 1, room));
    tell("an action", syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action));
    return 0;
}
