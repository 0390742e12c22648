/* maps.c - reads the executable mappings from /proc/PID/maps, each with the bias and the build id of its file.
 *
 *   start-end perms offset dev inode   path          the ELF header is in the mapping at offset 0. That is seldom
 *   ├ r--p 00000000  ◀── base: ELF header, notes     the executable mapping, so first_line is stored for each file
 *   ├ r-xp 00002000  ◀── added to gs_maps
 *   └ …
 *
 * Who: the watcher, for its own process and for processes that died; the CLI, for other processes. Bounds: 16 MiB of text
 * (GS_MAPS_TEXT_MAX). */
#include "base/memory.h"
#include "base/search.h"
#include "symbol/inside.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

struct maps_reader {
    struct gs_maps *maps;
    size_t capacity;
    struct stat exe;      // status of /proc/PID/exe; st_ino 0: unknown
    const char *exe_path; // path of the program, for a process that died; else NULL, and exe is used
    struct gs_maps_line first_line; // of the current line's file
};

/* Set the path and the `deleted` flag. The path is NULL if there is no memory. */
static void set_path(struct gs_mapping *mapping, const struct gs_maps_line *line)
{
    static const char deleted[] = " (deleted)";
    size_t length = line->path_length, tail = sizeof deleted - 1;
    if (length > tail && memcmp(line->path + length - tail, deleted, tail) == 0) {
        mapping->deleted = true;
        length -= tail;
    }
    mapping->path = length ? gs_strndup(line->path, length) : gs_strdup("[anon]");
}

/* Does LINE show the executable file of the process? */
static bool is_of_program(const struct maps_reader *reader, const struct gs_maps_line *line)
{
    if (reader->exe_path)
        return strlen(reader->exe_path) == line->path_length &&
               memcmp(line->path, reader->exe_path, line->path_length) == 0;
    return reader->exe.st_ino && line->inode == reader->exe.st_ino &&
           line->major == major(reader->exe.st_dev) && line->minor == minor(reader->exe.st_dev);
}

/* Set MAPPING's bias and build id from IMAGE, the start of its file in memory. If the ELF header cannot be read, has_bias is
 * false. */
static void read_image(const struct gs_maps *maps, struct gs_mapping *mapping, const struct gs_image *image)
{
    Elf64_Ehdr header;
    size_t count;
    Elf64_Phdr *segment =
        gs_symbol_elf_header(image, &header) ? gs_symbol_elf_segments(image, &header, &count) : NULL;
    mapping->has_bias = segment && gs_symbol_elf_bias(segment, count, maps, mapping, &mapping->bias);
    if (mapping->has_bias)
        mapping->build_id_length =
            gs_symbol_elf_loaded_build_id(image, segment, count, mapping->bias, mapping->build_id);
    gs_free(segment);
}

void gs_symbol_maps_take_image(struct gs_maps *maps, size_t index, uint64_t address, const void *bytes,
                               size_t length)
{
    struct gs_image image = {.fd = -1, .base = address, .bytes = bytes, .size = length};
    read_image(maps, &maps->mapping[index], &image);
}

/* Add LINE to the mappings; it starts at byte LINE_START of the text. False: no memory. */
static bool add_mapping(struct maps_reader *reader, const struct gs_maps_line *line, size_t line_start)
{
    struct gs_maps *maps = reader->maps;
    if (gs_grow(&maps->mapping, &reader->capacity, maps->count + 1, sizeof *maps->mapping))
        return false;
    struct gs_mapping *mapping = &maps->mapping[maps->count];
    *mapping = (struct gs_mapping){
        .start = line->start, .end = line->end, .offset = line->offset, .line = line_start};
    set_path(mapping, line);
    if (!mapping->path)
        return false;
    if (maps->pid && reader->first_line.offset == 0 && line->path_length) {
        struct gs_image image = {
            .fd = -1, .pid = maps->pid, .base = reader->first_line.start, .size = UINT64_MAX};
        read_image(maps, mapping, &image);
    }
    if (maps->main == SIZE_MAX && is_of_program(reader, line))
        maps->main = maps->count;
    maps->count++;
    return true;
}

/* Add the executable mappings of the whole text. False: no memory. */
static bool read_lines(struct maps_reader *reader)
{
    const struct gs_maps *maps = reader->maps;
    struct gs_maps_line line;
    for (size_t at = 0, line_start = 0; gs_symbol_maps_next_line(maps->text, maps->text_length, &at, &line);
         line_start = at) {
        if (!gs_symbol_maps_same_file(&line, &reader->first_line) || line.offset == 0)
            reader->first_line = line;
        if (line.executable && !add_mapping(reader, &line, line_start))
            return false;
    }
    return true;
}

static struct gs_maps *new_maps(int pid)
{
    struct gs_maps *maps = gs_alloc(sizeof *maps);
    if (maps) {
        maps->main = SIZE_MAX;
        maps->pid = pid;
    }
    return maps;
}

struct gs_maps *gs_symbol_maps_read(int pid)
{
    char path[64];
    struct maps_reader reader = {.maps = new_maps(pid ? pid : getpid())};
    if (!reader.maps) {
        errno = ENOMEM;
        return NULL;
    }
    snprintf(path, sizeof path, "/proc/%d/exe", reader.maps->pid);
    if (stat(path, &reader.exe) != 0)
        reader.exe.st_ino = 0;
    snprintf(path, sizeof path, "/proc/%d/maps", reader.maps->pid);
    int error = gs_file_read(AT_FDCWD, path, GS_MAPS_TEXT_MAX, &reader.maps->text, &reader.maps->text_length);
    if (!error && !read_lines(&reader))
        error = -ENOMEM;
    if (!error)
        return reader.maps;
    gs_symbol_maps_free(reader.maps);
    errno = -error;
    return NULL;
}

struct gs_maps *gs_symbol_maps_parse(const char *text, size_t length, const char *exe)
{
    struct maps_reader reader = {.maps = new_maps(0), .exe_path = exe};
    if (!reader.maps)
        return NULL;
    reader.maps->text = gs_alloc(length + 1);
    if (reader.maps->text) {
        memcpy(reader.maps->text, text, length);
        reader.maps->text_length = length;
        if (read_lines(&reader))
            return reader.maps;
    }
    gs_symbol_maps_free(reader.maps);
    return NULL;
}

void gs_symbol_maps_free(struct gs_maps *maps)
{
    if (!maps)
        return;
    for (size_t i = 0; i < maps->count; i++)
        gs_free(maps->mapping[i].path);
    for (size_t i = 0; i < maps->library_count; i++)
        gs_free(maps->library[i].path);
    gs_free(maps->library);
    gs_free(maps->mapping);
    gs_free(maps->text);
    gs_free(maps);
}

const struct gs_mapping *gs_symbol_maps_find(const struct gs_maps *maps, uint64_t address)
{
    uint64_t number = address >> GS_LIBRARY_SHIFT;
    if (number && number <= maps->library_count) {
        const struct gs_mapping *library = &maps->library[number - 1];
        return library->path && address - library->start < library->end - library->start ? library : NULL;
    }
    struct gs_search search = {.high = maps->count};
    while (gs_search_next(&search))
        gs_search_step(&search, maps->mapping[search.middle].end <= address);
    size_t found = search.low;
    return found < maps->count && maps->mapping[found].start <= address ? &maps->mapping[found] : NULL;
}

const char *gs_symbol_build_id_hex(const struct gs_mapping *mapping, char *out)
{
    static const char digit[] = "0123456789abcdef";
    for (unsigned i = 0; i < mapping->build_id_length; i++) {
        out[2 * i] = digit[mapping->build_id[i] >> 4];
        out[2 * i + 1] = digit[mapping->build_id[i] & 15];
    }
    out[2 * mapping->build_id_length] = 0;
    return out;
}
