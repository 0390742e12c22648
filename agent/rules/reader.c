/* reader.c - the state of reading a rules file: errors with their positions, memory that lives as long as the rules, and the
 * metrics named so far.
 *
 *   rules ──▶ block ──▶ block ──▶ …   one list, freed with the rules.  Who: read.c and the files that it calls. */
#include "base/memory.h"
#include "metrics/metrics.h"
#include "rules/inside.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* True: the list is full, and the error is only counted. Checked first, because locating a path scans the text. */
static bool list_is_full(struct gs_rules_reader *reader)
{
    reader->errors->lost += reader->errors->lost > 0;
    return reader->errors->lost > 0;
}

static void add_error(struct gs_rules_reader *reader, struct gs_text_position position, const char *hint,
                      const char *format, va_list args)
{
    char text[sizeof reader->errors->item->text];
    vsnprintf(text, sizeof text, format, args);
    gs_errors_add(reader->errors, GS_ERROR, reader->file, position.line, position.col, hint, "%s", text);
}

void gs_rules_refuse(struct gs_rules_reader *reader, const struct gs_json_path *path,
                     enum gs_document_part part, const char *hint, const char *format, ...)
{
    if (list_is_full(reader))
        return;
    size_t offset = gs_rules_locate(reader->text, reader->length, path, part);
    va_list args;
    va_start(args, format);
    add_error(reader, gs_rules_position_at(reader->text, offset), hint, format, args);
    va_end(args);
}

void gs_rules_refuse_at(struct gs_rules_reader *reader, size_t offset, const char *hint, const char *format,
                        ...)
{
    if (list_is_full(reader))
        return;
    va_list args;
    va_start(args, format);
    add_error(reader, gs_rules_position_at(reader->text, offset), hint, format, args);
    va_end(args);
}

void gs_rules_refuse_file(struct gs_rules_reader *reader, const char *hint, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add_error(reader, (struct gs_text_position){0, 0}, hint, format, args);
    va_end(args);
}

bool gs_rules_refused(const struct gs_rules_reader *reader)
{
    return reader->errors->count + reader->errors->lost > reader->errors_before;
}

void *gs_rules_allocate(struct gs_rules_reader *reader, size_t size)
{
    struct gs_rules_block *block = gs_alloc(sizeof *block + size);
    if (!block) {
        gs_rules_refuse_file(reader, NULL, "out of memory");
        return NULL;
    }
    block->next = *reader->blocks;
    *reader->blocks = block;
    return block->bytes;
}

const char *gs_rules_copy_text(struct gs_rules_reader *reader, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = gs_rules_allocate(reader, size);
    return copy ? memcpy(copy, text, size) : NULL;
}

size_t gs_rules_metric_number(struct gs_rules_reader *reader, const char *name)
{
    size_t at = 0;
    while (at < reader->metric_count && strcmp(reader->metric[at], name) != 0)
        at++;
    if (at == reader->metric_count)
        reader->metric[reader->metric_count++] = name;
    return at;
}

void gs_rules_free_blocks(struct gs_rules_block *first)
{
    while (first) {
        struct gs_rules_block *next = first->next;
        gs_free(first);
        first = next;
    }
}
