/* errors.h - errors and warnings about a user's input, each with its position and a hint.
 * Context: watcher, CLI. */
#pragma once
#include "base/attributes.h"
#include <stddef.h>

enum { GS_HINT_TEXT = 320 };
enum gs_severity { GS_ERROR, GS_WARNING }; // a warning: valid, but surely a mistake; the input is accepted

struct gs_error {              // printed  FILE:LINE:COL: error: TEXT; HINT
    enum gs_severity severity;
    const char *file;          // as the user wrote it; borrowed from the caller
    int line, col;             // 1-based, col in bytes; 0: the whole file
    char text[160];            // unknown unit "MiBs"
    char hint[GS_HINT_TEXT];   // did you mean "MiB"?  ("": no hint)
};

struct gs_errors {             // all zero: empty
    struct gs_error *item;
    size_t count, capacity;
    size_t lost;               // errors beyond the limit, or without memory
};

/* Add an error or a warning at FILE:LINE:COL; HINT may be NULL. */
void gs_errors_add(struct gs_errors *errors, enum gs_severity severity, const char *file, int line, int col,
                   const char *hint, const char *format, ...) GS_PRINTF(7, 8);
/* Sort the errors from index FROM on by their position in the file. */
void gs_errors_sort(struct gs_errors *errors, size_t from);
const char *gs_errors_severity_name(enum gs_severity severity); // "error", "warning"
/* Print "FILE:LINE:COL: error: TEXT; HINT" to OUT, without a newline. */
void gs_errors_format(const struct gs_error *error, char *out, size_t size);
void gs_errors_fini(struct gs_errors *errors);

/* The entry of WORDS that is most similar to WORD (edit distance at most 1/3 of the longer length), or NULL. WORDS: COUNT
 * strings, STRIDE bytes apart; for a table of structs pass &table[0].name and sizeof table[0]. */
const char *gs_errors_nearest(const char *word, const char *const *words, size_t count, size_t stride);
/* Write a hint to OUT about WORD, which is none of WORDS (as above): the nearest of them, and all of them if they are few:
 * did you mean "heap"? It may be "threads", "heap" or "cpu". MORE: one more value, such as "gauge:NAME"; NULL: none.
 * Returns OUT; "" if no word is near and they are many. */
const char *gs_errors_suggest(const char *word, const char *const *words, size_t count, size_t stride,
                              const char *more, char out[GS_HINT_TEXT]);
