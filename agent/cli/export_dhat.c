/* export_dhat.c - `gumshoe export --dhat`: a file of valgrind's DHAT, version 2, for its viewer (dh_view.html).
 *
 *   heap profile            total = what was allocated, "at t-end" = what is held (bklt: true)
 *   any other profile       total = the values of the sample type                 (bklt: false)
 *
 * A profile has no lifetimes and no maxima: the capture stands for t-gmax as well, and the threshold of "short-lived" is one that
 * no block is below. The viewer refuses a file in which two program points have the same frames: they are added up. */
#include "base/memory.h"
#include "base/numbers.h"
#include "cli/export.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOTAL_BYTES, TOTAL_BLOCKS, END_BYTES, END_BLOCKS, FIGURES };

struct dhat_point { // a program point: a stack
    uint32_t *frame;
    uint32_t depth;
    int64_t figure[FIGURES];
};

struct frames { // the table of frames; a location's first line is frame first[location]
    uint32_t *first;
    uint32_t *same; // same[n]: the first frame with the text of frame n
    char **text;
    size_t count;
};

/* ---- frames ------------------------------------------------------------------------------------------------------ */

static char *frame_text(const struct gs_profile *profile, uint32_t location, uint32_t line)
{
    const struct gs_location *at = &profile->location[location];
    struct gs_text text = {0};
    char room[300];
    gs_text_add(&text, "0x%llX: ", (unsigned long long)at->address);
    if (!at->line_count) {
        gs_text_add_printable(&text, gs_profile_frame_name(profile, location, room, sizeof room));
        return text.bytes;
    }
    const struct gs_function *function = &profile->function[at->line[line].function];
    gs_text_add_printable(&text, function->name);
    gs_text_add(&text, " (");
    gs_text_add_printable(&text, *function->file ? gs_text_base_name(function->file) : "in ?");
    if (at->line[line].line)
        gs_text_add(&text, ":%lld", (long long)at->line[line].line);
    gs_text_add(&text, ")");
    return text.bytes;
}

static int by_text(const void *a, const void *b, void *of)
{
    const struct frames *frames = of;
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    int order = strcmp(frames->text[left], frames->text[right]);
    return order ? order : (left > right) - (left < right);
}

/* Find the frames that have equal texts. False: no memory. */
static bool unify(struct frames *frames)
{
    uint32_t *order = gs_alloc((frames->count + 1) * sizeof *order);
    for (uint32_t i = 0; order && i < frames->count; i++)
        order[i] = i;
    if (order)
        qsort_r(order, frames->count, sizeof *order, by_text, frames);
    for (size_t i = 0; order && i < frames->count; i++) {
        bool equal = i && strcmp(frames->text[order[i]], frames->text[order[i - 1]]) == 0;
        frames->same[order[i]] = equal ? frames->same[order[i - 1]] : order[i];
    }
    gs_free(order);
    return order != NULL;
}

static bool collect_frames(const struct gs_profile *profile, struct frames *out)
{
    size_t count = 1; // 0 is "[root]"
    for (size_t i = 0; i < profile->location_count; i++)
        count += profile->location[i].line_count ? profile->location[i].line_count : 1;
    *out = (struct frames){.first = gs_alloc((profile->location_count + 1) * sizeof(*out->first)),
                           .same = gs_alloc(count * sizeof(*out->same)),
                           .text = gs_alloc(count * sizeof(*out->text))};
    if (!out->first || !out->same || !out->text || !(out->text[0] = gs_strdup("[root]")))
        return false;
    out->count = 1;
    for (uint32_t i = 0; i < profile->location_count; i++) {
        uint32_t lines = profile->location[i].line_count ? profile->location[i].line_count : 1;
        out->first[i] = (uint32_t)out->count;
        for (uint32_t line = 0; line < lines; line++)
            if (!(out->text[out->count++] = frame_text(profile, i, line)))
                return false;
    }
    return unify(out);
}

static void frames_fini(struct frames *frames)
{
    for (size_t i = 0; frames->text && i < frames->count; i++)
        gs_free(frames->text[i]);
    gs_free(frames->text);
    gs_free(frames->same);
    gs_free(frames->first);
}

/* ---- program points ---------------------------------------------------------------------------------------------- */

static int by_frames(const void *a, const void *b)
{
    const struct dhat_point *left = a, *right = b;
    for (uint32_t i = 0; i < left->depth && i < right->depth; i++)
        if (left->frame[i] != right->frame[i])
            return left->frame[i] < right->frame[i] ? -1 : 1;
    return (left->depth > right->depth) - (left->depth < right->depth);
}

/* The frames of SAMPLE, leaf first, in a row that is allocated. False: no memory. */
static bool set_frames(const struct gs_profile *profile, const struct gs_sample *sample,
                       const struct frames *frames, struct dhat_point *out)
{
    uint32_t depth = 0;
    for (uint32_t i = 0; i < sample->depth; i++) {
        uint32_t lines = profile->location[sample->location[i]].line_count;
        depth += lines ? lines : 1;
    }
    out->frame = gs_alloc((depth + 1) * sizeof(*out->frame));
    for (uint32_t i = 0; out->frame && i < sample->depth; i++) {
        uint32_t lines = profile->location[sample->location[i]].line_count;
        for (uint32_t line = 0; line < (lines ? lines : 1); line++)
            out->frame[out->depth++] = frames->same[frames->first[sample->location[i]] + line];
    }
    return out->frame != NULL;
}

/* Which sample types the figures are; heap: as in a heap profile. TYPE[figure] -1: none. */
static bool choose_types(const struct gs_view *view, int type[FIGURES])
{
    static const char *const names[FIGURES] = {"alloc_space", "alloc_objects", "inuse_space",
                                               "inuse_objects"};
    bool heap = !view->options->sample;
    for (size_t i = 0; i < FIGURES; i++) {
        type[i] = gs_profile_sample_type(view->profile, names[i]);
        heap = heap && type[i] >= 0;
    }
    if (heap)
        return true;
    type[TOTAL_BYTES] = view->type;
    type[TOTAL_BLOCKS] = view->type > 0 ? 0 : view->type; // "samples", before "cpu"
    type[END_BYTES] = type[END_BLOCKS] = -1;
    return false;
}

/* The points of VIEW, each stack once, heaviest values added up. Returns how many; NULL in *OUT: no memory. */
static size_t collect_points(const struct gs_view *view, const struct frames *frames, const int type[FIGURES],
                             struct dhat_point **out)
{
    const struct gs_profile *profile = view->profile;
    size_t count = 0, kept = 0;
    struct dhat_point *point = *out = gs_alloc((profile->sample_count + 1) * sizeof *point);
    for (size_t i = 0; point && i < profile->sample_count; i++) {
        struct dhat_point *next = &point[count];
        for (size_t f = 0; f < FIGURES; f++) { // a point cannot have less than nothing
            int64_t value = type[f] >= 0 ? profile->sample[i].value[type[f]] : 0;
            next->figure[f] = value > 0 ? value : 0;
        }
        if ((next->figure[TOTAL_BYTES] || next->figure[END_BYTES]) && profile->sample[i].depth &&
            set_frames(profile, &profile->sample[i], frames, next))
            count++;
    }
    if (count)
        qsort(point, count, sizeof *point, by_frames);
    for (size_t i = 0; i < count; i++) {
        if (kept && by_frames(&point[kept - 1], &point[i]) == 0) {
            for (size_t f = 0; f < FIGURES; f++)
                point[kept - 1].figure[f] = gs_sum(point[kept - 1].figure[f], point[i].figure[f]);
            gs_free(point[i].frame);
        } else {
            point[kept++] = point[i];
        }
    }
    return kept;
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

static json_t *point_json(const struct dhat_point *point, bool heap)
{
    static const struct {
        const char *key;
        int figure;
    } keys[] = {{"tb", TOTAL_BYTES}, {"tbk", TOTAL_BLOCKS}, {"mb", END_BYTES}, {"mbk", END_BLOCKS},
                {"gb", END_BYTES},   {"gbk", END_BLOCKS},   {"eb", END_BYTES}, {"ebk", END_BLOCKS}};
    struct gs_json json = gs_json_object(), frames = gs_json_array();
    for (size_t i = 0; i < (heap ? sizeof keys / sizeof *keys : 2); i++)
        gs_json_set(&json, keys[i].key, json_integer((json_int_t)point->figure[keys[i].figure]));
    if (heap)
        gs_json_set(&json, "tl", json_integer(0));
    for (uint32_t i = 0; i < point->depth; i++)
        gs_json_add(&frames, json_integer((json_int_t)point->frame[i]));
    gs_json_set(&json, "fs", gs_json_take(&frames));
    return gs_json_take(&json);
}

static void set_units(struct gs_json *json, const struct gs_view *view, bool heap, const int type[FIGURES])
{
    const struct gs_value_type *types = view->profile->sample_type;
    gs_json_set(json, "mode", json_string(heap ? "heap" : "profile"));
    gs_json_set(json, "verb", json_string(heap ? "Allocated" : "Sampled"));
    if (heap)
        return;
    gs_json_set(json, "bu", gs_json_printable(types[type[TOTAL_BYTES]].unit));
    gs_json_set(json, "bsu", gs_json_printable(types[type[TOTAL_BYTES]].unit));
    gs_json_set(json, "bksu", gs_json_printable(types[type[TOTAL_BLOCKS]].type));
}

static json_t *document(const struct gs_view *view, const struct frames *frames,
                        const struct dhat_point *point, size_t count, const int type[FIGURES], bool heap)
{
    const struct gs_profile *profile = view->profile;
    struct gs_json json = gs_json_object(), points = gs_json_array(), table = gs_json_array();
    int64_t end_us = profile->duration_ns > 1000 ? profile->duration_ns / 1000 : 1;
    for (size_t i = 0; i < count; i++)
        gs_json_add(&points, point_json(&point[i], heap));
    for (size_t i = 0; i < frames->count; i++)
        gs_json_add(&table, json_string(frames->text[i]));
    gs_json_set(&json, "dhatFileVersion", json_integer(2));
    set_units(&json, view, heap, type);
    gs_json_set(&json, "bklt", json_boolean(heap));
    gs_json_set(&json, "bkacc", json_false());
    gs_json_set(&json, "tu", json_string("µs"));
    gs_json_set(&json, "Mtu", json_string("s"));
    if (heap)
        gs_json_set(&json, "tuth", json_integer(-1));
    gs_json_set(&json, "cmd",
                gs_json_printable(profile->mapping_count && *profile->mapping[0].path
                                      ? profile->mapping[0].path
                                      : "unknown"));
    gs_json_set(&json, "pid", json_integer(0));
    gs_json_set(&json, "te", json_integer((json_int_t)end_us));
    if (heap)
        gs_json_set(&json, "tg", json_integer((json_int_t)end_us));
    gs_json_set(&json, "pps", gs_json_take(&points));
    gs_json_set(&json, "ftbl", gs_json_take(&table));
    return gs_json_take(&json);
}

int gs_cli_export_dhat(const struct gs_view *view)
{
    int type[FIGURES];
    struct frames frames;
    struct dhat_point *point = NULL;
    bool heap = choose_types(view, type);
    size_t count = collect_frames(view->profile, &frames) ? collect_points(view, &frames, type, &point) : 0;
    json_t *json = point ? document(view, &frames, point, count, type, heap) : NULL;
    int status = json ? gs_cli_print_json(json) : gs_cli_complain(GS_EXIT_IO, "there is not enough memory");
    json_decref(json);
    for (size_t i = 0; i < count; i++)
        gs_free(point[i].frame);
    gs_free(point);
    frames_fini(&frames);
    return status;
}
