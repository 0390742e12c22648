/* profile/inside.h - what the files of the profile model share. */
#pragma once
#include "base/index.h"
#include "base/numbers.h"
#include "profile/profile.h"

struct gs_chunk;
struct gs_profile_pool {
    struct gs_chunk *chunk;                    // strings, frames, values, labels, lines: all freed together
    size_t chunk_used, chunk_size;
    const char **string;                       // string 0 is ""
    size_t string_count, string_capacity;
    struct gs_index strings, locations, functions;
    size_t comment_capacity, mapping_capacity, function_capacity, location_capacity, sample_capacity;
};

/* SIZE zeroed bytes that live as long as PROFILE, 8-byte aligned; NULL and `failed` set: no memory. */
void *gs_profile_room(struct gs_profile *profile, size_t size);
/* The number of TEXT in PROFILE's string table, added if new; 0 for "" and if there is no memory. */
uint32_t gs_profile_string_number(struct gs_profile *profile, const char *text);

/* Apply drop_frames to SAMPLE, as pprof does. The leaf of the remaining stack is line *LINE of location *FIRST (an index
 * into sample->location). */
struct gs_prune;
int gs_profile_prune_new(const struct gs_profile *profile, struct gs_prune **out) GS_CHECK_RESULT; // 0 or -ENOMEM; NULL: nothing to drop
void gs_profile_prune_sample(const struct gs_prune *prune, const struct gs_profile *profile, const struct gs_sample *sample,
                     uint32_t *first, uint32_t *line);
void gs_profile_prune_free(struct gs_prune *prune);

/* The hash of a sample's locations; do two samples have the same locations? */
uint64_t gs_profile_sample_hash(const struct gs_sample *sample);
bool gs_profile_sample_same_stack(const struct gs_sample *a, const struct gs_sample *b);

/* The file that LOCATION was mapped from; "" if not known. */
const char *gs_profile_path_of(const struct gs_profile *profile, uint32_t location);
