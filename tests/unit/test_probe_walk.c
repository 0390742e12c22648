/* The walk against libunwind, frame by frame: in plain recursion, in functions with a frame of variable size, through
 * the C library, out of signal handlers, on signal stacks, on small stacks, on coroutines. */
#include "probe/unwind/inside.h"
#define UNW_LOCAL_ONLY
#include <libunwind.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <cmocka.h>

enum { DEEPEST = GS_DEPTH_MAX };

static struct { uintptr_t ours[DEEPEST], theirs[DEEPEST]; uint32_t our_depth, their_depth; bool cut; } seen;
static uint32_t compared;

/* libunwind's frames above the function that calls this, as return addresses. */
static __attribute__((noinline)) uint32_t oracle(uintptr_t *frames)
{
    unw_context_t context;
    unw_cursor_t cursor;
    uint32_t depth = 0;
    unw_getcontext(&context);
    unw_init_local(&cursor, &context);
    if (unw_step(&cursor) <= 0) // to our caller, which takes both walks
        return 0;
    while (unw_step(&cursor) > 0 && depth < DEEPEST) {
        unw_word_t pc;
        unw_get_reg(&cursor, UNW_REG_IP, &pc);
        if (pc == 0)
            break;
        frames[depth++] = pc;
    }
    return depth;
}

/* Walk from the caller of this function with both, and compare. An interrupted frame is ours at pc + 1. */
static __attribute__((noinline)) void compare_walks(void)
{
    struct gs_caller caller = GS_CALLER();
    struct gs_registers registers = {.pc = caller.pc, .sp = caller.sp, .bp = caller.bp, .bp_known = true};
    struct gs_reach reach;
    gs_unwind_reach_own_stack(&reach, caller.sp);
    seen.our_depth = gs_unwind_walk(&registers, &reach, seen.ours, DEEPEST, &seen.cut);
    seen.their_depth = oracle(seen.theirs);
    for (uint32_t i = 0; i < seen.our_depth && i < seen.their_depth; i++)
        if (seen.ours[i] != seen.theirs[i] && seen.ours[i] != seen.theirs[i] + 1)
            fail_msg("frame %u: ours %#lx, libunwind's %#lx", i, seen.ours[i], seen.theirs[i]);
    compared = seen.our_depth;
}

static void assert_same_depth(void)
{
    assert_false(seen.cut);
    assert_int_equal(seen.our_depth, seen.their_depth);
    assert_true(compared > 3);
}

static __attribute__((noinline)) int recurse(int n)
{
    if (n == 0)
        compare_walks();
    else
        recurse(n - 1);
    __asm__ volatile(""); // so that no call above is a tail call
    return n;
}

static void plain_recursion(void **state)
{
    (void)state;
    recurse(20);
    assert_same_depth();
    assert_true(compared > 20);
}

static __attribute__((noinline)) int variable_frame(int n)
{
    volatile char room[n * 64 + 16];
    room[n] = (char)n;
    if (n == 0)
        compare_walks();
    else
        variable_frame(n - 1);
    return room[n];
}

static void frames_of_variable_size(void **state)
{
    (void)state;
    variable_frame(12);
    assert_same_depth();
}

static __attribute__((noinline)) int realigned(int n)
{
    _Alignas(256) volatile char room[256]; // the stack pointer is rounded down: the CFA is an expression
    room[0] = (char)n;
    if (n == 0)
        compare_walks();
    else
        realigned(n - 1);
    return room[0];
}

static void realigned_frames(void **state)
{
    (void)state;
    realigned(5);
    assert_same_depth();
}

static int comparing(const void *a, const void *b)
{
    if (compared == 0)
        compare_walks();
    return *(const int *)a - *(const int *)b;
}

static void through_the_c_library(void **state)
{
    (void)state;
    int numbers[] = {3, 1, 2};
    compared = 0;
    qsort(numbers, 3, sizeof *numbers, comparing);
    assert_same_depth();
}

static void on_signal(int signal)
{
    (void)signal;
    compare_walks();
}

static void out_of_a_signal_handler(void **state)
{
    (void)state;
    signal(SIGUSR1, on_signal);
    raise(SIGUSR1);
    assert_same_depth();
}

/* From a signal stack the walk crosses over to the stack that was interrupted. */
static void on_a_signal_stack(void **state)
{
    (void)state;
    stack_t stack = {.ss_size = 65536, .ss_sp = malloc(65536)}, off = {.ss_flags = SS_DISABLE};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
    sigaltstack(&stack, NULL);
    sigaction(SIGUSR2, &action, NULL);
    compared = 0;
    raise(SIGUSR2);
    assert_same_depth();
    sigaltstack(&off, NULL);
    free(stack.ss_sp);
}

static void *small_thread(void *unused)
{
    (void)unused;
    recurse(3);
    return NULL;
}

static void on_a_thread_to_its_very_first_frame(void **state)
{
    (void)state;
    pthread_t thread;
    compared = 0;
    assert_int_equal(pthread_create(&thread, NULL, small_thread, NULL), 0);
    pthread_join(thread, NULL);
    assert_same_depth();
}

static ucontext_t outside, inside;

static void coroutine(void)
{
    recurse(3);
    swapcontext(&inside, &outside);
}

/* A coroutine's stack lies in the heap, with a page behind it that must not be touched. */
static void on_a_coroutine(void **state)
{
    (void)state;
    enum { PAGE = 4096, ROOM = 16 * PAGE };
    char *stack = mmap(NULL, ROOM + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_int_equal(mprotect(stack + ROOM, PAGE, PROT_NONE), 0);
    getcontext(&inside);
    inside.uc_stack.ss_sp = stack;
    inside.uc_stack.ss_size = ROOM;
    makecontext(&inside, coroutine, 0);
    compared = 0;
    swapcontext(&outside, &inside);
    assert_true(compared >= 5); // three of recurse, coroutine, and where it starts
    munmap(stack, ROOM + PAGE);
}

/* A stack of rubbish: the walk ends, inside its bounds, marked as cut. */
static void corrupted_stacks_end_cleanly(void **state)
{
    (void)state;
    uintptr_t words[512], frames[DEEPEST];
    unsigned seed = 7;
    for (int round = 0; round < 20000; round++) {
        for (int i = 0; i < 512; i++) // half stack addresses, half code, some noise
            words[i] = rand_r(&seed) % 3 == 0   ? (uintptr_t)&words[(unsigned)rand_r(&seed) % 512]
                       : rand_r(&seed) % 2 == 0 ? (uintptr_t)recurse + (unsigned)rand_r(&seed) % 4096
                                                : (uintptr_t)rand_r(&seed);
        struct gs_reach reach = {.low = (uintptr_t)words, .high = (uintptr_t)(words + 512)};
        struct gs_registers registers = {.pc = (uintptr_t)qsort + (unsigned)rand_r(&seed) % 65536,
                                         .sp = (uintptr_t)words,
                                         .bp = (uintptr_t)&words[(unsigned)rand_r(&seed) % 512],
                                         .bp_known = true};
        bool cut;
        uint32_t depth = gs_unwind_walk(&registers, &reach, frames, DEEPEST, &cut);
        assert_in_range(depth, 1, DEEPEST);
    }
}

/* Deeper than the caller has room for: cut there, and said so. */
static void depth_is_honoured(void **state)
{
    (void)state;
    uintptr_t frames[4];
    bool cut = false;
    struct gs_reach reach;
    struct gs_registers registers = {.pc = (uintptr_t)__builtin_return_address(0),
                                     .sp = (uintptr_t)__builtin_frame_address(0) + 16,
                                     .bp = *(uintptr_t *)__builtin_frame_address(0), .bp_known = true};
    gs_unwind_reach_own_stack(&reach, registers.sp);
    assert_int_equal(gs_unwind_walk(&registers, &reach, frames, 2, &cut), 2);
    assert_true(cut);
}

/* Rows that were cached are worked out again after a library was closed: the same stack gives the same frames. */
static void forgetting_changes_nothing(void **state)
{
    (void)state;
    uintptr_t before[DEEPEST];
    recurse(5);
    memcpy(before, seen.ours, sizeof before);
    gs_unwind_walk_close_cache();
    gs_unwind_walk_open_cache();
    recurse(5);
    assert_memory_equal(before, seen.ours, 6 * sizeof *before);
    assert_same_depth();
}

/* ---- what is remembered of a stack ------------------------------------------------------------------------------- */

__attribute__((noinline)) static void sample_here(void)
{
    struct gs_caller caller = GS_CALLER();
    struct gs_registers registers = {.pc = caller.pc, .sp = caller.sp, .bp = caller.bp, .bp_known = true};
    struct gs_reach reach;
    uintptr_t frames[GS_DEPTH_MAX];
    bool cut;
    gs_unwind_reach_own_stack(&reach, caller.sp);
    gs_unwind_walk(&registers, &reach, frames, GS_DEPTH_MAX, &cut);
    assert_false(cut);
    gs_unwind_reach_remember(&reach);
}

/* A sample on the thread's own stack is asked for once: from then on it is known, down to where it was taken. */
static void *on_its_own_stack(void *end)
{
    uintptr_t frame = (uintptr_t)__builtin_frame_address(0); // the sample is taken in it, less than a page below
    sample_here();
    assert_true(gs_thread.stack_high == (end ? (uintptr_t)end : (uintptr_t)__builtin_thread_pointer()));
    assert_true(gs_thread.stack_low <= frame && frame - gs_thread.stack_low < 2 * 4096);
    return NULL;
}

static void a_threads_own_stack_is_remembered(void **state)
{
    extern void *__libc_stack_end;
    pthread_t thread;
    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, on_its_own_stack, NULL), 0);
    pthread_join(thread, NULL);
    on_its_own_stack(__libc_stack_end);
}

/* A coroutine's stack of 256 KiB below the thread pointer is read all over. It is freed, and where it began lies a small one:
 * what was above is not read again. BELOW: how far below the thread pointer. */
static void *on_a_coroutines_stack(void *below)
{
    enum { LARGE = 256 << 10, SMALL = 64 << 10 };
    uintptr_t word, wanted = ((uintptr_t)__builtin_thread_pointer() - (uintptr_t)below) & -(uintptr_t)4096;
    char *stack = mmap((void *)wanted, LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    assert_true(stack != MAP_FAILED);
    uintptr_t sp = (uintptr_t)stack + 4096 + 64;
    for (int round = 0; round < 3; round++) {
        struct gs_reach reach;
        gs_unwind_reach_own_stack(&reach, sp);
        assert_true(gs_reach_load(&reach, (uintptr_t)stack + LARGE - 64, &word));
        gs_unwind_reach_remember(&reach);
    }
    assert_int_equal(mprotect(stack + SMALL, LARGE - SMALL, PROT_NONE), 0);
    struct gs_reach reach;
    gs_unwind_reach_own_stack(&reach, sp);
    assert_true(gs_reach_load(&reach, (uintptr_t)stack + SMALL - 64, &word));
    assert_false(gs_reach_load(&reach, (uintptr_t)stack + LARGE - 64, &word));
    munmap(stack, LARGE);
    return NULL;
}

static void a_coroutines_stack_is_not_remembered(void **state)
{
    pthread_t thread;
    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, on_a_coroutines_stack, (void *)(uintptr_t)(24 << 20)), 0);
    pthread_join(thread, NULL);
    on_a_coroutines_stack((void *)(uintptr_t)(24 << 20));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_threads_own_stack_is_remembered),
        cmocka_unit_test(a_coroutines_stack_is_not_remembered),
        cmocka_unit_test(plain_recursion),
        cmocka_unit_test(frames_of_variable_size),
        cmocka_unit_test(realigned_frames),
        cmocka_unit_test(through_the_c_library),
        cmocka_unit_test(out_of_a_signal_handler),
        cmocka_unit_test(on_a_signal_stack),
        cmocka_unit_test(on_a_thread_to_its_very_first_frame),
        cmocka_unit_test(on_a_coroutine),
        cmocka_unit_test(corrupted_stacks_end_cleanly),
        cmocka_unit_test(depth_is_honoured),
        cmocka_unit_test(forgetting_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
