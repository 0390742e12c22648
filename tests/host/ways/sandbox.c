/* sandbox.c - programs that lock themselves into a sandbox and go on with what they do: `sandbox HOW WHAT`
 *   HOW    prctl | seccomp   a filter on the calling thread, set by prctl(2) or by syscall(3)
 *          tsync             a filter on all threads of the process, as the agent's: it allows what the agent needs, but kills for
 *                            the calls that only the agent's work on the program's own threads would need
 *          strict            the kernel's strict mode: read, write, exit and rt_sigreturn, and no time stamp counter
 *          tsc               no time stamp counter
 *          none
 *   WHAT   heap              allocates and frees, from stacks that were not seen before, through a library that was not used before
 *          threads           the same on new threads
 *          mask              the same, and blocks and unblocks signals
 *          fork              the same in children, one after the other
 *          exec              ends by exec of /bin/echo
 *          breach            the same as heap, and makes a call that is not allowed at the end
 *          crash             the same as heap, and writes to address 8 at the end
 * The filter kills the process for every call but those that this program makes itself. It works until there is a file "enough"
 * (looked for before each piece of work with access(2); not in strict mode, which allows no such call), and ends with status 7. */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

/* ---- the sandbox ---------------------------------------------------------------------------------------------------- */

static const int own_calls[] = {
    SYS_write, SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_madvise, SYS_exit, SYS_exit_group, SYS_access,
    -1, // the end of the first group: what heap, breach and crash need
    SYS_clone, SYS_clone3, SYS_set_robust_list, SYS_rseq, SYS_futex, SYS_rt_sigprocmask,
    -1, // of the second: what threads and mask need besides
    SYS_wait4, SYS_execve, // the third: fork and exec
};

static int groups_for(const char *what)
{
    if (strcmp(what, "fork") == 0 || strcmp(what, "exec") == 0)
        return 3;
    return strcmp(what, "threads") == 0 || strcmp(what, "mask") == 0 ? 2 : 1;
}

static void add(struct sock_filter *code, unsigned short *length, int call, unsigned then)
{
    code[(*length)++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, 1);
    code[(*length)++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, then);
}

/* Allow the first GROUPS groups of own_calls, and nothing else. */
static void allow(struct sock_fprog *program, int groups)
{
    for (size_t i = 0; i < sizeof own_calls / sizeof *own_calls && groups > 0; i++)
        if (own_calls[i] == -1)
            groups--;
        else
            add(program->filter, &program->len, own_calls[i], SECCOMP_RET_ALLOW);
    program->filter[program->len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
}

static void forbid_to_our_threads(struct sock_fprog *program)
{
    static const int calls[] = {SYS_rt_sigreturn, SYS_timer_create, SYS_sigaltstack};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        add(program->filter, &program->len, calls[i], SECCOMP_RET_KILL_PROCESS);
    program->filter[program->len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
}

static void lock_in(const char *how, int groups)
{
    struct sock_filter code[80] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
    struct sock_fprog program = {1, code};
    long failed = 0;
    if (strcmp(how, "none") == 0)
        return;
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (strcmp(how, "tsync") == 0)
        forbid_to_our_threads(&program);
    else
        allow(&program, groups);
    if (strcmp(how, "tsc") == 0)
        failed = prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0);
    else if (strcmp(how, "strict") == 0)
        failed = prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
    else if (strcmp(how, "prctl") == 0)
        failed = prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
    else
        failed = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, strcmp(how, "tsync") ? 0 : SECCOMP_FILTER_FLAG_TSYNC, &program);
    if (failed)
        _exit(125);
}

/* ---- the work ------------------------------------------------------------------------------------------------------- */

enum { KEPT = 1024, PIECES_IN_STRICT_MODE = 60 };

/* A stack of its own for every PATH. */
__attribute__((noinline)) static void descend(unsigned path, unsigned depth, void **kept)
{
    char volatile room[1800]; // so that deep stacks reach pages that were not read before
    room[0] = 1;
    if (depth == 0) {
        free(kept[path % KEPT]);
        kept[path % KEPT] = malloc(64 + path % 4000);
    } else if (path & 1) {
        descend(path >> 1, depth - 1, kept);
    } else {
        descend(path >> 1, depth - 1, kept);
        room[1] = 2; // not the same call as above
    }
    room[2] = 3;
}

static void compress_something(void)
{
    unsigned char text[1000] = "text", packed[2000];
    unsigned long length = sizeof packed;
    if (compress(packed, &length, text, sizeof text) != Z_OK)
        _exit(124);
}

static void do_a_piece(void **kept, unsigned *random)
{
    for (int i = 0; i < 20000; i++) {
        *random = *random * 1103515245 + 12345;
        descend(*random >> 8, (*random >> 4) % 12, kept);
        if (i % 1000 == 0)
            compress_something();
    }
}

static void *work_once(void *random)
{
    void *kept[KEPT] = {NULL};
    do_a_piece(kept, random);
    for (int i = 0; i < KEPT; i++)
        free(kept[i]);
    return NULL;
}

static void piece(const char *what, void **kept, unsigned *random)
{
    pthread_t thread;
    sigset_t set;
    int status = 0;
    if (strcmp(what, "threads") == 0) {
        if (pthread_create(&thread, NULL, work_once, random) || pthread_join(thread, NULL))
            _exit(123);
    } else if (strcmp(what, "fork") == 0) {
        pid_t child = fork();
        if (child == 0) {
            work_once(random);
            _exit(*random % 2 ? 0 : 3);
        }
        if (child < 0 || wait4(child, &status, 0, NULL) != child || !WIFEXITED(status))
            _exit(122);
        *random = *random * 1103515245 + 12345;
    } else {
        do_a_piece(kept, random);
        sigfillset(&set);
        if (strcmp(what, "mask") == 0 && (sigprocmask(SIG_BLOCK, &set, NULL) || sigprocmask(SIG_UNBLOCK, &set, NULL)))
            _exit(121);
    }
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "", *what = argc > 2 ? argv[2] : "";
    int strict = strcmp(how, "strict") == 0;
    void *kept[KEPT] = {NULL};
    unsigned random = 1;
    mallopt(M_TOP_PAD, 64 << 20); // strict mode allows no call that gets memory, or gives it back
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_ARENA_MAX, 1); // to count the CPUs for a second one, more calls are made
    void *volatile much = malloc(16 << 20);
    free(much);
    kept[0] = malloc(1000);
    if (strcmp(what, "threads") == 0)
        piece(what, kept, &random); // the C library prepares itself at the first thread
    lock_in(how, groups_for(what));
    for (int i = 0; strict ? i < PIECES_IN_STRICT_MODE : access("enough", F_OK) != 0; i++)
        piece(what, kept, &random);
    if (write(1, "done\n", 5) != 5)
        _exit(120);
    if (strcmp(what, "breach") == 0)
        getppid();
    if (strcmp(what, "crash") == 0)
        *(volatile int *)8 = 0;
    if (strcmp(what, "exec") == 0)
        execl("/bin/echo", "echo", "exec", NULL);
    if (strict)
        syscall(SYS_exit, 7);
    return 7;
}
