/* active_captures.c - incidents under way, in a few places; when there are more, the oldest is ended early.
 *
 *   begin ──▶ place ──▶ gs_gather_cpu_poll, while the watch goes on ──▶ end ──▶ callback, on_incident ──▶ judge or caller
 *
 * Who: the watcher. The lock is also taken by threads that gather a profile for a host's. */
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
    struct gs_incident *incident;              // NULL: this place is free
    const struct gs_incident_context *context; // what it began with, though the rules may have changed since
    size_t rule;                               // SIZE_MAX: it is not in force any more
    struct gs_request *call;                   // or who asked for it; NULL: the rule fired
    int64_t began_ns, told_ns;                 // and when the log last heard of it
};
static struct capture_slot places[GS_ACTIVE_CAPTURES_MAX];
static uint64_t cpu_ns;
static struct gs_lock gathering = {.rank = GS_RANK_GATHERING};

void gs_watch_gathering_lock(void)
{
    gs_lock_take(&gathering);
}

void gs_watch_gathering_unlock(void)
{
    gs_lock_give(&gathering);
}

void gs_watch_captures_after_fork(void)
{
    memset(places, 0, sizeof places);
    cpu_ns = 0;
    gs_lock_after_fork(&gathering);
}

unsigned gs_watch_captures_count(void)
{
    unsigned count = 0;
    for (struct capture_slot *place = places; place < places + GS_ACTIVE_CAPTURES_MAX; place++)
        count += place->incident != NULL;
    return count;
}

bool gs_watch_captures_needs(const struct gs_incident_context *context)
{
    for (struct capture_slot *place = places; place < places + GS_ACTIVE_CAPTURES_MAX; place++)
        if (place->incident && place->context == context)
            return true;
    return false;
}

void gs_watch_captures_renumber(const struct gs_rules *old, const struct gs_rules *new)
{
    for (struct capture_slot *place = places; place < places + GS_ACTIVE_CAPTURES_MAX; place++) {
        const char *name = place->rule == SIZE_MAX ? NULL : old->rule[place->rule].name;
        place->rule = SIZE_MAX;
        for (size_t i = 0; place->incident && name && i < new->rule_count; i++)
            if (strcmp(name, new->rule[i].name) == 0)
                place->rule = i;
    }
}

uint64_t gs_watch_captures_cpu_ns(void)
{
    return cpu_ns;
}

/* ---- the end ------------------------------------------------------------------------------------------------------- */

static void tell(const struct gs_settings *settings, const char *path)
{
    gs_log(GS_LOG_INFO, "incident: %s", path);
    gs_callback_tell(path);
    gs_on_incident_run(settings->rules, path);
}

/* What the incident has come to, for the rule or for who asked. */
static void settle(struct gs_settings *settings, const struct capture_slot *place, int error,
                   const char *path)
{
    if (place->call) {
        snprintf(place->call->path, sizeof place->call->path, "%s", error ? "" : path);
        gs_watch_request_done(place->call, error);
        return;
    }
    if (place->rule == SIZE_MAX)
        return;
    gs_store_ledger_end(settings->store, settings->rules->rule[place->rule].name, !error,
                        gs_clock_realtime_ns());
    if (error)
        gs_rules_judge_incident_failed(settings->judge, place->rule, gs_clock_monotonic_ns());
    else
        gs_rules_judge_incident_over(settings->judge, place->rule, gs_clock_monotonic_ns());
}

static void end(struct gs_settings *settings, struct capture_slot *place)
{
    char path[PATH_MAX];
    uint64_t began_ns = gs_clock_thread_cpu_ns();
    gs_watch_gathering_lock();
    int error = gs_incident_end(place->incident, path);
    gs_watch_gathering_unlock();
    place->incident = NULL;
    cpu_ns += gs_clock_thread_cpu_ns() - began_ns;
    if (error)
        gs_log(GS_LOG_ERROR, "the incident could not be written: %s", strerrordesc_np(-error));
    else
        tell(settings, path);
    settle(settings, place, error, path);
}

/* ---- the beginning --------------------------------------------------------------------------------------------------- */

/* A place for one more; the oldest is ended early when there is none. */
static struct capture_slot *place_for_one(struct gs_settings *settings)
{
    struct capture_slot *oldest = places;
    for (struct capture_slot *place = places; place < places + GS_ACTIVE_CAPTURES_MAX; place++) {
        if (!place->incident)
            return place;
        if (place->began_ns < oldest->began_ns)
            oldest = place;
    }
    end(settings, oldest);
    return oldest;
}

void gs_watch_captures_begin(struct gs_settings *settings, const struct gs_incident_trigger *trigger,
                             size_t rule, struct gs_request *call)
{
    struct capture_slot *place = place_for_one(settings);
    uint64_t began_ns = gs_clock_thread_cpu_ns();
    gs_watch_settings_find_unavailable(settings);
    gs_log(GS_LOG_INFO, "rule %s: %s", trigger->rule, trigger->reason);
    gs_watch_gathering_lock();
    int error = gs_incident_begin(settings->store, trigger, settings->context, &place->incident);
    gs_watch_gathering_unlock();
    cpu_ns += gs_clock_thread_cpu_ns() - began_ns;
    place->context = settings->context;
    place->rule = rule;
    place->call = call;
    place->began_ns = place->told_ns = gs_clock_monotonic_ns();
    if (error) {
        gs_log(GS_LOG_ERROR, "rule %s: the incident could not be written: %s", trigger->rule,
               strerrordesc_np(-error));
        settle(settings, place, error, "");
    } else if (gs_incident_is_ready(place->incident, gs_clock_monotonic_ns())) {
        end(settings, place);
    } else {
        gs_log(GS_LOG_INFO, "rule %s: CPU time is being sampled", trigger->rule);
    }
}

/* ---- meanwhile ---------------------------------------------------------------------------------------------------------- */

/* A long capture shows that it goes on. */
static void tell_progress(struct capture_slot *place, int64_t now_ns)
{
    char text[GS_UNIT_TEXT];
    if (now_ns - place->told_ns < PROGRESS_NS)
        return;
    place->told_ns = now_ns;
    gs_log(GS_LOG_INFO, "CPU time has been sampled for %s",
           gs_units_print_duration(now_ns - place->began_ns, text));
}

void gs_watch_captures_continue(struct gs_settings *settings, bool all)
{
    int64_t now_ns = gs_clock_monotonic_ns();
    gs_gather_cpu_poll(now_ns);
    for (struct capture_slot *place = places; place < places + GS_ACTIVE_CAPTURES_MAX; place++)
        if (place->incident && (all || gs_incident_is_ready(place->incident, now_ns)))
            end(settings, place);
        else if (place->incident)
            tell_progress(place, now_ns);
}

enum gs_recovered gs_watch_captures_recover(struct gs_settings *settings)
{
    char path[PATH_MAX];
    uint64_t began_ns = gs_clock_thread_cpu_ns();
    gs_watch_gathering_lock();
    int made = gs_incident_recover_next(settings->store, settings->rules->incidents.max_per_hour, path);
    gs_watch_gathering_unlock();
    cpu_ns += gs_clock_thread_cpu_ns() - began_ns;
    if (made == 1)
        tell(settings, path);
    return made == 1 ? GS_RECOVERED_ONE : made == -EWOULDBLOCK ? GS_RECOVERED_BUSY : GS_RECOVERED_ALL;
}
