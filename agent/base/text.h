/* text.h - a string that grows. It remembers failures, so that the caller checks `failed` once, at the end.
 * Context: watcher, CLI. */
#pragma once
#include "base/attributes.h"
#include <stdbool.h>
#include <stddef.h>

struct gs_text {        // all zero: empty
    char *bytes;        // NUL-terminated once something was added; NULL before
    size_t length, capacity;
    bool failed;        // memory ran out: the text is cut
};

void gs_text_add(struct gs_text *text, const char *format, ...) GS_PRINTF(2, 3);
void gs_text_add_bytes(struct gs_text *text, const void *bytes, size_t length);
/* Add WORDS with control characters (ESC, newline, invalid UTF-8) shown as \xNN: names of functions
 * and threads are untrusted, and the text is printed on terminals. */
void gs_text_add_printable(struct gs_text *text, const char *words);
/* The part of PATH after the last slash. */
const char *gs_text_base_name(const char *path);
void gs_text_fini(struct gs_text *text);
