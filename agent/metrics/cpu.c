/* cpu.c - CPU time as a share of what the process may have.
 *
 *   100 × CPU seconds since the tick before / seconds since then / least of (affinity's CPUs, groups' quotas)
 *
 *   cgroup v2   cpu.max               "50000 100000": half a CPU; "max 100000": no quota
 *   cgroup v1   cpu.cfs_quota_us      50000, or -1 for none; cpu.cfs_period_us 100000
 *
 * Affinity is the main thread's: the watcher keeps the one it was born with when a server pins itself later.
 * Who: the watcher. Bounds: GS_QUOTA_LEVELS groups up the tree; quotas are read once in QUOTA_AGAIN_NS, for
 * orchestrators do change them. */
#include "base/clock.h"
#include "base/memory.h"
#include "metrics/inside.h"
#include <errno.h>
#include <math.h>
#include <sched.h>
#include <unistd.h>

#define QUOTA_AGAIN_NS (10 * GS_NS_PER_S)

/* ---- quotas -------------------------------------------------------------------------------------------- */

static bool parse_pair(const char *text, uint64_t *quota_us, uint64_t *period_us)
{
    return gs_scan_u64(&text, quota_us) && *text++ == ' ' && gs_scan_u64(&text, period_us) &&
           gs_scan_end(text);
}

static bool parse_one(const char *text, uint64_t *value)
{
    return gs_scan_u64(&text, value) && gs_scan_end(text);
}

/* Read QUOTA afresh. One that cannot be read any more (the host has moved into a chroot) stays as it was. */
static void refresh(struct gs_quota *quota, int64_t now_ns)
{
    char text[64], period_text[64];
    uint64_t quota_us, period_us;
    if (gs_kept_read(&quota->limit, now_ns, text, sizeof text) <= 0 ||
        (!quota->unified && gs_kept_read(&quota->period, now_ns, period_text, sizeof period_text) <= 0))
        return;
    bool limited = quota->unified ? parse_pair(text, &quota_us, &period_us)
                                  : parse_one(text, &quota_us) && parse_one(period_text, &period_us);
    quota->cpus = limited && quota_us && period_us ? (double)quota_us / (double)period_us : INFINITY;
}

/* The least of the groups' quotas, in CPUs; infinite when there is none. */
static double least_quota(struct gs_watch *watch)
{
    bool due = watch->now_ns >= watch->quota_due_ns;
    double least = INFINITY;
    if (due)
        watch->quota_due_ns = watch->now_ns + QUOTA_AGAIN_NS;
    for (struct gs_quota *quota = watch->quota; quota < watch->quota + watch->quota_count; quota++) {
        if (due)
            refresh(quota, watch->now_ns);
        if (quota->cpus < least)
            least = quota->cpus;
    }
    return least;
}

/* Keep GROUP's quota where it has the files: the root of a tree has none. */
static int add_quota(struct gs_watch *watch, const struct gs_group *group, bool unified)
{
    char *limit = gs_group_path(group, watch->root, unified ? "cpu.max" : "cpu.cfs_quota_us");
    char *period = unified ? NULL : gs_group_path(group, watch->root, "cpu.cfs_period_us");
    int error = limit && (unified || period) ? 0 : -ENOMEM;
    if (error || access(limit, R_OK) || (period && access(period, R_OK))) {
        gs_free(limit);
        gs_free(period);
        return error;
    }
    struct gs_quota *quota = &watch->quota[watch->quota_count++];
    gs_kept_init(&quota->limit, limit);
    gs_kept_init(&quota->period, period);
    quota->unified = unified;
    quota->cpus = INFINITY;
    return 0;
}

static int add_quotas(struct gs_watch *watch, const char *controller)
{
    struct gs_group group;
    int error = gs_group_find(watch->root, controller, &group);
    if (error)
        return error == -ENOENT ? 0 : error;
    do
        error = watch->quota_count < GS_QUOTA_LEVELS ? add_quota(watch, &group, controller == NULL) : 0;
    while (!error && gs_group_up(&group));
    gs_group_fini(&group);
    return error;
}

/* ---- the metric ---------------------------------------------------------------------------------------- */

static int cpu_open(struct gs_watch *watch)
{
    int error = gs_process_open(watch);
    if (error || watch->quota_found)
        return error;
    watch->quota_found = true;
    error = add_quotas(watch, NULL);
    return error ? error : add_quotas(watch, "cpu");
}

/* 0 when the kernel will not say. */
static int affinity_cpus(void)
{
    cpu_set_t set[8]; // 8192 CPUs
    return sched_getaffinity(getpid(), sizeof set, set) ? 0 : CPU_COUNT_S(sizeof set, set);
}

static double cpu_read(struct gs_watch *watch, struct gs_slot *slot)
{
    const struct gs_process *process = gs_process_now(watch, slot);
    if (!process)
        return NAN;
    double cpus = affinity_cpus(), quota = least_quota(watch);
    if (cpus <= 0)
        return gs_no_value(slot, "the kernel does not say which CPUs the process may use");
    if (quota < cpus)
        cpus = quota;
    double ticks_per_second = gs_rate(&slot->rate, watch->now_ns, process->cpu_ticks);
    return 100 * ticks_per_second / (double)sysconf(_SC_CLK_TCK) / cpus;
}

const struct gs_reader gs_reader_cpu = {cpu_open, cpu_read};
