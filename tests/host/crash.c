/* crash.c - a program that crashes as its first argument says, when its input ends; or shows what it sees of its signals.
 * Its functions have the names that the verdict has to give. */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile long sink;

__attribute__((noinline)) static void parse_header(const volatile char *header)
{
    sink += header[0];
}

__attribute__((noinline)) static void handle_request(const volatile char *header)
{
    parse_header(header);
    sink++;
}

__attribute__((noinline)) static long descend(long depth)
{
    volatile char frame[64];
    frame[0] = (char)depth;
    long below = sink == -1 ? 0 : descend(depth + 1); // without end, which the compiler does not see
    return below + frame[0];
}

static void *descend_in_thread(void *unused)
{
    sink += descend(0);
    return unused;
}

__attribute__((noinline)) static void free_twice(void)
{
    char *volatile block = malloc(24);
    free(block);
    free(block);
    sink++;
}

__attribute__((noinline)) static void check_order(int count)
{
    assert(count == 77);
}

__attribute__((noinline)) static void divide(volatile int by)
{
    sink = sink / by;
}

__attribute__((noinline)) static void read_mapped_file(void)
{
    char name[] = "mapped-XXXXXX";
    int fd = mkstemp(name);
    unlink(name);
    char *at = ftruncate(fd, 4096) ? NULL : mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);
    sink += ((volatile char *)at)[4096];
}

__attribute__((noinline)) static void call_nowhere(void)
{
    void (*volatile nowhere)(void) = (void (*)(void))8;
    nowhere();
    sink++;
}

static void crash_in_handler(int number)
{
    sink += number;
    parse_header((char *)0x20);
    sink++;
}

static atomic_int here;
static void *crash_with_others(void *unused)
{
    atomic_fetch_add(&here, 1);
    while (atomic_load(&here) < 8)
        ;
    parse_header((char *)0x30);
    return unused;
}

static void in_thread(void *routine(void *), int count)
{
    pthread_t thread[8];
    for (int i = 0; i < count; i++)
        pthread_create(&thread[i], NULL, routine, NULL);
    for (int i = 0; i < count; i++)
        pthread_join(thread[i], NULL);
}

static void leave(int number)
{
    static const char text[] = "handled by the program\n";
    (void)!write(1, text, sizeof text - 1);
    _exit(number == SIGSEGV ? 7 : 8);
}

/* Crash in a child; show how it ended. */
static void in_child(unsigned pause_us)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        usleep(pause_us);
        handle_request((char *)0x40);
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    printf("child: signal %d\n", WTERMSIG(status));
}

static const char *name_of(uintptr_t handler)
{
    return handler == (uintptr_t)SIG_DFL ? "default" : handler == (uintptr_t)SIG_IGN ? "ignored" : "handler";
}

/* What the C library says of each signal, and of the signal stack; with KERNEL what the kernel says. */
static void show_signals(int kernel)
{
    stack_t stack;
    for (int number = 1; number < 65; number++) {
        struct sigaction action = {0};
        struct {
            void *handler;
            unsigned long flags;
            void *restorer;
            unsigned long mask;
        } raw = {0};
        if (kernel && syscall(SYS_rt_sigaction, number, NULL, &raw, 8) == 0)
            printf("%d %s %lx\n", number, name_of((uintptr_t)raw.handler), raw.flags);
        else if (!kernel && sigaction(number, NULL, &action) == 0)
            printf("%d %s %x\n", number, name_of((uintptr_t)action.sa_handler), (unsigned)action.sa_flags);
    }
    if (kernel ? syscall(SYS_sigaltstack, NULL, &stack) == 0 : sigaltstack(NULL, &stack) == 0)
        printf("stack %d %zu\n", stack.ss_flags, stack.ss_size);
    printf("signal %p\n", (void *)signal(SIGFPE, SIG_DFL));
}

/* Take the signal for a handler that ends the program; the action before has to be the default. */
static void handle(int number)
{
    struct sigaction own = {.sa_handler = leave}, old;
    if (sigaction(number, &own, &old) != 0 || old.sa_handler != SIG_DFL || old.sa_flags != 0)
        puts("not the default action");
}

static void use_own_stack(void)
{
    static char room[1 << 16];
    stack_t own = {.ss_sp = room, .ss_size = sizeof room}, old;
    if (sigaltstack(&own, &old) != 0 || !(old.ss_flags & SS_DISABLE))
        puts("a signal stack that is not the program's");
    if (sigaltstack(NULL, &old) != 0 || old.ss_sp != room)
        puts("not the program's own signal stack");
}

static void crash(const char *how)
{
    if (!strcmp(how, "null"))
        handle_request((char *)0x10);
    else if (!strcmp(how, "wild"))
        handle_request((char *)0x1122334455667788);
    else if (!strcmp(how, "abort"))
        free_twice();
    else if (!strcmp(how, "assert"))
        check_order(76);
    else if (!strcmp(how, "divide"))
        divide(0);
    else if (!strcmp(how, "bus"))
        read_mapped_file();
    else if (!strcmp(how, "nowhere"))
        call_nowhere();
    else if (!strcmp(how, "overflow") || !strcmp(how, "own-stack"))
        sink += descend(0);
    else if (!strcmp(how, "overflow-in-thread"))
        in_thread(descend_in_thread, 1);
    else if (!strcmp(how, "together"))
        in_thread(crash_with_others, 8);
    else if (!strcmp(how, "in-handler"))
        raise(SIGUSR1);
    else if (!strcmp(how, "handled"))
        handle_request((char *)0x10);
    else if (!strcmp(how, "ignored"))
        raise(SIGABRT);
    else if (!strcmp(how, "young-child"))
        in_child(0);
    else if (!strcmp(how, "old-child"))
        in_child(1000000);
    else if (!strcmp(how, "signals"))
        show_signals(0);
    else if (!strcmp(how, "kernel-signals"))
        show_signals(1);
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";
    if (!strcmp(how, "handled"))
        handle(SIGSEGV);
    if (!strcmp(how, "own-stack"))
        use_own_stack();
    signal(SIGUSR1, crash_in_handler);
    puts("ready");
    fflush(stdout);
    while (getchar() != EOF)
        ;
    crash(how);
    puts("survived");
    return 0;
}
