/* pprof_write.c - writes a profile as pprof's protobuf, gzip'd, to a descriptor.
 *
 *   header, then each mapping, function, location, sample, string ──▶ one Profile message for each
 *        ──protobuf-c──▶ buffer ──deflate──▶ 16 KiB ──▶ write(2)
 *
 * Concatenated protobuf messages are one message: so memory does not grow with the profile.
 * Who: the watcher; a host thread in gumshoe_write_profile (hence nothing large on the stack); the CLI. */
#include "base/memory.h"
#include "profile.pb-c.h"
#include "profile/inside.h"
#include "sys/file.h"
#include <errno.h>
#include <zlib.h>

enum { OUT = 16 << 10, GZIP = 15 + 16, LEVEL = 6 };

struct pprof_sink {
    ProtobufCBuffer buffer; // first member: protobuf-c passes its address to append
    z_stream zip;
    int fd, error;
    unsigned char out[OUT];
};

/* Compress zip.next_in and write the output. FLUSH: Z_NO_FLUSH, or Z_FINISH at the end. */
static void compress_and_write(struct pprof_sink *sink, int flush)
{
    do {
        sink->zip.next_out = sink->out;
        sink->zip.avail_out = OUT;
        int state = deflate(&sink->zip, flush);
        if (state != Z_OK && state != Z_STREAM_END && state != Z_BUF_ERROR)
            sink->error = -EIO;
        if (!sink->error)
            sink->error = gs_file_write_all(sink->fd, sink->out, OUT - sink->zip.avail_out);
    } while (!sink->error && sink->zip.avail_out == 0);
}

static void append(ProtobufCBuffer *buffer, size_t length, const uint8_t *bytes)
{
    struct pprof_sink *sink = (struct pprof_sink *)buffer;
    if (sink->error)
        return;
    sink->zip.next_in = (Bytef *)bytes; // zlib does not write to it
    sink->zip.avail_in = (uInt)length;
    compress_and_write(sink, Z_NO_FLUSH);
}

static void pack(struct pprof_sink *sink, const Gs__Pprof__Profile *message)
{
    gs__pprof__profile__pack_to_buffer(message, &sink->buffer);
}

/* The number of TEXT, an interned string; 0 for NULL. */
static int64_t string_number(const struct gs_profile *profile, const char *text)
{
    return text && *text ? gs_profile_string_number((struct gs_profile *)profile, text) : 0;
}

static void write_head(struct pprof_sink *sink, const struct gs_profile *profile)
{
    Gs__Pprof__Profile message = GS__PPROF__PROFILE__INIT;
    Gs__Pprof__ValueType type[GS_SAMPLE_TYPES_MAX], period = GS__PPROF__VALUE_TYPE__INIT,
                                                    *types[GS_SAMPLE_TYPES_MAX];
    for (unsigned i = 0; i < profile->sample_type_count; i++) {
        gs__pprof__value_type__init(&type[i]);
        type[i].type = string_number(profile, profile->sample_type[i].type);
        type[i].unit = string_number(profile, profile->sample_type[i].unit);
        types[i] = &type[i];
    }
    period.type = string_number(profile, profile->period_type.type);
    period.unit = string_number(profile, profile->period_type.unit);
    message.n_sample_type = profile->sample_type_count;
    message.sample_type = types;
    message.period_type = &period;
    message.period = profile->period;
    message.time_nanos = profile->time_ns;
    message.duration_nanos = profile->duration_ns;
    message.drop_frames = string_number(profile, profile->drop_frames);
    if (profile->sample_type_count)
        message.default_sample_type =
            string_number(profile, profile->sample_type[profile->default_sample_type].type);
    pack(sink, &message);
    for (size_t i = 0; i < profile->comment_count; i++) {
        Gs__Pprof__Profile one = GS__PPROF__PROFILE__INIT;
        int64_t comment = string_number(profile, profile->comment[i]);
        one.n_comment = 1;
        one.comment = &comment;
        pack(sink, &one);
    }
}

static void write_mappings(struct pprof_sink *sink, const struct gs_profile *profile)
{
    for (size_t i = 0; i < profile->mapping_count && !sink->error; i++) {
        const struct gs_profile_mapping *from = &profile->mapping[i];
        Gs__Pprof__Profile message = GS__PPROF__PROFILE__INIT;
        Gs__Pprof__Mapping mapping = GS__PPROF__MAPPING__INIT, *list = &mapping;
        mapping.id = i + 1;
        mapping.memory_start = from->start;
        mapping.memory_limit = from->end;
        mapping.file_offset = from->offset;
        mapping.filename = string_number(profile, from->path);
        mapping.build_id = string_number(profile, from->build_id);
        mapping.has_functions = from->has_functions;
        mapping.has_filenames = from->has_filenames;
        mapping.has_line_numbers = from->has_line_numbers;
        mapping.has_inline_frames = from->has_inline_frames;
        message.n_mapping = 1;
        message.mapping = &list;
        pack(sink, &message);
    }
}

static void write_functions(struct pprof_sink *sink, const struct gs_profile *profile)
{
    for (size_t i = 0; i < profile->function_count && !sink->error; i++) {
        Gs__Pprof__Profile message = GS__PPROF__PROFILE__INIT;
        Gs__Pprof__Function function = GS__PPROF__FUNCTION__INIT, *list = &function;
        function.id = i + 1;
        function.name = string_number(profile, profile->function[i].name);
        function.system_name = string_number(profile, profile->function[i].system_name);
        function.filename = string_number(profile, profile->function[i].file);
        function.start_line = profile->function[i].start_line;
        message.n_function = 1;
        message.function = &list;
        pack(sink, &message);
    }
}

static void write_location(struct pprof_sink *sink, const struct gs_profile *profile, size_t i)
{
    enum { LINES = 64 }; // inlined calls at one address; more are not written
    const struct gs_location *from = &profile->location[i];
    Gs__Pprof__Profile message = GS__PPROF__PROFILE__INIT;
    Gs__Pprof__Location location = GS__PPROF__LOCATION__INIT, *list = &location;
    Gs__Pprof__Line line[LINES], *lines[LINES];
    location.id = i + 1;
    location.mapping_id = from->mapping;
    location.address = from->address;
    location.n_line = from->line_count < LINES ? from->line_count : LINES;
    location.line = lines;
    for (size_t n = 0; n < location.n_line; n++) {
        gs__pprof__line__init(&line[n]);
        line[n].function_id = from->line[n].function + 1;
        line[n].line = from->line[n].line;
        lines[n] = &line[n];
    }
    message.n_location = 1;
    message.location = &list;
    pack(sink, &message);
}

static void write_sample(struct pprof_sink *sink, const struct gs_profile *profile,
                         const struct gs_sample *from)
{
    enum { LABELS = 32 };
    Gs__Pprof__Profile message = GS__PPROF__PROFILE__INIT;
    Gs__Pprof__Sample sample = GS__PPROF__SAMPLE__INIT, *list = &sample;
    Gs__Pprof__Label label[LABELS], *labels[LABELS];
    uint64_t *id = gs_alloc((from->depth + 1) * sizeof *id);
    if (!id) {
        sink->error = -ENOMEM;
        return;
    }
    for (uint32_t i = 0; i < from->depth; i++)
        id[i] = from->location[i] + 1;
    sample.n_location_id = from->depth;
    sample.location_id = id;
    sample.n_value = profile->sample_type_count;
    sample.value = (int64_t *)from->value;
    sample.n_label = from->label_count < LABELS ? from->label_count : LABELS;
    sample.label = labels;
    for (size_t i = 0; i < sample.n_label; i++) {
        gs__pprof__label__init(&label[i]);
        label[i].key = string_number(profile, from->label[i].key);
        label[i].str = string_number(profile, from->label[i].text);
        label[i].num = from->label[i].number;
        label[i].num_unit = string_number(profile, from->label[i].unit);
        labels[i] = &label[i];
    }
    message.n_sample = 1;
    message.sample = &list;
    pack(sink, &message);
    gs_free(id);
}

/* proto3 strings are UTF-8, but names in a symbol table may not be: other bytes become \\xNN. */
static char *to_utf8(const char *text)
{
    struct gs_text printable = {0};
    gs_text_add_printable(&printable, text);
    if (printable.failed)
        gs_text_fini(&printable);
    return printable.bytes;
}

static void write_strings(struct pprof_sink *sink, const struct gs_profile *profile)
{
    for (size_t i = 0; i < profile->pool->string_count && !sink->error; i++) {
        Gs__Pprof__Profile message = GS__PPROF__PROFILE__INIT;
        char *text = *profile->pool->string[i] ? to_utf8(profile->pool->string[i]) : gs_strdup("");
        message.n_string_table = 1;
        message.string_table = &text;
        if (text)
            pack(sink, &message);
        else
            sink->error = -ENOMEM;
        gs_free(text);
    }
}

static int write_all(struct pprof_sink *sink, const struct gs_profile *profile)
{
    write_head(sink, profile);
    write_mappings(sink, profile);
    write_functions(sink, profile);
    for (size_t i = 0; i < profile->location_count && !sink->error; i++)
        write_location(sink, profile, i);
    for (size_t i = 0; i < profile->sample_count && !sink->error; i++)
        write_sample(sink, profile, &profile->sample[i]);
    write_strings(sink, profile); // last: the calls above look up string numbers
    if (!sink->error) {
        sink->zip.avail_in = 0;
        compress_and_write(sink, Z_FINISH);
    }
    return sink->error;
}

int gs_profile_write(const struct gs_profile *profile, int fd)
{
    struct pprof_sink *sink = gs_alloc(sizeof *sink);
    if (!sink)
        return -ENOMEM;
    sink->buffer.append = append;
    sink->fd = fd;
    sink->zip.zalloc = gs_memory_zalloc;
    sink->zip.zfree = gs_memory_zfree;
    int error = -ENOMEM;
    if (deflateInit2(&sink->zip, LEVEL, Z_DEFLATED, GZIP, 8, Z_DEFAULT_STRATEGY) == Z_OK) {
        error = write_all(sink, profile);
        deflateEnd(&sink->zip);
    }
    gs_free(sink);
    return error;
}
