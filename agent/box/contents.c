/* contents.c - the contents of a black box: built from the reader's tables, and freed.
 *
 *   stack[number] ──▶ stacks: now, at one baseline, at the peak ──▶ gs_given_heap ─────────┐
 *   maps, build ids ──▶ gs_maps ───────────────────────────────────────────────────────────┼──▶ gs_post_mortem
 *   history, packed ──▶ gs_history ────────────────────────────────────────────────────────┘
 *
 * A counter of an invented file may have any value of 64 bits. If the sum of the counters overflows, all are divided.
 * Who: read.c; the owner of the contents. */
#include "base/memory.h"
#include "base/numbers.h"
#include "box/read.h"
#include "gather/gather.h"
#include "history/history.h"
#include "profile/profile.h"
#include "symbol/symbol.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void add_note(struct gs_box_contents *out, const char *format, ...) GS_PRINTF(2, 3);

static void add_note(struct gs_box_contents *out, const char *format, ...)
{
    char line[300];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (out->post_mortem.note_count < sizeof out->notes / sizeof *out->notes)
        out->notes[out->post_mortem.note_count++] = gs_profile_string(out->texts, line);
}

/* ---- the heap ------------------------------------------------------------------------------------------------------- */

/* The youngest baseline that is old enough, else the oldest, like gs_gather_baselines_find. 0: the last one, 1: the one
 * before. */
static int choose_baseline(const struct gs_box_reader *reader)
{
    return reader->before_ns &&
           reader->out->post_mortem.last_seen_ns - reader->last_ns < reader->baseline_first_age_ns;
}

/* How often all values of COUNT stacks must be halved so that no sum or difference of them overflows. */
static unsigned count_halvings(const struct gs_given_stack *stack, size_t count)
{
    unsigned halvings = 0;
    for (int v = 0; v < GS_HEAP_VALUES; v++) {
        unsigned __int128 sum = 0;
        for (size_t i = 0; i < count; i++)
            sum += (unsigned __int128)gs_magnitude(stack[i].now[v]) + gs_magnitude(stack[i].then[v]) +
                   gs_magnitude(stack[i].peak[v]);
        while (sum >> halvings > INT64_MAX)
            halvings++;
    }
    return halvings;
}

/* Such counters come only from an invented file. Dividing all of them keeps their shares. */
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
            out->stack[i].peak[v] /= divisor;
        }
    add_note(out, "the sum of the box's counters exceeds 64 bits: all are shown divided by %lld",
             (long long)divisor);
}

static bool take_heap(struct gs_box_reader *reader)
{
    struct gs_box_contents *out = reader->out;
    int chosen = choose_baseline(reader);
    int64_t base_ns = chosen ? reader->before_ns : reader->last_ns;
    out->stack = gs_alloc((reader->stacks + 1) * sizeof *out->stack);
    if (!out->stack)
        return false;
    for (size_t i = 0; i < reader->stacks; i++) {
        struct gs_box_reader_stack *from = &reader->stack[i];
        if (!from->known)
            continue;
        struct gs_given_stack *to = &out->stack[out->heap.count++];
        gs_box_roll_stack(from, reader);
        *to = (struct gs_given_stack){.frame = from->frame,
                                      .depth = from->depth,
                                      .label = from->label,
                                      .label_count = from->label_count};
        memcpy(to->now, from->now, sizeof to->now);
        memcpy(to->then, chosen ? from->before : from->last, sizeof to->then);
        memcpy(to->peak, from->peak, sizeof to->peak);
        from->frame = NULL; // owned by the contents now
        from->label = NULL;
    }
    keep_sums_in_range(out);
    out->heap.stack = out->stack;
    if (base_ns > 0 && base_ns <= out->heap.time_ns)
        out->heap.base_age_ns = out->heap.time_ns - base_ns;
    if (reader->peak_ns > 0 && reader->peak_ns <= out->heap.time_ns)
        out->heap.peak_age_ns = out->heap.time_ns - reader->peak_ns;
    out->post_mortem.heap = &out->heap;
    return true;
}

/* ---- the rest ------------------------------------------------------------------------------------------------------- */

static bool take_maps(struct gs_box_reader *reader)
{
    struct gs_maps *maps = gs_symbol_maps_parse(reader->maps.at ? reader->maps.at : "", reader->maps.length,
                                                reader->out->post_mortem.exe);
    reader->out->maps = maps;
    reader->out->post_mortem.maps = maps;
    for (size_t i = 0, at = 0; maps && i < maps->count; i++) { // both are sorted by address
        struct gs_mapping *mapping = &maps->mapping[i];
        while (at < reader->build_id_count && reader->build_id[at].start < mapping->start)
            at++;
        if (at == reader->build_id_count || reader->build_id[at].start != mapping->start)
            continue;
        memcpy(mapping->build_id, reader->build_id[at].id, reader->build_id[at].length);
        mapping->build_id_length = reader->build_id[at].length;
    }
    if (maps) { // owned by the map now
        maps->library = reader->library;
        maps->library_count = reader->library_count;
        reader->library = NULL;
        reader->library_count = 0;
    }
    return maps != NULL;
}

static void take_history(struct gs_box_reader *reader)
{
    char why[160];
    if (reader->history_cut)
        add_note(reader->out,
                 "the box contains more history than the reader accepts: the last part is missing");
    if (reader->history.length == 0)
        return;
    reader->out->history = gs_history_unpack(reader->history.at, reader->history.length, why, sizeof why);
    reader->out->post_mortem.history = reader->out->history;
    if (!reader->out->history)
        add_note(reader->out, "the history in the box cannot be read: %s", why);
}

/* Did the process write its box long after the crash? Then it has survived it. */
static bool has_survived(const struct gs_box_contents *out)
{
    return out->post_mortem.last_seen_ns - out->crash->time_ns > GS_BOX_CRASH_SURVIVED_NS;
}

static void take_death(struct gs_box_contents *out)
{
    if (out->account.time_ns && out->account.time_ns <= out->post_mortem.last_seen_ns)
        out->post_mortem.account = &out->account;
    if (!out->crash || has_survived(out))
        return;
    out->threads = (struct gs_given_threads){.pid = out->post_mortem.pid,
                                             .died = out->crash->thread.tid,
                                             .thread = &out->crash->thread,
                                             .count = 1,
                                             .memory = &gs_gather_no_memory,
                                             .partial = true};
    out->post_mortem.threads = &out->threads;
    out->post_mortem.crash = out->crash;
}

bool gs_box_contents_build(struct gs_box_reader *reader)
{
    struct gs_post_mortem *post_mortem = &reader->out->post_mortem;
    post_mortem->note = reader->out->notes;
    post_mortem->rules = reader->rules.at;
    post_mortem->rules_length = reader->rules.length;
    reader->out->rules = reader->rules.at;
    reader->rules.at = NULL;
    if (post_mortem->started_ns > post_mortem->last_seen_ns)
        post_mortem->started_ns = 0;
    if (reader->left_out)
        add_note(reader->out, "the black box was full: %llu stack%s missing from it",
                 (unsigned long long)reader->left_out, reader->left_out == 1 ? " is" : "s are");
    take_history(reader);
    take_death(reader->out);
    return take_maps(reader) && take_heap(reader);
}

/* ---- new and free --------------------------------------------------------------------------------------------------- */

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
    gs_free(contents->crash);
    gs_profile_free(contents->texts);
    gs_free(contents);
}
