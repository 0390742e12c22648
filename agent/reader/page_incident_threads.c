/* page_incident_threads.c - the threads of an incident's page: threads.pb.gz, threads with equal stacks in one group, the largest
 * group first. Context: CLI. */
#include "base/hash.h"
#include "base/index.h"
#include "base/memory.h"
#include "base/sort.h"
#include "reader/page_incident.h"
#include <stdio.h>
#include <string.h>

enum { GROUPS_MAX = 200, NAMES_MAX = 24, FRAMES_MAX = 100 };

struct thread_group {
    uint64_t hash;
    size_t first; // a sample of it; the others follow in next[]
    size_t last, count;
    uint64_t threads;
};
struct thread_groups {
    struct gs_profile *profile;
    struct thread_group *group;
    size_t count, capacity;
    size_t *next; // by sample: the next one of its group; SIZE_MAX: none
    struct gs_index index;
    bool failed;
};

/* ---- labels ---------------------------------------------------------------------------------------------------------- */

static const struct gs_label_value *label_of(const struct gs_sample *sample, const char *key)
{
    for (uint32_t i = 0; i < sample->label_count; i++)
        if (strcmp(sample->label[i].key, key) == 0)
            return &sample->label[i];
    return NULL;
}

static const char *text_of(const struct gs_sample *sample, const char *key)
{
    const struct gs_label_value *label = label_of(sample, key);
    return label && label->text ? label->text : "";
}

/* A label that is a number, or a number as text; 0: there is none. */
static long long number_of(const struct gs_sample *sample, const char *key)
{
    const struct gs_label_value *label = label_of(sample, key);
    long long number = 0;
    if (label && !label->text)
        return label->number;
    return label && sscanf(label->text, "%lld", &number) == 1 ? number : 0;
}

/* ---- groups ---------------------------------------------------------------------------------------------------------- */

static uint64_t hash_of_sample(struct thread_groups *groups, const struct gs_sample *sample)
{
    const char *call = text_of(sample, "call");
    uint64_t hash = gs_hash_bytes(call, strlen(call));
    for (uint32_t i = 0; i < sample->depth; i++)
        hash = gs_hash_mix(hash ^ (uintptr_t)gs_profile_frame_string(groups->profile, sample->location[i]));
    return hash;
}

/* Are two samples threads in the same functions and the same system call? */
static bool are_equal(struct thread_groups *groups, const struct gs_sample *a, const struct gs_sample *b)
{
    if (a->depth != b->depth || strcmp(text_of(a, "call"), text_of(b, "call")) != 0)
        return false;
    for (uint32_t i = 0; i < a->depth; i++)
        if (gs_profile_frame_string(groups->profile, a->location[i]) !=
            gs_profile_frame_string(groups->profile, b->location[i]))
            return false;
    return true;
}

static uint64_t hash_of_group(const void *items, uint32_t number)
{
    return ((const struct thread_group *)items)[number].hash;
}

static struct thread_group *find_group(struct thread_groups *groups, const struct gs_sample *sample,
                                       uint64_t hash)
{
    size_t at = SIZE_MAX;
    uint32_t number;
    while ((number = gs_index_next(&groups->index, hash, &at)) != UINT32_MAX)
        if (groups->group[number].hash == hash &&
            are_equal(groups, sample, &groups->profile->sample[groups->group[number].first]))
            return &groups->group[number];
    return NULL;
}

static uint64_t threads_in(const struct gs_sample *sample)
{
    return sample->value[0] > 0 && sample->value[0] < 1 << 30 ? (uint64_t)sample->value[0] : 0;
}

static void add_sample(struct thread_groups *groups, size_t number)
{
    const struct gs_sample *sample = &groups->profile->sample[number];
    uint64_t hash = hash_of_sample(groups, sample);
    struct thread_group *group = find_group(groups, sample, hash);
    groups->next[number] = SIZE_MAX;
    if (group) {
        groups->next[group->last] = number;
        group->last = number;
    } else {
        if (gs_grow(&groups->group, &groups->capacity, groups->count + 1, sizeof *groups->group) ||
            gs_index_add(&groups->index, hash, (uint32_t)groups->count, hash_of_group, groups->group)) {
            groups->failed = true;
            return;
        }
        group = &groups->group[groups->count++];
        *group = (struct thread_group){.hash = hash, .first = number, .last = number};
    }
    group->count++;
    group->threads += threads_in(sample);
}

static int by_size(const void *a, const void *b)
{
    const struct thread_group *left = a, *right = b;
    if (left->threads != right->threads)
        return left->threads > right->threads ? -1 : 1;
    return (left->first > right->first) - (left->first < right->first);
}

/* ---- HTML ------------------------------------------------------------------------------------------------------------ */

/* "leaky_server/10377, leaky_server/10766 waits for worker/12 and 98 more" */
static void add_names(const struct thread_groups *groups, const struct thread_group *group,
                      struct gs_text *out)
{
    size_t shown = 0;
    gs_text_add(out, "<p class=\"names\">");
    for (size_t at = group->first; at != SIZE_MAX && shown < NAMES_MAX; at = groups->next[at], shown++) {
        const struct gs_sample *sample = &groups->profile->sample[at];
        long long tid = number_of(sample, "tid"), holder = number_of(sample, "waits_for");
        gs_text_add(out, shown ? ", " : "");
        gs_reader_page_escape(out, text_of(sample, "name"));
        if (tid)
            gs_text_add(out, "/%lld", tid);
        if (holder)
            gs_text_add(out, " <span class=\"waits\">waits for thread %lld</span>", holder);
    }
    if (group->count > shown)
        gs_text_add(out, " and %zu more", group->count - shown);
    gs_text_add(out, "</p>\n");
}

/* Add the frame at LOCATION, innermost inlined function first. */
static void add_frame(const struct gs_profile *profile, uint32_t location, bool own, struct gs_text *out)
{
    const struct gs_location *at = &profile->location[location];
    char name[300];
    uint32_t count = at->line_count ? at->line_count : 1;
    for (uint32_t i = 0; i < count && i < 16; i++) {
        const struct gs_function *function = at->line_count ? &profile->function[at->line[i].function] : NULL;
        gs_text_add(out, own ? "<li class=\"own\">" : "<li>");
        gs_reader_report_element(out, "code", NULL,
                                 function && *function->name
                                     ? function->name
                                     : gs_profile_frame_name(profile, location, name, sizeof name));
        if (function && *function->file) {
            gs_text_add(out, " <span class=\"place\">");
            gs_reader_page_escape(out, gs_text_base_name(function->file));
            if (at->line[i].line > 0)
                gs_text_add(out, ":%lld", (long long)at->line[i].line);
            gs_text_add(out, "</span>");
        }
        gs_text_add(out, "</li>");
    }
}

static void add_group(const struct thread_groups *groups, const struct thread_group *group,
                      struct gs_text *out)
{
    const struct gs_profile *profile = groups->profile;
    const struct gs_sample *sample = &profile->sample[group->first];
    uint32_t own = sample->depth ? gs_profile_own_frame(profile, sample->location, sample->depth) : 0;
    char name[300];
    const char *state = text_of(sample, "state"), *call = text_of(sample, "call");
    gs_text_add(out, "<details class=\"group\"><summary><b>%llu thread%s</b> ",
                (unsigned long long)group->threads, group->threads == 1 ? "" : "s");
    gs_reader_page_escape(out, state);
    gs_text_add(out, *call ? " in " : "");
    gs_reader_page_escape(out, call);
    if (sample->depth) {
        gs_text_add(out, " · ");
        gs_reader_report_element(out, "code", NULL,
                                 gs_profile_own_name(profile, sample->location[own], name, sizeof name));
    }
    gs_text_add(out, "</summary>");
    add_names(groups, group, out);
    gs_text_add(out, "<ol class=\"stack\">");
    for (uint32_t i = 0; i < sample->depth && i < FRAMES_MAX; i++)
        add_frame(profile, sample->location[i], i == own, out);
    if (sample->depth > FRAMES_MAX)
        gs_text_add(out, "<li>%u more</li>", sample->depth - FRAMES_MAX);
    gs_text_add(out, "</ol></details>\n");
}

static void add_groups(struct gs_incident_page *page, struct thread_groups *groups)
{
    struct gs_text *out = &page->body;
    uint64_t threads = 0;
    gs_sort(groups->group, groups->count, sizeof *groups->group, by_size);
    for (size_t i = 0; i < groups->count; i++)
        threads += groups->group[i].threads;
    gs_text_add(out, "<p>%llu thread%s in %zu group%s of equal stacks.</p>\n", (unsigned long long)threads,
                threads == 1 ? "" : "s", groups->count, groups->count == 1 ? "" : "s");
    for (size_t i = 0; i < groups->count && i < GROUPS_MAX; i++)
        add_group(groups, &groups->group[i], out);
    if (groups->count > GROUPS_MAX)
        gs_text_add(out, "<p>%zu more groups are in the profile of threads.</p>\n",
                    groups->count - GROUPS_MAX);
}

/* threads.txt, where there is no profile of threads to group. */
static void add_text(struct gs_incident_page *page)
{
    char *text = NULL;
    size_t length;
    if (!gs_reader_report_file(page, "threads.txt", 64 << 20, &text, &length))
        return;
    gs_reader_page_pre(&page->body, text, length);
    gs_free(text);
}

void gs_reader_report_threads(struct gs_incident_page *page)
{
    struct thread_groups groups = {.profile = gs_reader_report_find_profile(page, "threads.pb.gz")};
    struct gs_page_mark mark = gs_reader_report_section(&page->body, "threads", "Threads");
    if (groups.profile && groups.profile->sample_count && groups.profile->sample_type_count) {
        groups.next = gs_alloc(groups.profile->sample_count * sizeof *groups.next);
        groups.failed = !groups.next;
        for (size_t i = 0; i < groups.profile->sample_count && !groups.failed; i++)
            add_sample(&groups, i);
        page->failed |= groups.failed;
        if (!groups.failed)
            add_groups(page, &groups);
    } else {
        add_text(page);
    }
    gs_index_fini(&groups.index);
    gs_free(groups.group);
    gs_free(groups.next);
    gs_reader_report_section_end(&page->body, mark);
}
