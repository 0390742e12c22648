/* summary.c - writes summary.txt, the report for people: which rule fired and why; the culprit; what grew; what holds
 * and held memory; what the threads did; what is missing. About twenty lines of 100 columns. Context: watcher. */
#include "base/clock.h"
#include "box/box.h"
#include "gather/gather.h"
#include "incident/inside.h"
#include "symbol/symbol.h"
#include <stdio.h>
#include <string.h>

void gs_incident_add_program(struct gs_text *out, const char *program, const char *exe)
{
    const char *file = gs_text_base_name(exe);
    gs_text_add_printable(out, *program ? program : file);
    if (!*program || !*file || strcmp(program, file) == 0)
        return;
    gs_text_add(out, " (");
    gs_text_add_printable(out, file);
    gs_text_add(out, ")");
}

/* "redis-server (redis-check-rdb), pid 12 on web-3, pod shop/cache-0, container 3f2a91bc04d7" */
static void add_process(const struct gs_incident_process *process, struct gs_text *out)
{
    const struct gs_identity *identity = &process->identity;
    gs_incident_add_program(out, identity->program, process->exe);
    gs_text_add(out, ", pid %d on ", process->pid);
    gs_text_add_printable(out, process->host);
    gs_text_add(out, process->host_is_readers ? " (the machine that read this)" : "");
    if (*identity->pod) {
        gs_text_add(out, ", pod ");
        gs_text_add_printable(out, identity->pod_namespace);
        gs_text_add(out, *identity->pod_namespace ? "/" : "");
        gs_text_add_printable(out, identity->pod);
    }
    if (*identity->container) {
        char start[13];
        snprintf(start, sizeof start, "%.12s", identity->container);
        gs_text_add(out, ", container ");
        gs_text_add_printable(out, start);
    }
}

static void add_headline(const struct gs_report *report, struct gs_text *out)
{
    const struct gs_incident_trigger *trigger = report->trigger;
    const struct gs_incident_context *context = report->context;
    char time[GS_TIME_TEXT], age[GS_UNIT_TEXT], limit[GS_UNIT_TEXT];
    gs_text_add(out, "%s: %s\n", trigger->rule, trigger->reason);
    if (trigger->why) {
        gs_text_add(out, "  why this rule: ");
        gs_text_add_printable(out, trigger->why);
        gs_text_add(out, "\n");
    }
    gs_text_add(out, "%s  ", gs_clock_print(trigger->triggered_ns, GS_TIME_ISO, time));
    add_process(report->process, out);
    if (context->started_ns)
        gs_text_add(out, ", up %s",
                    gs_units_print_duration(trigger->triggered_ns - context->started_ns, age));
    if (context->limit_bytes)
        gs_text_add(out, "; memory limit %s", gs_units_print_size((double)context->limit_bytes, limit));
    gs_text_add(out, "\n\n");
}

/* "Culprit: rank_hits → score in search, score.c:88, through libz.so.1" */
static void add_culprit_name(const struct gs_culprit *culprit, struct gs_text *out)
{
    gs_text_add(out, "Culprit: ");
    if (culprit->caller) {
        gs_symbol_add_short_name(out, culprit->caller);
        gs_text_add(out, " → ");
    }
    gs_symbol_add_short_name(out, culprit->function);
    gs_text_add(out, *culprit->module ? " in " : "");
    gs_text_add_printable(out, culprit->module);
    if (*culprit->file)
        gs_text_add(out, ", %s:%lld", gs_text_base_name(culprit->file), (long long)culprit->line);
    if (culprit->through) {
        gs_text_add(out, ", through ");
        gs_symbol_add_short_name(out, culprit->through);
    }
}

/* Why another function may be to blame. */
static void add_doubts(const struct gs_culprit *culprit, struct gs_text *out)
{
    char share[GS_UNIT_TEXT];
    long long samples = (long long)(culprit->samples + 0.5);
    if (culprit->doubts & GS_DOUBT_SAMPLES)
        gs_text_add(out, "  not certain: only about %lld sample%s\n", samples,
                    samples == 1 ? " shows it" : "s show it");
    if (culprit->doubts & GS_DOUBT_RUNNER_UP) {
        gs_text_add(out, "  not certain: ");
        gs_symbol_add_short_name(out, culprit->runner_up);
        gs_units_print_percent((double)(int64_t)(culprit->runner_up_share * 1000 + 0.5) / 1000, share);
        gs_text_add(out, " has %s, %s\n",
                    culprit->runner_up_share > culprit->share ? "more" : "about as much", share);
    }
    if (culprit->doubts & GS_DOUBT_NOT_OWN)
        gs_text_add(out, "  not certain: no function of the program itself is on the stack\n");
}

/* ": opened 412 of 500 descriptors, 82.4 % of all" */
static void add_opened(const struct gs_culprit *culprit, const char *share, struct gs_text *out)
{
    long long all = (long long)((double)culprit->value / culprit->share + 0.5);
    gs_text_add(out, ": opened %lld of %lld descriptors, %s of all\n", (long long)culprit->value, all, share);
}

static void add_no_culprit(const struct gs_report *report, struct gs_text *out)
{
    bool unseen = report->findings.fds && gs_incident_is_about_descriptors(report->trigger);
    gs_text_add(out, "Culprit: none found%s\n",
                unseen ? " (it was not seen who opened the descriptors)" : "");
}

static void add_culprit(const struct gs_report *report, struct gs_text *out)
{
    const struct gs_culprit *culprit = &report->findings.culprit;
    const char *plural = gs_text_plural((double)culprit->value);
    char amount[GS_UNIT_TEXT], share[GS_UNIT_TEXT], age[GS_UNIT_TEXT];
    if (!culprit->function) {
        add_no_culprit(report, out);
        return;
    }
    add_culprit_name(culprit, out);
    gs_units_print_percent((double)(int64_t)(culprit->share * 1000 + 0.5) / 1000, share);
    gs_units_print_size((double)culprit->value, amount);
    if (strcmp(culprit->kind, "crash") == 0)
        gs_incident_add_crash(out, report->process->death->crash);
    else if (culprit->lock)
        gs_incident_add_held_lock(out, report->findings.threads, culprit->lock);
    else if (strcmp(culprit->kind, "deadlock") == 0)
        gs_text_add(out, ": in a deadlock of %lld thread%s\n", (long long)culprit->value, plural);
    else if (strcmp(culprit->kind, "allocation") == 0)
        gs_text_add(out, ": allocated %s in one call\n", amount);
    else if (strcmp(culprit->kind, "failed_allocation") == 0)
        gs_text_add(out, ": asked for %s in one call, which failed\n", amount);
    else if (strcmp(culprit->kind, "cpu") == 0)
        gs_text_add(out, ": %s of CPU time, %s of all\n", gs_units_print_duration(culprit->value, amount),
                    share);
    else if (strcmp(culprit->kind, "threads") == 0)
        gs_text_add(out, ": %lld thread%s, %s of all\n", (long long)culprit->value, plural, share);
    else if (strcmp(culprit->kind, "fds") == 0)
        add_opened(culprit, share, out);
    else if (strcmp(culprit->kind, "growth") == 0)
        gs_text_add(out, ": %s more than %s ago, %s of all growth%s%s\n", amount,
                    gs_units_print_duration(culprit->mapped ? report->findings.account->base_age_ns
                                                            : report->findings.base_age_ns,
                                            age),
                    share, culprit->mapped ? " of " : "", culprit->mapped ? culprit->mapped : "");
    else
        gs_text_add(out, ": holds %s, %s of %s\n", amount, share,
                    culprit->mapped ? culprit->mapped : "the heap in use");
    add_doubts(culprit, out);
}

static void add_list(struct gs_text *out, const char *label, const json_t *list)
{
    size_t i;
    const json_t *item;
    json_array_foreach(list, i, item)
    {
        gs_text_add(out, "%s: ", label);
        gs_text_add_printable(out, json_string_value(item));
        gs_text_add(out, "\n");
    }
}

static const char *print_bytes(int64_t bytes, char *out)
{
    return gs_units_print_size((double)bytes, out);
}

/* Say it if growth is held against a baseline that was taken after the climb began. */
static void add_late_baseline(const struct gs_incident_findings *findings, struct gs_text *out)
{
    char age[GS_UNIT_TEXT], climb_age[GS_UNIT_TEXT];
    if (findings->base_is_late)
        gs_text_add(
            out,
            "The oldest baseline, %s ago, is younger than the climb, which began %s ago: growth before "
            "it is not shown\n",
            gs_units_print_duration(findings->base_age_ns, age),
            gs_units_print_duration(findings->climb.age_ns, climb_age));
}

/* What grew, by whole stacks; what holds the heap where that does not explain the incident. Nothing about a heap that is not
 * seen: the account or a note says so. */
static void add_heap(const struct gs_incident_findings *findings, struct gs_text *out)
{
    char title[128] = "What holds the heap, by whole stacks", age[GS_UNIT_TEXT];
    gs_units_print_duration(findings->base_age_ns, age);
    if (findings->heap->sample_count == 0)
        return;
    if (findings->grew) {
        char grew[96];
        snprintf(grew, sizeof grew, "What grew since the baseline %s ago, by whole stacks", age);
        gs_incident_add_heap_stacks(out, findings->growth, grew);
    } else if (findings->growth)
        snprintf(title, sizeof title,
                 "Nothing grew since the baseline %s ago; what holds the heap, by whole stacks", age);
    else
        snprintf(title, sizeof title, "What holds the heap, by whole stacks (no baseline yet)");
    if (!findings->growth_explains)
        gs_incident_add_heap_stacks(out, findings->heap, title);
    gs_incident_add_ages(out, findings);
    gs_incident_add_functions(out, findings->heap, "inuse_space", "Heap in use by function", print_bytes);
    gs_incident_add_lifetimes(out, findings);
}

void gs_incident_write_summary(const struct gs_report *report, struct gs_text *out)
{
    const struct gs_incident_findings *findings = &report->findings;
    add_headline(report, out);
    add_culprit(report, out);
    add_late_baseline(findings, out);
    const struct gs_post_mortem *death = report->process->death;
    if (death && death->crash && findings->threads)
        gs_incident_add_crashed_stack(out, death, findings->threads);
    if (findings->account)
        gs_incident_summarise_memory(findings->account, &findings->climb, out);
    gs_incident_add_waste(out, findings);
    if (findings->descriptors && findings->descriptors->length)
        gs_text_add(out, "%s", findings->descriptors->bytes);
    if (findings->fds)
        gs_incident_add_openers(out, findings->fds);
    if (findings->deadlock && findings->deadlock->count)
        gs_incident_add_deadlock(out, findings->deadlock);
    if (findings->waits)
        gs_incident_add_waits(out, findings->threads, findings->waits);
    gs_incident_add_peak(out, findings);
    gs_incident_add_pages(out, findings);
    if (findings->heap)
        add_heap(findings, out);
    if (findings->cpu) {
        gs_incident_add_cpu_stacks(out, findings->cpu);
        gs_incident_add_functions(out, findings->cpu, "cpu", "CPU time by function", gs_units_print_duration);
    }
    if (findings->threads && !(death && !death->threads_are_all))
        gs_incident_add_threads(out, findings->threads);
    if (findings->creators)
        gs_incident_add_creators(out, findings->creators);
    gs_text_add(out, "\n");
    add_list(out, "note", report->notes.json);
    add_list(out, "failed", report->errors.json);
    gs_text_add(out, "read on: gumshoe top %s\n", report->folder);
}
