/* findings.c - what the profiles of one incident say: what grew, and who is to blame.
 *
 *   gathered[kind] ──▶ struct gs_incident_findings ──▶ growth: heap less baseline ──▶ the culprit, by what the rule is about
 *
 * Runs once, after everything is gathered and on disk: it changes the baseline's profile in place. Context: watcher, CLI. */
#include "gather/gather.h"
#include "incident/inside.h"
#include "profile/profile.h"
#include <errno.h>
#include <string.h>

/* Names of metrics; the lists end with NULL. */
static const char *const about_resident[] = {"rss", "memory_pressure", "major_faults", NULL};
static const char *const about_heap[] = {"heap_in_use", "heap_alloc_rate", NULL};
static const char *const about_cpu[] = {"cpu", NULL};
static const char *const about_threads[] = {"threads", NULL};

static bool is_about(const struct gs_incident_trigger *trigger, const char *const *metrics)
{
    for (; trigger->metric && *metrics; metrics++)
        if (strcmp(trigger->metric, *metrics) == 0)
            return true;
    return false;
}

bool gs_incident_is_about_resident(const struct gs_incident_trigger *trigger)
{
    return is_about(trigger, about_resident);
}

/* What the heap gained since its base: the base itself, turned round and the heap added. The heap stays as it is. NULL: there is
 * no base, or memory ran out. */
static struct gs_profile *growth_of(struct gs_report *report, const struct gs_gathered *heap)
{
    struct gs_profile *growth = heap->base;
    if (!growth)
        return NULL;
    int error = gs_profile_subtract(growth, heap->profile); // what shrank is positive: so all is turned round
    gs_incident_add_error(report, "growth", error);
    for (size_t i = 0; i < growth->sample_count; i++)
        for (unsigned v = 0; v < growth->sample_type_count; v++)
            ((int64_t *)growth->sample[i].value)[v] = -growth->sample[i].value[v];
    return error ? NULL : growth;
}

/* What was gathered of KIND becomes what the findings have of it. */
static void take_gathered(struct gs_report *report, enum gs_kind kind, const struct gs_gathered *gathered)
{
    struct gs_incident_findings *f = &report->findings;
    switch (kind) {
    case GS_THREADS:
        f->threads = gathered->profile;
        f->deadlock = &gathered->deadlock;
        break;
    case GS_CPU: f->cpu = gathered->profile; break;
    case GS_THREADCREATE: f->creators = gathered->profile; break;
    case GS_HEAP:
        if (!gathered->profile)
            break;
        f->heap = gathered->profile;
        f->base_age_ns = gathered->base_age_ns;
        f->growth = growth_of(report, gathered);
        break;
    default: break; // a kind that has files, but says nothing of who is to blame
    }
}

/* In the heap: what grew, else what holds most. */
static void find_in_heap(struct gs_incident_findings *f)
{
    if (f->growth && gs_incident_culprit_find(f->growth, gs_profile_sample_type(f->growth, "inuse_space"),
                                              "growth", &f->culprit))
        return;
    (void)gs_incident_culprit_find(f->heap, gs_profile_sample_type(f->heap, "inuse_space"), "in_use",
                                   &f->culprit);
}

/* The one who is to blame, by what the rule is about; else by what there is. */
static void find_culprit(struct gs_report *report)
{
    const struct gs_incident_trigger *trigger = report->trigger;
    struct gs_incident_findings *f = &report->findings;
    int died_tid = report->process->died_tid;
    bool about_memory = is_about(trigger, about_resident) || is_about(trigger, about_heap);
    if (f->threads && died_tid && gs_incident_culprit_of_thread(f->threads, died_tid, &f->culprit))
        return;
    if (f->account && is_about(trigger, about_resident) &&
        gs_incident_culprit_of_mappings(f->account, &f->culprit))
        return;
    if (f->deadlock && f->deadlock->count && !about_memory)
        gs_incident_culprit_of_deadlock(f->threads, f->deadlock, &f->culprit);
    else if (f->cpu && (is_about(trigger, about_cpu) || !f->heap) &&
             gs_incident_culprit_find(f->cpu, 1, "cpu", &f->culprit))
        return;
    else if (f->threads && (is_about(trigger, about_threads) || !f->heap))
        (void)gs_incident_culprit_find(f->threads, 0, "threads", &f->culprit);
    else if (f->heap)
        find_in_heap(f);
}

/* Memory did, while the profiles were looked through. */
static bool ran_out(const struct gs_incident_findings *f)
{
    const struct gs_profile *profiles[] = {f->heap, f->growth, f->threads, f->cpu,
                                           f->account ? f->account->mappings : NULL};
    for (size_t i = 0; i < sizeof profiles / sizeof *profiles; i++)
        if (profiles[i] && profiles[i]->failed)
            return true;
    return false;
}

void gs_incident_find(struct gs_report *report, const struct gs_gathered gathered[GS_INCIDENT_KINDS_MAX])
{
    for (size_t i = 0; i < GS_INCIDENT_KINDS_MAX && gs_kinds[i].name; i++)
        take_gathered(report, gs_kinds[i].kind, &gathered[i]);
    find_culprit(report);
    if (ran_out(&report->findings)) {
        report->findings.culprit = (struct gs_culprit){0};
        gs_incident_add_error(report, "the culprit", -ENOMEM);
    }
}
