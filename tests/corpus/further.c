/* further.c - servers that are well or ill in metrics which the shipped rules do not name: swap, failed allocations, the wait for a CPU and for
 * a disk. For the rules that `gumshoe suggest` makes. */
#include "histories.h"
#include <math.h>

#define MiB 1048576.0
static const double minute = 60, hour = 3600;

static double pick(const struct story *story, size_t at, double least, double most)
{
    return least + (most - least) * story->figure[at];
}

static bool is_ill(const struct story *story, double t_s)
{
    return t_s >= story->from_s;
}

/* A backup reads the disk each hour, and everybody waits for it; swap has had some pages all the time. */
static void draw_backups(const struct story *story, double t_s, struct server *now)
{
    bool runs = fmod(t_s + story->figure[1] * hour, hour) < pick(story, 0, 6, 10) * minute;
    now->io_wait += runs ? 40 : 0;
    now->swap = 120 * MiB;
}

/* Neighbours on the machine are busy in the second half of each hour. */
static void draw_neighbours(const struct story *story, double t_s, struct server *now)
{
    now->run_delay += fmod(t_s, hour) > hour / 2 ? pick(story, 0, 10, 25) : 0;
}

/* What nobody uses goes to the swap, until a third of the limit is there. */
static void draw_swapped_out(const struct story *story, double t_s, struct server *now)
{
    double gone = is_ill(story, t_s) ? fmin(1, (t_s - story->from_s) / (pick(story, 0, 1, 3) * hour)) : 0;
    now->swap = 0.33 * story->limit * gone;
    now->beyond_heap *= 1 - gone;
}

/* An address space limit: from some moment on, many allocations get NULL. */
static void draw_refused(const struct story *story, double t_s, struct server *now)
{
    now->alloc_failures = is_ill(story, t_s) ? pick(story, 0, 20, 300) : 0;
}

/* A quota that is too small, or a noisy neighbour: threads can run, and do not. */
static void draw_starved(const struct story *story, double t_s, struct server *now)
{
    now->run_delay += is_ill(story, t_s) ? pick(story, 0, 45, 70) : 0;
    now->cpu *= is_ill(story, t_s) ? 0.6 : 1;
}

static void draw_slow_disk(const struct story *story, double t_s, struct server *now)
{
    now->io_wait += is_ill(story, t_s) ? pick(story, 0, 50, 80) : 0;
    now->threads *= is_ill(story, t_s) ? 1.3 : 1;
}

// clang-format off
const struct shape further_shapes[] = {
    {"backups",          "the disk is busy once an hour",                      24,   10, WELL,         0, 0.02,   1,  1024, draw_backups},
    {"neighbours",       "the CPUs are shared, half of the time",              12,   10, WELL,         0, 0.02,   1,  1024, draw_neighbours},
    {"swapped-out",      "a third of the limit goes to swap in hours",         12,   10, SWAPPED,    0.5, 0.02,   1,  1024, draw_swapped_out},
    {"refused",          "allocations get NULL",                                6,   10, REFUSED,    0.5, 0.02,   1,  1024, draw_refused},
    {"starved",          "threads wait for a CPU",                             12,   10, STARVED,    0.6, 0.005,  1,  1024, draw_starved},
    {"slow-disk",        "everybody waits for the disk",                       12,   10, DISK,       0.6, 0.005,  1,  1024, draw_slow_disk},
    {.name = NULL},
};
// clang-format on
