/* pack.c - packs a history into few bytes for the black box and the history file, and unpacks it.
 *
 *   pack   "gsh" version │ kind │ length (of the pack) │ rows │ interval, metrics, names (full pack only) │ row …
 *          4 bytes         1      4, little endian        4      numbers; a name is its length and its bytes
 *   row    time: its deviation from the step, and a bit: the step has changed │ [step] │ one code for each metric
 *   code   0 unchanged   1 missing   n·4 + 2 a whole number, as difference n   3 and 8 bytes: any other double
 *          n·4 + 3 (version 2, n > 0): a rounded double, as difference zigzag⁻¹(n - 1) of its upper bits
 *
 * Version 2 rounds numbers that are not whole to 12 significant bits (0.012 %): for the history file, which is to be small.
 * Numbers are LEB128. Differences are to the row before in the same pack, zigzag-encoded. A punctual tick whose metrics have
 * not changed takes one byte, and one for each metric.
 * Who:    the box and the history file pack, on the watcher: no allocation. Unpacking reads
 *         untrusted bytes: every length is checked before it is used. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/varint.h"
#include "history/inside.h"
#include "metrics/metrics.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    HEADER_SIZE = 13,
    VERSION = 1,
    ROUNDED_VERSION = 2,
    FULL = 0,
    CONTINUATION = 1,
    SAME = 0,
    MISSING = 1,
    WHOLE = 2,
    RAW_DOUBLE = 3,
    MANTISSA_BITS = 52,
    KEPT_BITS = 11 // of the mantissa; the highest bit is not stored
};
static const char magic[] = {'g', 's', 'h'};

/* Whole numbers up to 2^53 are packed as differences, but not -0. */
static bool is_whole(double value)
{
    return fabs(value) <= 0x1p53 && value == (double)(int64_t)value && !(value == 0 && signbit(value));
}

static int64_t difference_base(double before)
{
    return is_whole(before) ? (int64_t)before : 0;
}

/* The upper bits of VALUE, rounded, as a number that grows with VALUE. */
static int64_t upper_bits(double value)
{
    int64_t bits;
    double size = fabs(value);
    memcpy(&bits, &size, sizeof bits);
    bits = (bits + (1LL << (MANTISSA_BITS - KEPT_BITS - 1))) >> (MANTISSA_BITS - KEPT_BITS);
    return signbit(value) ? -bits : bits;
}

/* The number whose upper bits these are; not finite: there is none. */
static double from_upper_bits(int64_t upper)
{
    double size;
    if (upper <= -(1LL << (KEPT_BITS + 11)) || upper >= 1LL << (KEPT_BITS + 11))
        return INFINITY;
    int64_t bits = (upper < 0 ? -upper : upper) << (MANTISSA_BITS - KEPT_BITS);
    memcpy(&size, &bits, sizeof size);
    return upper < 0 ? -size : size;
}

static double rounded(double value)
{
    double near = isfinite(value) && !is_whole(value) ? from_upper_bits(upper_bits(value)) : value;
    return isfinite(near) ? near : value;
}

static int64_t upper_base(double before)
{
    return isfinite(before) ? upper_bits(before) : 0;
}

static bool same_bits(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

static int64_t floor_ms(int64_t ns)
{
    return ns / GS_NS_PER_MS - (ns % GS_NS_PER_MS < 0);
}

/* ---- packing ------------------------------------------------------------------------------------------------- */

struct pack_sink { // bytes beyond ROOM are counted, but not written
    unsigned char *at;
    size_t size, room;
    bool rounds; // version 2
};

static void put(struct pack_sink *sink, const void *bytes, size_t length)
{
    if (sink->size <= sink->room && length <= sink->room - sink->size)
        memcpy(sink->at + sink->size, bytes, length);
    sink->size += length;
}

static void put_number(struct pack_sink *sink, uint64_t number)
{
    unsigned char byte[GS_VARINT_MAX];
    put(sink, byte, gs_varint_write(number, byte));
}

static void put_u32(struct pack_sink *sink, size_t number)
{
    for (int i = 0; i < 4; i++)
        put(sink, &(unsigned char){(unsigned char)(number >> 8 * i)}, 1);
}

static void put_double(struct pack_sink *sink, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_number(sink, RAW_DOUBLE);
    put_u32(sink, (size_t)bits & UINT32_MAX);
    put_u32(sink, bits >> 32);
}

/* A number whose upper bits are all of it. False: VALUE is not one. */
static bool put_upper_bits(struct pack_sink *sink, double value, double before)
{
    if (!isfinite(value) || !same_bits(from_upper_bits(upper_bits(value)), value))
        return false;
    put_number(sink, (gs_varint_zigzag(upper_bits(value) - upper_base(before)) + 1) << 2 | RAW_DOUBLE);
    return true;
}

static void put_value(struct pack_sink *sink, double value, double before)
{
    if (sink->rounds) { // both, so that the reader has the same value before
        value = rounded(value);
        before = rounded(before);
    }
    if (same_bits(value, before) || (isnan(value) && isnan(before)))
        put_number(sink, SAME);
    else if (isnan(value))
        put_number(sink, MISSING);
    else if (is_whole(value))
        put_number(sink, gs_varint_zigzag((int64_t)value - difference_base(before)) << 2 | WHOLE);
    else if (!sink->rounds || !put_upper_bits(sink, value, before))
        put_double(sink, value);
}

/* Write row AT relative to the row before; FIRST: it is the first of a pack. */
static void put_row(struct pack_sink *sink, const struct gs_history *history, size_t at, bool first)
{
    int64_t step_ms = gs_history_step_ns(history, at) / GS_NS_PER_MS,
            time_ms = floor_ms(gs_history_time(history, at));
    int64_t step_before = first ? 0 : gs_history_step_ns(history, at - 1) / GS_NS_PER_MS;
    int64_t time_before = first ? 0 : floor_ms(gs_history_time(history, at - 1));
    put_number(sink,
               gs_varint_zigzag(time_ms - time_before - step_ms) << 1 | (step_ms == step_before ? 0u : 1u));
    if (step_ms != step_before)
        put_number(sink, (uint64_t)step_ms);
    for (size_t i = 0; i < gs_history_metric_count(history); i++)
        put_value(sink, gs_history_value(history, at, i), first ? NAN : gs_history_value(history, at - 1, i));
}

static size_t row_size(const struct gs_history *history, size_t at, bool first)
{
    struct pack_sink counter = {0};
    put_row(&counter, history, at, first);
    return counter.size;
}

static void put_names(struct pack_sink *sink, const struct gs_history *history)
{
    put_number(sink, (uint64_t)gs_history_interval_ns(history));
    put_number(sink, gs_history_metric_count(history));
    for (size_t i = 0; i < gs_history_metric_count(history); i++) {
        const char *name = gs_history_metric_name(history, i);
        put_number(sink, strlen(name));
        put(sink, name, strlen(name));
    }
}

static void put_header(struct pack_sink *sink, unsigned char kind, size_t size, size_t rows)
{
    put(sink, magic, sizeof magic);
    put(sink, &(unsigned char){sink->rounds ? ROUNDED_VERSION : VERSION}, 1);
    put(sink, &kind, 1);
    put_u32(sink, size);
    put_u32(sink, rows);
}

/* The oldest row, from FROM on, such that it and all newer rows fit into ROOM bytes; *SIZE: the bytes that they take. */
static size_t oldest_that_fits(const struct gs_history *history, size_t from, size_t room, size_t *size)
{
    size_t at = gs_history_length(history), newer_size = 0;
    *size = 0;
    while (at > from) {
        size_t whole = newer_size + row_size(history, at - 1, true);
        if (whole > room)
            break;
        *size = whole;
        at--;
        newer_size += row_size(history, at, at == 0);
    }
    return at;
}

size_t gs_history_pack(const struct gs_history *history, uint64_t serial, void *out, size_t room)
{
    size_t length = gs_history_length(history), from = gs_history_since(history, serial), rows_size;
    bool is_full = from == SIZE_MAX;
    struct pack_sink names = {0}, sink = {.at = out, .room = room};
    if (is_full)
        put_names(&names, history);
    size_t header_size = HEADER_SIZE + names.size;
    if (from == length || header_size > room)
        return 0;
    size_t most_bytes = room < UINT32_MAX ? room : UINT32_MAX;
    size_t first = oldest_that_fits(history, is_full ? 0 : from, most_bytes - header_size, &rows_size);
    put_header(&sink, is_full ? FULL : CONTINUATION, header_size + rows_size, length - first);
    if (is_full)
        put_names(&sink, history);
    for (size_t at = first; at < length; at++)
        put_row(&sink, history, at, at == first);
    return sink.size;
}

size_t gs_history_pack_names(const struct gs_history *history, void *out, size_t room)
{
    struct pack_sink names = {0}, sink = {.at = out, .room = room};
    put_names(&names, history);
    put_header(&sink, FULL, HEADER_SIZE + names.size, 0);
    put_names(&sink, history);
    return sink.size <= room ? sink.size : 0;
}

size_t gs_history_pack_rounded(const struct gs_history *history, size_t from, void *out, size_t room)
{
    struct pack_sink header = {.at = out, .room = room, .rounds = true};
    struct pack_sink rows = {.at = out, .size = HEADER_SIZE, .room = room, .rounds = true};
    size_t length = gs_history_length(history);
    for (size_t at = from; at < length; at++)
        put_row(&rows, history, at, at == from);
    put_header(&header, CONTINUATION, rows.size, length - from);
    return rows.size <= room && rows.size <= UINT32_MAX ? rows.size : 0;
}

/* ---- unpacking ----------------------------------------------------------------------------------------------- */

struct source {
    const unsigned char *at, *end;
    bool bad; // cut short or invalid; numbers read from here on are 0
};

static uint64_t get_number(struct source *source)
{
    uint64_t number;
    source->bad |= !gs_varint_read(&source->at, source->end, &number);
    return number;
}

static uint32_t get_u32(struct source *source)
{
    uint32_t number = 0;
    if (source->end - source->at < 4) {
        source->bad = true;
        return 0;
    }
    for (int i = 0; i < 4; i++)
        number |= (uint32_t)*source->at++ << 8 * i;
    return number;
}

struct pack { // one pack, with its header read
    bool is_full, rounds;
    uint32_t rows;
    struct source rest; // after the header
};

/* Read the header of the pack at SOURCE, and move SOURCE after the pack. */
static bool get_pack(struct source *source, struct pack *out)
{
    struct source head = *source;
    const unsigned char *version = source->at + sizeof magic, *kind = version + 1;
    if (source->end - source->at < HEADER_SIZE || memcmp(source->at, magic, sizeof magic) != 0 ||
        *version < VERSION || *version > ROUNDED_VERSION || *kind > CONTINUATION)
        return false;
    out->is_full = *kind == FULL;
    out->rounds = *version == ROUNDED_VERSION;
    head.at = kind + 1;
    size_t length = get_u32(&head);
    out->rows = get_u32(&head);
    if (length < HEADER_SIZE || length > (size_t)(source->end - source->at))
        return false;
    out->rest = (struct source){.at = head.at, .end = source->at + length};
    source->at += length;
    return true;
}

/* Move *SOURCE to the last full pack; *ROWS: how many rows it and the packs after it have. */
static bool find_last_full_pack(struct source *source, size_t *rows)
{
    struct source at = *source, full_pack = {0};
    *rows = 0;
    while (at.at < at.end) {
        struct source this = at;
        struct pack pack;
        if (!get_pack(&at, &pack))
            return false;
        if (pack.is_full) {
            full_pack = this;
            *rows = 0;
        }
        *rows += pack.rows;
    }
    *source = full_pack;
    return full_pack.at;
}

/* The names of COUNT metrics, each NUL-terminated, in one block that the caller frees; NULL: invalid, or out of memory. */
static char *get_names(struct source *source, size_t count)
{
    char *names = gs_alloc(count * GS_METRIC_NAME + 1);
    for (size_t i = 0; names && i < count; i++) {
        uint64_t length = get_number(source);
        if (source->bad || length == 0 || length >= GS_METRIC_NAME ||
            length > (size_t)(source->end - source->at) || memchr(source->at, 0, length)) {
            gs_free(names);
            return NULL;
        }
        memcpy(names + i * GS_METRIC_NAME, source->at, length);
        source->at += length;
    }
    return names;
}

/* A new history for ROWS rows of the metrics that the pack at SOURCE names. ROWS is checked against LENGTH, the bytes of all
 * packs: a row takes at least a byte for its time and one for each metric. */
static struct gs_history *new_history(struct source *source, size_t rows, size_t length)
{
    uint64_t interval_ns = get_number(source), count = get_number(source);
    if (source->bad || interval_ns == 0 || interval_ns > INT64_MAX || count > GS_HISTORY_METRICS_MAX ||
        rows > length / (count + 1))
        return NULL;
    char *names = get_names(source, count);
    const char **name = gs_alloc(count * sizeof *name + 1);
    struct gs_history *history = NULL;
    for (size_t i = 0; names && name && i < count; i++)
        name[i] = names + i * GS_METRIC_NAME;
    if (names && name)
        history = gs_history_shaped(name, count, &(struct gs_history_shape){{{rows, (int64_t)interval_ns}}});
    gs_free(names);
    gs_free(name);
    return history;
}

static double get_double(struct source *source)
{
    uint64_t low = get_u32(source), bits = (uint64_t)get_u32(source) << 32 | low;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static double get_upper_bits(struct source *source, uint64_t code, double before)
{
    int64_t upper;
    if (__builtin_add_overflow(gs_varint_unzigzag(code - 1), upper_base(before), &upper) ||
        !isfinite(from_upper_bits(upper))) {
        source->bad = true;
        return NAN;
    }
    return from_upper_bits(upper);
}

static double get_value(struct source *source, double before, bool rounds)
{
    uint64_t code = get_number(source);
    int64_t whole;
    switch (code & 3) {
    case WHOLE:
        if (__builtin_add_overflow(gs_varint_unzigzag(code >> 2), difference_base(before), &whole) ||
            !is_whole((double)whole))
            source->bad = true;
        return (double)whole;
    case RAW_DOUBLE:
        return rounds && code >> 2 ? get_upper_bits(source, code >> 2, before) : get_double(source);
    case MISSING: return NAN;
    default: return before;
    }
}

struct row { // the row before
    int64_t time_ms, step_ms;
    double *value;
};

/* Read the next row, which is relative to *ROW, into *ROW. */
static void get_row(struct pack *pack, size_t count, struct row *row)
{
    struct source *source = &pack->rest;
    uint64_t code = get_number(source);
    if (code & 1)
        row->step_ms = (int64_t)(get_number(source) & UINT32_MAX);
    if (__builtin_add_overflow(row->time_ms, gs_varint_unzigzag(code >> 1), &row->time_ms) ||
        __builtin_add_overflow(row->time_ms, row->step_ms, &row->time_ms) ||
        row->time_ms > INT64_MAX / GS_NS_PER_MS || row->time_ms < INT64_MIN / GS_NS_PER_MS)
        source->bad = true;
    for (size_t i = 0; i < count && !source->bad; i++)
        row->value[i] = get_value(source, row->value[i], pack->rounds);
}

static bool get_rows(struct pack *pack, struct gs_history *history, double *values)
{
    size_t count = gs_history_metric_count(history);
    struct row row = {.value = values};
    for (size_t i = 0; i < count; i++)
        values[i] = NAN;
    for (uint32_t i = 0; i < pack->rows && !pack->rest.bad; i++) {
        get_row(pack, count, &row);
        if (!pack->rest.bad)
            gs_history_put(history, row.time_ms * GS_NS_PER_MS, row.step_ms * GS_NS_PER_MS, values);
    }
    return !pack->rest.bad && pack->rest.at == pack->rest.end;
}

static struct gs_history *refuse(struct gs_history *history, const char *reason, char *why, size_t why_size)
{
    gs_history_free(history);
    snprintf(why, why_size, "%s", reason);
    return NULL;
}

struct gs_history *gs_history_unpack(const void *bytes, size_t length, char *why, size_t why_size)
{
    struct source source = {.at = bytes, .end = (const unsigned char *)bytes + length};
    struct pack pack = {0};
    size_t rows;
    if (!find_last_full_pack(&source, &rows))
        return refuse(NULL, "this is not a packed history, or it is cut short", why, why_size);
    bool ok = get_pack(&source, &pack);
    struct gs_history *history = ok ? new_history(&pack.rest, rows, length) : NULL;
    if (!history)
        return refuse(NULL, "the packed history's metrics cannot be read, or there is not enough memory", why,
                      why_size);
    size_t count = gs_history_metric_count(history);
    double *values = gs_alloc(count * sizeof *values + 1);
    ok = values && get_rows(&pack, history, values);
    while (ok && source.at < source.end)
        ok = get_pack(&source, &pack) && get_rows(&pack, history, values);
    gs_free(values);
    return ok ? history : refuse(history, "the packed history is damaged", why, why_size);
}
