/* read.c - a black box as what is left of its process. The file may come from anywhere.
 *
 *   1  walk: length, crc32, type ──▶ where the last write ends that counts
 *   2  walk up to there:             identity, texts ─▶ copied
 *                                    stacks          ─▶ stack[number]: frames, labels, values now and at two baselines
 *                                    history         ─▶ joined, unpacked at the end
 *   3  gs_remains
 *
 * A stack's values of a baseline are rolled on when it next changes, not at the baseline: so a file full of baselines
 * costs no more than its length. What a record says is checked before it is believed; one that says what cannot be
 * makes the whole box a damaged one, for its checksum was good. A counter may hold whatever 64 bits can; counters that add up
 * to more than that are all divided.
 * Who: the watcher, of those who died; the command. Bounds: the tables have the writer's; all else is some ten times the
 * file's length at most. */
#include "base/clock.h"
#include "base/memory.h"
#include "box/inside.h"
#include "gather/gather.h"
#include "history/history.h"
#include "profile/profile.h"
#include "symbol/symbol.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

enum { LABEL_MAX = 1 << 10, DEPTH_MAX = 1024, HISTORY_MAX = 8 << 20, TEXT_MAX = 16 << 20 };

struct stack {
    uint64_t *frame;
    uint32_t depth, label_count;
    struct gs_label_value *label;
    uint32_t rolled; // up to which baseline its values of baselines are right
    bool known;
    int64_t now[GS_HEAP_VALUES], last[GS_HEAP_VALUES],
        before[GS_HEAP_VALUES]; // at the last baseline, and the one before
};

struct bytes { // that grow
    char *at;
    size_t length, capacity;
};

struct reader {
    const unsigned char *at, *end; // of the present record's payload
    bool bad;                      // it said what cannot be
    struct gs_box_contents *out;
    struct stack *stack; // by number, up to the highest that was met
    size_t stacks, stack_capacity;
    uint64_t frames;
    uint32_t baselines; // so far
    int64_t last_ns, before_ns;
    int64_t baseline_first_age_ns;
    uint64_t left_out;
    struct bytes rules, maps, history;
    struct build_id {
        uint64_t start;
        unsigned char id[GS_BUILD_ID_MAX];
        unsigned length;
    } * build_id;
    size_t build_id_count, build_id_capacity;
    bool no_memory, history_cut;
};

/* ---- what a payload is made of ------------------------------------------------------------------------------------------ */

static uint64_t number(struct reader *r)
{
    uint64_t value = 0;
    for (unsigned shift = 0; r->at < r->end && shift < 64; shift += 7) {
        unsigned char byte = *r->at++;
        if (shift == 63 && byte > 1)
            break;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
    r->bad = true;
    return 0;
}

static uint64_t number_up_to(struct reader *r, uint64_t max)
{
    uint64_t value = number(r);
    r->bad |= value > max;
    return r->bad ? 0 : value;
}

static int64_t signed_number(struct reader *r)
{
    uint64_t value = number(r);
    return (int64_t)(value >> 1 ^ (value & 1 ? UINT64_MAX : 0));
}

/* LENGTH bytes; NULL when they are not there. */
static const void *raw(struct reader *r, size_t length)
{
    const void *at = r->at;
    r->bad |= length > (size_t)(r->end - r->at);
    if (r->bad)
        return NULL;
    r->at += length;
    return at;
}

/* A text of at most MAX bytes, kept for good. */
static const char *text(struct reader *r, size_t max)
{
    char room[PATH_MAX];
    size_t length = number_up_to(r, max < sizeof room ? max : sizeof room - 1);
    const char *bytes = raw(r, length);
    if (!bytes)
        return "";
    memcpy(room, bytes, length);
    room[length] = 0;
    return gs_profile_string(r->out->texts, room);
}

static void join(struct reader *r, struct bytes *to, size_t max)
{
    size_t length = (size_t)(r->end - r->at);
    if (length > max - to->length) {
        r->bad = true;
        return;
    }
    if (gs_grow(&to->at, &to->capacity, to->length + length + 1, 1)) {
        r->no_memory = true;
        return;
    }
    memcpy(to->at + to->length, r->at, length);
    to->length += length;
    r->at = r->end;
}

/* ---- records --------------------------------------------------------------------------------------------------------------- */

static void read_identity(struct reader *r)
{
    struct gs_box_contents *out = r->out;
    out->remains.pid = (int)number_up_to(r, INT32_MAX);
    out->id.start_ticks = number(r);
    out->remains.started_ns = (int64_t)number_up_to(r, INT64_MAX);
    out->remains.limit_bytes = number_up_to(r, INT64_MAX);
    r->baseline_first_age_ns = (int64_t)number_up_to(r, INT64_MAX);
    out->boot_id = text(r, GS_BOOT_ID);
    out->remains.host = text(r, 64);
    out->remains.exe = text(r, PATH_MAX);
    out->remains.limit_from = text(r, PATH_MAX);
    out->oom_file = text(r, PATH_MAX);
    out->id.namespace = r->at < r->end ? (uint32_t)number_up_to(r, UINT32_MAX) : 0;
    out->id.pid = out->remains.pid;
    gs_live_id_print(&out->id, out->process);
    out->remains.process = out->process;
}

static void read_long_text(struct reader *r, struct bytes *to)
{
    if (number_up_to(r, 1) == 0)
        to->length = 0;
    if (!r->bad)
        join(r, to, TEXT_MAX);
}

static void read_build_ids(struct reader *r)
{
    r->build_id_count = 0; // of the map that was read just before
    while (r->at < r->end && !r->bad) {
        struct build_id id = {.start = number(r), .length = (unsigned)number_up_to(r, GS_BUILD_ID_MAX)};
        const void *bytes = raw(r, id.length);
        if (!bytes)
            return;
        memcpy(id.id, bytes, id.length);
        if (gs_grow(&r->build_id, &r->build_id_capacity, r->build_id_count + 1, sizeof id)) {
            r->no_memory = true;
            return;
        }
        r->build_id[r->build_id_count++] = id;
    }
}

/* Bring STACK's values of the baselines up to the present one. */
static void roll(struct stack *stack, uint32_t baselines)
{
    if (stack->rolled == baselines)
        return;
    memcpy(stack->before, baselines - stack->rolled == 1 ? stack->last : stack->now, sizeof stack->before);
    memcpy(stack->last, stack->now, sizeof stack->last);
    stack->rolled = baselines;
}

static void read_frames(struct reader *r, struct stack *stack)
{
    uint64_t depth = number_up_to(r, DEPTH_MAX), before = 0;
    r->bad |= stack->known || depth > (size_t)(r->end - r->at) || depth > GS_BOX_FRAMES_MAX - r->frames;
    if (r->bad)
        return;
    r->frames += depth;
    stack->frame = gs_alloc((depth + 1) * sizeof *stack->frame);
    if (!stack->frame) {
        r->no_memory = true;
        return;
    }
    stack->depth = (uint32_t)depth;
    for (uint64_t i = 0; i < depth; i++)
        stack->frame[i] = before += (uint64_t)signed_number(r);
}

static void read_labels(struct reader *r, struct stack *stack)
{
    uint64_t count = number_up_to(r, GS_HEAP_LABELS_MAX);
    if (r->bad || count == 0)
        return;
    stack->label = gs_alloc(count * sizeof *stack->label);
    if (!stack->label) {
        r->no_memory = true;
        return;
    }
    for (uint64_t i = 0; i < count; i++) {
        stack->label[i].key = text(r, LABEL_MAX);
        stack->label[i].text = text(r, LABEL_MAX);
    }
    stack->label_count = (uint32_t)count;
}

/* Stack NUMBER, which may be met for the first time; NULL: no memory. */
static struct stack *stack_at(struct reader *r, size_t number_of_it)
{
    size_t before = r->stacks;
    if (number_of_it < before)
        return &r->stack[number_of_it];
    if (gs_grow(&r->stack, &r->stack_capacity, number_of_it + 1, sizeof *r->stack)) {
        r->no_memory = true;
        return NULL;
    }
    r->stacks = number_of_it + 1;
    memset(&r->stack[before], 0, (r->stacks - before) * sizeof *r->stack);
    return &r->stack[number_of_it];
}

static void read_stack(struct reader *r)
{
    uint64_t head = number_up_to(r, 2 * GS_BOX_STACKS_MAX - 1);
    struct stack *stack = stack_at(r, head / 2);
    if (!stack)
        return;
    roll(stack, r->baselines);
    if (head & 1) {
        read_frames(r, stack);
        read_labels(r, stack);
        stack->known = true;
    }
    for (int i = 0; i < GS_HEAP_VALUES; i++)
        stack->now[i] = signed_number(r);
    r->bad |= !stack->known;
}

static void read_baseline(struct reader *r)
{
    r->before_ns = r->last_ns;
    r->last_ns = (int64_t)number_up_to(r, INT64_MAX);
    r->baselines++;
}

static void read_sampling(struct reader *r)
{
    struct gs_heap_sampling *s = &r->out->heap.sampling;
    s->asked_bytes = number_up_to(r, INT64_MAX);
    s->bytes = number_up_to(r, INT64_MAX);
    s->for_budget = (uint32_t)number_up_to(r, 64);
    s->for_crowding = (uint32_t)number_up_to(r, 64);
    s->samples_dropped = number(r);
    s->stacks_full = number(r);
    s->stacks_cut = number(r);
    s->labels_refused = number(r);
    s->hooks_seen = number_up_to(r, 1);
    r->left_out = number(r);
}

static void read_written(struct reader *r)
{
    struct gs_box_contents *out = r->out;
    out->remains.last_seen_ns = out->heap.time_ns = (int64_t)number_up_to(r, INT64_MAX);
    out->heap.duration_ns = (int64_t)number_up_to(r, INT64_MAX);
    out->oom_kills = signed_number(r);
}

/* One record of TYPE. Types of a later day are passed over. */
static void read_record(struct reader *r, unsigned type)
{
    switch (type) {
    case GS_BOX_IDENTITY: read_identity(r); break;
    case GS_BOX_RULES: read_long_text(r, &r->rules); break;
    case GS_BOX_MAPS: read_long_text(r, &r->maps); break;
    case GS_BOX_BUILD_IDS: read_build_ids(r); break;
    case GS_BOX_STACKS:
        while (r->at < r->end && !r->bad && !r->no_memory)
            read_stack(r);
        break;
    case GS_BOX_BASELINE: read_baseline(r); break;
    case GS_BOX_SAMPLING: read_sampling(r); break;
    case GS_BOX_HISTORY:
        r->history_cut |= (size_t)(r->end - r->at) > HISTORY_MAX - r->history.length;
        if (!r->history_cut)
            join(r, &r->history, HISTORY_MAX);
        break;
    case GS_BOX_WRITTEN: read_written(r); break;
    default: break;
    }
}

/* ---- the walk ------------------------------------------------------------------------------------------------------------------ */

static uint32_t u32_at(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* Where the record at AT ends, if it is a good one behind the one whose crc32 was *CHAIN; 0: it is none. */
static size_t end_of_record(const unsigned char *bytes, size_t at, size_t length, uint32_t *chain)
{
    if (length - at < GS_BOX_RECORD_HEAD)
        return 0;
    uint32_t payload = u32_at(bytes + at);
    if (payload > GS_BOX_RECORD_MAX || payload > length - at - GS_BOX_RECORD_HEAD)
        return 0;
    *chain = (uint32_t)crc32(*chain, bytes + at + 8, payload + 1);
    return *chain == u32_at(bytes + at + 4) ? at + GS_BOX_RECORD_HEAD + payload : 0;
}

/* Where the last write ends; 0: there is none. */
static size_t last_written(const unsigned char *bytes, size_t length)
{
    uint32_t chain = 0;
    size_t written = 0;
    for (size_t at = GS_BOX_HEAD, end; (end = end_of_record(bytes, at, length, &chain)); at = end)
        if (bytes[at + 8] == GS_BOX_WRITTEN)
            written = end;
    return written;
}

static void read_records(struct reader *r, const unsigned char *bytes, size_t written)
{
    for (size_t at = GS_BOX_HEAD; at < written && !r->bad && !r->no_memory;) {
        size_t end = at + GS_BOX_RECORD_HEAD + u32_at(bytes + at);
        r->at = bytes + at + GS_BOX_RECORD_HEAD;
        r->end = bytes + end;
        read_record(r, bytes[at + 8]);
        at = end;
    }
}

/* ---- what is left ---------------------------------------------------------------------------------------------------------------- */

static void note(struct gs_box_contents *out, const char *format, ...) GS_PRINTF(2, 3);

static void note(struct gs_box_contents *out, const char *format, ...)
{
    char line[300];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (out->remains.note_count < sizeof out->notes / sizeof *out->notes)
        out->notes[out->remains.note_count++] = gs_profile_string(out->texts, line);
}

/* The youngest baseline that is old enough, else the oldest: as gs_baselines_find has it. 0: the last one, 1: the one before it. */
static int choose_baseline(const struct reader *r)
{
    return r->before_ns && r->out->remains.last_seen_ns - r->last_ns < r->baseline_first_age_ns;
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

static bool take_heap(struct reader *r)
{
    struct gs_box_contents *out = r->out;
    int chosen = choose_baseline(r);
    int64_t base_ns = chosen ? r->before_ns : r->last_ns;
    out->stack = gs_alloc((r->stacks + 1) * sizeof *out->stack);
    if (!out->stack)
        return false;
    for (size_t i = 0; i < r->stacks; i++) {
        struct stack *from = &r->stack[i];
        if (!from->known)
            continue;
        struct gs_given_stack *to = &out->stack[out->heap.count++];
        roll(from, r->baselines);
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
    out->remains.heap = &out->heap;
    return true;
}

static bool take_maps(struct reader *r)
{
    struct gs_maps *maps = gs_maps_parse(r->maps.at ? r->maps.at : "", r->maps.length, r->out->remains.exe);
    r->out->maps = maps;
    r->out->remains.maps = maps;
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

static void take_history(struct reader *r)
{
    char why[160];
    if (r->history_cut)
        note(r->out, "the box holds more history than it should: the end of it is missing");
    if (r->history.length == 0)
        return;
    r->out->history = gs_history_unpack(r->history.at, r->history.length, why, sizeof why);
    r->out->remains.history = r->out->history;
    if (!r->out->history)
        note(r->out, "its history cannot be read: %s", why);
}

static bool take_all(struct reader *r)
{
    struct gs_remains *remains = &r->out->remains;
    remains->note = r->out->notes;
    remains->rules = r->rules.at;
    remains->rules_length = r->rules.length;
    r->out->rules = r->rules.at;
    r->rules.at = NULL;
    if (remains->started_ns > remains->last_seen_ns)
        remains->started_ns = 0;
    if (r->left_out)
        note(r->out, "the black box was full: %llu stacks are missing from it",
             (unsigned long long)r->left_out);
    take_history(r);
    return take_maps(r) && take_heap(r);
}

static void drop_reader(struct reader *r)
{
    for (size_t i = 0; i < r->stacks; i++) {
        gs_free(r->stack[i].frame);
        gs_free(r->stack[i].label);
    }
    gs_free(r->stack);
    gs_free(r->rules.at);
    gs_free(r->maps.at);
    gs_free(r->history.at);
    gs_free(r->build_id);
}

static struct gs_box_contents *new_contents(void)
{
    struct gs_box_contents *out = gs_alloc(sizeof *out);
    if (!out)
        return NULL;
    out->remains.exe = out->remains.host = out->remains.how = out->boot_id = out->oom_file = "";
    out->oom_kills = -1;
    out->texts = gs_profile_new();
    if (out->texts)
        return out;
    gs_box_contents_free(out);
    return NULL;
}

bool gs_box_is(const void *bytes, size_t length)
{
    return length >= GS_BOX_HEAD && memcmp(bytes, GS_BOX_MAGIC, GS_BOX_HEAD - 1) == 0;
}

static const char *read_all(struct reader *r, const unsigned char *bytes, size_t length)
{
    if (!gs_box_is(bytes, length))
        return "it is no black box";
    if (bytes[GS_BOX_HEAD - 1] != GS_BOX_MAGIC[GS_BOX_HEAD - 1])
        return "it is a black box of a later version: a newer gumshoe reads it";
    size_t written = last_written(bytes, length);
    if (written == 0)
        return "it holds no write that was completed";
    r->out = new_contents();
    if (!r->out)
        return "memory is out";
    read_records(r, bytes, written);
    if (r->bad)
        return "it is damaged: a record says what cannot be";
    if (r->no_memory || !take_all(r))
        return "memory is out";
    return r->out->remains.pid ? NULL : "it does not say whose it is";
}

struct gs_box_contents *gs_box_read(const void *bytes, size_t length, char *why, size_t why_size)
{
    struct reader r = {0};
    const char *wrong = read_all(&r, bytes, length);
    drop_reader(&r);
    if (!wrong)
        return r.out;
    snprintf(why, why_size, "%s", wrong);
    gs_box_contents_free(r.out);
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
    gs_maps_free(contents->maps);
    gs_history_free(contents->history);
    gs_free(contents->rules);
    gs_profile_free(contents->texts);
    gs_free(contents);
}
