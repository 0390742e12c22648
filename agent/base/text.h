/* text.h - a string that grows. It remembers failures, so that the caller checks `failed` once, at the end.
 * Context: watcher, CLI. */
#pragma once
#include "base/attributes.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gs_text {        // all zero: empty
    char *bytes;        // NUL-terminated once something was added; NULL before
    size_t length, capacity;
    bool failed;        // memory ran out: the text is cut
};

void gs_text_add(struct gs_text *text, const char *format, ...) GS_PRINTF(2, 3);
void gs_text_add_bytes(struct gs_text *text, const void *bytes, size_t length);
/* Add WORDS with control characters (ESC, newline, marks of text direction, invalid UTF-8) shown as \xNN: names of functions
 * and threads are untrusted, and the text is printed on terminals. */
void gs_text_add_printable(struct gs_text *text, const char *words);
bool gs_text_is_printable(const char *words); // _add_printable adds it as it is

/* The UTF-8 character that TEXT, NUL-terminated, begins with: returns its length in bytes and stores its number in *CODE; 0: it
 * is not valid, or TEXT is empty. */
size_t gs_text_character(const char *text, uint32_t *code);
/* How many columns of a terminal TEXT takes: two for an East Asian character, none for a combining mark, one for a byte that is
 * not valid UTF-8. */
size_t gs_text_columns(const char *text);
/* The plural's ending: "" after 1, else "s". */
static inline const char *gs_text_plural(double count)
{
    return count == 1 ? "" : "s";
}
/* The part of PATH after the last slash. */
const char *gs_text_base_name(const char *path);
void gs_text_fini(struct gs_text *text);
