/* pprof.c - reads a pprof profile of untrusted origin into our model.
 *
 *   bytes ──gunzip (if it is gzip)──▶ at most 512 MiB ──protobuf-c──▶ messages ──every id and index checked──▶ model
 *
 * Ids in the file are arbitrary numbers; the model counts from 0. A profile with an invalid reference is refused, because a
 * wrong profile is worse than none. Who: the CLI. */
#include "base/hash.h"
#include "base/index.h"
#include "base/memory.h"
#include "profile.pb-c.h"
#include "profile/profile.h"
#include "reader/inside.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

enum { UNPACKED_MAX = 512 << 20, GZIP = 15 + 16 };

/* ---- gunzip --------------------------------------------------------------------------------------------------------- */

static const char *inflate_into(z_stream *zip, char **out, size_t *length)
{
    size_t capacity = 0;
    for (;;) {
        if (gs_grow(out, &capacity, *length + 65536, 1))
            return "there is not enough memory to unpack it";
        zip->next_out = (Bytef *)*out + *length;
        zip->avail_out = (uInt)(capacity - *length < UINT32_MAX ? capacity - *length : UINT32_MAX);
        uInt room = zip->avail_out;
        int state = inflate(zip, Z_NO_FLUSH);
        *length += room - zip->avail_out;
        if (*length > UNPACKED_MAX)
            return "it is larger than 512 MiB when unpacked";
        if (state == Z_STREAM_END && zip->avail_in == 0)
            return NULL;
        if (state == Z_STREAM_END && inflateReset(zip) == Z_OK)
            continue; // another member follows
        if (state == Z_BUF_ERROR || (state == Z_OK && zip->avail_in == 0 && zip->avail_out))
            return "it is cut short";
        if (state != Z_OK)
            return "its gzip data is damaged";
    }
}

static const char *unzip(const void *bytes, size_t length, char **out, size_t *out_length)
{
    z_stream zip = {.next_in = (Bytef *)bytes,
                    .avail_in = (uInt)length,
                    .zalloc = gs_memory_zalloc,
                    .zfree = gs_memory_zfree};
    if (inflateInit2(&zip, GZIP) != Z_OK)
        return "there is not enough memory to unpack it";
    const char *why = inflate_into(&zip, out, out_length);
    inflateEnd(&zip);
    return why;
}

/* ---- ids ------------------------------------------------------------------------------------------------------------ */

struct ids {
    struct gs_index index;
    uint64_t *id;
    size_t count, capacity;
}; // id[n]: the id in the file of item n

static uint64_t hash_of_id(const void *of, uint32_t number)
{
    return gs_hash_mix(((const struct ids *)of)->id[number]);
}

static uint32_t find_id(const struct ids *ids, uint64_t id)
{
    size_t at = SIZE_MAX;
    for (uint32_t n; (n = gs_index_next(&ids->index, gs_hash_mix(id), &at)) != UINT32_MAX;)
        if (ids->id[n] == id)
            return n;
    return UINT32_MAX;
}

/* Give ID the next number. False: ID is 0 or used already, or out of memory. */
static bool add_id(struct ids *ids, uint64_t id)
{
    if (id == 0 || find_id(ids, id) != UINT32_MAX ||
        gs_grow(&ids->id, &ids->capacity, ids->count + 1, sizeof *ids->id))
        return false;
    uint32_t number = (uint32_t)ids->count;
    ids->id[ids->count++] = id;
    return gs_index_add(&ids->index, gs_hash_mix(id), number, hash_of_id, ids) == 0;
}

static void ids_fini(struct ids *ids)
{
    gs_index_fini(&ids->index);
    gs_free(ids->id);
}

/* ---- messages into the model ------------------------------------------------------------------------------------------ */

struct pprof_reader {
    const Gs__Pprof__Profile *from;
    struct gs_profile *to;
    struct ids mappings, functions, locations;
    const char *why; // the error; NULL: none
};

static const char *text_at(struct pprof_reader *reader, int64_t index)
{
    if (index >= 0 && (uint64_t)index < reader->from->n_string_table)
        return reader->from->string_table[index];
    if (index != 0)
        reader->why = "it refers to a string that does not exist";
    return "";
}

static void read_head(struct pprof_reader *reader)
{
    const Gs__Pprof__Profile *from = reader->from;
    struct gs_profile *to = reader->to;
    if (from->n_sample_type == 0 || from->n_sample_type > GS_SAMPLE_TYPES_MAX) {
        reader->why = from->n_sample_type ? "it has too many sample types" : "it has no sample types";
        return;
    }
    for (size_t i = 0; i < from->n_sample_type; i++)
        gs_profile_add_sample_type(to, text_at(reader, from->sample_type[i]->type),
                                   text_at(reader, from->sample_type[i]->unit));
    to->default_sample_type = to->sample_type_count - 1;
    const char *wanted = text_at(reader, from->default_sample_type);
    for (unsigned i = 0; *wanted && i < to->sample_type_count; i++)
        if (strcmp(to->sample_type[i].type, wanted) == 0)
            to->default_sample_type = i;
    if (from->period_type) {
        to->period_type.type = gs_profile_string(to, text_at(reader, from->period_type->type));
        to->period_type.unit = gs_profile_string(to, text_at(reader, from->period_type->unit));
    }
    to->period = from->period;
    to->time_ns = from->time_nanos;
    to->duration_ns = from->duration_nanos;
    to->drop_frames = gs_profile_string(to, text_at(reader, from->drop_frames));
    for (size_t i = 0; i < from->n_comment; i++)
        gs_profile_add_comment(to, "%s", text_at(reader, from->comment[i]));
}

static void read_mapping(struct pprof_reader *reader, const Gs__Pprof__Mapping *from)
{
    struct gs_profile_mapping mapping = {
        .start = from->memory_start,
        .end = from->memory_limit,
        .offset = from->file_offset,
        .path = text_at(reader, from->filename),
        .build_id = text_at(reader, from->build_id),
        .has_functions = from->has_functions,
        .has_filenames = from->has_filenames,
        .has_line_numbers = from->has_line_numbers,
        .has_inline_frames = from->has_inline_frames,
    };
    if (!add_id(&reader->mappings, from->id))
        reader->why = "a mapping's id is 0 or is used twice";
    else
        gs_profile_add_mapping(reader->to, &mapping);
}

/* *NUMBER: the function's number in the model, which may differ from its index in the file: equal functions are
 * stored once. */
static void read_function(struct pprof_reader *reader, const Gs__Pprof__Function *from, uint32_t *number)
{
    if (!add_id(&reader->functions, from->id))
        reader->why = "a function's id is 0 or is used twice";
    *number =
        gs_profile_add_function(reader->to, text_at(reader, from->name), text_at(reader, from->system_name),
                                text_at(reader, from->filename), from->start_line);
}

static void read_location(struct pprof_reader *reader, const Gs__Pprof__Location *from,
                          const uint32_t *function_number)
{
    struct gs_location location = {.address = from->address};
    struct gs_line *line = gs_alloc((from->n_line + 1) * sizeof *line);
    uint32_t mapping = from->mapping_id ? find_id(&reader->mappings, from->mapping_id) : UINT32_MAX;
    if (!line)
        reader->why = "there is not enough memory to read it";
    if (from->mapping_id && mapping == UINT32_MAX)
        reader->why = "a location refers to a mapping that does not exist";
    location.mapping = mapping == UINT32_MAX ? 0 : mapping + 1;
    for (size_t i = 0; !reader->why && i < from->n_line; i++) {
        uint32_t function = find_id(&reader->functions, from->line[i]->function_id);
        if (from->line[i]->function_id == 0) // a writer that knows no function
            continue;
        if (function == UINT32_MAX)
            reader->why = "a location refers to a function that does not exist";
        else
            line[location.line_count++] = (struct gs_line){function_number[function], from->line[i]->line};
    }
    location.line = line;
    if (!reader->why && !add_id(&reader->locations, from->id))
        reader->why = "a location's id is 0 or is used twice";
    if (!reader->why)
        gs_profile_add_location(reader->to, &location);
    gs_free(line);
}

static void read_sample(struct pprof_reader *reader, const Gs__Pprof__Sample *from)
{
    uint32_t depth = (uint32_t)from->n_location_id, label_count = (uint32_t)from->n_label;
    uint32_t *location = gs_alloc((depth + 1) * sizeof *location);
    struct gs_label_value *label = gs_alloc((label_count + 1) * sizeof *label);
    if (!location || !label)
        reader->why = "there is not enough memory to read it";
    else if (from->n_value != reader->to->sample_type_count)
        reader->why = "a sample's number of values is not the number of sample types";
    for (uint32_t i = 0; !reader->why && i < depth; i++) {
        location[i] = find_id(&reader->locations, from->location_id[i]);
        if (location[i] == UINT32_MAX)
            reader->why = "a sample refers to a location that does not exist";
    }
    for (uint32_t i = 0; !reader->why && i < label_count; i++) {
        const Gs__Pprof__Label *from_label = from->label[i];
        label[i] = (struct gs_label_value){text_at(reader, from_label->key),
                                           from_label->str ? text_at(reader, from_label->str) : NULL,
                                           from_label->num, text_at(reader, from_label->num_unit)};
    }
    if (!reader->why)
        gs_profile_append_sample(reader->to,
                                 &(struct gs_sample){location, from->value, label, depth, label_count});
    gs_free(location);
    gs_free(label);
}

static void read_all(struct pprof_reader *reader)
{
    const Gs__Pprof__Profile *from = reader->from;
    uint32_t *function_number = gs_alloc((from->n_function + 1) * sizeof *function_number);
    if (!function_number)
        reader->why = "there is not enough memory to read it";
    if (from->n_string_table == 0 || *from->string_table[0])
        reader->why = "its first string is not empty: it is not a pprof profile";
    if (!reader->why)
        read_head(reader);
    for (size_t i = 0; !reader->why && i < from->n_mapping; i++)
        read_mapping(reader, from->mapping[i]);
    for (size_t i = 0; !reader->why && i < from->n_function; i++)
        read_function(reader, from->function[i], &function_number[i]);
    for (size_t i = 0; !reader->why && i < from->n_location; i++)
        read_location(reader, from->location[i], function_number);
    for (size_t i = 0; !reader->why && i < from->n_sample; i++)
        read_sample(reader, from->sample[i]);
    if (!reader->why && reader->to->failed)
        reader->why = "there is not enough memory to read it";
    gs_free(function_number);
}

static struct gs_profile *from_message(const Gs__Pprof__Profile *message, const char **why)
{
    struct pprof_reader reader = {.from = message, .to = gs_profile_new()};
    if (!reader.to) {
        *why = "there is not enough memory to read it";
        return NULL;
    }
    read_all(&reader);
    ids_fini(&reader.mappings);
    ids_fini(&reader.functions);
    ids_fini(&reader.locations);
    *why = reader.why;
    if (!reader.why)
        return reader.to;
    gs_profile_free(reader.to);
    return NULL;
}

struct gs_profile *gs_reader_profile(const void *bytes, size_t length, char *why, size_t why_size)
{
    const unsigned char *byte = bytes;
    char *unpacked = NULL;
    size_t unpacked_length = 0;
    const char *error = length > UNPACKED_MAX ? "it is larger than 512 MiB"
                        : length == 0         ? "it is empty"
                                              : NULL;
    struct gs_profile *profile = NULL;
    if (!error && length > 2 && byte[0] == 0x1f && byte[1] == 0x8b) {
        error = unzip(bytes, length, &unpacked, &unpacked_length);
        bytes = unpacked;
        length = unpacked_length;
    }
    if (!error) {
        Gs__Pprof__Profile *message = gs__pprof__profile__unpack(gs_memory_for_protobuf(), length, bytes);
        if (message)
            profile = from_message(message, &error);
        else
            error = "it is not a pprof profile, or damaged";
        if (message)
            gs__pprof__profile__free_unpacked(message, gs_memory_for_protobuf());
    }
    gs_free(unpacked);
    if (error)
        snprintf(why, why_size, "%s", error);
    return profile;
}
