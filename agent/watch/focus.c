/* focus.c - denser samples of the heap, for a while after an incident that captured its waste.
 *
 *   an incident captures "waste" ──▶ heap.sample / DENSER, until heap.focus is over ──▶ heap.sample
 *
 * The first incident says that memory is free, the next one whose blocks pin it: of what is allocated in between it has DENSER times the
 * samples. The governor widens this distance as any other, so the budget holds; each sample is weighed with its own distance.
 * Who: the watcher. */
#include "base/clock.h"
#include "base/units.h"
#include "probe/probe.h"
#include "sys/log.h"
#include "watch/settings.h"

enum { DENSER = 8, DISTANCE_MIN = 1 << 10 };

void gs_watch_focus_apply(const struct gs_settings *settings)
{
    const struct gs_rules *rules = settings->rules;
    uint64_t bytes = rules->heap.sample_bytes, denser = bytes / DENSER;
    if (settings->focus_until_ns)
        bytes = denser > DISTANCE_MIN ? denser : DISTANCE_MIN;
    gs_probe_start(&(struct gs_probe_settings){bytes, rules->heap.depth});
}

void gs_watch_focus_begin(struct gs_settings *settings, int64_t now_ns)
{
    int64_t focus_ns = settings->rules->heap.focus_ns;
    char bytes[GS_UNIT_TEXT], length[GS_UNIT_TEXT];
    bool before = settings->focus_until_ns;
    if (!focus_ns)
        return;
    settings->focus_until_ns = now_ns + focus_ns;
    gs_watch_focus_apply(settings);
    if (!before)
        gs_log(GS_LOG_INFO,
               "focus: the heap is sampled every %s for %s, because an incident captures its waste",
               gs_units_print_size((double)gs_probe_sampling().bytes, bytes),
               gs_units_print_duration(focus_ns, length));
}

void gs_watch_focus_tick(struct gs_settings *settings, int64_t now_ns)
{
    bool disabled = !settings->rules->heap.focus_ns; // by new rules
    if (!settings->focus_until_ns || (now_ns < settings->focus_until_ns && !disabled))
        return;
    settings->focus_until_ns = 0;
    gs_watch_focus_apply(settings);
    gs_log(GS_LOG_INFO, "focus: it is over");
}
