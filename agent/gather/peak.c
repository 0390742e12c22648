/* peak.c - what every stack held when the heap in use was highest: an incident shows it after the heap has shrunk.
 *
 *   heap_in_use reaches the line, 1/20 above the last copy ──▶ the alarm wakes the watcher ──▶ a copy, if it still is so high
 *
 *   periods:   │ the last one │ this one │   each has a copy of its own; the higher of the two is the peak. So a peak is
 *   remembered for one period at least, and for two at most.
 *
 * Error:  the copy is within 1/20 of the highest value that the watcher could see. What rises and falls again before the
 *         watcher runs (some 100 µs on an idle machine) is not copied, but gs_probe_heap_highest says how high it was. The
 *         counters are read one by one, in some 10 µs for 1000 stacks, while the program goes on: a profile is the sum of
 *         what was read.
 * Who:    the watcher copies, and reads without the lock; other threads (gumshoe_write_profile) get a copy of the copy.
 * Bounds: 32 bytes for each stack and copy; three copies while one is made. The line only rises within a period: from 1 MiB
 *         to 1 TiB about 300 times. CPU time: 1/BUDGET_DIVISOR of the budget on average, at once that of SAVED_NS; beyond it
 *         a copy waits for a later tick. After MISSES_MAX wake-ups in vain the alarm waits for the next tick. */
#include "base/clock.h"
#include "base/memory.h"
#include "gather/inside.h"
#include "sys/lock.h"
#include <string.h>

enum {
    STEP_DIVISOR = 20,
    STEP_BYTES_MIN = 1 << 20, // a smaller rise is the error of two samples
    MISSES_MAX = 8,
    BUDGET_DIVISOR = 4,
    HIGHER_DIVISOR = 10,
    STANDARD_ERRORS = 3,
};
#define SAVED_NS (10 * GS_NS_PER_S)

static struct {
    struct gs_lock lock; // over the two peaks: the watcher takes it to change them, others to read them
    struct gs_peak now, before; // of this period, and of the last one
    struct gs_peak_settings settings;
    int64_t began_ns;              // of this period; 0: none has begun
    int64_t saved_ns, saved_at_ns; // CPU time that copies may use, as of saved_at_ns
    unsigned misses;               // wake-ups since the last tick that made no copy
} peaks = {.lock.rank = GS_RANK_PEAK};

/* ---- the copies ------------------------------------------------------------------------------------------------------ */

static bool exists(const struct gs_peak *peak)
{
    return peak->copy.counts != NULL;
}

/* Make PEAK what FRESH is, and free what it was. */
static void replace(struct gs_peak *peak, const struct gs_peak *fresh)
{
    struct gs_heap_counts *old = peak->copy.counts;
    gs_lock_take(&peaks.lock);
    *peak = *fresh;
    gs_lock_give(&peaks.lock);
    gs_free(old);
}

/* The peak of this period and the last one; none exists if its counts are NULL. */
static const struct gs_peak *highest(void)
{
    return exists(&peaks.before) && peaks.before.bytes >= peaks.now.bytes ? &peaks.before : &peaks.now;
}

/* The heap in use at which the next copy of this period is due. */
static uint64_t line(void)
{
    uint64_t bytes = peaks.now.bytes, step = bytes / STEP_DIVISOR;
    return exists(&peaks.now) ? bytes + (step > STEP_BYTES_MIN ? step : STEP_BYTES_MIN) : 0;
}

/* Copy the counters; true: they hold more than the copy before. */
static bool copy(int64_t now_ns)
{
    struct gs_peak fresh = {0};
    if (!gs_gather_baseline_copy(&fresh.copy, now_ns))
        return false;
    for (uint32_t stack = 0; stack < fresh.copy.count; stack++)
        fresh.bytes += fresh.copy.counts[stack].inuse_space;
    if (exists(&peaks.now) && fresh.bytes <= peaks.now.bytes) {
        gs_free(fresh.copy.counts);
        return false;
    }
    replace(&peaks.now, &fresh);
    return true;
}

/* ---- when ------------------------------------------------------------------------------------------------------------ */

/* May a copy be made, as far as the budget goes? */
static bool is_affordable(int64_t now_ns)
{
    double share = peaks.settings.budget / BUDGET_DIVISOR;
    int64_t most_ns = (int64_t)(share * (double)SAVED_NS),
            since_ns = now_ns - peaks.saved_at_ns < SAVED_NS ? now_ns - peaks.saved_at_ns : SAVED_NS;
    peaks.saved_ns += (int64_t)(share * (double)since_ns);
    if (peaks.saved_ns > most_ns)
        peaks.saved_ns = most_ns;
    peaks.saved_at_ns = now_ns;
    return peaks.saved_ns > 0;
}

static bool copy_if_due(int64_t now_ns)
{
    if (!peaks.settings.period_ns || gs_probe_alarm_is_muted() || gs_probe_heap_in_use() < line() ||
        !is_affordable(now_ns))
        return false;
    uint64_t began_ns = gs_clock_thread_cpu_ns();
    bool copied = copy(now_ns);
    peaks.saved_ns -= (int64_t)(gs_clock_thread_cpu_ns() - began_ns);
    return copied;
}

bool gs_gather_peak_look(int64_t now_ns, bool reached)
{
    bool copied = copy_if_due(now_ns);
    if (reached && !copied)
        peaks.misses++;
    return copied && highest() == &peaks.now;
}

/* The next period begins: this period's peak becomes the last one's. */
static void turn(int64_t now_ns)
{
    struct gs_heap_counts *old = peaks.before.copy.counts;
    gs_lock_take(&peaks.lock);
    peaks.before = peaks.now;
    peaks.before.highest_bytes = gs_probe_heap_highest();
    peaks.now = (struct gs_peak){0};
    gs_lock_give(&peaks.lock);
    gs_free(old);
    peaks.began_ns = now_ns;
    gs_probe_heap_forget_highest();
}

bool gs_gather_peak_tick(int64_t now_ns)
{
    if (peaks.settings.period_ns && (!peaks.began_ns || now_ns - peaks.began_ns >= peaks.settings.period_ns))
        turn(now_ns);
    peaks.misses = 0;
    return gs_gather_peak_look(now_ns, false);
}

uint64_t gs_gather_peak_line(void)
{
    bool waits =
        !peaks.settings.period_ns || !exists(&peaks.now) || peaks.misses >= MISSES_MAX || peaks.saved_ns <= 0;
    return waits ? UINT64_MAX : line();
}

void gs_gather_peak_configure(const struct gs_peak_settings *settings)
{
    peaks.settings = *settings;
    if (!settings->period_ns)
        gs_gather_peak_forget();
}

void gs_gather_peak_forget(void)
{
    const struct gs_peak none = {0};
    replace(&peaks.now, &none);
    replace(&peaks.before, &none);
    peaks.began_ns = peaks.saved_ns = peaks.saved_at_ns = 0;
}

/* The parent's watcher may have been changing the copies during the fork: they are leaked, not freed. */
void gs_gather_peak_after_fork(void)
{
    peaks.now = peaks.before = (struct gs_peak){0};
    peaks.began_ns = peaks.saved_ns = peaks.saved_at_ns = 0;
    gs_lock_after_fork(&peaks.lock);
}

/* ---- reading --------------------------------------------------------------------------------------------------------- */

int64_t gs_gather_peak_time_ns(void)
{
    return highest()->copy.time_ns;
}

uint64_t gs_gather_peak_highest_bytes(void)
{
    return highest() == &peaks.before ? peaks.before.highest_bytes : gs_probe_heap_highest();
}

void gs_gather_peak_values(uint32_t stack, int64_t *values)
{
    const struct gs_baseline *found = &highest()->copy;
    if (stack < found->count)
        gs_gather_heap_values(found->counts[stack], values);
    else
        memset(values, 0, GS_HEAP_VALUES * sizeof *values);
}

const void *gs_gather_peak_for_anchor(void)
{
    return exists(highest()) ? &highest()->copy : NULL;
}

bool gs_gather_peak_get(struct gs_peak *out)
{
    gs_lock_take(&peaks.lock);
    const struct gs_peak *peak = highest();
    *out = *peak;
    out->copy.counts = exists(peak) ? gs_alloc(peak->copy.count * sizeof *out->copy.counts) : NULL;
    if (out->copy.counts)
        memcpy(out->copy.counts, peak->copy.counts, peak->copy.count * sizeof *out->copy.counts);
    if (peak == &peaks.now)
        out->highest_bytes = gs_probe_heap_highest();
    gs_lock_give(&peaks.lock);
    return out->copy.counts != NULL;
}

bool gs_gather_peak_is_higher(uint64_t peak_bytes, uint64_t now_bytes, uint64_t distance)
{
    if (peak_bytes <= now_bytes + now_bytes / HIGHER_DIVISOR)
        return false;
    double by = (double)(peak_bytes - now_bytes);
    return by * by > (double)(STANDARD_ERRORS * STANDARD_ERRORS) * (double)peak_bytes * (double)distance;
}
