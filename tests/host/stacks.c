/* stacks.c - a host that allocates on every kind of stack but a comfortable one, so that samples are taken there:
 *
 *   on_small_thread   threads of PTHREAD_STACK_MIN (16 KiB), half of it used up
 *   on_signal_stack   a handler on an alternate stack of 8 KiB
 *   on_own_context    two ucontexts of 16 KiB that swap to and fro
 *   deep              a recursion 2000 frames deep, whose stack is longer than any that is kept
 * A walk that left its stack would end the process; one that used too much would overwrite what stands below each of
 * these stacks, which is filled with a pattern and looked at in the end. Prints "stacks: sound". */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

enum {
    ROUNDS = 300,
    BLOCK_BYTES = 3000,
    SMALL = 16 << 10,
    SIGNAL_STACK = 8 << 10,
    BELOW = 4096,
    PATTERN = 0x5a
};

__attribute__((noipa)) static void churn(void)
{
    void *block[4];
    for (int i = 0; i < 4; i++)
        block[i] = malloc(BLOCK_BYTES);
    block[0] = realloc(block[0], 2 * BLOCK_BYTES);
    for (int i = 0; i < 4; i++)
        free(block[i]);
}

/* ---- a stack with a pattern below it ------------------------------------------------------------------------------- */

static unsigned char *new_stack(size_t size)
{
    unsigned char *low = mmap(NULL, BELOW + size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (low == MAP_FAILED)
        exit(1);
    memset(low, PATTERN, BELOW);
    return low + BELOW;
}

static void must_be_sound(const unsigned char *stack, const char *whose)
{
    for (int i = 1; i <= BELOW; i++)
        if (stack[-i] != PATTERN) {
            printf("%s: overwritten %d bytes below its stack\n", whose, i);
            exit(1);
        }
}

/* ---- threads ----------------------------------------------------------------------------------------------------------- */

__attribute__((noipa)) static void on_small_thread(volatile char *used)
{
    used[0] = 1;
    for (int i = 0; i < ROUNDS; i++)
        churn();
}

static void *small_thread(void *unused)
{
    volatile char used[SMALL / 2]; // of 16 KiB, some 2 KiB are the C library's own
    on_small_thread(used);
    return unused;
}

static void run_small_threads(void)
{
    for (int i = 0; i < 50; i++) {
        unsigned char *stack = new_stack(SMALL);
        pthread_attr_t attributes;
        pthread_t thread;
        pthread_attr_init(&attributes);
        if (pthread_attr_setstack(&attributes, stack, SMALL) != 0 ||
            pthread_create(&thread, &attributes, small_thread, NULL) != 0)
            exit(1);
        pthread_join(thread, NULL);
        pthread_attr_destroy(&attributes);
        must_be_sound(stack, "thread");
        munmap(stack - BELOW, BELOW + SMALL);
    }
}

/* ---- a signal handler ---------------------------------------------------------------------------------------------------- */

__attribute__((noipa)) static void on_signal_stack(int number)
{
    (void)number;
    churn(); // the signal is raised outside malloc
    __asm__ volatile(""); // no tail call: the frame stays
}

static void run_handler(void)
{
    unsigned char *stack = new_stack(SIGNAL_STACK);
    stack_t alternate = {.ss_sp = stack, .ss_size = SIGNAL_STACK}, none = {.ss_flags = SS_DISABLE};
    struct sigaction action = {.sa_handler = on_signal_stack, .sa_flags = SA_ONSTACK};
    if (sigaltstack(&alternate, NULL) != 0 || sigaction(SIGUSR2, &action, NULL) != 0)
        exit(1);
    for (int i = 0; i < ROUNDS; i++)
        raise(SIGUSR2);
    sigaltstack(&none, NULL);
    must_be_sound(stack, "handler");
}

/* ---- contexts ---------------------------------------------------------------------------------------------------------------- */

static ucontext_t back, context[2];

__attribute__((noipa)) static void on_own_context(int mine)
{
    for (int i = 0; i < ROUNDS; i++) {
        churn();
        swapcontext(&context[mine], &context[!mine]);
    }
}

static void run_contexts(void)
{
    unsigned char *stack[2];
    for (int i = 0; i < 2; i++) {
        stack[i] = new_stack(SMALL);
        getcontext(&context[i]);
        context[i].uc_stack = (stack_t){.ss_sp = stack[i], .ss_size = SMALL};
        context[i].uc_link = &back;
        makecontext(&context[i], (void (*)(void))on_own_context, 1, i);
    }
    swapcontext(&back, &context[0]);
    must_be_sound(stack[0], "context");
    must_be_sound(stack[1], "context");
}

/* ---- depth --------------------------------------------------------------------------------------------------------------------- */

__attribute__((noipa)) static int deep(int left)
{
    if (left == 0) {
        for (int i = 0; i < ROUNDS; i++)
            churn();
        return 0;
    }
    int below = deep(left - 1);
    __asm__ volatile("" : "+r"(below)); // a real recursion, not the loop that a compiler makes of it
    return below + 1;
}

int main(void)
{
    free(malloc(100 << 20)); // past the gap that was drawn before the rules were read
    for (int i = 0; i < 20; i++) {
        run_small_threads();
        run_handler();
        run_contexts();
        if (deep(2000) != 2000)
            return 1;
        usleep(50000); // in all, longer than the second after which the rules ask for threads and heap
    }
    puts("stacks: sound");
    return 0;
}
