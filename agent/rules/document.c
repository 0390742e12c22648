/* document.c - from bytes to JSON: all checks of a rules file that do not depend on its meaning.
 *
 *   size ▶ byte order mark ▶ NUL ▶ UTF-8 ▶ nesting ▶ jansson ▶ duplicate keys
 *
 * Each stage rejects what would break the next one: jansson parses by recursion, up to 2048 levels, and the watcher's
 * stack is small. Up to jansson only the first error is reported, because errors after bad syntax would be guesses.
 * Who: read.c. Bounds: GS_RULES_TEXT_MAX bytes, GS_NESTING_MAX levels. */
#include "metrics/metrics.h"
#include "rules/inside.h"
#include <stdio.h>
#include <string.h>

static const char no_comment[] = "JSON has no comments; put words into \"why\"";
static const char example[] = "a rules file begins {\"version\": 1, \"rules\": [";

static bool is_blank(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!memchr(" \t\r\n", text[i], 4))
            return false;
    return true;
}

/* The length of the UTF-8 character at AT (LEFT bytes of room), 0 when it is invalid: overlong forms, surrogates and
 * code points beyond U+10FFFF are invalid. */
static size_t utf8_length(const unsigned char *at, size_t left)
{
    if (at[0] < 0x80)
        return 1;
    size_t length = at[0] >= 0xc2 && at[0] < 0xe0   ? 2
                    : (at[0] & 0xf0) == 0xe0        ? 3
                    : at[0] >= 0xf0 && at[0] < 0xf5 ? 4
                                                    : 0;
    if (length == 0 || length > left)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xf0 && at[1] < 0x90);
    bool surrogate = at[0] == 0xed && at[1] >= 0xa0;
    bool beyond = at[0] == 0xf4 && at[1] >= 0x90;
    return overlong || surrogate || beyond ? 0 : length;
}

static size_t first_bad_utf8(const char *text, size_t length)
{
    size_t at = 0;
    while (at < length) {
        size_t step = utf8_length((const unsigned char *)text + at, length - at);
        if (step == 0)
            return at;
        at += step;
    }
    return length;
}

static bool check_bytes(struct gs_rules_reader *reader)
{
    const char *text = reader->text;
    size_t length = reader->length;
    const char *nul = memchr(text, 0, length);
    if (length > GS_RULES_TEXT_MAX)
        gs_rules_refuse_file(reader, NULL, "the file is larger than 1 MiB");
    else if (length >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
        gs_rules_refuse_at(reader, 0, "save it as UTF-8 without one",
                           "the file begins with a byte order mark");
    else if (length >= 2 && (!memcmp(text, "\xff\xfe", 2) || !memcmp(text, "\xfe\xff", 2)))
        gs_rules_refuse_at(reader, 0, "save it as UTF-8", "the file is UTF-16");
    else if (nul)
        gs_rules_refuse_at(reader, (size_t)(nul - text), NULL, "NUL byte: the file is not text");
    else if (first_bad_utf8(text, length) < length)
        gs_rules_refuse_at(reader, first_bad_utf8(text, length), NULL, "invalid UTF-8");
    else if (is_blank(text, length))
        gs_rules_refuse_file(reader, example, "the file is empty");
    else if (gs_rules_too_deep(text, length, GS_NESTING_MAX) < length)
        gs_rules_refuse_at(reader, gs_rules_too_deep(text, length, GS_NESTING_MAX), NULL,
                           "nested more than %d levels deep", GS_NESTING_MAX);
    else
        return true;
    return false;
}

/* The token at OFFSET begins with WORD. */
static bool token_begins(const struct gs_rules_reader *reader, size_t offset, const char *word)
{
    size_t length = strlen(word);
    return length <= reader->length - offset && !memcmp(reader->text + offset, word, length);
}

/* A hint for a token that is valid in other languages but not in JSON; NULL: none. */
static const char *hint_for_token(const struct gs_rules_reader *reader, size_t offset)
{
    static const char no_number[] = "JSON has no such number; leave the key out for no limit";
    static const char lower_case[] = "JSON writes true, false and null";
    static const char no_hexadecimal[] = "JSON has no hexadecimal numbers";
    static const struct {
        const char *word, *hint;
    } words[] = {
        {"NaN", no_number},   {"nan", no_number},     {"Infinity", no_number},      {"-Infinity", no_number},
        {"inf", no_number},   {"-inf", no_number},    {"True", lower_case},         {"False", lower_case},
        {"None", lower_case}, {"0x", no_hexadecimal}, {"0X", no_hexadecimal},       {"//", no_comment},
        {"/*", no_comment},   {"#", no_comment},      {"'", "JSON quotes with \""},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (token_begins(reader, offset, words[i].word))
            return words[i].hint;
    bool zero_first = token_begins(reader, offset, "0") && reader->length - offset > 1;
    if (zero_first && reader->text[offset + 1] >= '0' && reader->text[offset + 1] <= '9')
        return "a number does not begin with 0";
    return NULL;
}

/* A hint for the most common cause of jansson's error at OFFSET; NULL: none. */
static const char *hint_for_error(const struct gs_rules_reader *reader, const json_error_t *error,
                                  size_t offset)
{
    char token = reader->text[offset];
    size_t before = offset;
    while (before > 0 && memchr(" \t\r\n", reader->text[before - 1], 4))
        before--;
    char last = before > 0 ? reader->text[before - 1] : 0;
    const char *hint = hint_for_token(reader, offset);
    if (hint)
        return hint;
    if (last == ',' && (token == '}' || token == ']'))
        return "the comma before it is one too many";
    if ((!strncmp(error->text, "'}' expected", 12) || !strncmp(error->text, "']' expected", 12)) &&
        strchr("\"{[0123456789tfn", token))
        return "is a comma missing before it?";
    if (!strncmp(error->text, "string or '}' expected", 22) && (last == '{' || last == ','))
        return "a key needs double quotes";
    if (!strncmp(error->text, "unexpected newline", 18))
        return "a string cannot contain a line break; write \\n";
    return NULL;
}

/* Report jansson's error at the start of the token that it rejected. */
static void refuse_syntax(struct gs_rules_reader *reader, const json_error_t *error)
{
    enum json_error_code code = json_error_code(error);
    size_t token_end = error->position > 0 ? (size_t)error->position : 0;
    if (token_end > reader->length)
        token_end = reader->length;
    size_t offset = gs_rules_token_start(reader->text, reader->length, token_end ? token_end - 1 : 0);
    if (code == json_error_out_of_memory)
        gs_rules_refuse_file(reader, NULL, "out of memory");
    else if (code == json_error_premature_end_of_input)
        gs_rules_refuse_at(reader, reader->length, "a bracket or a quote is not closed",
                           "the file ends too early");
    else if (code == json_error_end_of_input_expected)
        gs_rules_refuse_at(reader, offset, NULL, "there is text after the end of the document");
    else if (code == json_error_null_character || code == json_error_null_byte_in_key)
        gs_rules_refuse_at(reader, offset, NULL, "\\u0000 is not allowed in a string");
    else if (code == json_error_numeric_overflow)
        gs_rules_refuse_at(reader, offset, NULL, "the number is too large");
    else
        gs_rules_refuse_at(reader, offset, hint_for_error(reader, error, offset), "not JSON: %.100s",
                           error->text);
}

json_t *gs_rules_document_parse(struct gs_rules_reader *reader)
{
    if (!check_bytes(reader))
        return NULL;
    json_error_t error;
    json_t *document = gs_json_read(reader->text, reader->length, JSON_DECODE_ANY, &error);
    if (!document) {
        refuse_syntax(reader, &error);
        return NULL;
    }
    gs_rules_report_duplicates(reader);
    return document;
}
