/* source_text.c - finds and reads the source file that a profile names. The name comes from a file that anybody may have written:
 * only regular files are opened. Context: CLI. */
#include "base/memory.h"
#include "reader/reader.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { SOURCE_BYTES_MAX = 16 << 20 };

static int read_whole(const char *path, char **text, size_t *length)
{
    return gs_file_read(AT_FDCWD, path, SOURCE_BYTES_MAX, text, length);
}

/* PATH below DIR, then without its first folder, and so on. */
static int find_below(const char *dir, const char *path, char **text, size_t *length)
{
    char joined[PATH_MAX];
    for (const char *rest = path + strspn(path, "/"); *rest;) {
        if (snprintf(joined, sizeof joined, "%s/%s", dir, rest) < PATH_MAX &&
            read_whole(joined, text, length) == 0)
            return 0;
        const char *slash = strchr(rest, '/');
        if (!slash)
            break;
        rest = slash + strspn(slash, "/");
    }
    return -ENOENT;
}

/* Split TEXT into lines. False: no memory. */
static bool split(struct gs_source_text *source, size_t length)
{
    size_t lines = 1;
    for (size_t i = 0; i < length; i++)
        lines += source->text[i] == '\n';
    source->line = gs_alloc((lines + 1) * sizeof(*source->line));
    if (!source->line)
        return false;
    for (char *at = source->text, *end = source->text + length; at < end;) {
        char *next = memchr(at, '\n', (size_t)(end - at));
        source->line[source->count++] = at;
        if (!next)
            break;
        *next = 0;
        at = next + 1;
    }
    return true;
}

/* Split what was read, or not. Returns the error. */
static int finish(struct gs_source_text *out, size_t length, int error)
{
    if (!error && !split(out, length))
        error = -ENOMEM;
    if (error)
        gs_reader_source_fini(out);
    return error;
}

int gs_reader_source(const char *path, const char *dir, struct gs_source_text *out)
{
    size_t length = 0;
    *out = (struct gs_source_text){0};
    int error = *path == '/' ? read_whole(path, &out->text, &length) : -ENOENT;
    if (error)
        error = find_below(dir, path, &out->text, &length);
    return finish(out, length, error);
}

int gs_reader_source_below(const char *path, const char *dir, struct gs_source_text *out)
{
    size_t length = 0;
    *out = (struct gs_source_text){0};
    for (const char *up = path; (up = strstr(up, "..")) != NULL; up += 2)
        if ((up == path || up[-1] == '/') && (up[2] == '/' || !up[2]))
            return -EINVAL;
    return finish(out, length, find_below(dir, path, &out->text, &length));
}

void gs_reader_source_fini(struct gs_source_text *source)
{
    gs_free(source->text);
    gs_free(source->line);
    *source = (struct gs_source_text){0};
}
