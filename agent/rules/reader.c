/* reader.c - what every part of the reading leans on: errors at their places, memory that the rules keep, and the metrics that
 * were named so far.
 *
 *   rules ──▶ kept ──▶ kept ──▶ … one list of blocks: freeing the rules is walking it.  Who: read.c and below. */
#include "base/memory.h"
#include "metrics/metrics.h"
#include "rules/inside.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Finding a path is a walk over the text: not for errors that will only be counted. */
static bool list_is_full(struct gs_rules_reader *reader)
{
    reader->errors->lost += reader->errors->lost > 0;
    return reader->errors->lost > 0;
}

static void add(struct gs_rules_reader *reader, struct gs_text_position position, const char *hint,
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
    add(reader, gs_rules_position_at(reader->text, offset), hint, format, args);
    va_end(args);
}

void gs_rules_refuse_at(struct gs_rules_reader *reader, size_t offset, const char *hint, const char *format,
                        ...)
{
    if (list_is_full(reader))
        return;
    va_list args;
    va_start(args, format);
    add(reader, gs_rules_position_at(reader->text, offset), hint, format, args);
    va_end(args);
}

void gs_rules_refuse_file(struct gs_rules_reader *reader, const char *hint, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(reader, (struct gs_text_position){0, 0}, hint, format, args);
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
    block->next = *reader->kept;
    *reader->kept = block;
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

void gs_rules_free_blocks(struct gs_rules_block *kept)
{
    while (kept) {
        struct gs_rules_block *next = kept->next;
        gs_free(kept);
        kept = next;
    }
}
