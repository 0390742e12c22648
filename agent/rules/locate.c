/* locate.c - where in the text a value stands. jansson tells line and column of bad syntax, but not of a value.
 *
 *   rules[2].jitter.rise  =  place { up ─▶ { up ─▶ { up ─▶ { up ─▶ document, "rules" }, 2 }, "jitter" }, "rise" }
 *
 * Found by scanning the text again from its start: only for errors, and those are few (errors.c bounds them).
 * Who: reader.c and document.c. Reads only within the text, whatever it holds. */
#include "base/hash.h"
#include "base/memory.h"
#include "base/sort.h"
#include "metrics/metrics.h"
#include "rules/inside.h"
#include <string.h>

/* ---- tokens --------------------------------------------------------------------------------------------------- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Past blanks, and past the commas and colons that part values. */
static const char *skip_separators(const char *at, const char *end)
{
    while (at < end && (is_space(*at) || *at == ',' || *at == ':'))
        at++;
    return at;
}

/* AT is a string's opening quote: past its closing one. */
static const char *skip_string(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++)
        if (*at == '\\' && at + 1 < end)
            at++;
    return at < end ? at + 1 : end;
}

/* Past one token: a string, a bracket, or a run of other characters (a number, true). */
static const char *skip_token(const char *at, const char *end)
{
    if (*at == '"')
        return skip_string(at, end);
    if (strchr("{}[],:", *at))
        return at + 1;
    while (at < end && !is_space(*at) && !strchr("{}[],:\"", *at))
        at++;
    return at;
}

static const char *skip_value(const char *at, const char *end)
{
    size_t depth = 0;
    do {
        at = skip_separators(at, end);
        if (at == end)
            return end;
        if (*at == '{' || *at == '[')
            depth++;
        else if (*at == '}' || *at == ']')
            depth -= depth > 0;
        at = skip_token(at, end);
    } while (depth > 0);
    return at;
}

size_t gs_token_start(const char *text, size_t length, size_t offset)
{
    const char *at = text, *end = text + length;
    while ((at = skip_separators(at, end)) < end) {
        const char *next = skip_token(at, end);
        if (text + offset < next)
            break;
        at = next;
    }
    const char *wanted = text + offset;
    return (size_t)((at < wanted ? at : wanted) - text); // a separator is its own token
}

size_t gs_too_deep(const char *text, size_t length, unsigned max)
{
    const char *end = text + length;
    unsigned depth = 0;
    for (const char *at = skip_separators(text, end); at < end; at = skip_separators(skip_token(at, end), end)) {
        if (*at == '{' || *at == '[')
            depth++;
        else if (*at == '}' || *at == ']')
            depth -= depth > 0;
        if (depth > max)
            return (size_t)(at - text);
    }
    return length;
}

/* ---- strings: "\u0061" and "a" are one key ------------------------------------------------------------------------ */

static unsigned hex4(const char *at)
{
    unsigned value = 0;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        value = value * 16 + (unsigned)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value;
}

static size_t put_utf8(unsigned c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    for (size_t i = more; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)((more == 1 ? 0xc0 : more == 2 ? 0xe0 : 0xf0) | c);
    return more + 1;
}

/* The bytes that one step of a valid string at *AT stands for (1 to 4, into OUT); *AT goes behind it. */
static size_t next_character(const char **at, char out[4])
{
    const char *a = *at;
    if (*a != '\\') {
        out[0] = *a;
        *at = a + 1;
        return 1;
    }
    if (a[1] != 'u') {
        static const char written[] = "bfnrt", meant[] = "\b\f\n\r\t";
        const char *found = strchr(written, a[1]);
        out[0] = found ? meant[found - written] : a[1];
        *at = a + 2;
        return 1;
    }
    unsigned c = hex4(a + 2);
    *at = a + 6;
    if (c >= 0xd800 && c < 0xdc00) { // the first half of a pair: valid JSON has the second behind it
        c = 0x10000 + ((c - 0xd800) << 10) + (hex4(a + 8) - 0xdc00);
        *at = a + 12;
    }
    return put_utf8(c, out);
}

/* AT is a valid string's opening quote: does it spell WORD? */
static bool spells(const char *at, const char *word)
{
    for (at++; *at != '"';) {
        char bytes[4];
        size_t length = next_character(&at, bytes);
        if (strncmp(word, bytes, length) != 0)
            return false;
        word += length;
    }
    return *word == 0;
}

static bool same_string(const char *a, const char *b)
{
    char of_a[4], of_b[4];
    size_t a_length = 0, b_length = 0, a_at = 0, b_at = 0;
    for (a++, b++;;) { // escapes of one may be several bytes of the other, so byte by byte
        if (a_at == a_length) {
            a_length = *a == '"' ? 0 : next_character(&a, of_a);
            a_at = 0;
        }
        if (b_at == b_length) {
            b_length = *b == '"' ? 0 : next_character(&b, of_b);
            b_at = 0;
        }
        if (!a_length || !b_length)
            return a_length == b_length;
        if (of_a[a_at++] != of_b[b_at++])
            return false;
    }
}

static uint64_t hash_string(const char *at)
{
    uint64_t hash = 0;
    for (at++; *at != '"';) {
        char bytes[4];
        size_t length = next_character(&at, bytes);
        for (size_t i = 0; i < length; i++)
            hash = gs_hash_mix(hash + (unsigned char)bytes[i]) + 1;
    }
    return hash;
}

/* ---- members and elements ----------------------------------------------------------------------------------------- */

struct entry {
    const char *key, *value; // of an element: both the value
};

/* The next entry of an array or object; *AT is behind its opening bracket or behind the entry before. */
static bool next_entry(const char **at, const char *end, bool has_keys, struct entry *entry)
{
    entry->key = skip_separators(*at, end);
    if (entry->key == end || *entry->key == '}' || *entry->key == ']')
        return false;
    entry->value = has_keys ? skip_separators(skip_string(entry->key, end), end) : entry->key;
    *at = skip_value(entry->value, end);
    return true;
}

static struct entry find_in(const char *container, const char *end, const struct gs_place *place,
                            struct entry otherwise)
{
    struct entry found = otherwise, entry;
    bool is_object = *container == '{';
    if (is_object != (place->key != NULL))
        return otherwise;
    const char *at = container + 1;
    for (size_t i = 0; next_entry(&at, end, is_object, &entry); i++)
        if (is_object ? spells(entry.key, place->key) : i == place->index)
            found = entry;
    return found;
}

static struct entry find(const char *text, const char *end, const struct gs_place *place)
{
    if (!place->up) {
        const char *document = skip_separators(text, end);
        return (struct entry){document, document};
    }
    struct entry parent = find(text, end, place->up);
    if (parent.value == end || (*parent.value != '{' && *parent.value != '['))
        return parent;
    return find_in(parent.value, end, place, parent);
}

size_t gs_locate(const char *text, size_t length, const struct gs_place *place, enum gs_document_part part)
{
    struct entry entry = find(text, text + length, place);
    return (size_t)((part == GS_THE_KEY ? entry.key : entry.value) - text);
}

struct gs_position gs_position_at(const char *text, size_t offset)
{
    struct gs_position position = {1, 1};
    for (size_t i = 0; i < offset; i++) {
        position.col++;
        if (text[i] == '\n')
            position = (struct gs_position){position.line + 1, 1};
    }
    return position;
}

/* ---- duplicates ------------------------------------------------------------------------------------------------------
 * The keys of the objects that are open, outermost first: an object's keys are the last of the list when it closes. */

struct key {
    uint64_t hash;
    const char *at;
};

struct keys {
    struct key *item;
    size_t count, capacity;
    bool failed;
};

static int compare_keys(const void *a, const void *b)
{
    const struct key *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* Report those of COUNT keys that stand twice. Equal hashes are neighbours, in the order of the text. */
static void report_twice(struct gs_reader *reader, struct key *key, size_t count)
{
    gs_sort(key, count, sizeof *key, compare_keys);
    for (size_t i = 1; i < count && reader->errors->lost == 0; i++) {
        if (key[i].hash != key[i - 1].hash || !same_string(key[i].at, key[i - 1].at))
            continue;
        char hint[64];
        size_t length = (size_t)(skip_string(key[i].at, reader->text + reader->length) - key[i].at);
        struct gs_position first = gs_position_at(reader->text, (size_t)(key[i - 1].at - reader->text));
        snprintf(hint, sizeof hint, "it stands already in line %d, column %d", first.line, first.col);
        gs_refuse_at(reader, (size_t)(key[i].at - reader->text), hint, "duplicate key %.*s",
                     (int)(length < 60 ? length : 60), key[i].at);
    }
}

static void add_key(struct keys *keys, const char *at)
{
    if (gs_grow(&keys->item, &keys->capacity, keys->count + 1, sizeof *keys->item)) {
        keys->failed = true;
        return;
    }
    keys->item[keys->count++] = (struct key){hash_string(at), at};
}

/* Recursion is bounded: document.c refuses what is nested deeper than GS_NESTING_MAX. */
static void check_value(struct gs_reader *reader, struct keys *keys, const char *value)
{
    bool is_object = *value == '{';
    if (!is_object && *value != '[')
        return;
    const char *at = value + 1, *end = reader->text + reader->length;
    size_t own = keys->count;
    for (struct entry entry; next_entry(&at, end, is_object, &entry);) {
        if (is_object)
            add_key(keys, entry.key);
        check_value(reader, keys, entry.value);
    }
    if (keys->count > own) // of none there is no list
        report_twice(reader, keys->item + own, keys->count - own);
    keys->count = own;
}

void gs_report_duplicates(struct gs_reader *reader)
{
    struct keys keys = {0};
    check_value(reader, &keys, skip_separators(reader->text, reader->text + reader->length));
    if (keys.failed)
        gs_refuse_file(reader, NULL, "out of memory");
    gs_free(keys.item);
}
