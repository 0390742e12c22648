/* errors.c - a list of errors in an input, and suggestions for misspelt words.
 *
 * Who:    rules/ adds errors while it reads a file; the CLI and the watcher print them.
 * Bounds: ERRORS_MAX errors; more are counted as lost. A hostile file of 1 MiB could cause 100,000. */
#include "base/errors.h"
#include "base/memory.h"
#include "base/sort.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { ERRORS_MAX = 1000, WORD_MAX = 64 };

/* Make TEXT safe for a terminal, because it quotes untrusted files: no control characters, no incomplete UTF-8 at the
 * end. */
static void make_printable(char *text, size_t size)
{
    size_t length = strlen(text);
    size_t start = length; // of the last character
    while (start > 0 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
        start--;
    if (length == size - 1 && start > 0 && (unsigned char)text[start - 1] >= 0xc0)
        text[start - 1] = 0;
    for (unsigned char *at = (unsigned char *)text; *at; at++) {
        if (*at < 0x20 || *at == 0x7f)
            *at = '?';
        if (*at == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0) // C1 controls: CSI in one character
            at[0] = at[1] = '?';
    }
}

void gs_errors_add(struct gs_errors *errors, enum gs_severity severity, const char *file, int line, int col,
                   const char *hint, const char *format, ...)
{
    if (errors->count >= ERRORS_MAX ||
        gs_grow(&errors->item, &errors->capacity, errors->count + 1, sizeof *errors->item)) {
        errors->lost++;
        return;
    }
    struct gs_error *error = &errors->item[errors->count++];
    *error = (struct gs_error){.severity = severity, .file = file, .line = line, .col = col};
    va_list args;
    va_start(args, format);
    vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    snprintf(error->hint, sizeof error->hint, "%s", hint ? hint : "");
    make_printable(error->text, sizeof error->text);
    make_printable(error->hint, sizeof error->hint);
}

static int in_file_order(const void *a, const void *b)
{
    const struct gs_error *x = a, *y = b;
    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    if (x->col != y->col)
        return x->col < y->col ? -1 : 1;
    return strcmp(x->text, y->text);
}

void gs_errors_sort(struct gs_errors *errors, size_t from)
{
    if (errors->count > from) // without items there is no array
        gs_sort(errors->item + from, errors->count - from, sizeof *errors->item, in_file_order);
}

const char *gs_errors_severity_name(enum gs_severity severity)
{
    return severity == GS_WARNING ? "warning" : "error";
}

void gs_errors_format(const struct gs_error *error, char *out, size_t size)
{
    char place[32] = "";
    if (error->line > 0)
        snprintf(place, sizeof place, "%d:%d:", error->line, error->col);
    snprintf(out, size, "%s:%s %s: %s%s%s", error->file, place, gs_errors_severity_name(error->severity),
             error->text, error->hint[0] ? "; " : "", error->hint);
}

void gs_errors_fini(struct gs_errors *errors)
{
    gs_free(errors->item);
    *errors = (struct gs_errors){0};
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static unsigned smaller(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* The edit distance of A and B, ignoring case: insertions, deletions, changes, and swaps of neighbours. Both have at most
 * WORD_MAX bytes. Keeps three rows of the usual table, because a swap needs the row before the last. */
static unsigned distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    unsigned rows[3][WORD_MAX + 1];
    unsigned *before = rows[0], *above = rows[1], *row = rows[2];
    for (unsigned j = 0; j <= b_length; j++)
        above[j] = before[j] = j;
    for (unsigned i = 1; i <= a_length; i++) {
        row[0] = i;
        for (unsigned j = 1; j <= b_length; j++) {
            unsigned change = lower(a[i - 1]) != lower(b[j - 1]);
            row[j] = smaller(above[j - 1] + change, smaller(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]))
                row[j] = smaller(row[j], before[j - 2] + 1);
        }
        unsigned *reuse = before;
        before = above, above = row, row = reuse;
    }
    return above[b_length];
}

static const char *word_at(const char *const *words, size_t index, size_t stride)
{
    return *(const char *const *)(const void *)((const char *)words + index * stride);
}

const char *gs_errors_nearest(const char *word, const char *const *words, size_t count, size_t stride)
{
    const char *nearest = NULL;
    unsigned nearest_distance = WORD_MAX;
    size_t length = strlen(word);
    for (size_t i = 0; length <= WORD_MAX && i < count; i++) {
        const char *entry = word_at(words, i, stride);
        size_t entry_length = strlen(entry);
        if (entry_length > WORD_MAX)
            continue;
        unsigned edits = distance(word, length, entry, entry_length);
        size_t longer = length > entry_length ? length : entry_length;
        if (edits <= longer / 3 && edits < nearest_distance) {
            nearest = entry;
            nearest_distance = edits;
        }
    }
    return nearest;
}

/* Append to the text of LENGTH bytes in OUT; what does not fit is cut. Returns the new length. */
GS_PRINTF(3, 4)
static size_t append(char out[GS_HINT_TEXT], size_t length, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int added = vsnprintf(out + length, GS_HINT_TEXT - length, format, args);
    va_end(args);
    length += added > 0 ? (size_t)added : 0;
    return length < GS_HINT_TEXT ? length : GS_HINT_TEXT - 1;
}

const char *gs_errors_suggest(const char *word, const char *const *words, size_t count, size_t stride,
                              const char *more, char out[GS_HINT_TEXT])
{
    enum { FEW_BESIDE_ONE = 12, FEW = 20 };
    const char *nearest = gs_errors_nearest(word, words, count, stride);
    size_t length = 0, all = count + (more != NULL);
    out[0] = 0;
    if (nearest)
        length = append(out, length, "did you mean \"%s\"?", nearest);
    if (all > (nearest ? FEW_BESIDE_ONE : FEW))
        return out;
    length = append(out, length, nearest ? " It may be" : "it may be");
    for (size_t i = 0; i < all; i++)
        length = append(out, length, "%s \"%s\"",
                        i == 0        ? ""
                        : i + 1 < all ? ","
                                      : " or",
                        i < count ? word_at(words, i, stride) : more);
    return out;
}
