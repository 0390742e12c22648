/* growth.c - did the heap grow since the baseline, or is the difference a matter of sampling?
 *
 *   growth of a stack   = what it holds now, less what it held at the baseline; both are estimates from samples
 *   blocks that stayed  are the same samples in both: no error
 *   blocks renewed      were drawn twice: the error of N blocks of SIZE bytes is about SIZE * sqrt(2 * N / (e^x - 1)), where
 *                       x = SIZE / distance: a block is sampled with probability 1 - e^-x (docs/sampling.md)
 *
 * A stack grew if its growth exceeds three standard errors. Context: any (pure). */
#include "base/hash.h"
#include "base/index.h"
#include "incident/inside.h"
#include "profile/profile.h"

enum { STANDARD_ERRORS = 3, PART_OF_HEAP = 100 };

/* SAMPLE's value of TYPE; 0: PROFILE has no such type. */
static double value_of(const struct gs_profile *profile, const struct gs_sample *sample, const char *type)
{
    int at = gs_profile_sample_type(profile, type);
    return at < 0 ? 0 : (double)sample->value[at];
}

static uint64_t hash_of(const struct gs_profile *profile, const struct gs_sample *sample)
{
    uint64_t hash = sample->depth;
    for (uint32_t i = 0; i < sample->depth; i++)
        hash = gs_hash_mix(hash ^ profile->location[sample->location[i]].address);
    return hash;
}

static uint64_t hash_of_number(const void *context, uint32_t number)
{
    const struct gs_profile *profile = context;
    return hash_of(profile, &profile->sample[number]);
}

static bool same_stack(const struct gs_profile *a_profile, const struct gs_sample *a,
                       const struct gs_profile *b_profile, const struct gs_sample *b)
{
    if (a->depth != b->depth)
        return false;
    for (uint32_t i = 0; i < a->depth; i++)
        if (a_profile->location[a->location[i]].address != b_profile->location[b->location[i]].address)
            return false;
    return true;
}

/* The objects that the stack of GROWN has in use now, with any labels. */
static double objects_now(const struct gs_profile *heap, const struct gs_index *index,
                          const struct gs_profile *growth, const struct gs_sample *grown)
{
    double objects = 0;
    size_t at = SIZE_MAX;
    for (uint32_t n; (n = gs_index_next(index, hash_of(growth, grown), &at)) != UINT32_MAX;)
        if (same_stack(heap, &heap->sample[n], growth, grown))
            objects += value_of(heap, &heap->sample[n], "inuse_objects");
    return objects;
}

/* The square of the standard error of GROWN's growth. NOW: its objects in use. */
static double error_squared(const struct gs_profile *growth, const struct gs_sample *grown, double now)
{
    double allocated = value_of(growth, grown, "alloc_objects"),
           freed = allocated - value_of(growth, grown, "inuse_objects"), renewed = freed < now ? freed : now;
    if (renewed <= 0 || allocated <= 0 || growth->period <= 0)
        return 0;
    double size = value_of(growth, grown, "alloc_space") / allocated, x = size / (double)growth->period;
    double e_to_x_less_1 =
        x * (1 + x / 2 * (1 + x / 3 * (1 + x / 4))); // libm is not there; too small for x > 2: cautious
    return e_to_x_less_1 > 0 ? 2 * renewed * size * size / e_to_x_less_1 : 0;
}

static bool has_grown(const struct gs_profile *growth, const struct gs_sample *sample, double now)
{
    double bytes = value_of(growth, sample, "inuse_space");
    return bytes > 0 &&
           bytes * bytes > STANDARD_ERRORS * STANDARD_ERRORS * error_squared(growth, sample, now);
}

double gs_incident_heap_growth(struct gs_profile *growth, const struct gs_profile *heap)
{
    struct gs_index index = {0};
    double grown = 0, in_use = 0;
    for (uint32_t i = 0; i < heap->sample_count && !growth->failed; i++) {
        in_use += value_of(heap, &heap->sample[i], "inuse_space");
        growth->failed = gs_index_add(&index, hash_of_number(heap, i), i, hash_of_number, heap) != 0;
    }
    for (size_t i = 0; i < growth->sample_count && !growth->failed; i++) {
        const struct gs_sample *sample = &growth->sample[i];
        if (has_grown(growth, sample, objects_now(heap, &index, growth, sample)))
            grown += value_of(growth, sample, "inuse_space");
    }
    gs_index_fini(&index);
    return grown > in_use / PART_OF_HEAP ? grown : 0;
}
