/* journal.c - which incidents have gone where: a file of lines in the incident directory.
 *
 *   add: lock the file ▶ [rewrite it without old lines ▶ rename] ▶ one write of one line
 *
 * Who:    the command. Several may run at a time; the file's lock (flock) orders them. One that waited for the lock of a file that
 *         was replaced meanwhile opens the new one.
 * Death:  a write that was cut leaves a line without an end. The next line begins with a newline then, and the cut one fails its
 *         checksum: its incident is sent once more.
 * Bounds: GS_SHIP_JOURNAL_MAX bytes. */
#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"
#include "ship/inside.h"
#include "store/store.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { REWRITE_FROM = 1 << 20, REWRITE_STEP = 256 << 10 };

/* ---- the text --------------------------------------------------------------------------------------------------------- */

static uint64_t hash_of(uint64_t destination, const char *folder)
{
    return gs_hash_mix(destination ^ gs_hash_bytes(folder, strlen(folder)));
}

static uint64_t hash_of_item(const void *items, uint32_t number)
{
    const struct gs_ship_gone *gone = (const struct gs_ship_gone *)items + number;
    return hash_of(gone->destination, gone->folder);
}

static struct gs_ship_gone *find(const struct gs_ship_journal *journal, uint64_t destination,
                                 const char *folder)
{
    size_t at = SIZE_MAX;
    for (uint32_t number;
         (number = gs_index_next(&journal->index, hash_of(destination, folder), &at)) != UINT32_MAX;) {
        struct gs_ship_gone *gone = &journal->gone[number];
        if (gone->destination == destination && strcmp(gone->folder, folder) == 0)
            return gone;
    }
    return NULL;
}

const struct gs_ship_gone *gs_ship_journal_find(const struct gs_ship_journal *journal, uint64_t destination,
                                                const char *folder)
{
    return find(journal, destination, folder);
}

bool gs_ship_is_folder_name(const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < length; i++)
        if (name[i] <= ' ' || name[i] > '~' || name[i] == '/')
            return false;
    return length > 0 && length < GS_SHIP_FOLDER_MAX && name[0] != '.';
}

void gs_ship_journal_print(const struct gs_ship_gone *gone, char out[GS_SHIP_LINE_MAX])
{
    int length = snprintf(out, GS_SHIP_LINE_MAX, "1 %016llx %lld %s ", (unsigned long long)gone->destination,
                          (long long)gone->version, gone->folder);
    snprintf(out + length, GS_SHIP_LINE_MAX - (size_t)length, "%08lx\n",
             crc32(0, (const unsigned char *)out, (unsigned)length));
}

/* Read one line, LENGTH bytes without its newline. The line that its contents would give is compared with it: so a number that is
 * written in another way is refused as well. */
static bool parse_line(const char *text, size_t length, struct gs_ship_gone *out)
{
    char line[GS_SHIP_LINE_MAX], again[GS_SHIP_LINE_MAX];
    unsigned long long destination;
    long long version;
    if (length >= sizeof line)
        return false;
    memcpy(line, text, length);
    line[length] = 0;
    if (sscanf(line, "1 %16llx %20lld %159s", &destination, &version, out->folder) != 3 ||
        !gs_ship_is_folder_name(out->folder))
        return false;
    out->destination = destination;
    out->version = version;
    gs_ship_journal_print(out, again);
    return strlen(again) == length + 1 && memcmp(again, line, length) == 0;
}

int gs_ship_journal_remember(struct gs_ship_journal *journal, const struct gs_ship_gone *gone)
{
    struct gs_ship_gone *earlier = find(journal, gone->destination, gone->folder);
    if (earlier) {
        earlier->version = gone->version;
        return 0;
    }
    if (journal->count >= UINT32_MAX - 1 ||
        gs_grow(&journal->gone, &journal->capacity, journal->count + 1, sizeof *journal->gone))
        return -ENOMEM;
    journal->gone[journal->count] = *gone;
    int error = gs_index_add(&journal->index, hash_of(gone->destination, gone->folder),
                             (uint32_t)journal->count, hash_of_item, journal->gone);
    journal->count += error ? 0 : 1;
    return error;
}

int gs_ship_journal_parse(const char *text, size_t length, struct gs_ship_journal *out)
{
    *out = (struct gs_ship_journal){0};
    int error = 0;
    for (size_t at = 0; at < length && !error;) {
        const char *end = memchr(text + at, '\n', length - at);
        size_t line = end ? (size_t)(end - text) - at : length - at;
        struct gs_ship_gone gone = {0};
        if (end && parse_line(text + at, line, &gone))
            error = gs_ship_journal_remember(out, &gone);
        else if (line)
            out->ignored_lines++;
        at += line + 1;
    }
    if (error)
        gs_ship_journal_fini(out);
    return error;
}

void gs_ship_journal_fini(struct gs_ship_journal *journal)
{
    gs_free(journal->gone);
    gs_index_fini(&journal->index);
    *journal = (struct gs_ship_journal){0};
}

/* ---- the file --------------------------------------------------------------------------------------------------------- */

static int open_journal(const char *path, int flags)
{
    int fd = gs_file_openat(AT_FDCWD, path, flags | O_NOFOLLOW | O_NONBLOCK, 0600);
    struct stat status;
    if (fd >= 0 && (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))) {
        close(fd);
        return -EINVAL;
    }
    return fd;
}

static int read_journal(int fd, struct gs_ship_journal *out)
{
    char *text;
    size_t length;
    int error =
        lseek(fd, 0, SEEK_SET) < 0 ? -errno : gs_file_read_all(fd, 2 * GS_SHIP_JOURNAL_MAX, &text, &length);
    if (error)
        return error;
    error = gs_ship_journal_parse(text, length, out);
    gs_free(text);
    return error;
}

int gs_ship_journal_read(const char *path, struct gs_ship_journal *out)
{
    *out = (struct gs_ship_journal){0};
    int fd = open_journal(path, O_RDONLY);
    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    int error = read_journal(fd, out);
    close(fd);
    return error;
}

/* Open the journal and lock it. A journal that was replaced while this waited for its lock is opened again. -ESTALE: it is replaced
 * each time. */
static int open_locked(const char *path)
{
    enum { TRIES = 100 };
    for (int tries = 0; tries < TRIES; tries++) {
        struct stat opened, named;
        int fd = open_journal(path, O_RDWR | O_APPEND | O_CREAT);
        if (fd < 0)
            return fd;
        while (flock(fd, LOCK_EX) != 0)
            if (errno != EINTR) {
                int error = -errno;
                close(fd);
                return error;
            }
        if (fstat(fd, &opened) == 0 && lstat(path, &named) == 0 && opened.st_ino == named.st_ino &&
            opened.st_dev == named.st_dev)
            return fd;
        close(fd);
    }
    return -ESTALE;
}

/* Print to OUT the newest lines of JOURNAL, with room for more in GS_SHIP_JOURNAL_MAX bytes, whose folders exist in DIR. */
static void print_lines(const struct gs_ship_journal *journal, const char *dir, struct gs_text *out)
{
    char line[GS_SHIP_LINE_MAX];
    size_t first = journal->count;
    for (size_t bytes = REWRITE_STEP; first > 0; first--) {
        gs_ship_journal_print(&journal->gone[first - 1], line);
        bytes += strlen(line);
        if (bytes > GS_SHIP_JOURNAL_MAX)
            break;
    }
    for (size_t i = first; i < journal->count; i++) {
        char path[PATH_MAX], folder[GS_STORE_KEY_PATH];
        gs_store_key_path(journal->gone[i].folder, folder);
        snprintf(path, sizeof path, "%s/%s", dir, folder);
        gs_ship_journal_print(&journal->gone[i], line);
        if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT)
            gs_text_add(out, "%s", line);
    }
}

/* Replace the journal in PATH, opened as *FD and locked, by one without old lines; *FD becomes the new one's, locked as well. */
static int rewrite(const char *path, const char *dir, int *fd)
{
    char temporary[PATH_MAX];
    struct gs_ship_journal journal;
    struct gs_text text = {0};
    int error = read_journal(*fd, &journal);
    if (error)
        return error;
    print_lines(&journal, dir, &text);
    gs_ship_journal_fini(&journal);
    snprintf(temporary, sizeof temporary, "%s.new", path);
    int fresh = text.failed ? -ENOMEM : open_journal(temporary, O_RDWR | O_APPEND | O_CREAT | O_TRUNC);
    error = fresh < 0 ? fresh : 0;
    if (!error && flock(fresh, LOCK_EX | LOCK_NB) != 0)
        error = -errno;
    if (!error && text.length)
        error = gs_file_write_all(fresh, text.bytes, text.length);
    if (!error && (fsync(fresh) != 0 || rename(temporary, path) != 0))
        error = -errno;
    gs_text_fini(&text);
    if (fresh >= 0)
        close(error ? fresh : *fd);
    *fd = error ? *fd : fresh;
    return error;
}

static bool is_due_for_rewrite(off_t size, size_t length)
{
    off_t after = size + (off_t)length;
    return after > REWRITE_FROM && after / REWRITE_STEP != size / REWRITE_STEP;
}

/* Append LINE to FD with one write; after a line that was cut, on a line of its own. */
static int append(int fd, off_t size, const char *line)
{
    char text[GS_SHIP_LINE_MAX + 1], last = '\n';
    if (size > 0 && pread(fd, &last, 1, size - 1) != 1)
        return -EIO;
    int length = snprintf(text, sizeof text, "%s%s", last == '\n' ? "" : "\n", line);
    return gs_file_write_all(fd, text, (size_t)length);
}

int gs_ship_journal_add(const char *path, const char *dir, const struct gs_ship_gone *gone)
{
    char line[GS_SHIP_LINE_MAX];
    struct stat status;
    int fd = open_locked(path), error = fd < 0 ? fd : 0;
    if (error)
        return error;
    gs_ship_journal_print(gone, line);
    if (fstat(fd, &status) != 0)
        error = -errno;
    if (!error && is_due_for_rewrite(status.st_size, strlen(line))) {
        error = rewrite(path, dir, &fd);
        if (!error && fstat(fd, &status) != 0)
            error = -errno;
    }
    if (!error)
        error = append(fd, status.st_size, line);
    close(fd);
    return error;
}
