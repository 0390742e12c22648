/* contexts.c - a host that runs on stacks of its own making, with a guard page below, and computes there while it is profiled.
 *   contexts small    by swapcontext, 16 KiB, of which all but 1 KiB is in use
 *   contexts own      the same by a few lines of assembler; it allocates there first, which is how it is known
 *   contexts large    by swapcontext, 256 KiB
 * Prints "sound" in the end. Its profiles go to the working directory: cpu.pb.gz, threads.pb.gz. */
#include <alloca.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

enum { PAGE = 4096, SMALL = 16 << 10, LARGE = 256 << 10, LEFT = 1024 };

static _Atomic bool over, computes, allocates;
static size_t in_use;
static void *volatile block;

__attribute__((noipa)) static void compute(void)
{
    computes = true;
    while (!over)
        __asm__ volatile("");
}

__attribute__((noipa)) static void with_most_in_use(void)
{
    volatile char *room = alloca(in_use);
    room[0] = 1;
    compute();
    room[0] = 2;
}

__attribute__((noipa)) static void coroutine(void)
{
    for (int i = 0; allocates && i < 100; i++) {
        block = malloc(1 << 20);
        free(block);
    }
    with_most_in_use();
}

/* To the stack that ends at TOP, and back. */
__attribute__((noipa)) static void run_on(char *top, void (*routine)(void))
{
    __asm__ volatile("movq %%rsp, %%rbx\n\tmovq %0, %%rsp\n\tcall *%1\n\tmovq %%rbx, %%rsp"
                     :
                     : "r"(top), "r"(routine)
                     : "rbx", "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc");
}

static void write_profile(int kind, const char *path)
{
    int (*write_kind)(int, int);
    void *found = dlsym(RTLD_DEFAULT, "gumshoe_write_profile");
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    memcpy(&write_kind, &found, sizeof found);
    if (!found || fd < 0 || write_kind(kind, fd) != 0)
        exit(1);
    close(fd);
}

static void *profile(void *unused)
{
    while (!computes)
        usleep(1000);
    for (int i = 0; i < 20; i++)
        write_profile(4, "threads.pb.gz"); // GUMSHOE_THREADS
    write_profile(2, "cpu.pb.gz");         // GUMSHOE_CPU
    over = true;
    return unused;
}

int main(int argc, char **argv)
{
    static ucontext_t here, there;
    const char *way = argc > 1 ? argv[1] : "";
    size_t size = strcmp(way, "large") ? SMALL : LARGE;
    char *low = mmap(NULL, PAGE + size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pthread_t thread;
    if (low == MAP_FAILED || mprotect(low += PAGE, size, PROT_READ | PROT_WRITE) != 0 ||
        pthread_create(&thread, NULL, profile, NULL) != 0)
        return 1;
    in_use = SMALL - LEFT;
    allocates = !strcmp(way, "own");
    if (allocates) {
        run_on(low + size - 16, coroutine);
    } else {
        getcontext(&there);
        there.uc_stack.ss_sp = low;
        there.uc_stack.ss_size = size;
        there.uc_link = &here;
        makecontext(&there, coroutine, 0);
        swapcontext(&here, &there);
    }
    pthread_join(thread, NULL);
    puts("sound");
    return 0;
}
