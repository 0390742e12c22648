/* suggest_policy.c - which rules are suggested for which metric, and over which windows.
 * Who: faults.c, suggest*.c. Context: CLI; pure. */
#include "reader/suggest.h"
#include <string.h>

// clang-format off
static const struct gs_metric_policy policies[] = {
    {"heap_in_use",     GS_FAMILY_MEMORY,      true,  true,  false, "[\"heap\", \"threads\"]",         "30s", 8 << 20},
    {"rss",             GS_FAMILY_MEMORY,      true,  true,  false, "[\"heap\", \"threads\"]",         "30s", 8 << 20},
    {"threads",         GS_FAMILY_THREADS,     true,  true,  false, "[\"threads\", \"threadcreate\"]", "30s", 8},
    {"fds",             GS_FAMILY_DESCRIPTORS, true,  true,  false, "[\"threads\"]",                   "30s", 32},
    {"cpu",             GS_FAMILY_CPU,         false, false, false, "[\"cpu\", \"threads\"]",          "5m",  10},
    {"memory_pressure", GS_FAMILY_MEMORY,      false, false, false, "[\"heap\", \"threads\"]",         "1m",  5},
    {"major_faults",    GS_FAMILY_MEMORY,      false, false, false, "[\"threads\"]",                   "1m",  20},
    {"heap_alloc_rate", GS_FAMILY_MEMORY,      false, false, false, "[\"heap\", \"cpu\"]",             "1m",  1 << 20},
    {"group_memory",    GS_FAMILY_MEMORY,      false, false, false, "[\"heap\", \"threads\"]",         "1m",  64 << 20},
    {"swap",            GS_FAMILY_MEMORY,      false, false, false, "[\"heap\", \"threads\"]",         "1m",  64 << 20},
    {"alloc_failures",  GS_FAMILY_OWN,         false, false, true,  "[\"heap\", \"threads\"]",         "30s", 1},
    {"run_delay",       GS_FAMILY_CPU,         false, false, false, "[\"cpu\", \"threads\"]",          "5m",  10},
    {"io_wait",         GS_FAMILY_OWN,         false, false, false, "[\"threads\"]",                   "5m",  10},
    /* One tick's largest allocation is no level, and switches follow the load: whoever wants a rule on them knows the line. */
    {"largest_alloc",   GS_FAMILY_OWN,         false, false, false, NULL,                              "30s", 0},
    {"context_switches", GS_FAMILY_OWN,        false, false, false, NULL,                              "30s", 0},
};
static const struct gs_metric_policy gauge_policy = {NULL, GS_FAMILY_OWN, false, false, false, "[\"threads\"]", "30s", 1};
// clang-format on
enum { POLICIES = sizeof policies / sizeof *policies };

const struct gs_metric_policy *gs_reader_metric_policy_at(size_t at)
{
    return at < POLICIES ? &policies[at] : NULL;
}

const struct gs_metric_policy *gs_reader_metric_policy(const char *metric)
{
    for (size_t i = 0; i < POLICIES; i++)
        if (strcmp(policies[i].metric, metric) == 0)
            return &policies[i];
    return &gauge_policy;
}

/* The longest window that fits three times into SPAN_NS; the shortest one if none does. */
int64_t gs_reader_growth_window(int64_t span_ns)
{
    static const int64_t windows[] = {3 * GS_NS_PER_DAY,   2 * GS_NS_PER_DAY,    GS_NS_PER_DAY,
                                      12 * GS_NS_PER_HOUR, 6 * GS_NS_PER_HOUR,   3 * GS_NS_PER_HOUR,
                                      GS_NS_PER_HOUR,      30 * GS_NS_PER_MINUTE};
    size_t i = 0;
    while (i + 1 < sizeof windows / sizeof *windows && windows[i] > span_ns / 3)
        i++;
    return windows[i];
}
