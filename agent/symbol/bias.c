/* bias.c - finds the bias of a mapped file: address in the process minus bias = address in the file, as in its symbol table
 * and for addr2line.
 *
 *   file      │ headers, constants │ code           │ data      │        segments end to end, as lld and mold lay them:
 *             0                    0x710            0x900                 one page of the file belongs to three of them
 *   memory    ├ B         r--  offset 0
 *             ├ B+0x1000  r-x  offset 0       ◀── which segment does this line show?
 *             └ B+0x2000  rw-  offset 0
 *
 * Each segment with bytes in a line's part of the file gives one possible bias. Only the true bias also explains the
 * neighbouring lines of the same file, and which of them are executable.
 *
 * Who: the watcher, the CLI. Bounds: NEIGHBOURS lines each way. */
#include "symbol/inside.h"
#include <string.h>

enum { NEIGHBOURS = 16 };

struct lines { // of one file, in no order
    struct gs_maps_line line[2 * NEIGHBOURS + 1];
    size_t count;
};

/* ---- the lines around a mapping ------------------------------------------------------------------------------------- */

/* Add the line of TEXT at *AT, which moves to the next line; false: no line, or one of another file. Anonymous lines (.bss)
 * are skipped. */
static bool add_line(const char *text, size_t length, size_t *at, struct lines *out)
{
    struct gs_maps_line line;
    if (!gs_symbol_maps_next_line(text, length, at, &line))
        return false;
    if (line.path_length == 0)
        return true;
    if (out->count && !gs_symbol_maps_same_file(&line, &out->line[0]))
        return false;
    out->line[out->count++] = line;
    return true;
}

static size_t line_before(const char *text, size_t at)
{
    for (at--; at > 0 && text[at - 1] != '\n'; at--)
        ;
    return at;
}

static void read_lines(const struct gs_maps *maps, const struct gs_mapping *mapping, struct lines *out)
{
    size_t at = mapping->line;
    out->count = 0;
    if (maps->text && add_line(maps->text, maps->text_length, &at, out) && out->count) {
        for (int i = 0; i < NEIGHBOURS && add_line(maps->text, maps->text_length, &at, out); i++)
            ;
        at = mapping->line;
        for (int i = 0; i < NEIGHBOURS && at > 0; i++) {
            size_t before = line_before(maps->text, at);
            at = before;
            if (!add_line(maps->text, mapping->line, &before, out))
                break;
        }
        return;
    }
    out->count = 1; // the text was freed: use the mapping only
    out->line[0] = (struct gs_maps_line){
        .start = mapping->start, .end = mapping->end, .offset = mapping->offset, .executable = true};
}

/* ---- choosing the bias --------------------------------------------------------------------------------------------- */

/* Does LINE show bytes of SEGMENT's part of the file? If so, *BIAS is the bias if LINE maps SEGMENT. */
static bool bias_if_mapped(const struct gs_maps_line *line, const Elf64_Phdr *segment, uint64_t *bias)
{
    uint64_t length = line->end - line->start;
    if (segment->p_type != PT_LOAD || segment->p_filesz == 0)
        return false;
    if (line->offset >= segment->p_offset ? line->offset - segment->p_offset >= segment->p_filesz
                                          : segment->p_offset - line->offset >= length)
        return false;
    *bias = line->start - line->offset + segment->p_offset - segment->p_vaddr;
    return true;
}

/* How well BIAS explains LINES by SEGMENT[0..COUNT): 2 points for each line that a segment would produce, 1 more if both are
 * executable or both are not. */
static unsigned score_bias(const struct lines *lines, const Elf64_Phdr *segment, size_t count, uint64_t bias)
{
    unsigned sum = 0;
    for (size_t i = 0; i < lines->count; i++) {
        unsigned best = 0;
        for (size_t s = 0; s < count; s++) {
            uint64_t at;
            if (!bias_if_mapped(&lines->line[i], &segment[s], &at) || at != bias)
                continue;
            unsigned as = lines->line[i].executable == ((segment[s].p_flags & PF_X) != 0) ? 3 : 2;
            best = as > best ? as : best;
        }
        sum += best;
    }
    return sum;
}

bool gs_symbol_elf_bias(const Elf64_Phdr *segment, size_t count, const struct gs_maps *maps,
                        const struct gs_mapping *mapping, uint64_t *bias)
{
    struct lines lines;
    unsigned best = 0;
    read_lines(maps, mapping, &lines);
    for (size_t i = 0; i < count; i++) {
        uint64_t candidate;
        if (!bias_if_mapped(&lines.line[0], &segment[i], &candidate) || (best && candidate == *bias))
            continue;
        unsigned sum = score_bias(&lines, segment, count, candidate);
        if (sum > best) {
            best = sum;
            *bias = candidate;
        }
    }
    return best != 0;
}
