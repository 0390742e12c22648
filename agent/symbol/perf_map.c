/* perf_map.c - names of code that a program generates at run time (a JIT compiler), from the perf map that it writes.
 *
 *   /tmp/perf-PID.map:  START SIZE NAME      hexadecimal numbers, then the name up to the end of the line
 *                       3ef414c0 398 JS:*render file:///srv/app.js:12:3
 *
 * PID is the process's number in its own pid namespace, and the file is in its own mount namespace. The file counts only if
 * it is regular, has one name, and belongs to the process's user or to root: anybody may write to /tmp. A later line
 * replaces earlier ones for the same addresses. Lines in another form are skipped.
 * Who: symbols.c, for living processes. Bounds: the last MAP_MAX bytes are read, in pieces; names are cut to NAME_BYTES. */
#include "base/memory.h"
#include "base/search.h"
#include "base/text.h"
#include "symbol/inside.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 64 << 10, MAP_MAX = 64 << 20, NAME_BYTES = 1024, STATUS_MAX = 64 << 10 };

/* ---- lines ---------------------------------------------------------------------------------------------------------- */

struct perf_line {
    uint64_t start, size;
    char name[NAME_BYTES + 1];
};

/* A hexadecimal number, with or without 0x, and the blank after it; *AT moves past both. */
static bool parse_number(const char **at, const char *end, uint64_t *out)
{
    const char *digit = *at;
    if (end - digit > 2 && digit[0] == '0' && (digit[1] == 'x' || digit[1] == 'X'))
        digit += 2;
    const char *first = digit;
    for (*out = 0; digit < end && digit - first < 16; digit++) {
        char c = *digit, lower = (char)(c | 0x20);
        if (c >= '0' && c <= '9')
            *out = *out << 4 | (uint64_t)(c - '0');
        else if (lower >= 'a' && lower <= 'f')
            *out = *out << 4 | (uint64_t)(lower - 'a' + 10);
        else
            break;
    }
    if (digit == first || digit == end || *digit != ' ')
        return false;
    *at = digit + 1;
    return true;
}

static bool parse_line(const char *at, size_t length, struct perf_line *out)
{
    const char *end = at + length;
    uint64_t limit;
    if (!parse_number(&at, end, &out->start) || !parse_number(&at, end, &out->size) || at == end ||
        out->size == 0 || __builtin_add_overflow(out->start, out->size, &limit))
        return false;
    size_t name = (size_t)(end - at);
    name = name < NAME_BYTES ? name : NAME_BYTES;
    memcpy(out->name, at, name);
    out->name[name] = 0;
    return out->name[0] != 0;
}

/* NAME with control characters shown as \xNN; NULL: no memory. */
static char *printable(const char *name)
{
    struct gs_text text = {0};
    gs_text_add_printable(&text, name);
    return text.bytes;
}

static void name_one(struct gs_symbol_wanted *wanted, const struct perf_line *line)
{
    char *system_name = printable(line->name), *demangled = gs_symbol_demangle(line->name);
    char *name = demangled ? printable(demangled) : printable(line->name);
    gs_free(demangled);
    if (!system_name || !name) {
        gs_free(system_name);
        gs_free(name);
        return;
    }
    gs_free((char *)wanted->symbol.name);
    gs_free((char *)wanted->symbol.system_name);
    wanted->symbol.name = name;
    wanted->symbol.system_name = system_name;
    wanted->symbol.start = line->start;
}

/* Name those of WANTED[0..COUNT), sorted by address, that are in generated code and that LINE covers. */
static void apply_line(const struct perf_line *line, struct gs_symbol_wanted *wanted, size_t count)
{
    struct gs_search search = {.high = count};
    while (gs_search_next(&search))
        gs_search_step(&search, wanted[search.middle].address < line->start);
    for (size_t i = search.low; i < count && wanted[i].address - line->start < line->size; i++)
        if (wanted[i].symbol.generated)
            name_one(&wanted[i], line);
}

/* ---- the file ------------------------------------------------------------------------------------------------------- */

/* Apply the complete lines of BYTES[0..LENGTH). Returns how many bytes they have. */
static size_t apply_lines(const char *bytes, size_t length, struct gs_symbol_wanted *wanted, size_t count)
{
    struct perf_line line;
    size_t at = 0;
    for (const char *newline; (newline = memchr(bytes + at, '\n', length - at));
         at = (size_t)(newline - bytes) + 1)
        if (parse_line(bytes + at, (size_t)(newline - bytes) - at, &line))
            apply_line(&line, wanted, count);
    return at;
}

void gs_symbol_perf_map_read(int fd, struct gs_symbol_wanted *wanted, size_t count)
{
    char *piece = gs_alloc(PIECE);
    struct stat status;
    size_t filled = 0, left = MAP_MAX;
    bool skips = false; // the rest of a line: its beginning was not read, or was too long
    if (piece && fstat(fd, &status) == 0 && status.st_size > MAP_MAX)
        skips = lseek(fd, status.st_size - MAP_MAX, SEEK_SET) > 0;
    for (ssize_t got; piece && left;) {
        got = read(fd, piece + filled, PIECE - filled < left ? PIECE - filled : left);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        filled += (size_t)got;
        left -= (size_t)got;
        const char *newline = skips ? memchr(piece, '\n', filled) : NULL;
        size_t from = newline ? (size_t)(newline - piece) + 1 : 0;
        skips = skips && !newline;
        size_t done = skips ? filled : from + apply_lines(piece + from, filled - from, wanted, count);
        skips = skips || (done == 0 && filled == PIECE);
        filled = skips ? 0 : filled - done;
        memmove(piece, piece + done, filled);
    }
    gs_free(piece);
}

/* The effective user of process PID, and its number in its own pid namespace. False: the process has ended. */
static bool read_identity(int pid, uid_t *user, int *inner_pid)
{
    char path[64], *text;
    size_t length;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    if (gs_file_read(AT_FDCWD, path, STATUS_MAX, &text, &length))
        return false;
    const char *users = strstr(text, "\nUid:"), *numbers = strstr(text, "\nNSpid:");
    bool known = users && sscanf(users, "\nUid: %*u %u", user) == 1;
    *inner_pid = pid;
    for (const char *at = numbers ? numbers + strlen("\nNSpid:") : "\n"; *at && *at != '\n'; at++)
        if (*at == '\t')
            *inner_pid = atoi(at + 1); // the last one is the innermost
    gs_free(text);
    return known;
}

/* Open the map NAME in DIRECTORY if it may be believed. The descriptor, or -errno, then with the reason in *WHY, which is
 * NULL if there is no such file. */
static int open_checked(int directory, const char *name, uid_t user, const char **why)
{
    struct stat status;
    *why = NULL;
    if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return -errno;
    int fd = S_ISREG(status.st_mode)
                 ? gs_file_openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0)
                 : -EINVAL;
    if (fd < 0 || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        *why = fd < 0 && fd != -EINVAL ? strerrordesc_np(-fd) : "not a regular file: its names are not used";
    else if ((status.st_uid != user && status.st_uid != 0) || status.st_nlink != 1)
        *why = "written by another user: its names are not used";
    if (!*why)
        return fd;
    if (fd >= 0)
        close(fd);
    return -EPERM;
}

const char *gs_symbol_perf_map_names(int pid, struct gs_symbol_wanted *wanted, size_t count, char path[64])
{
    char name[32];
    const char *why = NULL;
    uid_t user;
    int inner_pid;
    if (!read_identity(pid, &user, &inner_pid))
        return NULL;
    bool own = pid == getpid();
    snprintf(path, 64, "/proc/%d/root/tmp", pid);
    int directory =
        gs_file_openat(AT_FDCWD, own ? "/tmp" : path, O_RDONLY | O_DIRECTORY | (own ? 0 : O_NOFOLLOW), 0);
    if (directory < 0)
        return NULL;
    snprintf(name, sizeof name, "perf-%d.map", inner_pid);
    snprintf(path, 64, "/tmp/%s", name);
    int fd = open_checked(directory, name, user, &why);
    close(directory);
    if (fd < 0)
        return why;
    gs_symbol_perf_map_read(fd, wanted, count);
    close(fd);
    return NULL;
}
