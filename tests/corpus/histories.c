/* histories.c - from a shape and a seed to a history, and that held against rules. */
#include "histories.h"
#include "base/clock.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MiB 1048576.0

const char *const fault_names[FAULTS_COUNT] = {"well", "memory",    "threads", "descriptors", "cpu",
                                               "swap", "no memory", "no CPU",  "disk"};
const char *const metric_names[METRICS] = {
    "rss",  "heap_in_use",    "heap_alloc_rate", "threads", "cpu", "fds", "major_faults", "memory_pressure",
    "swap", "alloc_failures", "run_delay",       "io_wait"};

enum fault fault_of(const char *metric)
{
    static const enum fault of[METRICS] = {MEMORY, MEMORY, MEMORY,  THREADS, CPU,     DESCRIPTORS,
                                           MEMORY, MEMORY, SWAPPED, REFUSED, STARVED, DISK};
    for (size_t i = 0; metric && i < METRICS; i++)
        if (strcmp(metric_names[i], metric) == 0)
            return of[i];
    return WELL;
}

/* ---- chance ------------------------------------------------------------------------------------------------ */

static uint64_t next(uint64_t *state) // splitmix64
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static double uniform(uint64_t *state) // 0 to 1
{
    return (double)(next(state) >> 11) * 0x1p-53;
}

static double bell(
    uint64_t *state) // mean 0, deviation 1, never beyond 3.5: the sum of four uniform ones, stretched
{
    double sum = uniform(state) + uniform(state) + uniform(state) + uniform(state);
    return (sum - 2) * sqrt(3);
}

/* ---- a server that is well ------------------------------------------------------------------------------------ */

static struct server well(const struct story *story)
{
    return (struct server){.heap = (0.16 + 0.12 * story->figure[6]) * story->limit,
                           .beyond_heap = 0.03 * story->limit,
                           .alloc_rate = 4 * MiB,
                           .threads = 20 + 30 * story->figure[7],
                           .cpu = 8 + 10 * story->figure[7],
                           .fds = 0.05 * story->files,
                           .faults = 0.2,
                           .pressure = 0,
                           .run_delay = 2,
                           .io_wait = 1};
}

static double clamp(double value, double least, double most)
{
    return value < least ? least : value > most ? most : value;
}

static void look(const struct story *story, struct server *now, uint64_t *chance, double *row)
{
    double noise = story->shape->noise;
    double heap = now->heap * (1 + noise * bell(chance));
    double resident = (heap * 1.06 + now->beyond_heap) * (1 + noise / 4 * bell(chance));
    row[RSS] = floor(clamp(resident, 4 * MiB, story->limit) / 4096) * 4096;
    row[HEAP] = floor(clamp(heap, 0, story->limit));
    row[ALLOC_RATE] = clamp(now->alloc_rate * (1 + noise * bell(chance)), 0, INFINITY);
    row[THREAD_COUNT] = floor(clamp(now->threads * (1 + noise / 2 * bell(chance)), 1, INFINITY));
    row[CPU_PERCENT] = clamp(now->cpu * (1 + noise * bell(chance)) + bell(chance), 0, 100);
    row[FDS] = floor(clamp(now->fds * (1 + noise / 2 * bell(chance)), 3, story->files));
    row[FAULTS] = clamp(now->faults * (1 + bell(chance)), 0, INFINITY);
    row[PRESSURE] = clamp(now->pressure * (1 + noise * bell(chance)), 0, 100);
    uint64_t further = *chance * 31; // so that the values above are those of earlier versions
    row[SWAP] = floor(clamp(now->swap * (1 + noise / 4 * bell(&further)), 0, INFINITY) / 4096) * 4096;
    row[ALLOC_FAILURES] = clamp(now->alloc_failures * (1 + bell(&further) / 4), 0, INFINITY);
    row[RUN_DELAY] = clamp(now->run_delay * (1 + noise * bell(&further)) + bell(&further), 0, 100);
    row[IO_WAIT] = clamp(now->io_wait * (1 + noise * bell(&further)) + bell(&further), 0, 100);
    for (size_t i = 0; i < METRICS && now->missing; i++)
        row[i] = NAN;
}

/* ---- the history ------------------------------------------------------------------------------------------------- */

void history_make(struct history *history, const struct shape *shape, uint64_t seed)
{
    uint64_t chance = seed * 1000003;
    for (const char *at = shape->name; *at; at++) // each shape its own figures
        chance = chance * 31 + (unsigned char)*at;
    *history = (struct history){.story = {.shape = shape},
                                .ticks = (size_t)(shape->hours * 3600 / shape->step_s),
                                .step_ns = (int64_t)(shape->step_s * 1e9)};
    struct story *story = &history->story;
    story->limit = shape->limit_gib * 1024 * MiB;
    story->files = shape->files;
    story->from_s = shape->from * shape->hours * 3600;
    for (size_t i = 0; i < sizeof story->figure / sizeof *story->figure; i++)
        story->figure[i] = uniform(&chance);
    history->value = malloc(history->ticks * METRICS * sizeof *history->value);
    for (size_t i = 0; i < history->ticks; i++) {
        struct server now = well(story);
        shape->draw(story, (double)i * shape->step_s, &now);
        look(story, &now, &chance, &history->value[i * METRICS]);
    }
}

void history_free(struct history *history)
{
    free(history->value);
    *history = (struct history){0};
}

double history_value(const struct history *history, size_t tick, enum metric metric)
{
    return history->value[tick * METRICS + metric];
}

size_t history_deadline(const struct history *history)
{
    const struct story *story = &history->story;
    for (size_t i = 0; i < history->ticks; i++)
        if (history_value(history, i, RSS) >= 0.98 * story->limit ||
            history_value(history, i, FDS) >= story->files)
            return i;
    return history->ticks - 1;
}

/* ---- held against rules ------------------------------------------------------------------------------------------ */

static enum metric number_of(const char *name)
{
    for (size_t i = 0; i < METRICS; i++)
        if (strcmp(metric_names[i], name) == 0)
            return (enum metric)i;
    fprintf(stderr, "the histories have no metric %s\n", name);
    exit(1);
}

static void note(struct trial *trial, struct gs_judge *judge, size_t rule, size_t tick, int64_t now_ns)
{
    if (trial->count < FIRINGS_MAX)
        trial->firing[trial->count] = (struct firing){rule, tick};
    trial->count++;
    gs_rules_judge_incident_over(judge, rule, now_ns);
}

void history_judge(const struct history *history, const struct gs_rules *rules, struct trial *trial)
{
    struct gs_judge *judge = gs_rules_judge_new(rules, (uint64_t)history->story.limit);
    struct gs_verdict *verdicts = calloc(rules->rule_count + 1, sizeof *verdicts);
    double *values = calloc(rules->metric_count + 1, sizeof *values);
    if (!judge || !verdicts || !values)
        exit(1);
    gs_rules_judge_set_limit(judge, GS_OF_FILE_LIMIT, (uint64_t)history->story.files);
    trial->count = 0;
    for (size_t i = 0; i < history->ticks; i++) {
        struct gs_tick tick = {
            .time_ns = (int64_t)i * history->step_ns, .step_ns = history->step_ns, .value = values};
        for (size_t m = 0; m < rules->metric_count; m++)
            values[m] = history_value(history, i, number_of(rules->metric[m]));
        size_t fired = gs_rules_judge_tick(judge, &tick, verdicts);
        for (size_t f = 0; f < fired; f++)
            note(trial, judge, verdicts[f].rule, i, tick.time_ns);
    }
    free(values);
    free(verdicts);
    gs_rules_judge_free(judge);
}

struct gs_rules *read_rules_file(const char *file)
{
    char path[512], text[64 << 10];
    struct gs_errors errors = {0};
    snprintf(path, sizeof path, "%s/rules/%s", TEST_SOURCE_DIR, file);
    FILE *stream = fopen(path, "r");
    size_t length = stream ? fread(text, 1, sizeof text, stream) : 0;
    if (stream)
        fclose(stream);
    struct gs_rules *rules = gs_rules_read(text, length, file, &errors);
    if (rules)
        return rules;
    fprintf(stderr, "%s:%d: %s\n", path, errors.count ? errors.item[0].line : 0,
            errors.count ? errors.item[0].text : "");
    exit(1);
}
