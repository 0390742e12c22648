/* table.c - the table of all metrics. A new one is a row here and a file with its reader. */
#include "metrics/inside.h"
#include <math.h>
#include <string.h>

enum { PAGE = 4096, THREADS_MAX = 1 << 22 }; // the kernel's PID_MAX_LIMIT

// clang-format off
const struct gs_metric gs_metrics[] = {
    { "rss", GS_BYTES, GS_OF_MEMORY_LIMIT, &gs_metric_reader_rss, PAGE, INFINITY, false,
      "resident memory" },
    { "heap_in_use", GS_BYTES, GS_OF_MEMORY_LIMIT, &gs_metric_reader_heap_in_use, 0, INFINITY, true,
      "live heap, as the heap profile totals it (estimated from samples)" },
    { "heap_alloc_rate", GS_BYTES_PER_SECOND, GS_OF_NOTHING, &gs_metric_reader_heap_alloc_rate, 0, INFINITY, true,
      "heap allocated per second, freed since or not (estimated from samples)" },
    { "threads", GS_COUNT, GS_OF_NOTHING, &gs_metric_reader_threads, 1, THREADS_MAX, false,
      "threads of the process" },
    { "cpu", GS_PERCENT, GS_OF_NOTHING, &gs_metric_reader_cpu, 0, 100, false,
      "CPU time, as a share of the CPUs that the process may use (affinity, cgroup quota)" },
    { "fds", GS_COUNT, GS_OF_FILE_LIMIT, &gs_metric_reader_descriptors, 0, INFINITY, false,
      "open file descriptors" },
    { "major_faults", GS_PER_SECOND, GS_OF_NOTHING, &gs_metric_reader_major_faults, 0, INFINITY, false,
      "page faults that had to wait for the disk" },
    { "memory_pressure", GS_PERCENT, GS_OF_NOTHING, &gs_metric_reader_pressure, 0, 100, false,
      "share of the last 10 s in which some task was stalled for lack of memory (PSI)" },
    { "group_memory", GS_BYTES, GS_OF_MEMORY_LIMIT, &gs_metric_reader_group_memory, 0, INFINITY, false,
      "memory of the process's control group, without inactive file cache" },
    { "swap", GS_BYTES, GS_OF_MEMORY_LIMIT, &gs_metric_reader_swap, 0, INFINITY, false,
      "swapped-out memory of the process" },
    { "largest_alloc", GS_BYTES, GS_OF_MEMORY_LIMIT, &gs_metric_reader_largest_alloc, 0, INFINITY, true,
      "the largest single allocation since the last tick (of those that were sampled)" },
    { "alloc_failures", GS_PER_SECOND, GS_OF_NOTHING, &gs_metric_reader_alloc_failures, 0, INFINITY, true,
      "allocations per second that returned NULL (estimated from samples)" },
    { "context_switches", GS_PER_SECOND, GS_OF_NOTHING, &gs_metric_reader_context_switches, 0, INFINITY, false,
      "context switches of all threads, voluntary and involuntary" },
    { "run_delay", GS_PERCENT, GS_OF_NOTHING, &gs_metric_reader_run_delay, 0, 100, false,
      "of the time in which threads could run, the share that they waited for a CPU" },
    { "io_wait", GS_PERCENT, GS_OF_NOTHING, &gs_metric_reader_io_wait, 0, 100, false,
      "share of the last 10 s in which some task waited for a disk (PSI)" },
    { NULL, GS_COUNT, GS_OF_NOTHING, NULL, 0, 0, false, NULL },
};

/* The common row of all gauges: its name is not the gauge's, which the caller knows. */
static const struct gs_metric gauge =
    { "gauge:NAME", GS_COUNT, GS_OF_NOTHING, &gs_metric_reader_gauge, -INFINITY, INFINITY, true,
      "a number of the program's own (gumshoe_gauge)" };
// clang-format on

size_t gs_metrics_count(void)
{
    return sizeof gs_metrics / sizeof *gs_metrics - 1;
}

/* Is NAME "gauge:" and 1 to 40 of a-z 0-9 . _ -, as gumshoe_gauge accepts them? */
static bool names_a_gauge(const char *name)
{
    if (strncmp(name, "gauge:", GS_GAUGE_PREFIX) != 0)
        return false;
    size_t length = strlen(name + GS_GAUGE_PREFIX);
    return length >= 1 && length <= 40 &&
           strspn(name + GS_GAUGE_PREFIX, "abcdefghijklmnopqrstuvwxyz0123456789._-") == length;
}

const struct gs_metric *gs_metrics_find(const char *name)
{
    for (const struct gs_metric *metric = gs_metrics; metric->name; metric++)
        if (strcmp(metric->name, name) == 0)
            return metric;
    return names_a_gauge(name) ? &gauge : NULL;
}
