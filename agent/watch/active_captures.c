/* active_captures.c - the incidents being captured, in a few slots; if all are used, the oldest capture ends early.
 *
 *   begin ──▶ slot ──▶ gs_gather_cpu_poll, while the loop runs on ──▶ end ──▶ callback, on_incident ──▶ judge or request
 *
 * Who: the watcher. Threads that gather a profile for a host thread (write_profile.c) also take the lock. */
#include "watch/active_captures.h"
#include "base/clock.h"
#include "host/callback.h"
#include "host/on_incident.h"
#include "sys/lock.h"
#include "sys/log.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PROGRESS_NS (10 * GS_NS_PER_S)

/* An incident that is being captured. */
struct capture_slot {
    struct gs_incident *incident;              // NULL: the slot is free
    const struct gs_incident_context *context; // at the begin; the rules may have been reloaded since
    size_t rule;                 // number of the rule; SIZE_MAX: no rule, or the rules no longer have it
    struct gs_request *request;  // the request for this incident; NULL: a rule fired
    int64_t began_ns, logged_ns; // logged_ns: the last message about its progress
};
static struct capture_slot slots[GS_ACTIVE_CAPTURES_MAX];
static uint64_t captures_cpu_ns;
static struct gs_lock gathering_lock = {.rank = GS_RANK_GATHERING};

void gs_watch_gathering_lock(void)
{
    gs_lock_take(&gathering_lock);
}

void gs_watch_gathering_unlock(void)
{
    gs_lock_give(&gathering_lock);
}

void gs_watch_captures_after_fork(void)
{
    memset(slots, 0, sizeof slots);
    captures_cpu_ns = 0;
    gs_lock_after_fork(&gathering_lock);
}

unsigned gs_watch_captures_count(void)
{
    unsigned count = 0;
    for (struct capture_slot *slot = slots; slot < slots + GS_ACTIVE_CAPTURES_MAX; slot++)
        count += slot->incident != NULL;
    return count;
}

bool gs_watch_captures_needs(const struct gs_incident_context *context)
{
    for (struct capture_slot *slot = slots; slot < slots + GS_ACTIVE_CAPTURES_MAX; slot++)
        if (slot->incident && slot->context == context)
            return true;
    return false;
}

void gs_watch_captures_renumber(const struct gs_rules *old, const struct gs_rules *new)
{
    for (struct capture_slot *slot = slots; slot < slots + GS_ACTIVE_CAPTURES_MAX; slot++) {
        const char *name = slot->rule == SIZE_MAX ? NULL : old->rule[slot->rule].name;
        slot->rule = SIZE_MAX;
        for (size_t i = 0; slot->incident && name && i < new->rule_count; i++)
            if (strcmp(name, new->rule[i].name) == 0)
                slot->rule = i;
    }
}

uint64_t gs_watch_captures_cpu_ns(void)
{
    return captures_cpu_ns;
}

/* ---- the end ------------------------------------------------------------------------------------------------------- */

static void announce(const struct gs_settings *settings, const char *path)
{
    gs_log(GS_LOG_INFO, "incident: %s", path);
    gs_callback_tell(path);
    gs_on_incident_run(settings->rules, path);
}

/* Report the result of the capture to the judge or to the request. PATH: the incident folder. */
static void report_result(struct gs_settings *settings, const struct capture_slot *slot, int error,
                          const char *path)
{
    if (slot->request) {
        snprintf(slot->request->path, sizeof slot->request->path, "%s", error ? "" : path);
        gs_watch_request_done(slot->request, error);
        return;
    }
    if (slot->rule == SIZE_MAX)
        return;
    gs_store_ledger_end(settings->store, settings->rules->rule[slot->rule].name, !error,
                        gs_clock_realtime_ns());
    if (error)
        gs_rules_judge_incident_failed(settings->judge, slot->rule, gs_clock_monotonic_ns());
    else
        gs_rules_judge_incident_over(settings->judge, slot->rule, gs_clock_monotonic_ns());
}

static void end(struct gs_settings *settings, struct capture_slot *slot)
{
    char path[PATH_MAX];
    uint64_t began_ns = gs_clock_thread_cpu_ns();
    gs_watch_gathering_lock();
    int error = gs_incident_end(slot->incident, path);
    gs_watch_gathering_unlock();
    slot->incident = NULL;
    captures_cpu_ns += gs_clock_thread_cpu_ns() - began_ns;
    if (error)
        gs_log(GS_LOG_ERROR, "the incident could not be written: %s", strerrordesc_np(-error));
    else
        announce(settings, path);
    report_result(settings, slot, error, path);
}

/* ---- the beginning --------------------------------------------------------------------------------------------------- */

/* Return a free slot. If there is none, end the oldest capture early and return its slot. */
static struct capture_slot *get_free_slot(struct gs_settings *settings)
{
    struct capture_slot *oldest = slots;
    for (struct capture_slot *slot = slots; slot < slots + GS_ACTIVE_CAPTURES_MAX; slot++) {
        if (!slot->incident)
            return slot;
        if (slot->began_ns < oldest->began_ns)
            oldest = slot;
    }
    end(settings, oldest);
    return oldest;
}

void gs_watch_captures_begin(struct gs_settings *settings, const struct gs_incident_trigger *trigger,
                             size_t rule, struct gs_request *request)
{
    struct capture_slot *slot = get_free_slot(settings);
    uint64_t began_ns = gs_clock_thread_cpu_ns();
    gs_watch_record_find_unavailable(settings);
    gs_log(GS_LOG_INFO, "rule %s: %s", trigger->rule, trigger->reason);
    gs_watch_gathering_lock();
    int error = gs_incident_begin(settings->store, trigger, settings->context, &slot->incident);
    gs_watch_gathering_unlock();
    captures_cpu_ns += gs_clock_thread_cpu_ns() - began_ns;
    slot->context = settings->context;
    slot->rule = rule;
    slot->request = request;
    slot->began_ns = slot->logged_ns = gs_clock_monotonic_ns();
    if (trigger->capture & GS_WASTE)
        gs_watch_focus_begin(settings, slot->began_ns);
    if (error) {
        gs_log(GS_LOG_ERROR, "rule %s: the incident could not be written: %s", trigger->rule,
               strerrordesc_np(-error));
        report_result(settings, slot, error, "");
    } else if (gs_incident_is_ready(slot->incident, gs_clock_monotonic_ns())) {
        end(settings, slot);
    } else {
        gs_log(GS_LOG_INFO, "rule %s: CPU time is being sampled", trigger->rule);
    }
}

/* ---- meanwhile -------------------------------------------------------------------------------------------------------- */

/* Log every PROGRESS_NS that a long capture is still running. */
static void log_progress(struct capture_slot *slot, int64_t now_ns)
{
    char text[GS_UNIT_TEXT];
    if (now_ns - slot->logged_ns < PROGRESS_NS)
        return;
    slot->logged_ns = now_ns;
    gs_log(GS_LOG_INFO, "CPU time is being sampled, for %s so far",
           gs_units_print_duration(now_ns - slot->began_ns, text));
}

void gs_watch_captures_continue(struct gs_settings *settings, bool all)
{
    int64_t now_ns = gs_clock_monotonic_ns();
    gs_gather_cpu_poll(now_ns);
    for (struct capture_slot *slot = slots; slot < slots + GS_ACTIVE_CAPTURES_MAX; slot++)
        if (slot->incident && (all || gs_incident_is_ready(slot->incident, now_ns)))
            end(settings, slot);
        else if (slot->incident)
            log_progress(slot, now_ns);
}

enum gs_recovered gs_watch_captures_recover(struct gs_settings *settings)
{
    char path[PATH_MAX];
    uint64_t began_ns = gs_clock_thread_cpu_ns();
    gs_watch_gathering_lock();
    int result = gs_incident_recover_next(settings->store, settings->rules->incidents.max_per_hour, path);
    gs_watch_gathering_unlock();
    captures_cpu_ns += gs_clock_thread_cpu_ns() - began_ns;
    if (result == 1)
        announce(settings, path);
    return result == 1 ? GS_RECOVERED_ONE : result == -EWOULDBLOCK ? GS_RECOVERED_BUSY : GS_RECOVERED_ALL;
}
