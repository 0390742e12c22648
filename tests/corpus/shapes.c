/* shapes.c - what servers do over hours and days: first those that are well and only look ill, then those that are ill.
 *
 * A shape starts from a server that is well (a quarter of its limit, some threads, some CPU) and changes what it is
 * about. FIGURE are the seed's: how steep, how often, when. Noise and the limit's ceiling come on top in histories.c. */
#include "histories.h"
#include <math.h>

#define MiB 1048576.0
#define GiB (1024 * MiB)
static const double minute = 60, hour = 3600, day = 86400;

/* From LEAST to MOST, as figure number AT of the seed says. */
static double pick(const struct story *story, size_t at, double least, double most)
{
    return least + (most - least) * story->figure[at];
}

/* 0 before FROM, 1 from FROM + TAKES on, a straight line between. */
static double ramp(double t_s, double from_s, double takes_s)
{
    double done = (t_s - from_s) / takes_s;
    return done < 0 ? 0 : done > 1 ? 1 : done;
}

static double since(const struct story *story, double t_s)
{
    return t_s < story->from_s ? 0 : t_s - story->from_s;
}

/* The day's load: 0 deep at night, 1 in the afternoon. */
static double load_of_day(const struct story *story, double t_s)
{
    return (1 - cos(2 * M_PI * (t_s / day + story->figure[5]))) / 2;
}

static double phase(double t_s, double period_s)
{
    return fmod(t_s, period_s) / period_s;
}

/* LOAD times as much of everything that follows the load. */
static void put_load(struct server *now, double load, double heap)
{
    now->heap += heap * load;
    now->alloc_rate *= 1 + 3 * load;
    now->threads *= 1 + 3 * load;
    now->cpu *= 1 + 3 * load;
    now->fds *= 1 + 8 * load;
}

/* ---- well ---------------------------------------------------------------------------------------------------- */

static void draw_steady(const struct story *story, double t_s, struct server *now)
{
    (void)story, (void)t_s, (void)now;
}

static void draw_big_constant(const struct story *story, double t_s, struct server *now)
{
    (void)t_s;
    now->heap = pick(story, 0, 0.55, 0.62) * story->limit; // resident: up to 0.69 of the limit
}

static void draw_close_to_limit(const struct story *story, double t_s, struct server *now)
{
    (void)t_s;
    now->heap = pick(story, 0, 0.66, 0.69) * story->limit; // resident: up to 0.77
}

static void draw_daily_load(const struct story *story, double t_s, struct server *now)
{
    put_load(now, load_of_day(story, t_s), pick(story, 0, 0.1, 0.3) * story->limit);
}

/* Working days, and two at half the load. */
static void draw_weekly_load(const struct story *story, double t_s, struct server *now)
{
    bool weekend = fmod(t_s + story->figure[1] * 7 * day, 7 * day) > 5 * day;
    put_load(now, load_of_day(story, t_s) * (weekend ? 0.5 : 1), pick(story, 0, 1, 2.5) * GiB);
}

/* Loads its tables when it starts, as fast as the disk gives them. */
static void draw_warm_up(const struct story *story, double t_s, struct server *now)
{
    double loads_s = pick(story, 0, 20, 280), size = pick(story, 1, 0.2, 0.35) * story->limit;
    now->heap = 0.02 * story->limit + (now->heap - 0.02 * story->limit) * ramp(t_s, 0, 20) +
                size * ramp(t_s, pick(story, 2, 0, 180), loads_s);
    now->cpu += t_s < loads_s ? 60 : 0;
}

/* A cache fills for hours, and then it is full. */
static void draw_cache_fills(const struct story *story, double t_s, struct server *now)
{
    double size = pick(story, 0, 0.2, 0.4) * story->limit, fills_s = pick(story, 1, 1, 7) * hour;
    now->heap += size * (1 - exp(-3 * (t_s < fills_s ? t_s : fills_s) / fills_s));
}

/* A feature is switched on after a day or two, and its tables stay: up to three fifths of the size again. */
static void draw_late_tables(const struct story *story, double t_s, struct server *now)
{
    now->heap *= 1 + pick(story, 0, 0.2, 0.6) * ramp(t_s, pick(story, 1, 6, 60) * hour, pick(story, 2, 0.1, 3) * hour);
}

/* Deployed anew every few hours: gone for a minute, small again, warm soon. */
static void draw_restarts(const struct story *story, double t_s, struct server *now)
{
    double period_s = pick(story, 0, 3, 7) * hour, lived_s = fmod(t_s, period_s);
    now->missing = t_s > period_s && lived_s < pick(story, 1, 20, 120);
    now->heap *= 0.2 + 0.8 * ramp(lived_s, 60, pick(story, 2, 60, 400));
    now->heap += pick(story, 3, 0.05, 0.2) * story->limit * ramp(lived_s, 60, 2 * hour);
}

/* A collector lets garbage pile up, and sweeps it. */
static void draw_sawtooth(const struct story *story, double t_s, struct server *now)
{
    double period_s = pick(story, 0, 3, 15) * minute;
    now->heap += pick(story, 1, 0.2, 0.38) * story->limit * phase(t_s, period_s);
    now->cpu += phase(t_s, period_s) > 0.97 ? 40 : 0;
}

/* A job every hour takes all the CPUs for some minutes, and a seventh of the memory. */
static void draw_batch(const struct story *story, double t_s, struct server *now)
{
    double runs_s = pick(story, 0, 3, 8) * minute, at_s = fmod(t_s + story->figure[1] * hour, hour);
    now->heap += 0.15 * story->limit * (ramp(at_s, 0, 30) - ramp(at_s, runs_s, 30));
    now->cpu = at_s < runs_s ? 100 : now->cpu;
    now->threads += at_s < runs_s ? 16 : 0;
}

/* Everybody comes at once, and is served. */
static void draw_surge(const struct story *story, double t_s, struct server *now)
{
    double from_s = pick(story, 0, 0.3, 0.5) * 3 * hour, lasts_s = pick(story, 1, 10, 60) * minute;
    double load = ramp(t_s, from_s, pick(story, 2, 15, 200)) - ramp(t_s, from_s + lasts_s, 300);
    put_load(now, load, pick(story, 3, 0.1, 0.2) * story->limit);
    now->threads *= 1 + load;
}

/* One large request now and then. */
static void draw_small_spikes(const struct story *story, double t_s, struct server *now)
{
    double period_s = pick(story, 0, 5, 20) * minute, lasts_s = pick(story, 1, 2, 15);
    if (fmod(t_s, period_s) > period_s - lasts_s)
        now->heap += pick(story, 2, 0.05, 0.18) * story->limit;
}

/* The machine is busy, and the watcher gets its turn when it can. */
static void draw_missing_ticks(const struct story *story, double t_s, struct server *now)
{
    double period_s = pick(story, 0, 7, 40) * minute;
    now->missing = fmod(t_s, 3) == 2 || phase(t_s, period_s) > pick(story, 1, 0.3, 0.8);
    put_load(now, phase(t_s, 50 * minute), 0.1 * story->limit);
}

/* What it held it gives back, half of all, and goes on small. */
static void draw_step_down(const struct story *story, double t_s, struct server *now)
{
    now->heap += pick(story, 0, 0.2, 0.3) * story->limit * (1 - ramp(t_s, pick(story, 1, 0.2, 0.8) * 6 * hour, 5));
}

/* A server of many connections, whose owner has raised its limit of descriptors. */
static void draw_many_connections(const struct story *story, double t_s, struct server *now)
{
    now->fds = pick(story, 0, 0.2, 0.35) * story->files * (1 + load_of_day(story, t_s));
    now->threads = 64;
    now->heap += 0.1 * story->limit * load_of_day(story, t_s);
}

/* ---- ill ------------------------------------------------------------------------------------------------------- */

/* LEAST to MOST MiB an hour of a limit of 1 GiB, that share of another. */
static double leaked(const struct story *story, double t_s, double least, double most)
{
    return pick(story, 0, least, most) / 1024 * story->limit * since(story, t_s) / hour;
}

static void draw_leak_in_minutes(const struct story *story, double t_s, struct server *now)
{
    now->heap += leaked(story, t_s, 900, 3600);
}

static void draw_leak_in_hours(const struct story *story, double t_s, struct server *now)
{
    now->heap += leaked(story, t_s, 60, 300);
}

static void draw_leak_in_days(const struct story *story, double t_s, struct server *now)
{
    now->heap += leaked(story, t_s, 5, 10);
}

static void draw_leak_under_load(const struct story *story, double t_s, struct server *now)
{
    put_load(now, load_of_day(story, t_s), 0.12 * story->limit);
    now->heap += leaked(story, t_s, 5, 10);
}

static void draw_leak_with_gaps(const struct story *story, double t_s, struct server *now)
{
    now->heap += leaked(story, t_s, 60, 150);
    now->missing = phase(t_s, 30 * minute) > 0.7 || fmod(t_s, 30) == 10;
}

/* No limit in sight: it would take months to fill the machine, and nobody wants to wait. */
static void draw_leak_on_a_large_machine(const struct story *story, double t_s, struct server *now)
{
    now->heap = 2 * GiB + pick(story, 0, 50, 150) * MiB * since(story, t_s) / hour;
    put_load(now, load_of_day(story, t_s), 0.5 * GiB);
}

/* What grows is not in live blocks: mappings of its own, or what the allocator cannot give back. */
static void draw_leak_beyond_heap(const struct story *story, double t_s, struct server *now)
{
    now->beyond_heap += leaked(story, t_s, 60, 300);
}

/* It leaks until it is killed, is started again, and leaks. */
static void draw_leak_and_restart(const struct story *story, double t_s, struct server *now)
{
    double life_s = pick(story, 1, 2, 4) * hour, lived_s = fmod(t_s, life_s);
    now->heap += (0.98 * story->limit / 1.06 - now->heap) * lived_s / life_s;
    now->missing = lived_s < 30;
}

static void draw_step(const struct story *story, double t_s, struct server *now)
{
    now->heap += pick(story, 0, 0.45, 0.55) * story->limit * ramp(t_s, story->from_s, pick(story, 1, 1, 5));
}

static void draw_heap_spike(const struct story *story, double t_s, struct server *now)
{
    double lasts_s = pick(story, 1, 4, 20);
    double there = ramp(t_s, story->from_s, 1) - ramp(t_s, story->from_s + lasts_s, 1);
    now->heap += pick(story, 0, 0.42, 0.55) * story->limit * there;
}

static void draw_rss_spike(const struct story *story, double t_s, struct server *now)
{
    double lasts_s = pick(story, 1, 4, 20);
    double there = ramp(t_s, story->from_s, 1) - ramp(t_s, story->from_s + lasts_s, 1);
    now->beyond_heap += pick(story, 0, 0.42, 0.55) * story->limit * there;
}

/* From a quarter of the limit to its end in seconds. */
static void draw_burst(const struct story *story, double t_s, struct server *now)
{
    now->heap += story->limit * ramp(t_s, story->from_s, pick(story, 0, 5, 20));
    now->alloc_rate += t_s >= story->from_s ? 100 * MiB : 0;
}

/* Up and down around four fifths of the limit, for the rest of the day. */
static void draw_flapping(const struct story *story, double t_s, struct server *now)
{
    double line = (0.80 * story->limit - now->beyond_heap) / 1.06, period_s = pick(story, 0, 1, 6) * minute;
    double swing = (phase(t_s, period_s) < 0.5 ? 0.03 : -0.03) * story->limit;
    now->heap += (line + swing - now->heap) * ramp(t_s, story->from_s, hour);
}

/* It would live, but it pages: the memory is there for others. */
static void draw_thrashing(const struct story *story, double t_s, struct server *now)
{
    double there = ramp(t_s, story->from_s, 10 * minute);
    now->heap += (0.8 * story->limit - now->heap) * there;
    now->pressure = 60 * there;
    now->faults += 800 * there;
    now->cpu *= 1 - 0.5 * there;
}

static void draw_descriptor_leak(const struct story *story, double t_s, struct server *now)
{
    now->fds += pick(story, 0, 10, 120) * since(story, t_s) / minute;
}

static void draw_slow_descriptor_leak(const struct story *story, double t_s, struct server *now)
{
    now->fds += pick(story, 0, 8, 16) * since(story, t_s) / hour;
}

static void draw_thread_storm(const struct story *story, double t_s, struct server *now)
{
    now->threads += pick(story, 0, 2500, 4000) * ramp(t_s, story->from_s, pick(story, 1, 10, 60));
}

/* Everybody waits: hundreds of threads, and next to nothing is done. */
static void draw_threads_stuck(const struct story *story, double t_s, struct server *now)
{
    double there = ramp(t_s, story->from_s, 300);
    now->threads += pick(story, 0, 1100, 1800) * there;
    now->cpu *= 1 - there;
}

static void draw_thread_leak(const struct story *story, double t_s, struct server *now)
{
    now->threads += pick(story, 0, 30, 60) * since(story, t_s) / hour;
}

static void draw_spin(const struct story *story, double t_s, struct server *now)
{
    now->cpu = t_s < story->from_s ? now->cpu : 99;
}

// clang-format off
const struct shape shapes[] = {
//   name, what it tells                                                    hours  step  fault       from noise limit files
    {"steady",           "nothing happens",                                    12,   10, WELL,         0, 0.02,   1,  1024, draw_steady},
    {"noisy",            "nothing happens, loudly",                             3,    1, WELL,         0, 0.10,   1,  1024, draw_steady},
    {"big-constant",     "two thirds of the limit, by design",                 24,   10, WELL,         0, 0.01,   1,  1024, draw_big_constant},
    {"close-to-limit",   "a little below the line, for good",                  24,   10, WELL,         0, 0.005,  1,  1024, draw_close_to_limit},
    {"daily-load",       "days and nights",                                    96,   60, WELL,         0, 0.03,   1,  1024, draw_daily_load},
    {"weekly-load",      "working days and weekends, a large machine",        336,  120, WELL,         0, 0.03,  64, 65536, draw_weekly_load},
    {"warm-up",          "tables are loaded at the start",                      2,    1, WELL,         0, 0.02,   1,  1024, draw_warm_up},
    {"cache-fills",      "a cache fills for hours and stays",                  72,   60, WELL,         0, 0.02,   1,  1024, draw_cache_fills},
    {"large-cache",      "the same on a large machine",                        72,   60, WELL,         0, 0.02,  64, 65536, draw_cache_fills},
    {"late-tables",      "up to three fifths more from some day on",          120,   60, WELL,         0, 0.02,   1,  1024, draw_late_tables},
    {"restarts",         "deployed several times",                             24,   10, WELL,         0, 0.03,   1,  1024, draw_restarts},
    {"sawtooth",         "garbage is collected",                                3,    1, WELL,         0, 0.02,   1,  1024, draw_sawtooth},
    {"batch",            "a job every hour",                                   24,   10, WELL,         0, 0.02,   1,  1024, draw_batch},
    {"surge",            "everybody comes at once, and is served",              3,    1, WELL,         0, 0.03,   1,  1024, draw_surge},
    {"small-spikes",     "a large request now and then",                        3,    1, WELL,         0, 0.02,   1,  1024, draw_small_spikes},
    {"missing-ticks",    "the watcher sees less than half of it",               6,    1, WELL,         0, 0.04,   1,  1024, draw_missing_ticks},
    {"step-down",        "what it held it gives back",                          6,   10, WELL,         0, 0.02,   1,  1024, draw_step_down},
    {"many-connections", "ten thousand and more, as it should be",             48,   60, WELL,         0, 0.05,   8, 65536, draw_many_connections},

    {"leak-minutes",     "15 to 60 MiB a minute",                               1,    1, MEMORY,     0.2, 0.02,   1,  1024, draw_leak_in_minutes},
    {"leak-hours",       "1 to 5 MiB a minute",                                16,   10, MEMORY,     0.1, 0.03,   1,  1024, draw_leak_in_hours},
    {"leak-days",        "5 to 10 MiB an hour",                               144,   60, MEMORY,       0, 0.02,   1,  1024, draw_leak_in_days},
    {"leak-under-load",  "the same, below days and nights",                   144,   60, MEMORY,       0, 0.03,   1,  1024, draw_leak_under_load},
    {"leak-noisy",       "1 to 5 MiB a minute in loud noise",                  16,   10, MEMORY,     0.1, 0.10,   1,  1024, draw_leak_in_hours},
    {"leak-with-gaps",   "a third of the ticks is missing",                    16,   10, MEMORY,     0.1, 0.03,   1,  1024, draw_leak_with_gaps},
    {"leak-large",       "50 to 150 MiB an hour on a large machine",           96,   60, MEMORY,       0, 0.02,  64, 65536, draw_leak_on_a_large_machine},
    {"leak-beyond-heap", "resident memory grows, live blocks do not",          16,   10, MEMORY,     0.1, 0.02,   1,  1024, draw_leak_beyond_heap},
    {"leak-and-restart", "killed every few hours, and started again",          24,   10, MEMORY,       0, 0.02,   1,  1024, draw_leak_and_restart},
    {"step",             "half the limit within seconds, for good",             3,    1, MEMORY,     0.5, 0.02,   1,  1024, draw_step},
    {"heap-spike",       "half the limit for some seconds",                     2,    1, MEMORY,     0.5, 0.02,   1,  1024, draw_heap_spike},
    {"rss-spike",        "the same, outside the heap",                          2,    1, MEMORY,     0.5, 0.02,   1,  1024, draw_rss_spike},
    {"burst",            "all of the limit within seconds",                     1,    1, MEMORY,     0.5, 0.02,   1,  1024, draw_burst},
    {"flapping",         "around the line all day",                            24,   10, MEMORY,     0.2, 0.003,  1,  1024, draw_flapping},
    {"thrashing",        "at the limit, and paging",                            6,   10, MEMORY,     0.3, 0.02,   1,  1024, draw_thrashing},
    {"fd-leak",          "10 to 120 descriptors a minute",                      3,    1, DESCRIPTORS,0.2, 0.02,   1,  1024, draw_descriptor_leak},
    {"fd-leak-slow",     "8 to 16 descriptors an hour",                       144,   60, DESCRIPTORS,  0, 0.02,   1,  1024, draw_slow_descriptor_leak},
    {"thread-storm",     "thousands of threads within a minute",                1,    1, THREADS,    0.5, 0.02,   1,  1024, draw_thread_storm},
    {"threads-stuck",    "many threads, and nothing is done",                   1,    1, THREADS,    0.5, 0.02,   1,  1024, draw_threads_stuck},
    {"thread-leak",      "30 to 60 threads an hour",                           48,   60, THREADS,      0, 0.02,   1,  1024, draw_thread_leak},
    {"cpu-spin",         "all CPUs, for nothing",                               3,    1, CPU,        0.5, 0.01,   1,  1024, draw_spin},
    {.name = NULL},
};
// clang-format on
