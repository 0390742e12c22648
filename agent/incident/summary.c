/* summary.c - writes summary.txt, the report for people: which rule fired and why; the culprit; what grew; what holds
 * memory; what the threads did; what is missing. About twenty lines of 100 columns. Context: watcher. */
#include "base/clock.h"
#include "box/box.h"
#include "gather/gather.h"
#include "incident/inside.h"
#include "profile/profile.h"
#include "symbol/symbol.h"
#include <stdio.h>
#include <string.h>

enum { STACKS = 3, FRAMES = 6, FUNCTIONS = 5 };

/* ---- pieces ------------------------------------------------------------------------------------------------------- */

static void add_share(struct gs_text *out, int64_t part, int64_t whole)
{
    char share[GS_UNIT_TEXT];
    gs_text_add(out, "%7s",
                whole ? gs_units_print_percent((double)(int64_t)((__int128)part * 1000 / whole) / 1000, share)
                      : "");
}

/* Is the frame of no use to the reader, such as the C library's start-up or an allocation wrapper? */
static bool is_noise(const struct gs_profile *profile, uint32_t location, const char *name)
{
    uint32_t mapping = profile->location[location].mapping;
    return gs_symbol_function_is_runtime(name) ||
           (mapping && gs_symbol_path_is_runtime(profile->mapping[mapping - 1].path));
}

static void add_frame(struct gs_text *out, const struct gs_profile *profile, uint32_t location,
                      const char *name)
{
    const struct gs_location *at = &profile->location[location];
    gs_text_add_printable(out, name);
    if (at->line_count && *profile->function[at->line[0].function].file) {
        gs_text_add(out, " (");
        gs_text_add_printable(out, gs_text_base_name(profile->function[at->line[0].function].file));
        gs_text_add(out, ":%lld)", (long long)at->line[0].line);
    }
}

/* "cache_put ← handle_request ← serve": from the program's own code outward. */
static void add_stack(struct gs_text *out, const struct gs_profile *profile, const struct gs_stack_row *row)
{
    char room[300];
    uint32_t shown = 0, first = 0;
    while (first + 1 < row->depth &&
           is_noise(profile, row->location[first],
                    gs_profile_frame_name(profile, row->location[first], room, sizeof room)))
        first++;
    for (uint32_t i = first; i < row->depth; i++) {
        const char *name = gs_profile_frame_name(profile, row->location[i], room, sizeof room);
        if (i > first && is_noise(profile, row->location[i], name))
            continue;
        if (shown == FRAMES) {
            gs_text_add(out, " ← …");
            break;
        }
        gs_text_add(out, shown++ ? " ← " : "");
        add_frame(out, profile, row->location[i], name);
    }
    gs_text_add(out, "\n");
}

/* ---- sections ------------------------------------------------------------------------------------------------------ */

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
    gs_text_add_printable(out, gs_text_base_name(report->process->exe));
    gs_text_add(out, ", pid %d on ", report->process->pid);
    gs_text_add_printable(out, report->process->host);
    if (context->started_ns)
        gs_text_add(out, ", up %s",
                    gs_units_print_duration(trigger->triggered_ns - context->started_ns, age));
    if (context->limit_bytes)
        gs_text_add(out, "; memory limit %s", gs_units_print_size((double)context->limit_bytes, limit));
    gs_text_add(out, "\n\n");
}

static void add_culprit(const struct gs_report *report, struct gs_text *out)
{
    const struct gs_culprit *culprit = &report->findings.culprit;
    char amount[GS_UNIT_TEXT], share[GS_UNIT_TEXT], age[GS_UNIT_TEXT];
    if (!culprit->function) {
        gs_text_add(out, "Culprit: none found\n");
        return;
    }
    gs_text_add(out, "Culprit: ");
    gs_text_add_printable(out, culprit->function);
    gs_text_add(out, *culprit->module ? " in " : "");
    gs_text_add_printable(out, culprit->module);
    if (*culprit->file)
        gs_text_add(out, ", %s:%lld", gs_text_base_name(culprit->file), (long long)culprit->line);
    gs_units_print_percent((double)(int64_t)(culprit->share * 1000 + 0.5) / 1000, share);
    gs_units_print_size((double)culprit->value, amount);
    if (strcmp(culprit->kind, "deadlock") == 0)
        gs_text_add(out, ": in a deadlock of %lld threads\n", (long long)culprit->value);
    else if (strcmp(culprit->kind, "cpu") == 0)
        gs_text_add(out, ": %s of CPU time, %s of all\n", gs_units_print_duration(culprit->value, amount),
                    share);
    else if (strcmp(culprit->kind, "threads") == 0)
        gs_text_add(out, ": %lld threads, %s of all\n", (long long)culprit->value, share);
    else if (strcmp(culprit->kind, "growth") == 0)
        gs_text_add(out, ": %s more than %s ago, %s of all growth%s\n", amount,
                    gs_units_print_duration(culprit->mapped ? report->findings.account->base_age_ns
                                                            : report->findings.base_age_ns,
                                            age),
                    share, culprit->mapped ? " of what is mapped outside malloc" : "");
    else
        gs_text_add(out, ": holds %s, %s of %s\n", amount, share,
                    culprit->mapped ? "what is mapped outside malloc" : "the heap in use");
}

static void add_deadlock(struct gs_text *out, const struct gs_deadlock *deadlock)
{
    gs_text_add(out, "\nDeadlock: %s\n",
                deadlock->count == 1 ? "a thread waits for itself" : "threads wait for each other");
    for (size_t i = 0; i < deadlock->count; i++) {
        const struct gs_deadlocked *thread = &deadlock->thread[i];
        gs_text_add(out, "  ");
        gs_text_add_printable(out, thread->name);
        gs_text_add(out, "/%d in ", thread->tid);
        gs_text_add_printable(out, thread->function);
        gs_text_add(out,
                    thread->lock ? " waits for mutex %#llx, which thread %d holds\n"
                                 : " waits for the end of thread%.0llu %d\n",
                    (unsigned long long)thread->lock, thread->holder);
    }
}

/* False: no memory, and out->failed is set. */
static bool stacks_of(const struct gs_profile *profile, int type, struct gs_stacks *stacks,
                      struct gs_text *out)
{
    bool taken = gs_profile_stacks(profile, type, stacks) == 0;
    out->failed |= !taken;
    return taken;
}

/* The heaviest stacks of PROFILE with positive values, under TITLE. */
static void add_stacks(struct gs_text *out, const struct gs_profile *profile, const char *title)
{
    struct gs_stacks stacks;
    char size[GS_UNIT_TEXT];
    int type = gs_profile_sample_type(profile, "inuse_space");
    if (type < 0 || !stacks_of(profile, type, &stacks, out))
        return;
    int64_t positive = 0;
    for (size_t i = 0; i < stacks.count; i++)
        positive += stacks.row[i].value > 0 ? stacks.row[i].value : 0;
    gs_text_add(out, "\n%s\n", title);
    for (size_t i = 0, shown = 0; i < stacks.count && shown < STACKS; i++) {
        if (stacks.row[i].value <= 0)
            continue;
        gs_text_add(out, "  %10s", gs_units_print_size((double)stacks.row[i].value, size));
        add_share(out, stacks.row[i].value, positive);
        gs_text_add(out, "  ");
        add_stack(out, profile, &stacks.row[i]);
        shown++;
    }
    gs_profile_stacks_fini(&stacks);
}

static const char *print_bytes(int64_t bytes, char *out)
{
    return gs_units_print_size((double)bytes, out);
}

/* The heaviest functions of PROFILE by TYPE, under "TITLE, TOTAL in all". */
static void add_functions(struct gs_text *out, const struct gs_profile *profile, const char *type_name,
                          const char *title, const char *print(int64_t value, char *out))
{
    struct gs_top top;
    char flat[GS_UNIT_TEXT], cum[GS_UNIT_TEXT];
    int type = gs_profile_sample_type(profile, type_name);
    if (type < 0)
        return;
    if (gs_profile_top(profile, type, &top)) {
        out->failed = true;
        return;
    }
    gs_text_add(out, "\n%s, %s in all\n        flat  flat%%         cum   cum%%\n", title,
                print(top.total, flat));
    for (size_t i = 0; i < top.count && i < FUNCTIONS && top.row[i].flat; i++) {
        gs_text_add(out, "  %10s", print(top.row[i].flat, flat));
        add_share(out, top.row[i].flat, top.total);
        gs_text_add(out, "  %10s", print(top.row[i].cum, cum));
        add_share(out, top.row[i].cum, top.total);
        gs_text_add(out, "  ");
        gs_text_add_printable(out, top.row[i].function);
        gs_text_add(out, "\n");
    }
    gs_profile_top_fini(&top);
}

static void add_threads(struct gs_text *out, const struct gs_profile *profile)
{
    struct gs_stacks stacks;
    if (!stacks_of(profile, 0, &stacks, out))
        return;
    gs_text_add(out, "\nThreads: %lld; threads.txt has every stack\n", (long long)stacks.total);
    for (size_t i = 0; i < stacks.count && i < STACKS; i++) {
        gs_text_add(out, "  %10lld         ", (long long)stacks.row[i].value);
        add_stack(out, profile, &stacks.row[i]);
    }
    gs_profile_stacks_fini(&stacks);
}

static void add_creators(struct gs_text *out, const struct gs_profile *profile)
{
    struct gs_stacks created, live;
    if (!stacks_of(profile, gs_profile_sample_type(profile, "threadcreate"), &created, out))
        return;
    if (stacks_of(profile, gs_profile_sample_type(profile, "live_threads"), &live, out)) {
        gs_text_add(out, "\nThreads created: %lld, of which %lld live; the living by who created them\n",
                    (long long)created.total, (long long)live.total);
        for (size_t i = 0; i < live.count && i < STACKS && live.row[i].value > 0; i++) {
            gs_text_add(out, "  %10lld         ", (long long)live.row[i].value);
            add_stack(out, profile, &live.row[i]);
        }
        gs_profile_stacks_fini(&live);
    }
    gs_profile_stacks_fini(&created);
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

void gs_incident_write_summary(const struct gs_report *report, struct gs_text *out)
{
    const struct gs_incident_findings *findings = &report->findings;
    char title[96], age[GS_UNIT_TEXT];
    add_headline(report, out);
    add_culprit(report, out);
    if (findings->account)
        gs_incident_summarise_memory(findings->account, out);
    if (findings->deadlock && findings->deadlock->count)
        add_deadlock(out, findings->deadlock);
    if (findings->growth) {
        snprintf(title, sizeof title, "What grew since the baseline %s ago, by whole stacks",
                 gs_units_print_duration(findings->base_age_ns, age));
        add_stacks(out, findings->growth, title);
    } else if (findings->heap) {
        add_stacks(out, findings->heap, "What holds the heap, by whole stacks (no baseline yet)");
    }
    if (findings->heap)
        add_functions(out, findings->heap, "inuse_space", "Heap in use by function", print_bytes);
    if (findings->cpu)
        add_functions(out, findings->cpu, "cpu", "CPU time by function", gs_units_print_duration);
    if (findings->threads)
        add_threads(out, findings->threads);
    if (findings->creators)
        add_creators(out, findings->creators);
    gs_text_add(out, "\n");
    add_list(out, "note", report->notes.json);
    add_list(out, "failed", report->errors.json);
    gs_text_add(out, "read on: gumshoe top %s\n", report->folder);
}
