/* suggest_policy.c - which rules are suggested for which metric, and over which windows.
 * Who: faults.c, suggest*.c. Context: CLI; pure. */
#include "reader/suggest.h"
#include <string.h>

// clang-format off
static const struct gs_metric_policy policies[] = {
    {"heap_in_use",     GS_FAMILY_MEMORY,      true,  true,  "[\"heap\", \"threads\"]",         "30s", 8 << 20},
    {"rss",             GS_FAMILY_MEMORY,      true,  true,  "[\"heap\", \"threads\"]",         "30s", 8 << 20},
    {"threads",         GS_FAMILY_THREADS,     true,  true,  "[\"threads\", \"threadcreate\"]", "30s", 8},
    {"fds",             GS_FAMILY_DESCRIPTORS, true,  true,  "[\"threads\"]",                   "30s", 32},
    {"cpu",             GS_FAMILY_CPU,         false, false, "[\"cpu\", \"threads\"]",          "5m",  10},
    {"memory_pressure", GS_FAMILY_MEMORY,      false, false, "[\"heap\", \"threads\"]",         "1m",  5},
    {"major_faults",    GS_FAMILY_MEMORY,      false, false, "[\"threads\"]",                   "1m",  20},
    {"heap_alloc_rate", GS_FAMILY_MEMORY,      false, false, "[\"heap\", \"cpu\"]",             "1m",  1 << 20},
};
static const struct gs_metric_policy gauge_policy = {NULL, GS_FAMILY_OWN, false, false, "[\"threads\"]", "30s", 1};
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
