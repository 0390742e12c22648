/* spawn.c - a program beside the host.
 *
 *   this thread ──clone──▶ keeper ──vfork──▶ child ──exec──▶ the program, in a session of its own
 *        ▲  sleeps on            │ waits, with a limit
 *        └── keeper's end ◀──────┘
 *
 * Why a keeper: a process becomes an ordinary child at its exec, whatever its parent asked for: then the host gets a SIGCHLD
 * and its wait(2) a child that it does not know. The keeper never execs. It shares the host's memory, has a table of
 * descriptors of its own (an empty one), and ends without a signal: wait(2) passes it over without __WCLONE.
 * If the host dies, so does the keeper, and its memory is free; the program goes on, under an alarm(2).
 * Trap: the keeper has this thread's thread-local storage, errno above all. This thread sleeps meanwhile. */
#include "host/spawn.h"
#include "base/clock.h"
#include "base/memory.h"
#include "sys/process.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { STACK = 64 << 10 };
#define MERCY_NS GS_NS_PER_S // between SIGTERM and SIGKILL

struct spawned {
    const struct gs_spawn *command;
    struct gs_spawn_end *end;
    pid_t host;
    char *stacks;        // the keeper's, and above it the child's
    _Atomic int keeping; // the kernel clears it, and wakes us, as the keeper ends
};

/* ---- the child -------------------------------------------------------------------------------------------------------- */

static void default_signals(void)
{
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL); // some cannot be changed
}

/* Descriptors 0, 1 and 2, in a table that is empty: /dev/null. Where that cannot be opened (it is not in this root, its mode or a
 * policy forbids it) something that can neither be read nor written: no file that the program opens is to become its output. */
static void open_nothing(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (open("/dev/null", O_RDWR) < 0 && open("/", O_PATH) < 0)
            return; // not even that: the program has none
}

static int become_program(void *of)
{
    struct spawned *run = of;
    sigset_t none;
    setsid();
    default_signals();
    open_nothing();
    alarm((unsigned)((run->command->limit_ns + 2 * MERCY_NS) / GS_NS_PER_S + 1));
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(run->command->program, run->command->argv, run->command->envp);
    run->end->error = errno;
    _exit(127);
}

/* ---- the keeper ------------------------------------------------------------------------------------------------------- */

static void forget_descriptors(void)
{
    struct rlimit limit;
    if (close_range(0, ~0U, CLOSE_RANGE_UNSHARE) == 0)
        return;
    if (syscall(SYS_unshare, CLONE_FILES) != 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0)
        _exit(1);
    for (int fd = 0; fd < (int)limit.rlim_cur; fd++) // a kernel before 5.9
        close(fd);
}

/* Wait for PID until UNTIL_NS: true when it has ended. */
static bool ends_until(pid_t pid, int64_t until_ns, int *status)
{
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    for (;;) {
        if (waitpid(pid, status, WNOHANG) == pid)
            return true;
        int64_t left_ns = until_ns - gs_clock_monotonic_ns();
        if (left_ns <= 0)
            return false;
        struct timespec left = {left_ns / GS_NS_PER_S, left_ns % GS_NS_PER_S};
        sigtimedwait(&child, NULL, &left); // it is blocked, so it waits for us
    }
}

static void wait_for_end(struct spawned *run, pid_t pid)
{
    run->end->error = ECHILD; // should somebody kill us meanwhile
    int64_t began_ns = gs_clock_monotonic_ns(), until_ns = began_ns + run->command->limit_ns;
    struct gs_spawn_end *end = run->end;
    if (!ends_until(pid, until_ns, &end->status)) {
        end->too_long = true;
        kill(-pid, SIGTERM);
        if (!ends_until(pid, until_ns + MERCY_NS, &end->status)) {
            kill(-pid, SIGKILL);
            waitpid(pid, &end->status, 0);
        }
    }
    end->took_ns = gs_clock_monotonic_ns() - began_ns;
    end->error = 0;
}

static int keep(void *of)
{
    struct spawned *run = of;
    sigset_t all;
    gs_prctl(PR_SET_PDEATHSIG, SIGKILL, 0);
    if (getppid() != run->host)
        _exit(0); // it died before we asked
    forget_descriptors();
    signal(SIGCHLD, SIG_DFL); // ours alone: the host's handlers were copied
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    pid_t pid = clone(become_program, run->stacks + 2 * STACK, CLONE_VM | CLONE_VFORK | SIGCHLD, run);
    if (pid < 0)
        run->end->error = errno;
    else if (run->end->error)
        waitpid(pid, NULL, 0); // exec failed
    else
        wait_for_end(run, pid);
    _exit(0);
}

/* ---- the host's thread ------------------------------------------------------------------------------------------------- */

static void run_and_wait(struct spawned *run)
{
    int kind = CLONE_VM | CLONE_FILES | CLONE_CHILD_CLEARTID; // and no signal at its end
    atomic_store(&run->keeping, 1);
    pid_t keeper = clone(keep, run->stacks + STACK, kind, run, NULL, NULL, &run->keeping);
    if (keeper < 0) {
        run->end->error = errno;
        return;
    }
    while (atomic_load(&run->keeping))
        syscall(SYS_futex, &run->keeping, FUTEX_WAIT, 1, NULL, NULL, 0);
    while (waitpid(keeper, NULL, (int)__WCLONE) < 0 && errno == EINTR)
        ;
}

void gs_spawn_run(const struct gs_spawn *command, struct gs_spawn_end *out)
{
    struct spawned run = {.command = command, .end = out, .host = getpid(), .stacks = gs_alloc(2 * STACK)};
    *out = (struct gs_spawn_end){.error = 0};
    if (run.stacks)
        run_and_wait(&run);
    else
        out->error = ENOMEM;
    gs_free(run.stacks);
}
