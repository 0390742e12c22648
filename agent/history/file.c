/* file.c - the records of a history file: written, and read one by one. docs/formats.md describes each byte.
 *
 *   rows ──pack.c──▶ pack ──deflate──▶ payload ──▶ record: marker, length, crc32, type
 *
 * Deflating halves what is left of a busy program's rows, so that a day of ticks takes less than 2 MB.
 * Who:    the watcher, once a minute, writes; the watcher and the CLI read. Untrusted bytes: every length is checked.
 * Bounds: the deflater takes 40 KiB while it works; a record is at most GS_HISTORY_RECORD_MAX, its pack PACK_MAX. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/varint.h"
#include "history/inside.h"
#include <string.h>
#include <zlib.h>

const unsigned char gs_history_file_head[GS_HISTORY_FILE_HEAD] = {'g', 's', 'h', 'i', 's', 't', 0, 1};
static const unsigned char marker[] = {0xf5, 'g', 's', 'r'};

/* ---- writing ------------------------------------------------------------------------------------------------------ */

struct record_sink { // a record that is being written; beyond its room nothing is written
    unsigned char *start;
    size_t size, room;
};

static void put_bytes(struct record_sink *sink, const void *bytes, size_t length)
{
    if (length && sink->size <= sink->room && length <= sink->room - sink->size)
        memcpy(sink->start + sink->size, bytes, length);
    sink->size += length;
}

static void put_number(struct record_sink *sink, uint64_t number)
{
    unsigned char byte[GS_VARINT_MAX];
    put_bytes(sink, byte, gs_varint_write(number, byte));
}

static void put_text(struct record_sink *sink, const char *text)
{
    size_t length = strnlen(text, GS_HISTORY_TEXT - 1);
    put_number(sink, length);
    put_bytes(sink, text, length);
}

static void put_u32(unsigned char *at, uint32_t number)
{
    for (int i = 0; i < 4; i++)
        at[i] = (unsigned char)(number >> 8 * i);
}

static uint32_t u32_at(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static struct record_sink begin_record(void *out, size_t room, enum gs_history_record_type type)
{
    struct record_sink sink = {.start = out,
                               .room = room < GS_HISTORY_RECORD_MAX ? room : GS_HISTORY_RECORD_MAX};
    put_bytes(&sink, (unsigned char[GS_HISTORY_RECORD_HEAD - 1]){0}, GS_HISTORY_RECORD_HEAD - 1);
    put_bytes(&sink, &(unsigned char){(unsigned char)type}, 1);
    return sink;
}

/* Fill in the head. Returns the record's size; 0: it did not fit. */
static size_t end_record(struct record_sink *sink)
{
    if (sink->size > sink->room)
        return 0;
    size_t payload = sink->size - GS_HISTORY_RECORD_HEAD;
    memcpy(sink->start, marker, sizeof marker);
    put_u32(sink->start + 4, (uint32_t)payload);
    put_u32(sink->start + 8, (uint32_t)crc32(0, sink->start + 12, (uInt)payload + 1));
    return sink->size;
}

size_t gs_history_file_process(const struct gs_history_process *process, const struct gs_history *history,
                               void *out, size_t room, uint32_t *number)
{
    struct record_sink sink = begin_record(out, room, GS_HISTORY_PROCESS);
    put_number(&sink, (uint64_t)process->pid);
    put_number(&sink, process->start_ticks);
    put_number(&sink, process->namespace);
    put_number(&sink, gs_varint_zigzag(process->started_ns));
    put_number(&sink, process->limit_bytes);
    put_text(&sink, process->program);
    put_text(&sink, process->host);
    if (sink.size > sink.room)
        return 0;
    size_t pack = gs_history_pack_names(history, sink.start + sink.size, sink.room - sink.size);
    sink.size += pack;
    size_t size = pack ? end_record(&sink) : 0;
    *number = size ? u32_at(sink.start + 8) : 0;
    return size;
}

/* Deflate LENGTH bytes of PACK to the end of SINK. False: no room, or no memory. */
static bool put_deflated(struct record_sink *sink, const unsigned char *pack, size_t length)
{
    enum { WINDOW = -13, MEMORY = 5, LEVEL = 1 }; // raw; 32 KiB + 8 KiB
    z_stream zip = {.zalloc = gs_memory_zalloc, .zfree = gs_memory_zfree};
    if (sink->size > sink->room ||
        deflateInit2(&zip, LEVEL, Z_DEFLATED, WINDOW, MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    zip.next_in = (Bytef *)pack; // zlib does not write to it
    zip.avail_in = (uInt)length;
    zip.next_out = sink->start + sink->size;
    zip.avail_out = (uInt)(sink->room - sink->size);
    bool ok = deflate(&zip, Z_FINISH) == Z_STREAM_END;
    sink->size = sink->room - zip.avail_out;
    deflateEnd(&zip);
    return ok;
}

static int64_t row_ms(const struct gs_history *history, size_t at)
{
    return gs_history_time(history, at) / GS_NS_PER_MS;
}

/* Room for a pack of so many rows, whatever their values are. */
static size_t pack_room(const struct gs_history *history, size_t rows)
{
    size_t room = 64 + rows * (32 + 9 * gs_history_metric_count(history));
    return room < GS_HISTORY_PACK_MAX ? room : GS_HISTORY_PACK_MAX;
}

size_t gs_history_file_rows(const struct gs_history *history, size_t from, enum gs_history_record_type type,
                            uint32_t process, void *out)
{
    unsigned char number[4];
    size_t length = gs_history_length(history), room = pack_room(history, length - from), packed = 0;
    unsigned char *pack = gs_alloc(room);
    if (pack)
        packed = gs_history_pack_rounded(history, from, pack, room);
    struct record_sink sink = begin_record(out, GS_HISTORY_RECORD_MAX, type);
    put_u32(number, process);
    put_bytes(&sink, number, sizeof number);
    put_number(&sink, gs_varint_zigzag(row_ms(history, from)));
    put_number(&sink, gs_varint_zigzag(row_ms(history, length - 1) - row_ms(history, from)));
    put_number(&sink, length - from);
    put_number(&sink, packed);
    bool ok = packed && put_deflated(&sink, pack, packed);
    gs_free(pack);
    return ok ? end_record(&sink) : 0;
}

size_t gs_history_rows_since(const struct gs_history *history, uint64_t serial, int64_t time_ns)
{
    size_t length = gs_history_length(history), from = gs_history_since(history, serial);
    if (from != SIZE_MAX)
        return from;
    int64_t tick_ns = gs_history_interval_ns(history);
    for (from = length; from > 0; from--)
        if (gs_history_time(history, from - 1) <= time_ns ||
            gs_history_step_ns(history, from - 1) > tick_ns + GS_NS_PER_MS)
            break;
    return from;
}

struct gs_history *gs_history_thinned(const struct gs_history *history, size_t from, int64_t step_ns)
{
    size_t length = gs_history_length(history), count = gs_history_metric_count(history);
    const char **name = gs_alloc(count * sizeof *name + 1);
    double *value = gs_alloc(count * sizeof *value + 1);
    for (size_t i = 0; name && i < count; i++)
        name[i] = gs_history_metric_name(history, i);
    const struct gs_history_shape shape = {
        {{1, gs_history_interval_ns(history)}, {2 * (length - from) + 2, step_ns}}};
    struct gs_history *thin = name && value ? gs_history_shaped(name, count, &shape) : NULL;
    for (size_t at = from; thin && at < length; at++) {
        for (size_t i = 0; i < count; i++)
            value[i] = gs_history_value(history, at, i);
        gs_history_put(thin, gs_history_time(history, at), gs_history_step_ns(history, at), value);
    }
    gs_free(name);
    gs_free(value);
    return thin;
}

/* ---- records ------------------------------------------------------------------------------------------------------ */

static bool get_number(const unsigned char **at, const unsigned char *end, uint64_t *out)
{
    return gs_varint_read(at, end, out);
}

static bool get_rows(const unsigned char *at, const unsigned char *end, struct gs_history_record *out)
{
    uint64_t from, span;
    if (end - at < 4)
        return false;
    out->process = u32_at(at);
    at += 4;
    if (!get_number(&at, end, &from) || !get_number(&at, end, &span) || !get_number(&at, end, &out->rows) ||
        !get_number(&at, end, &out->packed_length) || out->rows == 0 ||
        out->packed_length > GS_HISTORY_PACK_MAX)
        return false;
    out->from_ms = gs_varint_unzigzag(from);
    out->payload = at;
    out->payload_length = (size_t)(end - at);
    return !__builtin_add_overflow(out->from_ms, gs_varint_unzigzag(span), &out->to_ms);
}

bool gs_history_file_record(const unsigned char *at, size_t length, struct gs_history_record *out)
{
    if (length < GS_HISTORY_RECORD_HEAD || memcmp(at, marker, sizeof marker) != 0)
        return false;
    uint32_t payload = u32_at(at + 4), crc = u32_at(at + 8);
    if (payload > GS_HISTORY_RECORD_MAX - GS_HISTORY_RECORD_HEAD ||
        payload > length - GS_HISTORY_RECORD_HEAD || crc32(0, at + 12, payload + 1) != crc)
        return false;
    *out = (struct gs_history_record){.type = (enum gs_history_record_type)at[12],
                                      .size = GS_HISTORY_RECORD_HEAD + payload,
                                      .process = crc,
                                      .payload = at + GS_HISTORY_RECORD_HEAD,
                                      .payload_length = payload};
    return (out->type != GS_HISTORY_TICKS && out->type != GS_HISTORY_STEPS) ||
           get_rows(out->payload, out->payload + payload, out);
}

size_t gs_history_file_next(const unsigned char *at, size_t length)
{
    const unsigned char *next = length > 1 ? memmem(at + 1, length - 1, marker, sizeof marker) : NULL;
    return next ? (size_t)(next - at) : length;
}

static bool get_text(const unsigned char **at, const unsigned char *end, char out[GS_HISTORY_TEXT])
{
    uint64_t length;
    if (!get_number(at, end, &length) || length >= GS_HISTORY_TEXT || length > (size_t)(end - *at) ||
        memchr(*at, 0, length))
        return false;
    memcpy(out, *at, length);
    out[length] = 0;
    *at += length;
    return true;
}

bool gs_history_file_read_process(const struct gs_history_record *record, struct gs_history_process *process,
                                  char text[2][GS_HISTORY_TEXT], const unsigned char **pack,
                                  size_t *pack_length)
{
    const unsigned char *at = record->payload, *end = at + record->payload_length;
    uint64_t pid, start, namespace, started, limit;
    if (!get_number(&at, end, &pid) || !get_number(&at, end, &start) || !get_number(&at, end, &namespace) ||
        !get_number(&at, end, &started) || !get_number(&at, end, &limit) || !get_text(&at, end, text[0]) ||
        !get_text(&at, end, text[1]) || pid > INT32_MAX || namespace > UINT32_MAX)
        return false;
    *process = (struct gs_history_process){.pid = (int)pid,
                                           .namespace = (uint32_t) namespace,
                                           .start_ticks = start,
                                           .started_ns = gs_varint_unzigzag(started),
                                           .limit_bytes = limit,
                                           .program = text[0],
                                           .host = text[1]};
    *pack = at;
    *pack_length = (size_t)(end - at);
    return true;
}
