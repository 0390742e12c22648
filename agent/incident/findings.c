/* findings.c - what the profiles of one incident show: what grew, and the culprit.
 *
 *   gathered[kind] ──▶ struct gs_incident_findings ──▶ growth: heap minus baseline ──▶ the culprit, by the rule's metric
 *
 * Runs once, after everything is gathered and on disk, because it changes the baseline's profile in place. Context: watcher,
 * CLI. */
#include "gather/gather.h"
#include "incident/inside.h"
#include "profile/profile.h"
#include <errno.h>
#include <string.h>

/* Which metrics a rule is about; the lists end with NULL. */
static const char *const about_resident[] = {"rss", "memory_pressure", "major_faults", NULL};
static const char *const about_heap[] = {"heap_in_use", "heap_alloc_rate", NULL};
static const char *const about_cpu[] = {"cpu", NULL};
static const char *const about_threads[] = {"threads", NULL};
static const char *const about_failures[] = {"alloc_failures", NULL};
static const char *const about_descriptors[] = {"fds", NULL};

static bool is_about(const struct gs_incident_trigger *trigger, const char *const *metrics)
{
    for (; trigger->metric && *metrics; metrics++)
        if (strcmp(trigger->metric, *metrics) == 0)
            return true;
    return false;
}

const char *gs_incident_heap_unseen(const struct gs_incident_context *context)
{
    static const char metric[] = "heap_in_use: ";
    for (size_t i = 0; i < context->unavailable_count; i++)
        if (strncmp(context->unavailable[i], metric, sizeof metric - 1) == 0)
            return context->unavailable[i] + sizeof metric - 1;
    return NULL;
}

bool gs_incident_is_about_resident(const struct gs_incident_trigger *trigger)
{
    return is_about(trigger, about_resident);
}

bool gs_incident_is_about_descriptors(const struct gs_incident_trigger *trigger)
{
    return is_about(trigger, about_descriptors);
}

/* The growth of the heap since its baseline: base minus heap, then negated, in the memory of the base. The heap's profile
 * does not change. NULL: no baseline, or no memory. */
static struct gs_profile *growth_of(struct gs_report *report, const struct gs_gathered *heap)
{
    struct gs_profile *growth = heap->base;
    if (!growth)
        return NULL;
    int error = gs_profile_subtract(growth, heap->profile); // base minus heap: growth is negative here
    gs_incident_add_error(report, "growth", error);
    for (size_t i = 0; i < growth->sample_count; i++)
        for (unsigned v = 0; v < growth->sample_type_count; v++)
            ((int64_t *)growth->sample[i].value)[v] = -growth->sample[i].value[v];
    return error ? NULL : growth;
}

/* Was the baseline taken after the climb began? Heap and account use the same one. */
static void judge_baseline(struct gs_incident_findings *findings)
{
    if (!findings->growth && findings->account && findings->account->has_base)
        findings->base_age_ns = findings->account->base_age_ns;
    findings->base_is_late = findings->base_age_ns && findings->base_age_ns < findings->climb.age_ns;
}

/* Does the growth explain anything? A baseline that was taken during the climb, or after it, may not show it. */
static void judge_growth(struct gs_incident_findings *findings)
{
    if (!findings->growth)
        return;
    double bytes = gs_incident_heap_growth(findings->growth, findings->heap);
    findings->grew = bytes > 0;
    findings->growth_explains =
        bytes > 0 && gs_incident_is_of_climb(&findings->climb, findings->base_age_ns, bytes);
}

/* Put what was gathered of KIND into the findings. */
static void take_gathered(struct gs_report *report, enum gs_kind kind, const struct gs_gathered *gathered)
{
    struct gs_incident_findings *findings = &report->findings;
    switch (kind) {
    case GS_THREADS:
        findings->threads = gathered->profile;
        findings->deadlock = &gathered->deadlock;
        findings->waits = gathered->profile ? &gathered->waits : NULL;
        break;
    case GS_FDS:
        findings->fds = gathered->profile;
        findings->descriptors = &gathered->summary;
        break;
    case GS_CPU: findings->cpu = gathered->profile; break;
    case GS_THREADCREATE: findings->creators = gathered->profile; break;
    case GS_HEAP:
        if (!gathered->profile)
            break;
        findings->heap = gathered->profile;
        findings->ages = gathered->ages;
        findings->base_age_ns = gathered->base_age_ns;
        findings->growth = growth_of(report, gathered);
        break;
    case GS_PEAK:
        findings->peak = gathered->profile;
        findings->peak_facts = gathered->peak;
        break;
    case GS_PAGES: findings->pages = gathered->profile; break;
    case GS_WASTE:
        findings->waste = gathered->profile;
        findings->waste_facts = gathered->waste;
        break;
    case GS_LIFETIMES: findings->lifetimes = gathered->profile; break;
    default: break; // this kind has files but does not help to find the culprit
    }
}

/* Find the culprit in the heap: the largest growth, else the largest use. */
static void find_in_heap(struct gs_incident_findings *findings)
{
    if (findings->growth_explains &&
        gs_incident_culprit_find(findings->growth, gs_profile_sample_type(findings->growth, "inuse_space"),
                                 "growth", &findings->culprit))
        return;
    (void)gs_incident_culprit_find(findings->heap, gs_profile_sample_type(findings->heap, "inuse_space"),
                                   "in_use", &findings->culprit);
}

/* Find the culprit in the profile that the rule's metric is about, else in one that exists. */
static void find_culprit(struct gs_report *report)
{
    const struct gs_incident_trigger *trigger = report->trigger;
    struct gs_incident_findings *findings = &report->findings;
    const struct gs_post_mortem *death = report->process->death;
    bool about_memory = is_about(trigger, about_resident) || is_about(trigger, about_heap);
    if (gs_incident_culprit_of_crash(death, findings->threads, &findings->culprit))
        return;
    if (findings->allocation &&
        gs_incident_culprit_find(findings->allocation, 1,
                                 is_about(trigger, about_failures) ? "failed_allocation" : "allocation",
                                 &findings->culprit))
        return;
    if (findings->account && is_about(trigger, about_resident) &&
        gs_incident_culprit_of_mappings(findings->account, &findings->climb, &findings->culprit))
        return;
    if (findings->deadlock && findings->deadlock->count && !about_memory)
        gs_incident_culprit_of_deadlock(findings->threads, findings->deadlock, &findings->culprit);
    else if (is_about(trigger, about_descriptors)) {
        if (findings->fds)
            (void)gs_incident_culprit_find(findings->fds, 0, "fds", &findings->culprit);
    } else if (findings->cpu && (is_about(trigger, about_cpu) || !findings->heap) &&
               gs_incident_culprit_find(findings->cpu, 1, "cpu", &findings->culprit))
        return;
    else if (findings->threads && (is_about(trigger, about_threads) || !findings->heap)) {
        if (!gs_incident_culprit_of_holder(findings->threads, findings->waits, &findings->culprit))
            (void)gs_incident_culprit_find(findings->threads, 0, "threads", &findings->culprit);
    } else if (findings->heap)
        find_in_heap(findings);
    else if (findings->fds)
        (void)gs_incident_culprit_find(findings->fds, 0, "fds", &findings->culprit);
}

struct gs_plumbing gs_incident_plumbing_of(const struct gs_rules *rules)
{
    struct gs_plumbing plumbing = {0};
    if (rules) {
        plumbing.user[GS_PLUMBING_RULES].pattern = rules->plumbing;
        plumbing.user[GS_PLUMBING_RULES].count = rules->plumbing_count;
    }
    return plumbing;
}

/* Make all profiles use the plumbing that the user names and the heap shows. */
static void set_plumbing(struct gs_report *report)
{
    struct gs_incident_findings *findings = &report->findings;
    struct gs_profile *profiles[] = {
        findings->heap,       findings->growth, findings->threads,
        findings->creators,   findings->cpu,    findings->account ? findings->account->mappings : NULL,
        findings->allocation, findings->peak,   findings->pages,
        findings->waste,      findings->fds,    findings->lifetimes};
    if (findings->heap)
        gs_incident_add_error(report, "the culprit",
                              gs_profile_learn_plumbing(findings->heap, &findings->plumbing));
    for (size_t i = 0; i < sizeof profiles / sizeof *profiles; i++)
        if (profiles[i])
            profiles[i]->plumbing = &findings->plumbing;
}

/* Did an allocation fail while the profiles were searched? */
static bool memory_ran_out(const struct gs_incident_findings *findings)
{
    const struct gs_profile *profiles[] = {
        findings->heap, findings->growth,     findings->threads,
        findings->cpu,  findings->allocation, findings->account ? findings->account->mappings : NULL,
        findings->peak, findings->pages,      findings->waste,
        findings->fds,  findings->lifetimes};
    for (size_t i = 0; i < sizeof profiles / sizeof *profiles; i++)
        if (profiles[i] && profiles[i]->failed)
            return true;
    return false;
}

void gs_incident_find(struct gs_report *report, const struct gs_gathered gathered[GS_INCIDENT_KINDS_MAX])
{
    for (size_t i = 0; i < GS_INCIDENT_KINDS_MAX && gs_kinds[i].name; i++)
        take_gathered(report, gs_kinds[i].kind, &gathered[i]);
    judge_baseline(&report->findings);
    judge_growth(&report->findings);
    set_plumbing(report);
    find_culprit(report);
    gs_incident_find_peak(&report->findings);
    gs_incident_find_pages(&report->findings);
    gs_incident_find_waste(&report->findings);
    if (memory_ran_out(&report->findings)) {
        report->findings.culprit = report->findings.peak_holder = report->findings.pinner =
            (struct gs_culprit){0};
        report->findings.pages = NULL;
        gs_incident_add_error(report, "the culprit", -ENOMEM);
    }
}
