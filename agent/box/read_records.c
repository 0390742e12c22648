/* read_records.c - reads one record of a black box into the reader's tables.
 *
 *   identity, history, sampling ──▶ the contents, or collected for later
 *   stacks                      ──▶ stack[number]: frames, labels, values now, at two baselines and at the peak
 *
 * A stack's values at the baselines and the peak are updated when the stack next changes, not at each baseline: so the work
 * is proportional to the file's length, even for a file full of baselines. Each value is checked before it is used. An
 * impossible value sets `bad`, a failed allocation sets `no_memory`; both end the reading.
 * Who: read.c, and contents.c for the last values. Bounds: the tables have the writer's limits. */
#include "base/memory.h"
#include "base/varint.h"
#include "box/read.h"
#include "gather/gather.h"
#include "profile/profile.h"
#include "store/store.h"
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { LABEL_MAX = 1 << 10, DEPTH_MAX = 1024, HISTORY_MAX = 8 << 20, TEXT_MAX = 16 << 20 };

/* ---- numbers and texts ------------------------------------------------------------------------------------------ */

static uint64_t read_number(struct gs_box_reader *reader)
{
    uint64_t value;
    reader->bad |= !gs_varint_read(&reader->at, reader->end, &value);
    return value;
}

static uint64_t read_number_up_to(struct gs_box_reader *reader, uint64_t max)
{
    uint64_t value = read_number(reader);
    reader->bad |= value > max;
    return reader->bad ? 0 : value;
}

static int64_t read_signed(struct gs_box_reader *reader)
{
    return gs_varint_unzigzag(read_number(reader));
}

/* LENGTH bytes of the payload; NULL if it is shorter. */
static const void *read_bytes(struct gs_box_reader *reader, size_t length)
{
    const void *at = reader->at;
    reader->bad |= length > (size_t)(reader->end - reader->at);
    if (reader->bad)
        return NULL;
    reader->at += length;
    return at;
}

/* Read a text of at most MAX bytes; it lives as long as the contents. */
static const char *read_text(struct gs_box_reader *reader, size_t max)
{
    char room[PATH_MAX];
    size_t length = read_number_up_to(reader, max < sizeof room ? max : sizeof room - 1);
    const char *bytes = read_bytes(reader, length);
    if (!bytes)
        return "";
    memcpy(room, bytes, length);
    room[length] = 0;
    return gs_profile_string(reader->out->texts, room);
}

static void append_payload(struct gs_box_reader *reader, struct gs_box_reader_text *to, size_t max)
{
    size_t length = (size_t)(reader->end - reader->at);
    if (length > max - to->length) {
        reader->bad = true;
        return;
    }
    if (gs_grow(&to->at, &to->capacity, to->length + length + 1, 1)) {
        reader->no_memory = true;
        return;
    }
    memcpy(to->at + to->length, reader->at, length);
    to->length += length;
    reader->at = reader->end;
}

/* ---- records -------------------------------------------------------------------------------------------------------- */

static void read_names(struct gs_box_reader *reader, struct gs_identity *out)
{
    snprintf(out->program, sizeof out->program, "%s", read_text(reader, sizeof out->program));
    snprintf(out->container, sizeof out->container, "%s", read_text(reader, sizeof out->container));
    snprintf(out->pod, sizeof out->pod, "%s", read_text(reader, sizeof out->pod));
    snprintf(out->pod_namespace, sizeof out->pod_namespace, "%s",
             read_text(reader, sizeof out->pod_namespace));
    reader->out->post_mortem.identity = out;
}

static void read_identity(struct gs_box_reader *reader)
{
    struct gs_box_contents *out = reader->out;
    out->post_mortem.pid = (int)read_number_up_to(reader, INT32_MAX);
    out->id.start_ticks = read_number(reader);
    out->post_mortem.started_ns = (int64_t)read_number_up_to(reader, INT64_MAX);
    out->post_mortem.limit_bytes = read_number_up_to(reader, INT64_MAX);
    reader->baseline_first_age_ns = (int64_t)read_number_up_to(reader, INT64_MAX);
    out->boot_id = read_text(reader, GS_BOOT_ID);
    out->post_mortem.host = read_text(reader, 64);
    out->post_mortem.exe = read_text(reader, PATH_MAX);
    out->post_mortem.limit_from = read_text(reader, PATH_MAX);
    out->oom_file = read_text(reader, PATH_MAX);
    out->id.namespace = reader->at < reader->end ? (uint32_t)read_number_up_to(reader, UINT32_MAX) : 0;
    if (reader->at < reader->end)
        read_names(reader, &out->identity);
    out->id.pid = out->post_mortem.pid;
    gs_store_live_id_print(&out->id, out->process);
    out->post_mortem.process = out->process;
}

static void read_long_text(struct gs_box_reader *reader, struct gs_box_reader_text *to)
{
    if (read_number_up_to(reader, 1) == 0)
        to->length = 0;
    if (!reader->bad)
        append_payload(reader, to, TEXT_MAX);
}

static void free_libraries(struct gs_box_reader *reader)
{
    for (size_t i = 0; i < reader->library_count; i++)
        gs_free(reader->library[i].path);
    reader->library_count = 0;
}

static void read_build_ids(struct gs_box_reader *reader)
{
    reader->build_id_count = 0; // they belong to the map that was read just before
    while (reader->at < reader->end && !reader->bad) {
        struct gs_box_reader_build_id id = {.start = read_number(reader),
                                            .length = (unsigned)read_number_up_to(reader, GS_BUILD_ID_MAX)};
        const void *bytes = read_bytes(reader, id.length);
        if (!bytes)
            return;
        memcpy(id.id, bytes, id.length);
        if (gs_grow(&reader->build_id, &reader->build_id_capacity, reader->build_id_count + 1, sizeof id)) {
            reader->no_memory = true;
            return;
        }
        reader->build_id[reader->build_id_count++] = id;
    }
}

/* Read one library into OUT; its path is freed with the reader. */
static void read_library(struct gs_box_reader *reader, struct gs_mapping *out)
{
    *out = (struct gs_mapping){.has_bias = true};
    out->start = read_number_up_to(reader, GS_ADDRESS_MASK);
    out->end = read_number_up_to(reader, GS_ADDRESS_MASK);
    out->offset = read_number(reader);
    out->bias = read_number(reader);
    out->unloaded = read_number_up_to(reader, 1);
    out->build_id_length = (unsigned)read_number_up_to(reader, GS_BUILD_ID_MAX);
    const void *id = read_bytes(reader, out->build_id_length);
    const char *path = read_text(reader, PATH_MAX);
    reader->bad |= out->start > out->end;
    if (reader->bad)
        return;
    memcpy(out->build_id, id, out->build_id_length);
    gs_symbol_library_place(out, (uint32_t)reader->library_count + 1);
    out->path = out->end - out->start ? gs_strdup(path) : NULL;
    reader->no_memory |= out->end != out->start && !out->path;
}

static void read_libraries(struct gs_box_reader *reader)
{
    if (read_number_up_to(reader, 1) == 0)
        free_libraries(reader);
    while (reader->at < reader->end && !reader->bad && !reader->no_memory) {
        reader->bad |= reader->library_count + 1 >= GS_NO_LIBRARY;
        if (gs_grow(&reader->library, &reader->library_capacity, reader->library_count + 1,
                    sizeof *reader->library)) {
            reader->no_memory = true;
            return;
        }
        read_library(reader, &reader->library[reader->library_count]);
        reader->library_count++;
    }
}

void gs_box_roll_stack(struct gs_box_reader_stack *stack, const struct gs_box_reader *reader)
{
    if (stack->peaked != reader->peaks)
        memcpy(stack->peak, stack->now, sizeof stack->peak);
    stack->peaked = reader->peaks;
    if (stack->rolled == reader->baselines)
        return;
    memcpy(stack->before, reader->baselines - stack->rolled == 1 ? stack->last : stack->now,
           sizeof stack->before);
    memcpy(stack->last, stack->now, sizeof stack->last);
    stack->rolled = reader->baselines;
}

static void read_frames(struct gs_box_reader *reader, struct gs_box_reader_stack *stack)
{
    uint64_t depth = read_number_up_to(reader, DEPTH_MAX), before = 0;
    reader->bad |= stack->known || depth > (size_t)(reader->end - reader->at) ||
                   depth > GS_BOX_FRAMES_MAX - reader->frames;
    if (reader->bad)
        return;
    reader->frames += depth;
    stack->frame = gs_alloc((depth + 1) * sizeof *stack->frame);
    if (!stack->frame) {
        reader->no_memory = true;
        return;
    }
    stack->depth = (uint32_t)depth;
    for (uint64_t i = 0; i < depth; i++)
        stack->frame[i] = before += (uint64_t)read_signed(reader);
}

static void read_labels(struct gs_box_reader *reader, struct gs_box_reader_stack *stack)
{
    uint64_t count = read_number_up_to(reader, GS_HEAP_LABELS_MAX);
    if (reader->bad || count == 0)
        return;
    stack->label = gs_alloc(count * sizeof *stack->label);
    if (!stack->label) {
        reader->no_memory = true;
        return;
    }
    for (uint64_t i = 0; i < count; i++) {
        stack->label[i].key = read_text(reader, LABEL_MAX);
        stack->label[i].text = read_text(reader, LABEL_MAX);
    }
    stack->label_count = (uint32_t)count;
}

/* Stack INDEX of the table, which grows if needed; NULL: no memory. */
static struct gs_box_reader_stack *stack_at(struct gs_box_reader *reader, size_t index)
{
    size_t before = reader->stacks;
    if (index < before)
        return &reader->stack[index];
    if (gs_grow(&reader->stack, &reader->stack_capacity, index + 1, sizeof *reader->stack)) {
        reader->no_memory = true;
        return NULL;
    }
    reader->stacks = index + 1;
    memset(&reader->stack[before], 0, (reader->stacks - before) * sizeof *reader->stack);
    return &reader->stack[index];
}

static void read_stack(struct gs_box_reader *reader)
{
    uint64_t number_and_new = read_number_up_to(reader, 2 * GS_BOX_STACKS_MAX - 1);
    struct gs_box_reader_stack *stack = stack_at(reader, number_and_new / 2);
    if (!stack)
        return;
    gs_box_roll_stack(stack, reader);
    if (number_and_new & 1) {
        read_frames(reader, stack);
        read_labels(reader, stack);
        stack->known = true;
    }
    for (int i = 0; i < GS_HEAP_VALUES; i++)
        stack->now[i] = read_signed(reader);
    reader->bad |= !stack->known;
}

static void read_baseline(struct gs_box_reader *reader)
{
    reader->before_ns = reader->last_ns;
    reader->last_ns = (int64_t)read_number_up_to(reader, INT64_MAX);
    reader->baselines++;
}

static void read_peak(struct gs_box_reader *reader)
{
    reader->peak_ns = (int64_t)read_number_up_to(reader, INT64_MAX);
    reader->out->heap.peak_highest_bytes = read_number_up_to(reader, INT64_MAX);
    reader->peaks++;
}

static void read_sampling(struct gs_box_reader *reader)
{
    struct gs_heap_sampling *sampling = &reader->out->heap.sampling;
    sampling->asked_bytes = read_number_up_to(reader, INT64_MAX);
    sampling->bytes = read_number_up_to(reader, INT64_MAX);
    sampling->for_budget = (uint32_t)read_number_up_to(reader, 64);
    sampling->for_crowding = (uint32_t)read_number_up_to(reader, 64);
    sampling->samples_dropped = read_number(reader);
    sampling->stacks_full = read_number(reader);
    sampling->stacks_cut = read_number(reader);
    sampling->labels_refused = read_number(reader);
    sampling->hooks_seen = read_number_up_to(reader, 1);
    reader->left_out = read_number(reader);
}

static void read_crash_frames(struct gs_box_reader *reader, struct gs_given_crash *crash)
{
    uint64_t before = 0;
    crash->depth = read_number(reader);
    crash->inner = (uint32_t)read_number_up_to(reader, GS_GIVEN_DEPTH);
    crash->thread.depth = (uint32_t)read_number_up_to(reader, GS_GIVEN_DEPTH);
    reader->bad |= crash->inner > crash->thread.depth || crash->thread.depth > crash->depth;
    for (uint32_t i = 0; i < crash->thread.depth && !reader->bad; i++)
        crash->thread.frames[i] = (uintptr_t)(before += (uint64_t)read_signed(reader));
}

/* Texts go to terminals and files as the profile's texts do: through gs_text_add_printable. */
static void copy_text(struct gs_box_reader *reader, char *out, size_t size)
{
    snprintf(out, size, "%s", read_text(reader, size - 1));
}

static void read_crash(struct gs_box_reader *reader)
{
    struct gs_box_contents *out = reader->out;
    if (!out->crash)
        out->crash = gs_alloc(sizeof *out->crash);
    if (!out->crash) {
        reader->no_memory = true;
        return;
    }
    struct gs_given_crash *crash = out->crash;
    *crash = (struct gs_given_crash){.time_ns = (int64_t)read_number_up_to(reader, INT64_MAX)};
    crash->signal = (int)read_number_up_to(reader, 64);
    crash->code = (int)read_signed(reader);
    crash->sender = (int)read_number_up_to(reader, INT32_MAX);
    uint64_t flags = read_number(reader);
    crash->has_address = flags & GS_BOX_CRASH_HAS_ADDRESS;
    crash->overflow = flags & GS_BOX_CRASH_OVERFLOW;
    crash->address = read_number(reader);
    crash->thread =
        (struct gs_given_thread){.tid = (int)read_number_up_to(reader, INT32_MAX), .call = -1, .state = '?'};
    crash->thread.cut = flags & GS_BOX_CRASH_CUT;
    read_crash_frames(reader, crash);
    copy_text(reader, crash->thread.name, sizeof crash->thread.name);
    copy_text(reader, crash->message, sizeof crash->message);
    reader->bad |= crash->signal == 0;
}

/* Parts of later versions are skipped. */
static void read_account(struct gs_box_reader *reader)
{
    struct gs_account_parts *account = &reader->out->account;
    *account = (struct gs_account_parts){.time_ns = (int64_t)read_number_up_to(reader, INT64_MAX)};
    uint64_t count = read_number_up_to(reader, 64);
    for (uint64_t i = 0; i < count && !reader->bad; i++) {
        uint64_t bytes = read_number_up_to(reader, INT64_MAX / 64); // their sum fits
        if (i < GS_PARTS)
            account->part[i] = bytes;
    }
}

static void read_written(struct gs_box_reader *reader)
{
    struct gs_box_contents *out = reader->out;
    out->post_mortem.last_seen_ns = out->heap.time_ns = (int64_t)read_number_up_to(reader, INT64_MAX);
    out->heap.duration_ns = (int64_t)read_number_up_to(reader, INT64_MAX);
    out->oom_kills = read_signed(reader);
}

void gs_box_read_record(struct gs_box_reader *reader, unsigned type)
{
    switch (type) {
    case GS_BOX_IDENTITY: read_identity(reader); break;
    case GS_BOX_RULES: read_long_text(reader, &reader->rules); break;
    case GS_BOX_MAPS: read_long_text(reader, &reader->maps); break;
    case GS_BOX_BUILD_IDS: read_build_ids(reader); break;
    case GS_BOX_STACKS:
        while (reader->at < reader->end && !reader->bad && !reader->no_memory)
            read_stack(reader);
        break;
    case GS_BOX_BASELINE: read_baseline(reader); break;
    case GS_BOX_PEAK: read_peak(reader); break;
    case GS_BOX_SAMPLING: read_sampling(reader); break;
    case GS_BOX_HISTORY:
        reader->history_cut |= (size_t)(reader->end - reader->at) > HISTORY_MAX - reader->history.length;
        if (!reader->history_cut)
            append_payload(reader, &reader->history, HISTORY_MAX);
        break;
    case GS_BOX_LIBRARIES: read_libraries(reader); break;
    case GS_BOX_WRITTEN: read_written(reader); break;
    case GS_BOX_CRASH: read_crash(reader); break;
    case GS_BOX_ACCOUNT: read_account(reader); break;
    default: break;
    }
}

void gs_box_reader_fini(struct gs_box_reader *reader)
{
    for (size_t i = 0; i < reader->stacks; i++) {
        gs_free(reader->stack[i].frame);
        gs_free(reader->stack[i].label);
    }
    gs_free(reader->stack);
    gs_free(reader->rules.at);
    gs_free(reader->maps.at);
    gs_free(reader->history.at);
    gs_free(reader->build_id);
    free_libraries(reader);
    gs_free(reader->library);
}
