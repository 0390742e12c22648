/* tokens.c - finds the tokens of a JSON text (strings, brackets, entries of arrays and objects) by their addresses.
 *
 *   { "a" : [ 1 , 2 ] , "\u0061" : true }     "\u0061" is the key a: an escape equals its character
 *     key   value       key       value
 *
 * Who: locate.c, duplicates.c, document.c. Context: any (pure). Never reads outside the text; functions that require
 * valid JSON say so in inside.h. */
#include "base/hash.h"
#include "rules/inside.h"
#include <string.h>

/* ---- tokens --------------------------------------------------------------------------------------------------- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

const char *gs_rules_skip_separators(const char *at, const char *end)
{
    while (at < end && (is_space(*at) || *at == ',' || *at == ':'))
        at++;
    return at;
}

const char *gs_rules_skip_string(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++)
        if (*at == '\\' && at + 1 < end)
            at++;
    return at < end ? at + 1 : end;
}

/* Skip one token: a string, a bracket, or a run of other characters (a number, true). */
static const char *skip_token(const char *at, const char *end)
{
    if (*at == '"')
        return gs_rules_skip_string(at, end);
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
        at = gs_rules_skip_separators(at, end);
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

size_t gs_rules_token_start(const char *text, size_t length, size_t offset)
{
    const char *at = text, *end = text + length;
    while ((at = gs_rules_skip_separators(at, end)) < end) {
        const char *next = skip_token(at, end);
        if (text + offset < next)
            break;
        at = next;
    }
    const char *wanted = text + offset;
    return (size_t)((at < wanted ? at : wanted) - text); // a separator counts as a token
}

size_t gs_rules_too_deep(const char *text, size_t length, unsigned max)
{
    const char *end = text + length;
    unsigned depth = 0;
    for (const char *at = gs_rules_skip_separators(text, end); at < end;
         at = gs_rules_skip_separators(skip_token(at, end), end)) {
        if (*at == '{' || *at == '[')
            depth++;
        else if (*at == '}' || *at == ']')
            depth -= depth > 0;
        if (depth > max)
            return (size_t)(at - text);
    }
    return length;
}

/* ---- strings: "\u0061" and "a" are the same key ----------------------------------------------------------------------- */

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

/* Decode one byte or escape of a valid string at *AT into OUT (1 to 4 bytes, returned), and move *AT after it. */
static size_t next_character(const char **at, char out[4])
{
    const char *a = *at;
    if (*a != '\\') {
        out[0] = *a;
        *at = a + 1;
        return 1;
    }
    if (a[1] != 'u') {
        static const char written[] = "bfnrt", nearest[] = "\b\f\n\r\t";
        const char *found = strchr(written, a[1]);
        out[0] = found ? nearest[found - written] : a[1];
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

bool gs_rules_spells(const char *at, const char *word)
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

bool gs_rules_same_string(const char *a, const char *b)
{
    char of_a[4], of_b[4];
    size_t a_length = 0, b_length = 0, a_at = 0, b_at = 0;
    for (a++, b++;;) { // byte by byte: one escape may equal several bytes of the other string
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

uint64_t gs_rules_hash_string(const char *at)
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

/* ---- entries --------------------------------------------------------------------------------------------------------- */

bool gs_rules_next_entry(const char **at, const char *end, bool has_keys, struct gs_document_entry *entry)
{
    entry->key = gs_rules_skip_separators(*at, end);
    if (entry->key == end || *entry->key == '}' || *entry->key == ']')
        return false;
    entry->value =
        has_keys ? gs_rules_skip_separators(gs_rules_skip_string(entry->key, end), end) : entry->key;
    *at = skip_value(entry->value, end);
    return true;
}
