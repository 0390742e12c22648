/* cpu.c - CPU time as a share of the CPUs that the process may use.
 *
 *   100 × CPU seconds since the last tick / seconds since then / minimum of (CPUs of the affinity, quotas of the groups)
 *
 *   cgroup v2   cpu.max               "50000 100000": half a CPU; "max 100000": no quota
 *   cgroup v1   cpu.cfs_quota_us      50000, or -1 for none; cpu.cfs_period_us 100000
 *
 * The affinity is the main thread's: when a server pins itself later, the watcher thread keeps its old affinity.
 * Who: the watcher. Bounds: GS_QUOTA_LEVELS groups up the tree. Quotas and affinity are read every QUOTA_REFRESH_NS, because
 * orchestrators change them. The kernel sums CPU time over all threads, one or two cold cache lines each (150 µs for 900
 * threads): with more than GS_CROWD threads it is read every CROWD_REFRESH_NS, and the last rate is used in between. */
#include "base/clock.h"
#include "base/memory.h"
#include "metrics/inside.h"
#include <errno.h>
#include <math.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#define QUOTA_REFRESH_NS (10 * GS_NS_PER_S)
#define CROWD_REFRESH_NS (5 * GS_NS_PER_S)

/* ---- quotas -------------------------------------------------------------------------------------------- */

static bool parse_pair(const char *text, uint64_t *quota_us, uint64_t *period_us)
{
    return gs_metrics_scan_u64(&text, quota_us) && *text++ == ' ' && gs_metrics_scan_u64(&text, period_us) &&
           gs_metrics_scan_end(text);
}

static bool parse_one(const char *text, uint64_t *value)
{
    return gs_metrics_scan_u64(&text, value) && gs_metrics_scan_end(text);
}

/* Read QUOTA again. If it cannot be read any more (the host has moved into a chroot), it keeps its last value. */
static void read_quota(struct gs_cpu_quota *quota, int64_t now_ns)
{
    char text[64], period_text[64];
    uint64_t quota_us, period_us;
    if (gs_metrics_source_read(&quota->limit, now_ns, text, sizeof text) <= 0 ||
        (!quota->unified &&
         gs_metrics_source_read(&quota->period, now_ns, period_text, sizeof period_text) <= 0))
        return;
    bool limited = quota->unified ? parse_pair(text, &quota_us, &period_us)
                                  : parse_one(text, &quota_us) && parse_one(period_text, &period_us);
    quota->cpus = limited && quota_us && period_us ? (double)quota_us / (double)period_us : INFINITY;
}

/* The number of CPUs in the main thread's affinity; 0: the kernel does not say. */
static int affinity_cpus(void)
{
    cpu_set_t set[8]; // 8192 CPUs
    return sched_getaffinity(getpid(), sizeof set, set) ? 0 : CPU_COUNT_S(sizeof set, set);
}

/* How many CPUs the process may use: the minimum of its affinity and its groups' quotas; 0: the kernel does not say. */
static double usable_cpus(struct gs_metric_set *set)
{
    bool due = set->now_ns >= set->quota_due_ns;
    if (due) {
        set->quota_due_ns = set->now_ns + QUOTA_REFRESH_NS;
        set->affinity_cpus = affinity_cpus();
    }
    double least = set->affinity_cpus;
    for (struct gs_cpu_quota *quota = set->quota; quota < set->quota + set->quota_count; quota++) {
        if (due)
            read_quota(quota, set->now_ns);
        if (quota->cpus < least)
            least = quota->cpus;
    }
    return least;
}

/* Add GROUP's quota, if it has the files: the root of a tree has none. */
static int add_quota(struct gs_metric_set *set, const struct gs_control_group *group, bool unified)
{
    char *limit = gs_metrics_group_path(group, set->root, unified ? "cpu.max" : "cpu.cfs_quota_us");
    char *period = unified ? NULL : gs_metrics_group_path(group, set->root, "cpu.cfs_period_us");
    int error = limit && (unified || period) ? 0 : -ENOMEM;
    if (error || access(limit, R_OK) || (period && access(period, R_OK))) {
        gs_free(limit);
        gs_free(period);
        return error;
    }
    struct gs_cpu_quota *quota = &set->quota[set->quota_count++];
    gs_metrics_source_init(&quota->limit, limit);
    gs_metrics_source_init(&quota->period, period);
    quota->unified = unified;
    quota->cpus = INFINITY;
    return 0;
}

static int add_quotas(struct gs_metric_set *set, const char *controller)
{
    struct gs_control_group group;
    int error = gs_metrics_group_find(set->root, controller, &group);
    if (error)
        return error == -ENOENT ? 0 : error;
    do
        error = set->quota_count < GS_QUOTA_LEVELS ? add_quota(set, &group, controller == NULL) : 0;
    while (!error && gs_metrics_group_up(&group));
    gs_metrics_group_fini(&group);
    return error;
}

/* ---- the metric ---------------------------------------------------------------------------------------- */

static int cpu_open(struct gs_metric_set *set)
{
    int error = gs_metrics_process_open(set);
    if (!error)
        error = gs_metrics_process_open_threads(set);
    if (error || set->quotas_added)
        return error;
    set->quotas_added = true;
    error = add_quotas(set, NULL);
    return error ? error : add_quotas(set, "cpu");
}

/* CPU time of all threads so far, into *NS. The process's clock takes a seventh of the time of /proc/self/stat (0.6 µs; 6 µs
 * with 900 threads) and is more precise. Tests with a root of fixtures use the file. */
static bool cpu_time(struct gs_metric_set *set, struct gs_metric_slot *slot, uint64_t *ns)
{
    struct timespec time;
    if (set->root[0] == 0 && clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0) {
        *ns = (uint64_t)time.tv_sec * GS_NS_PER_S + (uint64_t)time.tv_nsec;
        return true;
    }
    const struct gs_process *process = gs_metrics_process_now(set, slot);
    if (process)
        *ns = process->cpu_ticks * (GS_NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK));
    return process != NULL;
}

/* Nanoseconds of CPU time per second. NAN: fewer than two readings so far, or an error with its reason in SLOT. */
static double cpu_rate(struct gs_metric_set *set, struct gs_metric_slot *slot)
{
    int64_t since_ns = set->now_ns - slot->rate.time_ns;
    uint64_t ns;
    if (!isnan(slot->rate.per_second) && slot->rate.known && since_ns >= 0 && since_ns < CROWD_REFRESH_NS &&
        gs_metrics_process_is_crowded(set))
        return slot->rate.per_second;
    return cpu_time(set, slot, &ns) ? gs_metrics_rate(&slot->rate, set->now_ns, ns) : NAN;
}

static double cpu_read(struct gs_metric_set *set, struct gs_metric_slot *slot)
{
    double rate = cpu_rate(set, slot);
    if (slot->why[0])
        return NAN;
    double usable = usable_cpus(set);
    if (usable <= 0)
        return gs_metrics_no_value(slot, "the kernel does not say which CPUs the process may use");
    return 100 * rate / 1e9 / usable;
}

const struct gs_metric_reader gs_metric_reader_cpu = {cpu_open, cpu_read, 0, 0};
