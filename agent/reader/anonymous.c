/* anonymous.c - stand-ins for names. The digits are SipHash-2-4 (Aumasson, Bernstein, 2012) of the name, with a key that only the
 * sender of a bundle knows: a list of likely names does not help a reader to find out which one it is. */
#include "reader/anonymous.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/sort.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- SipHash-2-4 ------------------------------------------------------------------------------------------------ */

static uint64_t read_word(const unsigned char *bytes, size_t length)
{
    uint64_t word = 0;
    for (size_t i = 0; i < length; i++)
        word |= (uint64_t)bytes[i] << (8 * i);
    return word;
}

static uint64_t rotate(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

static void mix(uint64_t v[4], unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        v[0] += v[1];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[0] = rotate(v[0], 32);
        v[2] += v[3];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] += v[3];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] += v[1];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[2] = rotate(v[2], 32);
    }
}

static void absorb(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    mix(v, 2);
    v[0] ^= word;
}

static uint64_t siphash(const unsigned char key[GS_ANONYMOUS_KEY], const char *text)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t length = strlen(text), at = 0;
    uint64_t k0 = read_word(key, 8), k1 = read_word(key + 8, 8);
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
                     k1 ^ 0x7465646279746573};
    for (; at + 8 <= length; at += 8)
        absorb(v, read_word(bytes + at, 8));
    absorb(v, read_word(bytes + at, length - at) | (uint64_t)length << 56);
    v[2] ^= 0xff;
    mix(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* ---- stand-ins -------------------------------------------------------------------------------------------------- */

static uint64_t hash_of(const void *of, uint32_t number)
{
    const struct gs_anonymizer *anonymizer = of;
    return gs_hash_bytes(anonymizer->item[number].stand_in, strlen(anonymizer->item[number].stand_in));
}

static bool is_known(const struct gs_anonymizer *anonymizer, const char *stand_in)
{
    size_t at = SIZE_MAX;
    uint64_t hash = gs_hash_bytes(stand_in, strlen(stand_in));
    for (uint32_t n; (n = gs_index_next(&anonymizer->index, hash, &at)) != UINT32_MAX;)
        if (strcmp(anonymizer->item[n].stand_in, stand_in) == 0)
            return true;
    return false;
}

/* Remember which NAME the STAND_IN is of. */
static void remember(struct gs_anonymizer *anonymizer, const char *stand_in, const char *name)
{
    if (is_known(anonymizer, stand_in))
        return;
    char *first = gs_strdup(stand_in), *second = gs_strdup(name);
    size_t number = anonymizer->count;
    if (!first || !second ||
        gs_grow(&anonymizer->item, &anonymizer->capacity, number + 1, sizeof *anonymizer->item)) {
        gs_free(first);
        gs_free(second);
        anonymizer->failed = true;
        return;
    }
    anonymizer->item[number].stand_in = first;
    anonymizer->item[number].name = second;
    anonymizer->count++;
    if (gs_index_add(&anonymizer->index, hash_of(anonymizer, (uint32_t)number), (uint32_t)number, hash_of,
                     anonymizer))
        anonymizer->failed = true;
}

const char *gs_reader_stand_in(struct gs_anonymizer *anonymizer, enum gs_named what, const char *name,
                               char out[GS_STAND_IN])
{
    static const char *const prefix[] = {"function_", "file_",  "module_", "thread_", "host_",
                                         "rule_",     "label_", "value_",  "gauge:",  ""};
    out[0] = 0;
    if (!*name)
        return out;
    snprintf(out, GS_STAND_IN, "%s%016" PRIx64, prefix[what], siphash(anonymizer->key, name));
    remember(anonymizer, out, name);
    return out;
}

const char *gs_reader_module_stand_in(struct gs_anonymizer *anonymizer, const char *path,
                                      char out[GS_STAND_IN])
{
    if (*path == '[' && gs_reader_is_our_word(path))
        return path;
    return gs_reader_stand_in(anonymizer, GS_NAMED_MODULE, gs_text_base_name(path), out);
}

void gs_reader_anonymizer_fini(struct gs_anonymizer *anonymizer)
{
    for (size_t i = 0; i < anonymizer->count; i++) {
        gs_free(anonymizer->item[i].stand_in);
        gs_free(anonymizer->item[i].name);
    }
    gs_free(anonymizer->item);
    gs_index_fini(&anonymizer->index);
    *anonymizer = (struct gs_anonymizer){0};
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void gs_reader_anonymizer_print(const struct gs_anonymizer *anonymizer, struct gs_text *out)
{
    char **line = gs_alloc((anonymizer->count + 1) * sizeof *line);
    for (size_t i = 0; line && i < anonymizer->count; i++) {
        struct gs_text text = {0};
        gs_text_add(&text, "%s\t", anonymizer->item[i].stand_in);
        gs_text_add_printable(&text, anonymizer->item[i].name);
        line[i] = text.bytes;
        out->failed |= text.failed;
    }
    out->failed |= !line;
    if (!out->failed)
        gs_sort(line, anonymizer->count, sizeof *line, by_text);
    for (size_t i = 0; line && i < anonymizer->count; i++) {
        if (!out->failed)
            gs_text_add(out, "%s\n", line[i]);
        gs_free(line[i]);
    }
    gs_free(line);
}
