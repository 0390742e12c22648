/* walk.c - one stack walk, at depth 20: ours, libunwind's two ways, glibc's, and the chain of frame pointers. They take
 * turns in one process; a round is the mean of many walks, and a line gives the median of the rounds.
 *   walk [ROUNDS]      prints: NAME NANOSECONDS LEAST MOST FRAMES
 * Cold: the first walk of ours over a stack that nobody has walked, before any other. */
#include "probe/inside.h"
#define UNW_LOCAL_ONLY
#include <dlfcn.h>
#include <libunwind.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { DEPTH = 20, FRAMES = 64, WALKS = 2000, ROUNDS_MAX = 1000 };

static uintptr_t frames[FRAMES];

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static __attribute__((noinline)) int by_gumshoe(void)
{
    struct gs_caller caller = GS_CALLER();
    struct gs_registers registers = {.pc = caller.pc, .sp = caller.sp, .bp = caller.bp, .bp_known = true};
    struct gs_reach reach;
    bool cut;
    gs_unwind_reach_own_stack(&reach, caller.sp);
    int depth = (int)gs_unwind_walk(&registers, &reach, frames, FRAMES, &cut);
    gs_unwind_reach_remember(&reach);
    return depth;
}

static __attribute__((noinline)) int by_unw_backtrace(void)
{
    return unw_backtrace((void **)frames, FRAMES);
}

static __attribute__((noinline)) int by_unw_step(void)
{
    unw_context_t context;
    unw_cursor_t cursor;
    int depth = 0;
    unw_word_t pc;
    unw_getcontext(&context);
    unw_init_local(&cursor, &context);
    while (depth < FRAMES && unw_step(&cursor) > 0) {
        unw_get_reg(&cursor, UNW_REG_IP, &pc);
        frames[depth++] = pc;
    }
    return depth;
}

/* The C library's own: libunwind, which is linked here, puts its backtrace in front of it. */
static __attribute__((noinline)) int by_backtrace(void)
{
    static int (*backtrace_of_libc)(void **, int);
    if (!backtrace_of_libc)
        backtrace_of_libc = (int (*)(void **, int))dlsym(dlopen("libc.so.6", RTLD_NOLOAD | RTLD_LAZY), "backtrace");
    return backtrace_of_libc((void **)frames, FRAMES);
}

/* What it costs where every frame keeps its pointer, as these do not: the program is built without, but for the twenty
 * frames of `descend_with_pointers`. */
static __attribute__((noinline, optimize("no-omit-frame-pointer"))) int by_frame_pointers(void)
{
    uintptr_t *frame = __builtin_frame_address(0);
    int depth = 0;
    while (depth < DEPTH && frame[0] > (uintptr_t)frame) {
        frames[depth++] = frame[1];
        frame = (uintptr_t *)frame[0];
    }
    return depth;
}

struct way {
    const char *name;
    int (*walk)(void);
    double round[ROUNDS_MAX];
    int depth;
};
static struct way ways[] = {{.name = "gumshoe", .walk = by_gumshoe},
                            {.name = "unw_backtrace", .walk = by_unw_backtrace},
                            {.name = "unw_step", .walk = by_unw_step},
                            {.name = "backtrace", .walk = by_backtrace}},
                  pointers = {.name = "frame_pointers", .walk = by_frame_pointers};
enum { WAYS = sizeof ways / sizeof *ways };

static void time_round(struct way *way, int round)
{
    double began = now_ns();
    for (int i = 0; i < WALKS; i++)
        way->depth = way->walk();
    way->round[round] = (now_ns() - began) / WALKS;
}

static double cold;

static void time_all(int rounds)
{
    double began = now_ns();
    by_gumshoe();
    cold = now_ns() - began;
    for (int round = 0; round < rounds; round++)
        for (int w = 0; w < WAYS; w++)
            time_round(&ways[(w + round) % WAYS], round); // each comes first in turn
}

static __attribute__((noinline)) void descend(int depth, int rounds)
{
    if (depth > 1)
        descend(depth - 1, rounds);
    else
        time_all(rounds);
    __asm__ volatile("" ::: "memory"); // no tail call
}

static __attribute__((noinline, optimize("no-omit-frame-pointer"))) void descend_with_pointers(int depth, int rounds)
{
    if (depth > 1)
        descend_with_pointers(depth - 1, rounds);
    else
        for (int round = 0; round < rounds; round++)
            time_round(&pointers, round);
    __asm__ volatile("" ::: "memory");
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(struct way *way, int rounds)
{
    qsort(way->round, (size_t)rounds, sizeof *way->round, by_value);
    printf("%s %.1f %.1f %.1f %d\n", way->name, way->round[rounds / 2], way->round[0], way->round[rounds - 1],
           way->depth);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 21;
    descend(DEPTH - 4, rounds); // and time_all, main and two of the C library
    descend_with_pointers(DEPTH, rounds);
    for (int w = 0; w < WAYS; w++)
        report(&ways[w], rounds);
    report(&pointers, rounds);
    printf("gumshoe_cold %.1f %.1f %.1f %d\n", cold, cold, cold, ways[0].depth);
    return 0;
}
