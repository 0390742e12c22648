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

/* Length in bytes of the printable UTF-8 character at AT (NUL-terminated); 0: not printable. */
static size_t printable(const unsigned char *at)
{
    if (at[0] >= 0x20 && at[0] < 0x7f)
        return 1;
    size_t length = at[0] >= 0xc2 && at[0] < 0xe0   ? 2
                    : (at[0] & 0xf0) == 0xe0        ? 3
                    : at[0] >= 0xf0 && at[0] < 0xf5 ? 4
                                                    : 0;
    for (size_t i = 1; i < length; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    if (at[0] == 0xc2 && at[1] < 0xa0) // C1 controls: CSI in one character
        return 0;
    return length;
}

void gs_text_add_printable(struct gs_text *text, const char *words)
{
    for (const unsigned char *at = (const unsigned char *)words; *at;) {
        size_t length = printable(at);
        if (length)
            gs_text_add_bytes(text, at, length);
        else
            gs_text_add(text, "\\x%02x", *at);
        at += length ? length : 1;
    }
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
