/* bias.c - where a file lies in a process: its bias is what to take off an address to get the address that the file itself counts
 * with, which addr2line and every symbol table mean.
 *
 *   file      │ headers, constants │ code           │ data      │        segments end to end, as lld and mold lay them:
 *             0                    0x710            0x900                 one page of the file belongs to three of them
 *   memory    ├ B         r--  offset 0
 *             ├ B+0x1000  r-x  offset 0       ◀── which segment is this line of?
 *             └ B+0x2000  rw-  offset 0
 *
 * Every segment that has bytes in a line's part of the file would put the file at a place. The true place explains the lines of
 * the same file before and behind as well, and a line's right to be executed; a wrong one does not.
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

/* Add the line of TEXT at *AT, which moves behind it; false: there is none, or one of another file. What is anonymous (.bss) may
 * stand between. */
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
    out->count = 1; // the text is gone: the mapping is all there is
    out->line[0] = (struct gs_maps_line){
        .start = mapping->start, .end = mapping->end, .offset = mapping->offset, .executable = true};
}

/* ---- places ----------------------------------------------------------------------------------------------------------- */

/* Does LINE show bytes of SEGMENT? If so, *BIAS is where the file lies should LINE be of SEGMENT. */
static bool may_be_of(const struct gs_maps_line *line, const Elf64_Phdr *segment, uint64_t *bias)
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

/* How well a file with SEGMENT[0..COUNT) at BIAS explains LINES: 2 for a line that a segment would give, 1 more where the two
 * agree whether it may be executed. */
static unsigned explained(const struct lines *lines, const Elf64_Phdr *segment, size_t count, uint64_t bias)
{
    unsigned sum = 0;
    for (size_t i = 0; i < lines->count; i++) {
        unsigned best = 0;
        for (size_t s = 0; s < count; s++) {
            uint64_t at;
            if (!may_be_of(&lines->line[i], &segment[s], &at) || at != bias)
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
        uint64_t place;
        if (!may_be_of(&lines.line[0], &segment[i], &place) || (best && place == *bias))
            continue;
        unsigned sum = explained(&lines, segment, count, place);
        if (sum > best) {
            best = sum;
            *bias = place;
        }
    }
    return best != 0;
}
