/* model.c - one profile in memory: the gatherers and the reader build it, all other code reads it.
 *
 *   sample ──▶ location[] ──▶ line[] ──▶ function ──▶ strings         refer by index; strings are interned
 *                   └──▶ mapping
 *
 * Who:    the thread that owns the profile. Memory: strings, lines and samples' arrays are in chunks; gs_profile_free
 *         frees all chunks together. If an allocation fails, `failed` is set and the profile is incomplete. */
#include "base/hash.h"
#include "base/memory.h"
#include "profile/inside.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { CHUNK_SIZE = 64 << 10 };

struct gs_chunk {
    struct gs_chunk *next;
    char bytes[];
};

/* ---- memory and strings ---------------------------------------------------------------------------------------- */

void *gs_profile_room(struct gs_profile *profile, size_t size)
{
    struct gs_profile_pool *pool = profile->pool;
    size = (size + 7) & ~(size_t)7;
    if (size > pool->chunk_size - pool->chunk_used) {
        size_t capacity = size > CHUNK_SIZE ? size : CHUNK_SIZE;
        struct gs_chunk *chunk = gs_alloc(sizeof *chunk + capacity);
        if (!chunk) {
            profile->failed = true;
            return NULL;
        }
        chunk->next = pool->chunk;
        pool->chunk = chunk;
        pool->chunk_size = capacity;
        pool->chunk_used = 0;
    }
    void *bytes = pool->chunk->bytes + pool->chunk_used;
    pool->chunk_used += size;
    return bytes;
}

static uint64_t hash_of_string(const void *context, uint32_t number)
{
    const struct gs_profile_pool *pool = context;
    return gs_hash_bytes(pool->string[number], strlen(pool->string[number]));
}

/* The number of TEXT, LENGTH bytes long, in the string table; added if new. 0 and `failed` set: no memory. */
static uint32_t intern(struct gs_profile *profile, const char *text, size_t length)
{
    struct gs_profile_pool *pool = profile->pool;
    uint64_t hash = gs_hash_bytes(text, length);
    size_t at = SIZE_MAX;
    for (uint32_t number; (number = gs_index_next(&pool->strings, hash, &at)) != UINT32_MAX;)
        if (strcmp(pool->string[number], text) == 0)
            return number;
    char *copy = gs_profile_room(profile, length + 1);
    if (!copy ||
        gs_grow(&pool->string, &pool->string_capacity, pool->string_count + 1, sizeof *pool->string)) {
        profile->failed = true;
        return 0;
    }
    memcpy(copy, text, length);
    uint32_t number = (uint32_t)pool->string_count;
    pool->string[pool->string_count++] = copy;
    if (gs_index_add(&pool->strings, hash, number, hash_of_string, pool))
        profile->failed = true;
    return number;
}

uint32_t gs_profile_string_number(struct gs_profile *profile, const char *text)
{
    return intern(profile, text, strlen(text));
}

const char *gs_profile_string(struct gs_profile *profile, const char *text)
{
    uint32_t number = gs_profile_string_number(profile, text);
    return number < profile->pool->string_count ? profile->pool->string[number] : "";
}

/* ---- new and free ------------------------------------------------------------------------------------------- */

struct gs_profile *gs_profile_new(void)
{
    struct gs_profile *profile = gs_alloc(sizeof *profile);
    if (profile)
        profile->pool = gs_alloc(sizeof *profile->pool);
    if (!profile || !profile->pool) {
        gs_free(profile);
        return NULL;
    }
    (void)intern(profile, "", 0); // string 0
    profile->drop_frames = "";
    profile->period_type = (struct gs_value_type){"", ""};
    if (!profile->failed)
        return profile;
    gs_profile_free(profile);
    return NULL;
}

void gs_profile_free(struct gs_profile *profile)
{
    if (!profile)
        return;
    struct gs_profile_pool *pool = profile->pool;
    while (pool->chunk) {
        struct gs_chunk *next = pool->chunk->next;
        gs_free(pool->chunk);
        pool->chunk = next;
    }
    gs_index_fini(&pool->strings);
    gs_index_fini(&pool->locations);
    gs_index_fini(&pool->functions);
    gs_free(pool->string);
    gs_free(pool);
    gs_free(profile->comment);
    gs_free(profile->mapping);
    gs_free(profile->function);
    gs_free(profile->location);
    gs_free(profile->sample);
    gs_free(profile);
}

void gs_profile_add_sample_type(struct gs_profile *profile, const char *type, const char *unit)
{
    if (profile->sample_type_count == GS_SAMPLE_TYPES_MAX) {
        profile->failed = true;
        return;
    }
    profile->sample_type[profile->sample_type_count++] =
        (struct gs_value_type){gs_profile_string(profile, type), gs_profile_string(profile, unit)};
}

void gs_profile_add_comment(struct gs_profile *profile, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (gs_grow(&profile->comment, &profile->pool->comment_capacity, profile->comment_count + 1,
                sizeof *profile->comment))
        profile->failed = true;
    else
        profile->comment[profile->comment_count++] = gs_profile_string(profile, line);
}

/* ---- functions, mappings, locations --------------------------------------------------------------------------------- */

static uint64_t hash_function(const char *name, const char *system_name, const char *file)
{
    return gs_hash_mix((uintptr_t)name * 31 + (uintptr_t)system_name * 17 +
                       (uintptr_t)file); // interned: equal strings are equal pointers
}

static uint64_t hash_of_function(const void *context, uint32_t number)
{
    const struct gs_function *function = &((const struct gs_profile *)context)->function[number];
    return hash_function(function->name, function->system_name, function->file);
}

uint32_t gs_profile_add_function(struct gs_profile *profile, const char *name, const char *system_name,
                                 const char *file, int64_t start_line)
{
    struct gs_function wanted = {gs_profile_string(profile, name), gs_profile_string(profile, system_name),
                                 gs_profile_string(profile, file), start_line};
    uint64_t hash = hash_function(wanted.name, wanted.system_name, wanted.file);
    size_t at = SIZE_MAX;
    for (uint32_t candidate;
         (candidate = gs_index_next(&profile->pool->functions, hash, &at)) != UINT32_MAX;) {
        const struct gs_function *existing = &profile->function[candidate];
        if (existing->name == wanted.name && existing->system_name == wanted.system_name &&
            existing->file == wanted.file && existing->start_line == start_line)
            return candidate;
    }
    uint32_t number = (uint32_t)profile->function_count;
    if (gs_grow(&profile->function, &profile->pool->function_capacity, profile->function_count + 1,
                sizeof *profile->function)) {
        profile->failed = true;
        return UINT32_MAX;
    }
    profile->function[profile->function_count++] = wanted;
    if (gs_index_add(&profile->pool->functions, hash, number, hash_of_function, profile))
        profile->failed = true;
    return number;
}

uint32_t gs_profile_add_mapping(struct gs_profile *profile, const struct gs_profile_mapping *mapping)
{
    if (gs_grow(&profile->mapping, &profile->pool->mapping_capacity, profile->mapping_count + 1,
                sizeof *profile->mapping)) {
        profile->failed = true;
        return UINT32_MAX;
    }
    struct gs_profile_mapping *copy = &profile->mapping[profile->mapping_count];
    *copy = *mapping;
    copy->path = gs_profile_string(profile, mapping->path);
    copy->build_id = gs_profile_string(profile, mapping->build_id);
    return (uint32_t)profile->mapping_count++;
}

uint32_t gs_profile_add_location(struct gs_profile *profile, const struct gs_location *location)
{
    struct gs_line *line = NULL;
    if (location->line_count) {
        line = gs_profile_room(profile, location->line_count * sizeof *line);
        if (line)
            memcpy(line, location->line, location->line_count * sizeof *line);
    }
    if ((location->line_count && !line) || gs_grow(&profile->location, &profile->pool->location_capacity,
                                                   profile->location_count + 1, sizeof *profile->location)) {
        profile->failed = true;
        return UINT32_MAX;
    }
    profile->location[profile->location_count] = *location;
    profile->location[profile->location_count].line = line;
    return (uint32_t)profile->location_count++;
}

static uint64_t hash_of_location(const void *context, uint32_t number)
{
    return gs_hash_mix(((const struct gs_profile *)context)->location[number].address);
}

/* The number of the location with ADDRESS; added if new, without mapping and names. UINT32_MAX: no memory. */
static uint32_t find_or_add_location(struct gs_profile *profile, uint64_t address)
{
    uint64_t hash = gs_hash_mix(address);
    size_t at = SIZE_MAX;
    for (uint32_t candidate; (candidate = gs_index_next(&profile->pool->locations, hash, &at)) != UINT32_MAX;)
        if (profile->location[candidate].address == address)
            return candidate;
    uint32_t number = gs_profile_add_location(profile, &(struct gs_location){.address = address});
    if (number != UINT32_MAX &&
        gs_index_add(&profile->pool->locations, hash, number, hash_of_location, profile))
        profile->failed = true;
    return number;
}

/* ---- samples -------------------------------------------------------------------------------------------------------- */

/* A copy of SIZE bytes in PROFILE's chunks. NULL: SIZE is 0, or no memory (`failed` is set). */
static void *copy_into(struct gs_profile *profile, const void *from, size_t size)
{
    void *copy = size ? gs_profile_room(profile, size) : NULL;
    if (copy)
        memcpy(copy, from, size);
    return copy;
}

void gs_profile_append_sample(struct gs_profile *profile, const struct gs_sample *sample)
{
    struct gs_sample copy = *sample;
    copy.location = copy_into(profile, sample->location, sample->depth * sizeof *sample->location);
    copy.value = copy_into(profile, sample->value, profile->sample_type_count * sizeof *sample->value);
    struct gs_label_value *label =
        copy_into(profile, sample->label, sample->label_count * sizeof *sample->label);
    for (uint32_t i = 0; label && i < sample->label_count; i++) {
        label[i].key = gs_profile_string(profile, label[i].key);
        label[i].text = label[i].text ? gs_profile_string(profile, label[i].text) : NULL;
        label[i].unit = gs_profile_string(profile, label[i].unit ? label[i].unit : "");
    }
    copy.label = label;
    if (profile->failed || gs_grow(&profile->sample, &profile->pool->sample_capacity,
                                   profile->sample_count + 1, sizeof *profile->sample)) {
        profile->failed = true;
        return;
    }
    profile->sample[profile->sample_count++] = copy;
}

void gs_profile_add_sample(struct gs_profile *profile, const uint64_t *address, uint32_t depth,
                           const int64_t *values, const struct gs_label_value *labels, uint32_t label_count)
{
    uint32_t location[GS_SAMPLE_DEPTH_MAX];
    if (depth > GS_SAMPLE_DEPTH_MAX)
        depth = GS_SAMPLE_DEPTH_MAX;
    for (uint32_t i = 0; i < depth; i++)
        location[i] = find_or_add_location(profile, address[i]);
    gs_profile_append_sample(profile, &(struct gs_sample){location, values, labels, depth, label_count});
}

void gs_profile_add_named_sample(struct gs_profile *profile, const char *name, const int64_t *values,
                                 const struct gs_label_value *labels, uint32_t label_count)
{
    struct gs_line line = {gs_profile_add_function(profile, name, name, "", 0), 0};
    if (line.function == UINT32_MAX)
        return;
    uint32_t location =
        gs_profile_add_location(profile, &(struct gs_location){.line_count = 1, .line = &line});
    gs_profile_append_sample(
        profile,
        &(struct gs_sample){
            .location = &location, .value = values, .depth = 1, .label = labels, .label_count = label_count});
}

/* ---- queries ------------------------------------------------------------------------------------------------------- */

int gs_profile_sample_type(const struct gs_profile *profile, const char *name)
{
    if (!name)
        return profile->sample_type_count ? (int)profile->default_sample_type : -1;
    for (unsigned i = 0; i < profile->sample_type_count; i++)
        if (strcmp(profile->sample_type[i].type, name) == 0)
            return (int)i;
    return -1;
}

const char *gs_profile_frame_name(const struct gs_profile *profile, uint32_t location, char *out, size_t size)
{
    const struct gs_location *frame = &profile->location[location];
    const char *name = frame->line_count ? profile->function[frame->line[0].function].name : "";
    if (*name)
        return name;
    if (frame->mapping && *profile->mapping[frame->mapping - 1].path)
        snprintf(out, size, "[%s]", gs_text_base_name(profile->mapping[frame->mapping - 1].path));
    else
        snprintf(out, size, "%#llx", (unsigned long long)frame->address);
    return out;
}

const char *gs_profile_frame_string(struct gs_profile *profile, uint32_t location)
{
    char room[300];
    return gs_profile_string(profile, gs_profile_frame_name(profile, location, room, sizeof room));
}

uint64_t gs_profile_sample_hash(const struct gs_sample *sample)
{
    return gs_hash_bytes(sample->location, sample->depth * sizeof *sample->location);
}

bool gs_profile_sample_same_stack(const struct gs_sample *a, const struct gs_sample *b)
{
    return a->depth == b->depth &&
           (a->depth == 0 || memcmp(a->location, b->location, a->depth * sizeof *a->location) == 0);
}
