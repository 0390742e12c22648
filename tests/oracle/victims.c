/* victims.c - code of every shape that a compiler makes: compiled many ways, each under a name of its own (WAY). */
#include "victims.h"
#include <alloca.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>

#define PASTE(a, b) a##_##b
#define NAMED(way, what) PASTE(way, what)
#define MINE(what) NAMED(WAY, what)
#define NOINLINE __attribute__((noinline))

static volatile long sink;

/* Recursion, with a frame of its own. */
static NOINLINE long fibonacci(long n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

/* A frame whose size is known at run time only. */
static NOINLINE long variable(long n)
{
    char *room = alloca((size_t)n * 24 + 8);
    memset(room, (int)n, (size_t)n * 24);
    return n ? room[n] + variable(n - 1) : fibonacci(3);
}

/* A frame aligned to 64 bytes: its CFA is found by way of a saved pointer. */
static NOINLINE long realigned(long n)
{
    _Alignas(64) volatile char room[128];
    room[n & 127] = (char)n;
    return room[n & 127] + variable(n & 3);
}

/* Many arguments, some on the stack; floating point that is saved around calls. */
static NOINLINE double many(int a, double b, long c, float d, char e, void *f, long g, double h, long i, long j)
{
    double kept = b * d + h;
    sink += realigned(a + e);
    return kept + (double)(c + g + i + j) + (f == NULL);
}

static int by_value(const void *a, const void *b)
{
    long x = *(const long *)a, y = *(const long *)b;
    sink += fibonacci(1);
    return (x > y) - (x < y);
}

/* The C library calls back. */
static NOINLINE void sorted(void)
{
    long numbers[24];
    for (int i = 0; i < 24; i++)
        numbers[i] = (i * 7919) % 24;
    qsort(numbers, 24, sizeof *numbers, by_value);
    long key = 7;
    sink += *(long *)bsearch(&key, numbers, 24, sizeof *numbers, by_value);
}

static jmp_buf out;
static NOINLINE void jump(long n)
{
    if (n == 0)
        longjmp(out, 1);
    jump(n - 1);
    sink++;
}

static void on_signal(int signal)
{
    sink += fibonacci(3) + signal;
}

static void on_its_stack(void);
static ucontext_t home, away;
static char away_stack[65536] __attribute__((aligned(16)));

static NOINLINE void on_its_stack(void)
{
    sink += fibonacci(4);
    swapcontext(&away, &home);
    sink += variable(2);
}

/* A jump table, and a call in each arm. */
static NOINLINE long chosen(unsigned n)
{
    switch (n) {
    case 0: return fibonacci(1);
    case 1: return fibonacci(2) + 3;
    case 2: return variable(1);
    case 3: return realigned(2);
    case 4: return (long)many(1, 2, 3, 4, 5, NULL, 6, 7, 8, 9);
    case 5: return fibonacci(3) * 2;
    default: return -1;
    }
}

static void shapes(void)
{
    sink += fibonacci(6) + variable(5);
    sink += (long)many(1, 2.5, 3, 4.5f, 5, &out, 6, 7.5, 8, 9);
    for (unsigned n = 0; n < 7; n++)
        sink += chosen(n);
    sorted();
    if (setjmp(out) == 0)
        jump(5);
    sink += through_shapes(fibonacci, 3);
}

static void library(void)
{
    char text[256];
    snprintf(text, sizeof text, "%d %s %.17g %a %p %-10ld|", 42, "text", 0.1, 1.0 / 3, (void *)text, 7L);
    sink += (long)(strtod("3.14159e10", NULL) + strtod("0x1.8p3", NULL)) + strtol("-77", NULL, 0);
    time_t then = 1700000000;
    struct tm tm;
    gmtime_r(&then, &tm);
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %A", &tm);
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    free(realloc(malloc(100), 100000));
    setenv("STEPPED", text, 1);
    sink += getenv("STEPPED") != NULL;
}

static void signals(void)
{
    struct sigaction action = {.sa_handler = on_signal}, before;
    sigaction(SIGUSR1, &action, &before);
    raise(SIGUSR1);
    sigaction(SIGUSR1, &before, NULL);
}

static void contexts(void)
{
    getcontext(&away);
    away.uc_stack.ss_sp = away_stack;
    away.uc_stack.ss_size = sizeof away_stack;
    away.uc_link = &home;
    makecontext(&away, on_its_stack, 0);
    swapcontext(&home, &away);
    swapcontext(&home, &away);
}

/* Defined here for the table in ways.c. */
void MINE(shapes)(void);
void MINE(library)(void);
void MINE(signals)(void);
void MINE(contexts)(void);
void MINE(shapes)(void) { shapes(); sink++; }
void MINE(library)(void) { library(); sink++; }
void MINE(signals)(void) { signals(); sink++; }
void MINE(contexts)(void) { contexts(); sink++; }
