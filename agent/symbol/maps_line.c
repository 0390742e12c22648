/* maps_line.c - parses one line of /proc/PID/maps, and compares the files of two lines.
 *
 *   start-end perms offset major:minor inode   path
 *
 * Who: maps.c, bias.c, the memory account. Context: any (pure): nothing is allocated, and a path is borrowed from the text. */
#include "symbol/inside.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool parse(const char *text, size_t length, struct gs_maps_line *out)
{
    char perms[5], head[128];
    int used = 0;
    size_t head_length = length < sizeof head - 1 ? length : sizeof head - 1;
    memcpy(head, text, head_length);
    head[head_length] = 0;
    *out = (struct gs_maps_line){0};
    if (sscanf(head, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 "%n", &out->start, &out->end,
               perms, &out->offset, &out->major, &out->minor, &out->inode, &used) != 7 ||
        strlen(perms) != 4)
        return false;
    out->readable = perms[0] == 'r';
    out->writable = perms[1] == 'w';
    out->executable = perms[2] == 'x';
    out->shared = perms[3] == 's';
    while ((size_t)used < length && text[used] == ' ')
        used++;
    out->path = text + used;
    out->path_length = length - (size_t)used;
    return true;
}

bool gs_symbol_maps_next_line(const char *text, size_t length, size_t *at, struct gs_maps_line *out)
{
    while (*at < length) {
        const char *line = text + *at, *newline = memchr(line, '\n', length - *at);
        size_t line_length = newline ? (size_t)(newline - line) : length - *at;
        *at += line_length + 1;
        if (parse(line, line_length, out))
            return true;
    }
    return false;
}

bool gs_symbol_maps_same_file(const struct gs_maps_line *a, const struct gs_maps_line *b)
{
    return a->inode == b->inode && a->major == b->major && a->minor == b->minor &&
           a->path_length == b->path_length &&
           (a->path_length == 0 || memcmp(a->path, b->path, a->path_length) == 0);
}
