/* histories.h - servers that never were, as a monitoring system would have seen them: well ones, and ones with a fault.
 *
 *   shapes.c   a row for each: its name, how long, how fine, which fault, what it does to a server that is well
 *   histories.c   seed ──▶ figures of the shape ──▶ every metric at every tick, noise and gaps on top
 *
 * The same seed gives the same history on every machine. Who: the tests that hold rules against them. */
#pragma once
#include "rules/rules.h"

enum fault { WELL, MEMORY, THREADS, DESCRIPTORS, CPU, SWAPPED, REFUSED, STARVED, DISK, FAULTS_COUNT };
extern const char *const fault_names[FAULTS_COUNT];

enum metric {
    RSS, HEAP, ALLOC_RATE, THREAD_COUNT, CPU_PERCENT, FDS, FAULTS, PRESSURE, SWAP, ALLOC_FAILURES, RUN_DELAY, IO_WAIT, METRICS
};
extern const char *const metric_names[METRICS];
/* The fault that a rule on this metric speaks of; WELL: of none. */
enum fault fault_of(const char *metric);

struct server {                // at one moment; bytes, counts, per cent
    double heap, beyond_heap;  // live blocks; what else is resident
    double alloc_rate, threads, cpu, fds, faults, pressure;
    double swap, alloc_failures, run_delay, io_wait;
    bool missing;              // nobody looked
};

struct shape;
struct story {                 // one shape with one seed
    const struct shape *shape;
    double limit, files;       // bytes, descriptors
    double from_s;             // when the fault begins
    double figure[8];          // of this seed: 0 to 1
};

struct shape {
    const char *name;
    const char *tells;
    double hours, step_s;      // how long, from tick to tick
    enum fault fault;
    double from;               // when the fault begins, as a share of the time
    double noise;              // of all figures, as a share of them
    double limit_gib, files;
    void (*draw)(const struct story *story, double t_s, struct server *now);
};
extern const struct shape shapes[]; // ends with a NULL name
/* The same, about metrics on which only suggested rules are (further.c). */
extern const struct shape further_shapes[];

struct history {
    struct story story;
    size_t ticks;
    int64_t step_ns;
    double *value;             // [ticks][METRICS]; NAN: missing
};
void history_make(struct history *history, const struct shape *shape, uint64_t seed);
void history_free(struct history *history);
double history_value(const struct history *history, size_t tick, enum metric metric);
/* The last tick at which somebody can still act: before the limit's end is reached, or the last one of all. */
size_t history_deadline(const struct history *history);

/* ---- held against rules ---------------------------------------------------------------------------------- */

enum { FIRINGS_MAX = 512 };
struct firing { size_t rule, tick; };
struct trial {                 // what the rules said to one history
    size_t count;              // of all firings
    struct firing firing[FIRINGS_MAX]; // the first of them
};
/* Judge every tick of HISTORY; an incident takes no time. */
void history_judge(const struct history *history, const struct gs_rules *rules, struct trial *trial);
/* The rules in FILE of the repository's rules/; the test ends where they cannot be read. */
struct gs_rules *read_rules_file(const char *file);
