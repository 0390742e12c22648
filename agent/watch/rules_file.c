/* rules_file.c - detects changes of the rules file by its stamp: device, inode, size, mtime, ctime. An editor's rename into
 * place, the swapped link of a Kubernetes volume and a write in place all change the stamp.
 *
 * Why not inotify: it uses descriptors and watches that the host may need, and misses a change of a link's target. One
 * stat(2) a second costs about a microsecond.
 * Why wait: a file is read only after its stamp was the same for STABLE_NS. So a file that is still being written is not
 * read, and a later write gets another time: time stamps of file systems have steps of some milliseconds. */
#include "watch/rules_file.h"
#include "base/clock.h"
#include "base/memory.h"
#include "sys/file.h"
#include "sys/log.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CHECK_NS  GS_NS_PER_S
#define STABLE_NS (300 * GS_NS_PER_MS)
#define EARLY_NS \
    (100 * GS_NS_PER_MS) /* a check may be this early, so that a tick that comes a little sooner does it */

/* ---- stamps ---------------------------------------------------------------------------------------------------------- */

static struct gs_stamp stamp_of(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return (struct gs_stamp){.error = errno};
    return (struct gs_stamp){.mode = status.st_mode,
                             .device = status.st_dev,
                             .inode = status.st_ino,
                             .size = status.st_size,
                             .modified = status.st_mtim,
                             .changed = status.st_ctim};
}

static bool is_same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool is_same_stamp(const struct gs_stamp *a, const struct gs_stamp *b)
{
    return a->error == b->error && a->mode == b->mode && a->device == b->device && a->inode == b->inode &&
           a->size == b->size && is_same_time(a->modified, b->modified) &&
           is_same_time(a->changed, b->changed);
}

/* True: the last change is so recent that the next one could get the same time stamps. */
static bool is_fresh(const struct gs_stamp *stamp)
{
    int64_t changed_ns = (int64_t)stamp->changed.tv_sec * GS_NS_PER_S + stamp->changed.tv_nsec;
    return gs_clock_realtime_ns() - changed_ns < STABLE_NS;
}

/* ---- reading ---------------------------------------------------------------------------------------------------------- */

/* Read the whole file. 0 or -errno; -EAGAIN: the file changed while it was read. */
static int read_text(struct gs_rules_file *file, char **text, size_t *length)
{
    struct gs_stamp before = stamp_of(file->path);
    int error = before.error ? -before.error : 0;
    if (!error)
        error = gs_file_read(AT_FDCWD, file->path, GS_RULES_TEXT_MAX, text, length);
    struct gs_stamp after = stamp_of(file->path);
    if (is_same_stamp(&before, &after)) {
        file->known = file->seen = before;
        return error;
    }
    if (!error)
        gs_free(*text);
    return -EAGAIN;
}

/* PATH as an absolute path. "" if it exceeds PATH_MAX: the kernel would not open it either. */
static void make_absolute(const char *path, char out[PATH_MAX])
{
    char cwd[PATH_MAX] = "";
    if (path[0] != '/' && syscall(SYS_getcwd, cwd, sizeof cwd) < 0) // getcwd(3) may call malloc
        cwd[0] = 0;
    if (snprintf(out, PATH_MAX, "%s%s%s", cwd, cwd[0] ? "/" : "", path) >= PATH_MAX)
        out[0] = 0;
}

int gs_watch_rules_file_begin(struct gs_rules_file *file, const char *path, char **text, size_t *length)
{
    enum { TRIES = 3 };
    int error = -EAGAIN;
    *file = (struct gs_rules_file){.taken_ns = gs_clock_realtime_ns()};
    make_absolute(path, file->path);
    for (int i = 0; i < TRIES && error == -EAGAIN; i++)
        error = read_text(file, text, length);
    if (is_fresh(&file->known))
        file->known = (struct gs_stamp){0}; // have the next check read it again
    return error;
}

/* ---- following -------------------------------------------------------------------------------------------------------- */

bool gs_watch_rules_file_look(struct gs_rules_file *file, int64_t now_ns)
{
    if (!file->path[0] || now_ns < file->next_check_ns - EARLY_NS)
        return false;
    struct gs_stamp now = stamp_of(file->path);
    file->next_check_ns = now_ns + CHECK_NS;
    if (!is_same_stamp(&now, &file->seen)) {
        file->seen = now;
        file->stable_since_ns = now_ns;
    }
    if (is_same_stamp(&now, &file->known))
        return false;
    if (now_ns - file->stable_since_ns >= STABLE_NS)
        return true;
    file->next_check_ns = file->stable_since_ns + STABLE_NS;
    return false;
}

int64_t gs_watch_rules_file_pause_ns(const struct gs_rules_file *file, int64_t now_ns)
{
    return file->path[0] ? file->next_check_ns - now_ns : INT64_MAX;
}

/* ---- reloading -------------------------------------------------------------------------------------------------------- */

void gs_watch_log_errors(const struct gs_errors *errors)
{
    for (size_t i = 0; i < errors->count; i++) {
        char line[1024];
        gs_errors_format(&errors->item[i], line, sizeof line);
        gs_log(errors->item[i].severity == GS_WARNING ? GS_LOG_WARNING : GS_LOG_ERROR, "%s", line);
    }
    if (errors->lost)
        gs_log(GS_LOG_ERROR, "and %zu more", errors->lost);
}

static void refuse(struct gs_rules_file *file, const struct gs_errors *errors)
{
    char since[GS_TIME_TEXT];
    file->refused_ns = gs_clock_realtime_ns();
    file->refused_errors = errors->count + errors->lost;
    if (errors->count)
        gs_errors_format(&errors->item[0], file->refused, sizeof file->refused);
    else // no memory even for the error
        snprintf(file->refused, sizeof file->refused, "out of memory");
    gs_watch_log_errors(errors);
    gs_log(GS_LOG_ERROR, "the changed rules are refused: the rules of %s stay in force",
           gs_clock_print(file->taken_ns, GS_TIME_ISO, since));
}

void gs_watch_rules_file_taken(struct gs_rules_file *file)
{
    file->taken_ns = gs_clock_realtime_ns();
    file->reload_count++;
    file->refused_ns = 0;
}

static const char *explain_error(int error)
{
    return error == -ENOENT   ? "the file is gone"
           : error == -EISDIR ? "it is a directory now"
           : error == -EINVAL ? "it is not a regular file now"
           : error == -EFBIG  ? "it is larger than 1 MiB"
                              : strerrordesc_np(-error);
}

static struct gs_rules *read_changed(struct gs_rules_file *file, const char *text, size_t length,
                                     const struct gs_rules *in_force, struct gs_errors *errors)
{
    if (length == in_force->text_length && memcmp(text, in_force->text, length) == 0) {
        if (file->refused_ns)
            gs_log(GS_LOG_INFO, "%s is the same as the rules in force again", in_force->file);
        file->refused_ns = 0;
        return NULL;
    }
    struct gs_rules *rules = gs_rules_read(text, length, in_force->file, errors);
    if (!rules)
        refuse(file, errors);
    return rules;
}

struct gs_rules *gs_watch_rules_file_take(struct gs_rules_file *file, const struct gs_rules *in_force)
{
    struct gs_rules *rules = NULL;
    struct gs_errors errors = {0};
    char *text = NULL;
    size_t length;
    int error = read_text(file, &text, &length);
    if (error == -EAGAIN)
        return NULL;
    if (error) {
        gs_errors_add(&errors, GS_ERROR, in_force->file, 0, 0, NULL, "%s", explain_error(error));
        refuse(file, &errors);
    } else {
        rules = read_changed(file, text, length, in_force, &errors);
        gs_free(text);
    }
    gs_errors_fini(&errors);
    return rules;
}
