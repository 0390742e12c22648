/* errors.h - what was wrong in a person's input, or is surely not meant: each with its place and a way out.
 * Context: watcher, CLI. */
#pragma once
#include "base/attributes.h"
#include <stddef.h>

enum gs_severity { GS_ERROR, GS_WARNING }; // a warning: right, but surely not meant; the input is taken

struct gs_error {              // printed  FILE:LINE:COL: error: TEXT; HINT
    enum gs_severity severity;
    const char *file;          // as the person wrote it; borrowed from the reader's caller
    int line, col;             // 1-based, col in bytes; 0 when the whole file is meant
    char text[160], hint[96];  // unknown unit "MiBs"       did you mean "MiB"?  ("" if we cannot tell)
};

struct gs_errors {             // all zero: none yet
    struct gs_error *item;
    size_t count, capacity;
    size_t lost;               // errors there was no memory for
};

/* Add an error or a warning at FILE:LINE:COL; HINT may be NULL. */
void gs_errors_add(struct gs_errors *errors, enum gs_severity severity, const char *file, int line, int col,
                   const char *hint, const char *format, ...) GS_PRINTF(7, 8);
/* Those from number FROM on, in the order of the file. */
void gs_errors_sort(struct gs_errors *errors, size_t from);
const char *gs_errors_severity_name(enum gs_severity severity); // "error", "warning"
/* "FILE:LINE:COL: error: TEXT; HINT" without a newline, into OUT. */
void gs_errors_format(const struct gs_error *error, char *out, size_t size);
void gs_errors_fini(struct gs_errors *errors);

/* The entry of WORDS (COUNT strings, STRIDE bytes from one to the next) that WORD was most likely meant to be
 * (edit distance at most a third of its length), or NULL. Walks our tables: pass &table[0].name and
 * sizeof table[0]. */
const char *gs_errors_nearest(const char *word, const char *const *words, size_t count, size_t stride);
