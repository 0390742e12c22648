/* duplicates.c - reports duplicate keys in an object; jansson would silently use the last one.
 *
 *   every object: hash and address of each key ──▶ sorted ──▶ equal hashes are neighbours ──▶ the same key? an error
 *
 * Who: document.c. Bounds: one entry for each key of the objects that are open. */
#include "base/memory.h"
#include "base/sort.h"
#include "metrics/metrics.h"
#include "rules/inside.h"
#include <stdio.h>
#include <string.h>

/* The keys of all open objects, outermost first. When an object closes, its keys are at the end of the list. */

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

/* Report the duplicates among COUNT keys. After sorting, equal hashes are neighbours, in the order of the text. */
static void report_twice(struct gs_rules_reader *reader, struct key *key, size_t count)
{
    gs_sort(key, count, sizeof *key, compare_keys);
    for (size_t i = 1; i < count && reader->errors->lost == 0; i++) {
        if (key[i].hash != key[i - 1].hash || !gs_rules_same_string(key[i].at, key[i - 1].at))
            continue;
        char hint[64];
        size_t length = (size_t)(gs_rules_skip_string(key[i].at, reader->text + reader->length) - key[i].at);
        struct gs_text_position first =
            gs_rules_position_at(reader->text, (size_t)(key[i - 1].at - reader->text));
        snprintf(hint, sizeof hint, "it is already in line %d, column %d", first.line, first.col);
        gs_rules_refuse_at(reader, (size_t)(key[i].at - reader->text), hint, "duplicate key %.*s",
                           (int)(length < 60 ? length : 60), key[i].at);
    }
}

static void add_key(struct keys *keys, const char *at)
{
    if (gs_grow(&keys->item, &keys->capacity, keys->count + 1, sizeof *keys->item)) {
        keys->failed = true;
        return;
    }
    keys->item[keys->count++] = (struct key){gs_rules_hash_string(at), at};
}

/* The recursion is bounded: document.c rejects nesting deeper than GS_NESTING_MAX. */
static void check_value(struct gs_rules_reader *reader, struct keys *keys, const char *value)
{
    bool is_object = *value == '{';
    if (!is_object && *value != '[')
        return;
    const char *at = value + 1, *end = reader->text + reader->length;
    size_t first_key = keys->count;
    for (struct gs_document_entry entry; gs_rules_next_entry(&at, end, is_object, &entry);) {
        if (is_object)
            add_key(keys, entry.key);
        check_value(reader, keys, entry.value);
    }
    if (keys->count > first_key) // without keys the list may be NULL
        report_twice(reader, keys->item + first_key, keys->count - first_key);
    keys->count = first_key;
}

void gs_rules_report_duplicates(struct gs_rules_reader *reader)
{
    struct keys keys = {0};
    check_value(reader, &keys, gs_rules_skip_separators(reader->text, reader->text + reader->length));
    if (keys.failed)
        gs_rules_refuse_file(reader, NULL, "out of memory");
    gs_free(keys.item);
}
