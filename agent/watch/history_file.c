/* history_file.c - the history file of this program, which all its processes write.
 *
 *   <name>.lock   byte 0        held (fcntl) while records are appended, or the file is replaced: tried, never waited for
 *                 bytes 1 to 4  held by the processes that are recorded, as long as they live
 *   <name>.gsh    records; replaced by <name>.new when it is made smaller
 *
 * The locks end with the process, however it ends, and children do not inherit them; they hold between containers as well.
 * A write that was cut off, by SIGKILL or a full disk, is cut away by the next that appends. Nothing is synced: the kernel
 * keeps what a killed process has written.
 * Who:    the watcher. The descriptors are in its own table. Only one gs_history_file in a process: closing any descriptor
 *         of the lock file would end its locks.
 * Bounds: opening reads the whole file once; later only what others have appended. */
#include "watch/history_file.h"
#include "base/clock.h"
#include "base/memory.h"
#include "sys/file.h"
#include "sys/identity.h"
#include "sys/process.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { APPENDING = 0, COPY_BYTES = 64 << 10 };
#define DAY_NS (86400 * GS_NS_PER_S)

void gs_watch_history_file_init(struct gs_history_file *file, struct gs_store *store)
{
    struct gs_identity identity;
    struct gs_text hashed = {0};
    *file = (struct gs_history_file){.store = store, .lock = GS_OWNED_FD_NONE, .data = GS_OWNED_FD_NONE};
    gs_store_find_program(file->program);
    gs_identity_of_self(file->program, &identity);
    gs_text_add(&hashed, "%s\n%s", file->program,
                identity.program); // scripts of one interpreter have files of their own
    gs_store_name_of_program(identity.program, hashed.bytes ? hashed.bytes : "", ".gsh", file->name,
                             sizeof file->name);
    gs_text_fini(&hashed);
}

/* ---- locks ----------------------------------------------------------------------------------------------------------- */

/* Set byte NUMBER of the lock file to TYPE. 0; -EAGAIN: another process holds it; or -errno. */
static int set_lock(const struct gs_history_file *file, unsigned number, short type)
{
    struct flock one = {.l_type = type, .l_whence = SEEK_SET, .l_start = number, .l_len = 1};
    if (fcntl(file->lock.fd, F_SETLK, &one) == 0)
        return 0;
    return errno == EACCES ? -EAGAIN : -errno;
}

static bool is_locked(const struct gs_history_file *file, unsigned number)
{
    struct flock one = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = number, .l_len = 1};
    return fcntl(file->lock.fd, F_GETLK, &one) == 0 && one.l_type != F_UNLCK;
}

static int take_slot(struct gs_history_file *file)
{
    int error = file->slot ? 0 : -EAGAIN;
    for (unsigned slot = 1; error == -EAGAIN && slot <= GS_HISTORY_WRITERS_MAX; slot++) {
        error = set_lock(file, slot, F_WRLCK);
        if (!error)
            file->slot = slot;
    }
    return error == -EAGAIN ? -EBUSY : error;
}

unsigned gs_watch_history_file_writers(const struct gs_history_file *file)
{
    unsigned count = 1;
    for (unsigned slot = 1; slot <= GS_HISTORY_WRITERS_MAX; slot++)
        count += slot != file->slot && is_locked(file, slot);
    return count;
}

/* ---- opening --------------------------------------------------------------------------------------------------------- */

/* Is the file still open, and the one that its name leads to? */
static bool is_current(const struct gs_owned_fd *owned)
{
    struct stat status;
    return gs_owned_fd_is_open(owned, &status) && status.st_nlink > 0;
}

/* Open file NAME of FOLDER, which is created if missing and must be a plain file of this user. */
static int open_own(int folder, const char *name, struct gs_owned_fd *out)
{
    struct stat status;
    int fd = gs_file_openat(folder, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600),
        error = 0;
    if (fd < 0)
        return fd;
    if (fstat(fd, &status) != 0)
        error = -errno;
    else if (!S_ISREG(status.st_mode) || status.st_uid != geteuid() || status.st_nlink != 1)
        error = -EPERM;
    if (!error)
        return gs_owned_fd_take(out, fd);
    close(fd);
    return error;
}

static bool is_history(const char *name)
{
    size_t length = strlen(name);
    return length < GS_HISTORY_FILE_NAME && length > 4 && strcmp(name + length - 4, ".gsh") == 0;
}

/* Before a new file is made in FOLDER: if there are too many, remove the one that nobody has written to for longest, and at
 * least for a day. 0, or -EMFILE: there is none. */
static int make_room(int folder, const char *name, int64_t now_ns)
{
    struct gs_dir dir;
    struct stat status;
    char oldest[GS_HISTORY_FILE_NAME] = "", lock[GS_HISTORY_FILE_NAME + 8];
    int64_t oldest_s = (now_ns - DAY_NS) / GS_NS_PER_S;
    unsigned count = 0;
    gs_file_dir_start(&dir, folder);
    for (const char *entry; (entry = gs_file_dir_next(&dir));) {
        if (strcmp(entry, name) == 0)
            return 0;
        if (!is_history(entry) || fstatat(folder, entry, &status, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        count++;
        if (status.st_mtime < oldest_s) {
            oldest_s = status.st_mtime;
            strcpy(oldest, entry);
        }
    }
    if (count < GS_HISTORY_FILES_MAX)
        return 0;
    snprintf(lock, sizeof lock, "%s.lock", oldest);
    if (!*oldest || unlinkat(folder, oldest, 0) != 0)
        return -EMFILE;
    unlinkat(folder, lock, 0);
    return 0;
}

static int open_lock(struct gs_history_file *file, int64_t now_ns)
{
    char name[GS_HISTORY_FILE_NAME + 8];
    int folder = gs_store_history_open(file->store);
    if (folder < 0)
        return folder;
    gs_watch_history_file_close(file);
    snprintf(name, sizeof name, "%s.lock", file->name);
    int error = make_room(folder, file->name, now_ns);
    if (!error)
        error = open_own(folder, name, &file->lock);
    close(folder);
    return error;
}

/* Read the head of the open file; an empty one, or one whose head was cut off, gets a head. */
static int read_head(const struct gs_history_file *file, uint64_t *size)
{
    unsigned char head[GS_HISTORY_FILE_HEAD];
    struct stat status;
    if (fstat(file->data.fd, &status) != 0)
        return -errno;
    *size = (uint64_t)status.st_size;
    size_t length = *size < sizeof head ? (size_t)*size : sizeof head;
    if (!gs_file_read_at(file->data.fd, 0, head, length))
        return -EIO;
    if (memcmp(head, gs_history_file_head, length < sizeof head ? length : sizeof head - 1) != 0)
        return -EBADMSG;
    if (length == sizeof head)
        return head[length - 1] == gs_history_file_head[length - 1] ? 0 : -EOPNOTSUPP;
    if (pwrite(file->data.fd, gs_history_file_head, sizeof head, 0) != sizeof head)
        return errno ? -errno : -EIO;
    *size = sizeof head;
    return 0;
}

/* Cut away what follows the last whole record. A file that cannot be cut is read as if it were, and the next record is
 * written over it. A filter of system calls may end the process for a call that nobody else here needs. */
static void cut(const struct gs_history_file *file)
{
    if (!gs_process_count_filters())
        (void)!ftruncate(file->data.fd, (off_t)file->end);
}

/* Look at RECORD of the file that is being opened: count it if it is of the last day; whose file is it? */
static void look_at(struct gs_history_file *file, const struct gs_history_record *record, int64_t now_ns,
                    bool *ours, bool *others)
{
    struct gs_history_process process;
    char text[2][GS_HISTORY_TEXT];
    const unsigned char *pack;
    size_t length;
    int64_t written_ns = INT64_MIN;
    if (record->type != GS_HISTORY_PROCESS) {
        if (__builtin_mul_overflow(record->to_ms, GS_NS_PER_MS, &written_ns))
            written_ns = INT64_MIN;
    } else if (gs_history_file_read_process(record, &process, text, &pack, &length)) {
        written_ns = process.started_ns;
        *(strncmp(process.program, file->program, GS_HISTORY_TEXT - 1) == 0 ? ours : others) = true;
    }
    if (written_ns <= now_ns && written_ns > now_ns - DAY_NS)
        file->day_bytes += record->size;
}

/* Read the records from OFFSET to SIZE, and cut away what follows the last whole one. */
static int read_records(struct gs_history_file *file, uint64_t offset, uint64_t size, int64_t now_ns)
{
    struct gs_history_scan scan;
    struct gs_history_record record;
    bool ours = false, others = false;
    int error = gs_watch_history_scan_begin(&scan, file->data.fd, offset, size);
    if (error)
        return error;
    while (gs_watch_history_scan_next(&scan, &record, &offset))
        look_at(file, &record, now_ns, &ours, &others);
    gs_watch_history_scan_end(&scan);
    if (scan.error)
        return scan.error;
    if (others && !ours && file->end == 0)
        return -ENOTUNIQ;
    file->end = scan.whole;
    if (scan.whole < size)
        cut(file);
    return 0;
}

/* A file of which hardly anything can be read gets another name, so that a new one can begin. */
static int set_aside(const struct gs_history_file *file, int folder)
{
    char bad[GS_HISTORY_FILE_NAME + 8];
    snprintf(bad, sizeof bad, "%s.bad", file->name);
    return renameat(folder, file->name, folder, bad) == 0 ? -EBADMSG : -errno;
}

static int open_data(struct gs_history_file *file, int64_t now_ns)
{
    uint64_t size = 0;
    int folder = gs_store_history_open(file->store);
    if (folder < 0)
        return folder;
    gs_owned_fd_close(&file->data);
    file->end = file->day_bytes = 0;
    int error = open_own(folder, file->name, &file->data);
    if (!error)
        error = read_head(file, &size);
    if (!error) {
        error = read_records(file, GS_HISTORY_FILE_HEAD, size, now_ns);
        error = error == -EBADMSG ? set_aside(file, folder) : error;
    }
    close(folder);
    if (error)
        gs_owned_fd_close(&file->data);
    return error;
}

/* The file is open: read what others have appended since. It was cut: read all of it. */
static int follow(struct gs_history_file *file, int64_t now_ns)
{
    struct stat status;
    if (fstat(file->data.fd, &status) != 0)
        return -errno;
    uint64_t size = (uint64_t)status.st_size;
    if (size < file->end)
        return -ESTALE;
    return size == file->end ? 0 : read_records(file, file->end, size, now_ns);
}

int gs_watch_history_file_take(struct gs_history_file *file, int64_t now_ns, bool *fresh)
{
    *fresh = false;
    int error = is_current(&file->lock) ? 0 : open_lock(file, now_ns);
    if (!error)
        error = take_slot(file);
    if (!error)
        error = set_lock(file, APPENDING, F_WRLCK);
    if (error)
        return error;
    if (is_current(&file->data) && (error = follow(file, now_ns)) != -ESTALE)
        *fresh = false;
    else {
        error = open_data(file, now_ns);
        *fresh = true;
    }
    if (error)
        gs_watch_history_file_give(file);
    return error;
}

void gs_watch_history_file_give(struct gs_history_file *file)
{
    (void)set_lock(file, APPENDING, F_UNLCK);
}

void gs_watch_history_file_close(struct gs_history_file *file)
{
    gs_owned_fd_close(&file->data);
    gs_owned_fd_close(&file->lock);
    file->slot = 0;
}

/* ---- writing --------------------------------------------------------------------------------------------------------- */

static int write_at(int fd, const void *bytes, size_t size, uint64_t offset)
{
    for (size_t done = 0; done < size;) {
        ssize_t wrote = pwrite(fd, (const char *)bytes + done, size - done, (off_t)(offset + done));
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return wrote ? -errno : -EIO;
        done += (size_t)wrote;
    }
    return 0;
}

int gs_watch_history_file_append(struct gs_history_file *file, const void *bytes, size_t size)
{
    int error = write_at(file->data.fd, bytes, size, file->end);
    if (!error)
        file->end += size;
    else
        cut(file);
    return error;
}

/* Copy LENGTH bytes at FROM of the file to offset TO of NEW, through BUFFER. */
static int copy(const struct gs_history_file *file, uint64_t from, uint64_t length, int new, uint64_t to,
                char *buffer)
{
    int error = 0;
    for (size_t part; !error && length; from += part, to += part, length -= part) {
        part = length < COPY_BYTES ? (size_t)length : COPY_BYTES;
        error = gs_file_read_at(file->data.fd, from, buffer, part) ? write_at(new, buffer, part, to) : -EIO;
    }
    return error;
}

/* Write the head and the records to keep to NEW; neighbours are copied together. *END: its size. */
static int write_kept(const struct gs_history_file *file, const struct gs_history_entry *entry, size_t count,
                      int new, uint64_t *end)
{
    char *buffer = gs_alloc(COPY_BYTES);
    int error = buffer ? write_at(new, gs_history_file_head, GS_HISTORY_FILE_HEAD, 0) : -ENOMEM;
    *end = GS_HISTORY_FILE_HEAD;
    for (size_t i = 0; !error && i < count;) {
        uint64_t from = entry[i].offset, length = 0;
        for (; i < count && entry[i].keep && entry[i].offset == from + length; i++)
            length += entry[i].size;
        error = copy(file, from, length, new, *end, buffer);
        *end += length;
        i += length == 0;
    }
    gs_free(buffer);
    return error;
}

/* Write the records to keep to a new file in FOLDER, which replaces the old one. */
static int replace(struct gs_history_file *file, int folder, const struct gs_history_entry *entry,
                   size_t count)
{
    char new_name[GS_HISTORY_FILE_NAME + 8];
    struct gs_owned_fd new;
    uint64_t end;
    snprintf(new_name, sizeof new_name, "%s.new", file->name);
    unlinkat(folder, new_name, 0); // of a process that was killed
    int error = open_own(folder, new_name, &new);
    if (error)
        return error;
    error = write_kept(file, entry, count, new.fd, &end);
    if (!error && renameat(folder, new_name, folder, file->name) != 0)
        error = -errno;
    struct gs_owned_fd old = file->data;
    if (error) {
        unlinkat(folder, new_name, 0);
    } else {
        file->data = new;
        file->end = end;
    }
    gs_owned_fd_close(error ? &new : &old);
    return error;
}

int gs_watch_history_file_shrink(struct gs_history_file *file, uint64_t max_bytes)
{
    struct gs_history_entry *entry;
    size_t count;
    int folder = gs_store_history_open(file->store);
    if (folder < 0)
        return folder;
    int error = gs_watch_history_scan_entries(file->data.fd, file->end, &entry, &count);
    if (!error) {
        gs_history_file_choose(entry, count, max_bytes);
        error = replace(file, folder, entry, count);
    }
    gs_free(entry);
    close(folder);
    return error;
}
