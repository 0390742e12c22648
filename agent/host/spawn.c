/* spawn.c - runs a program without the host noticing.
 *
 *   this thread ──clone──▶ keeper ──vfork──▶ child ──exec──▶ the program, in a session of its own
 *        ▲  sleeps on            │ waits, with a time limit
 *        └── end of keeper ◀─────┘
 *
 * Why a keeper: exec turns any process into an ordinary child. The host would get a SIGCHLD for it, and its wait(2) would
 * return an unknown child. The keeper never calls exec. It shares the host's memory, has its own empty table of descriptors,
 * and ends without a signal, so wait(2) without __WCLONE ignores it.
 * If the host dies, the keeper is killed and the memory is freed; the program runs on, limited by alarm(2).
 * Trap: the keeper uses this thread's thread-local storage, such as errno. So this thread sleeps until the keeper has
 * ended. */
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
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { STACK_BYTES = 64 << 10 };
#define KILL_DELAY_NS GS_NS_PER_S // between SIGTERM and SIGKILL

struct spawned {
    const struct gs_spawn *command;
    struct gs_spawn_end *end;
    pid_t host;
    bool filtered;           // a system call that is not needed may be forbidden, at the price of a life
    char *stacks;            // the keeper's, and above it the child's
    _Atomic int keeper_runs; // the kernel clears it and wakes us when the keeper ends
};

/* ---- the child -------------------------------------------------------------------------------------------------------- */

static void default_signals(void)
{
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL); // fails for some signals, which does no harm
}

/* Open descriptors 0, 1 and 2 on /dev/null. If that fails (missing in this root, or forbidden), open something that can
 * neither be read nor written, so that no file that the program opens becomes its output. The table is empty before. */
static void open_standard_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (open("/dev/null", O_RDWR) < 0 && open("/", O_PATH) < 0)
            return; // the program runs without them
}

/* Write TEXT to the file PATH; if that fails, go on without. */
static void write_setting(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);
    if (fd < 0)
        return;
    (void)!write(fd, text, strlen(text));
    close(fd);
}

/* Be of no weight to the host: it did not ask for this program. What fails is done without. Each call here is about this
 * process alone, although it still shares the host's memory. */
static void enter_background(const struct spawned *run)
{
    enum { LEAST_NICE = 19, IOPRIO_WHO_PROCESS = 1, IOPRIO_IDLE = 3 << 13 };
    const struct rlimit data = {run->command->data_bytes, run->command->data_bytes}, no_core = {0, 0};
    write_setting("/proc/self/oom_score_adj", "1000"); // the first to go
    // Where the kernel shares the CPUs among sessions (sched(7)), "nice" counts within this new session alone.
    write_setting("/proc/self/autogroup", "19");
    gs_prctl(PR_SET_PDEATHSIG, SIGKILL, 0); // with the keeper, which ends with the host
    gs_prctl(PR_SET_NO_NEW_PRIVS, 1, 0);
    if (!run->filtered) {
        setpriority(PRIO_PROCESS, 0, LEAST_NICE);
        syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_IDLE);
    }
    setrlimit(RLIMIT_CORE, &no_core);
    setrlimit(RLIMIT_DATA, &data);
    if (!run->command->folder_fd) // else the keeper is there already
        (void)!chdir("/");
}

static int become_program(void *pointer)
{
    struct spawned *run = pointer;
    sigset_t none;
    setsid();
    default_signals();
    open_standard_descriptors();
    if (run->command->background)
        enter_background(run);
    alarm((unsigned)((run->command->limit_ns + 2 * KILL_DELAY_NS) / GS_NS_PER_S + 1));
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(run->command->program, run->command->argv, run->command->envp);
    run->end->error = errno;
    _exit(127);
}

/* ---- the keeper ------------------------------------------------------------------------------------------------------- */

static void empty_table(void)
{
    struct rlimit limit;
    if (close_range(0, ~0U, CLOSE_RANGE_UNSHARE) == 0)
        return;
    if (syscall(SYS_unshare, CLONE_FILES) != 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0)
        _exit(1);
    for (int fd = 0; fd < (int)limit.rlim_cur; fd++) // a kernel before 5.9
        close(fd);
}

/* Wait for PID until UNTIL_NS. True: it has ended. */
static bool wait_until(pid_t pid, int64_t until_ns, int *status)
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
        sigtimedwait(&child, NULL, &left); // SIGCHLD is blocked, so it stays pending
    }
}

static void wait_for_end(struct spawned *run, pid_t pid)
{
    run->end->error = ECHILD; // if the keeper is killed meanwhile
    int64_t began_ns = gs_clock_monotonic_ns(), until_ns = began_ns + run->command->limit_ns;
    struct gs_spawn_end *end = run->end;
    atomic_store(&end->pid, pid);
    if (!wait_until(pid, until_ns, &end->status)) {
        end->too_long = true;
        kill(-pid, SIGTERM);
        if (!wait_until(pid, until_ns + KILL_DELAY_NS, &end->status)) {
            kill(-pid, SIGKILL);
            waitpid(pid, &end->status, 0);
        }
    }
    atomic_store(&end->pid, 0);
    end->took_ns = gs_clock_monotonic_ns() - began_ns;
    end->error = 0;
}

static int run_keeper(void *pointer)
{
    struct spawned *run = pointer;
    sigset_t all;
    gs_prctl(PR_SET_PDEATHSIG, SIGKILL, 0);
    if (getppid() != run->host)
        _exit(0);                                                          // the host died before the prctl
    if (run->command->folder_fd && fchdir(run->command->folder_fd) != 0) { // a current folder of its own
        run->end->error = errno;
        _exit(0);
    }
    empty_table();
    signal(SIGCHLD, SIG_DFL); // of the keeper only: its handlers are a copy
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    pid_t pid = clone(become_program, run->stacks + 2 * STACK_BYTES, CLONE_VM | CLONE_VFORK | SIGCHLD, run);
    if (pid < 0)
        run->end->error = errno;
    else if (run->end->error)
        waitpid(pid, NULL, 0); // exec failed
    else
        wait_for_end(run, pid);
    _exit(0);
}

/* ---- the host's thread ------------------------------------------------------------------------------------------------ */

static void run_and_wait(struct spawned *run)
{
    int kind = CLONE_VM | CLONE_FILES | CLONE_CHILD_CLEARTID; // no exit signal
    atomic_store(&run->keeper_runs, 1);
    pid_t keeper = clone(run_keeper, run->stacks + STACK_BYTES, kind, run, NULL, NULL, &run->keeper_runs);
    if (keeper < 0) {
        run->end->error = errno;
        return;
    }
    while (atomic_load(&run->keeper_runs))
        syscall(SYS_futex, &run->keeper_runs, FUTEX_WAIT, 1, NULL, NULL, 0);
    while (waitpid(keeper, NULL, (int)__WCLONE) < 0 && errno == EINTR)
        ;
}

void gs_spawn_run(const struct gs_spawn *command, struct gs_spawn_end *out)
{
    struct spawned run = {.command = command,
                          .end = out,
                          .host = getpid(),
                          .filtered = gs_process_count_filters() > 0,
                          .stacks = gs_alloc(2 * STACK_BYTES)};
    *out = (struct gs_spawn_end){.error = 0};
    if (run.stacks)
        run_and_wait(&run);
    else
        out->error = ENOMEM;
    gs_free(run.stacks);
}
