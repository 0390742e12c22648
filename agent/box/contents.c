/* contents.c - what a black box holds, built from what its records left in the reader's tables; and its life.
 *
 *   stack[number] ──▶ those with frames, now and at the chosen baseline ──▶ gs_given_heap ─┐
 *   maps, build ids ──▶ gs_maps ───────────────────────────────────────────────────────────┼──▶ gs_remains
 *   history, packed ──▶ gs_history ────────────────────────────────────────────────────────┘
 *
 * A counter may hold whatever 64 bits can; counters that add up to more than that are all divided.
 * Who: read.c; whoever has the contents. */
#include "base/memory.h"
#include "box/read.h"
#include "gather/gather.h"
#include "history/history.h"
#include "profile/profile.h"
#include "symbol/symbol.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void note(struct gs_box_contents *out, const char *format, ...) GS_PRINTF(2, 3);

static void note(struct gs_box_contents *out, const char *format, ...)
{
    char line[300];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (out->post_mortem.note_count < sizeof out->notes / sizeof *out->notes)
        out->notes[out->post_mortem.note_count++] = gs_profile_string(out->texts, line);
}

/* ---- the heap ---------------------------------------------------------------------------------------------------------- */

/* The youngest baseline that is old enough, else the oldest: as gs_gather_baselines_find has it. 0: the last one, 1: the one
 * before it. */
static int choose_baseline(const struct gs_box_reader *r)
{
    return r->before_ns && r->out->post_mortem.last_seen_ns - r->last_ns < r->baseline_first_age_ns;
}

static uint64_t magnitude(int64_t value)
{
    return value < 0 ? -(uint64_t)value : (uint64_t)value;
}

/* How often all values of COUNT stacks are to be halved so that no sum or difference of theirs overflows. */
static unsigned count_halvings(const struct gs_given_stack *stack, size_t count)
{
    unsigned halvings = 0;
    for (int v = 0; v < GS_HEAP_VALUES; v++) {
        unsigned __int128 sum = 0;
        for (size_t i = 0; i < count; i++)
            sum += (unsigned __int128)magnitude(stack[i].now[v]) + magnitude(stack[i].then[v]);
        while (sum >> halvings > INT64_MAX)
            halvings++;
    }
    return halvings;
}

/* No process comes to that: somebody has made the box up. Shares stay what they are. */
static void keep_sums_in_range(struct gs_box_contents *out)
{
    unsigned halvings = count_halvings(out->stack, out->heap.count);
    if (halvings == 0)
        return;
    int64_t divisor = (int64_t)1 << halvings;
    for (size_t i = 0; i < out->heap.count; i++)
        for (int v = 0; v < GS_HEAP_VALUES; v++) {
            out->stack[i].now[v] /= divisor;
            out->stack[i].then[v] /= divisor;
        }
    note(out, "the box's counters add up to more than 64 bits hold: they are shown divided by %lld",
         (long long)divisor);
}

static bool take_heap(struct gs_box_reader *r)
{
    struct gs_box_contents *out = r->out;
    int chosen = choose_baseline(r);
    int64_t base_ns = chosen ? r->before_ns : r->last_ns;
    out->stack = gs_alloc((r->stacks + 1) * sizeof *out->stack);
    if (!out->stack)
        return false;
    for (size_t i = 0; i < r->stacks; i++) {
        struct gs_box_reader_stack *from = &r->stack[i];
        if (!from->known)
            continue;
        struct gs_given_stack *to = &out->stack[out->heap.count++];
        gs_box_roll_baselines(from, r->baselines);
        *to = (struct gs_given_stack){.frame = from->frame,
                                      .depth = from->depth,
                                      .label = from->label,
                                      .label_count = from->label_count};
        memcpy(to->now, from->now, sizeof to->now);
        memcpy(to->then, chosen ? from->before : from->last, sizeof to->then);
        from->frame = NULL; // they are the contents' from here on
        from->label = NULL;
    }
    keep_sums_in_range(out);
    out->heap.stack = out->stack;
    if (base_ns > 0 && base_ns <= out->heap.time_ns)
        out->heap.base_age_ns = out->heap.time_ns - base_ns;
    out->post_mortem.heap = &out->heap;
    return true;
}

/* ---- the rest ---------------------------------------------------------------------------------------------------------- */

static bool take_maps(struct gs_box_reader *r)
{
    struct gs_maps *maps =
        gs_symbol_maps_parse(r->maps.at ? r->maps.at : "", r->maps.length, r->out->post_mortem.exe);
    r->out->maps = maps;
    r->out->post_mortem.maps = maps;
    for (size_t i = 0, at = 0; maps && i < maps->count; i++) { // both go up
        struct gs_mapping *mapping = &maps->mapping[i];
        while (at < r->build_id_count && r->build_id[at].start < mapping->start)
            at++;
        if (at == r->build_id_count || r->build_id[at].start != mapping->start)
            continue;
        memcpy(mapping->build_id, r->build_id[at].id, r->build_id[at].length);
        mapping->build_id_length = r->build_id[at].length;
    }
    return maps != NULL;
}

static void take_history(struct gs_box_reader *r)
{
    char why[160];
    if (r->history_cut)
        note(r->out, "the box holds more history than it should: the end of it is missing");
    if (r->history.length == 0)
        return;
    r->out->history = gs_history_unpack(r->history.at, r->history.length, why, sizeof why);
    r->out->post_mortem.history = r->out->history;
    if (!r->out->history)
        note(r->out, "its history cannot be read: %s", why);
}

bool gs_box_contents_build(struct gs_box_reader *r)
{
    struct gs_post_mortem *post_mortem = &r->out->post_mortem;
    post_mortem->note = r->out->notes;
    post_mortem->rules = r->rules.at;
    post_mortem->rules_length = r->rules.length;
    r->out->rules = r->rules.at;
    r->rules.at = NULL;
    if (post_mortem->started_ns > post_mortem->last_seen_ns)
        post_mortem->started_ns = 0;
    if (r->left_out)
        note(r->out, "the black box was full: %llu stacks are missing from it",
             (unsigned long long)r->left_out);
    take_history(r);
    return take_maps(r) && take_heap(r);
}

/* ---- their life -------------------------------------------------------------------------------------------------------- */

struct gs_box_contents *gs_box_contents_new(void)
{
    struct gs_box_contents *out = gs_alloc(sizeof *out);
    if (!out)
        return NULL;
    out->post_mortem.exe = out->post_mortem.host = out->post_mortem.how = out->boot_id = out->oom_file = "";
    out->oom_kills = -1;
    out->texts = gs_profile_new();
    if (out->texts)
        return out;
    gs_box_contents_free(out);
    return NULL;
}

struct gs_history *gs_box_take_history(struct gs_box_contents *contents)
{
    struct gs_history *taken = contents->history;
    contents->history = NULL;
    return taken;
}

void gs_box_contents_free(struct gs_box_contents *contents)
{
    if (!contents)
        return;
    for (size_t i = 0; i < contents->heap.count; i++) {
        gs_free((void *)contents->stack[i].frame);
        gs_free((void *)contents->stack[i].label);
    }
    gs_free(contents->stack);
    gs_symbol_maps_free(contents->maps);
    gs_history_free(contents->history);
    gs_free(contents->rules);
    gs_profile_free(contents->texts);
    gs_free(contents);
}
