/* text.c - a string that grows. */
#include "base/text.h"
#include "base/memory.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static bool reserve(struct gs_text *text, size_t more)
{
    if (!text->failed && gs_grow(&text->bytes, &text->capacity, text->length + more + 1, 1))
        text->failed = true;
    return !text->failed;
}

void gs_text_add_bytes(struct gs_text *text, const void *bytes, size_t length)
{
    if (!reserve(text, length))
        return;
    if (length) // with length 0, `bytes` may be NULL
        memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
    text->bytes[text->length] = 0;
}

void gs_text_add(struct gs_text *text, const char *format, ...)
{
    va_list args;
    char line[512]; // most additions are a line
    va_start(args, format);
    int length = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (length < 0)
        text->failed = true;
    if (length < (int)sizeof line) {
        gs_text_add_bytes(text, line, length < 0 ? 0 : (size_t)length);
        return;
    }
    if (!reserve(text, (size_t)length))
        return;
    va_start(args, format);
    vsnprintf(text->bytes + text->length, (size_t)length + 1, format, args);
    va_end(args);
    text->length += (size_t)length;
}

size_t gs_text_character(const char *text, uint32_t *code)
{
    static const uint32_t least[] = {0, 1, 0x80, 0x800, 0x10000}; // smaller numbers have a shorter form
    const unsigned char *at = (const unsigned char *)text;
    size_t length = at[0] < 0x80             ? 1
                    : (at[0] & 0xe0) == 0xc0 ? 2
                    : (at[0] & 0xf0) == 0xe0 ? 3
                    : (at[0] & 0xf8) == 0xf0 ? 4
                                             : 0;
    *code = length == 1 ? at[0] : at[0] & (0x7fU >> length);
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        *code = *code << 6 | (at[i] & 0x3f);
    }
    return length && *code >= least[length] && *code <= 0x10ffff ? length : 0;
}

struct character_range {
    uint32_t first, last;
};

static bool is_in(uint32_t code, const struct character_range *range, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (code >= range[i].first && code <= range[i].last)
            return true;
    return false;
}

/* Not shown as they are: C0 and C1 controls (0x9b is CSI in one character), what changes the direction of the text around it,
 * line separators, invisible characters, and tags. */
static bool is_printable(uint32_t code)
{
    static const struct character_range hidden[] = {
        {0x00, 0x1f},     {0x7f, 0x9f},     {0x61c, 0x61c},     {0x200b, 0x200b},
        {0x200e, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f},   {0xd800, 0xdfff},
        {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe007f},
    };
    return !is_in(code, hidden, sizeof hidden / sizeof *hidden);
}

void gs_text_add_printable(struct gs_text *text, const char *words)
{
    for (const char *at = words; *at;) {
        uint32_t code;
        size_t length = gs_text_character(at, &code);
        if (length && is_printable(code))
            gs_text_add_bytes(text, at, length);
        else
            length = 0, gs_text_add(text, "\\x%02x", (unsigned char)*at);
        at += length ? length : 1;
    }
}

bool gs_text_is_printable(const char *words)
{
    uint32_t code;
    for (size_t length; *words; words += length)
        if ((length = gs_text_character(words, &code)) == 0 || !is_printable(code))
            return false;
    return true;
}

/* Columns of the character CODE, by its block: 0 for marks that combine with the character before, 2 for East Asian scripts and
 * pictures. */
static size_t columns_of(uint32_t code)
{
    static const struct character_range combining[] = {
        {0x300, 0x36f},   {0x483, 0x489},   {0x591, 0x5bd},   {0x610, 0x61a},
        {0x64b, 0x65f},   {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x200c, 0x200d},
        {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f},
    };
    static const struct character_range wide[] = {
        {0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0xa4cf},   {0xa960, 0xa97c}, {0xac00, 0xd7a3},
        {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6}, {0x1f300, 0x1f64f},
        {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd},
    };
    return is_in(code, combining, sizeof combining / sizeof *combining) ? 0
           : is_in(code, wide, sizeof wide / sizeof *wide)              ? 2
                                                                        : 1;
}

size_t gs_text_columns(const char *text)
{
    size_t columns = 0;
    uint32_t code;
    for (size_t length; *text; text += length ? length : 1) {
        length = gs_text_character(text, &code);
        columns += length ? columns_of(code) : 1;
    }
    return columns;
}

void gs_text_fini(struct gs_text *text)
{
    gs_free(text->bytes);
    *text = (struct gs_text){0};
}

const char *gs_text_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}
