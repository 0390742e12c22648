/* wrappers.c - finds a program's own wrapper of malloc by how it is used, since tables cannot know its name.
 *
 *   parse_header ─┐                        What a wrapper has, and a function that fills a cache has not:
 *   open_session ─┼─▶ grab ─▶ malloc       - it calls the allocator itself, and nearly every allocation of its file passes it
 *   render_page  ─┤                        - many functions call it (not: many call paths lead to it)
 *       …        ─┘                        - it allocates for all kinds of purposes: sizes differ by orders of magnitude from
 *                                            caller to caller, and so does what becomes of the blocks: one caller's are
 *                                            freed at once, another's are kept
 *
 * The last point tells cache_insert from grab: twenty callers may fill one cache, but its entries are of one kind, and live and
 * die by one policy, whoever inserts them. It needs a program that has run for a while: with thin evidence nothing is learned,
 * and the wrapper is named together with the caller that gets most through it. Wrappers of wrappers are found in turn.
 * Context: watcher, CLI. */
#include "base/memory.h"
#include "base/sort.h"
#include "profile/inside.h"
#include <errno.h>

enum {
    SAMPLES_MIN = 200,      // of the file, before it is judged
    CALLERS_MIN = 8,        // functions that call the wrapper, each with
    CALLER_SAMPLES_MIN = 3, // this many samples, to be counted
    SIZE_CLASSES_MIN = 3,   // of the callers' mean block sizes; each class is a factor of 8
    DEPTH_MAX = 3           // wrappers of wrappers
};
static const double SHARE_MIN = 0.9; // of the file's allocated objects
static const double MOST_FREED = 0.25,
                    MOST_KEPT = 0.75; // live objects of a caller, as a share of those it allocated

struct use {                              // allocations by one function, for one caller
    const char *path, *function, *caller; // interned in the profile: equal texts are one pointer
    double objects, bytes, live, samples;
    bool direct; // nothing but the allocator and plumbing is between the function and malloc
};

struct columns {
    int objects, bytes, live;
};

static int by_pointer(const char *a, const char *b)
{
    return ((uintptr_t)a > (uintptr_t)b) - ((uintptr_t)a < (uintptr_t)b);
}

static int by_use(const void *a, const void *b)
{
    const struct use *x = a, *y = b;
    int order = by_pointer(x->path, y->path);
    if (!order)
        order = by_pointer(x->function, y->function);
    return order ? order : by_pointer(x->caller, y->caller);
}

static const char *own_name(struct gs_profile *profile, uint32_t location)
{
    char room[300];
    return gs_profile_string(profile, gs_profile_own_name(profile, location, room, sizeof room));
}

/* What SAMPLE says of its own frame; false: it has none of own code, or allocated nothing. */
static bool read_use(struct gs_profile *profile, const struct gs_sample *sample, struct columns columns,
                     struct use *out)
{
    uint32_t own = gs_profile_own_frame(profile, sample->location, sample->depth);
    double objects = (double)sample->value[columns.objects], bytes = (double)sample->value[columns.bytes];
    if (sample->depth == 0 || objects <= 0 || bytes <= 0 ||
        gs_profile_code_in_stack(profile, sample->location, sample->depth, own) != GS_CODE_OWN)
        return false;
    *out = (struct use){
        .path = gs_profile_path_of(profile, sample->location[own]),
        .function = own_name(profile, sample->location[own]),
        .caller = "",
        .objects = objects,
        .bytes = bytes,
        .live = (double)sample->value[columns.live],
        .samples = bytes / (bytes / objects + (double)profile->period),
        .direct = true,
    };
    for (uint32_t i = 0; i < own; i++)
        out->direct &=
            gs_profile_code_in_stack(profile, sample->location, sample->depth, i) != GS_CODE_LIBRARY;
    uint32_t caller = gs_profile_caller_frame(profile, sample->location, sample->depth, own);
    if (caller < sample->depth)
        out->caller = own_name(profile, sample->location[caller]);
    return true;
}

static void add_use(struct use *sum, const struct use *part)
{
    sum->objects += part->objects;
    sum->bytes += part->bytes;
    sum->live += part->live;
    sum->samples += part->samples;
    sum->direct &= part->direct;
}

/* Read the uses of all samples into USE, one for each function and caller, sorted. Returns how many. */
static size_t read_uses(struct gs_profile *profile, struct columns columns, struct use *use)
{
    size_t count = 0, merged = 0;
    for (size_t i = 0; i < profile->sample_count; i++)
        count += read_use(profile, &profile->sample[i], columns, &use[count]);
    gs_sort(use, count, sizeof *use, by_use);
    for (size_t i = 0; i < count; i++)
        if (merged && by_use(&use[merged - 1], &use[i]) == 0)
            add_use(&use[merged - 1], &use[i]);
        else
            use[merged++] = use[i];
    return merged;
}

static unsigned size_class(double bytes)
{
    unsigned class = 0;
    for (; bytes >= 8 && class < 31; bytes /= 8)
        class ++;
    return class;
}

/* Is the function that USE[0..COUNT) tell of a wrapper? FILE: the sum over all functions of its file. */
static bool is_wrapper(const struct use *use, size_t count, const struct use *file)
{
    struct use sum = {.direct = true};
    size_t callers = 0, size_classes = 0;
    uint32_t classes = 0;
    bool frees = false, keeps = false;
    for (size_t i = 0; i < count; i++) {
        add_use(&sum, &use[i]);
        if (use[i].samples < CALLER_SAMPLES_MIN || !*use[i].caller)
            continue;
        callers++;
        classes |= 1u << size_class(use[i].bytes / use[i].objects);
        frees |= use[i].live <= MOST_FREED * use[i].objects;
        keeps |= use[i].live >= MOST_KEPT * use[i].objects;
    }
    for (; classes; classes &= classes - 1)
        size_classes++;
    return sum.direct && file->samples >= SAMPLES_MIN && sum.objects >= SHARE_MIN * file->objects &&
           callers >= CALLERS_MIN && size_classes >= SIZE_CLASSES_MIN && frees && keeps;
}

/* Add the wrapper of the file that USE[0..COUNT) are of, if it has one. */
static bool learn_from_file(const struct use *use, size_t count, struct gs_plumbing *plumbing)
{
    struct use file = {0};
    for (size_t i = 0; i < count; i++)
        add_use(&file, &use[i]);
    for (size_t first = 0, next; first < count; first = next) {
        for (next = first; next < count && use[next].function == use[first].function;)
            next++;
        if (plumbing->learned_count == GS_PLUMBING_LEARNED_MAX ||
            !is_wrapper(use + first, next - first, &file))
            continue;
        plumbing->learned[plumbing->learned_count].path = use[first].path;
        plumbing->learned[plumbing->learned_count++].function = use[first].function;
        return true; // at SHARE_MIN there is no second one
    }
    return false;
}

int gs_profile_learn_plumbing(struct gs_profile *heap, struct gs_plumbing *plumbing)
{
    struct columns columns = {gs_profile_sample_type(heap, "alloc_objects"),
                              gs_profile_sample_type(heap, "alloc_space"),
                              gs_profile_sample_type(heap, "inuse_objects")};
    if (columns.objects < 0 || columns.bytes < 0 || columns.live < 0 || heap->period <= 0)
        return 0;
    struct use *use = gs_alloc((heap->sample_count + 1) * sizeof *use);
    if (!use)
        return -ENOMEM;
    heap->plumbing = plumbing;
    bool learned = true;
    for (int depth = 0; depth < DEPTH_MAX && learned; depth++) {
        size_t count = read_uses(heap, columns, use);
        learned = false;
        for (size_t first = 0, next; first < count; first = next) {
            for (next = first; next < count && use[next].path == use[first].path;)
                next++;
            learned |= learn_from_file(use + first, next - first, plumbing);
        }
    }
    gs_free(use);
    return heap->failed ? -ENOMEM : 0;
}
