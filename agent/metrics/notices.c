/* notices.c - descriptors that the kernel makes ready when memory becomes scarce.
 *
 *   thresholds   cgroup v1   an eventfd, registered in cgroup.event_control for each sixteenth of the lowest limit
 *   events       cgroup v2   memory.events.local, else memory.events: the group reached its "high" or its "max"
 *   pressure     PSI         a trigger on memory.pressure of the group, else on /proc/pressure/memory: tasks are stalled
 *
 * Without CAP_SYS_RESOURCE the kernel (since 6.5) allows triggers only with windows of two seconds.
 * We write only to files of cgroup and procfs: to any other file the text of a trigger would be damage.
 * Who:    one thread of the agent, which also waits (watch/notices.c). It may block: to register a threshold, and to close a
 *         trigger, the kernel waits until all CPUs have passed through the scheduler.
 * Bounds: three descriptors stay open. */
#include "base/memory.h"
#include "metrics/inside.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/vfs.h>
#include <unistd.h>

#define NO_LIMIT          ((uint64_t)1 << 60) // such a figure means "unlimited"
#define STALLED_LEAST     0.01                // of the window; less would be noise
#define WINDOW_US         500000u             // the shortest that the kernel takes
#define WINDOW_FOR_ALL_US 2000000u            // without privileges

/* ---- files ------------------------------------------------------------------------------------------------------------ */

static bool is_kernels(int fd)
{
    struct statfs files;
    return fstatfs(fd, &files) == 0 &&
           (files.f_type == CGROUP_SUPER_MAGIC || files.f_type == CGROUP2_SUPER_MAGIC ||
            files.f_type == PROC_SUPER_MAGIC);
}

/* Open PATH for FLAGS; to write, only a file of the kernel. The descriptor or -errno. */
static int open_file(const char *path, int flags)
{
    int fd = path ? gs_file_openat(AT_FDCWD, path, flags | O_NOCTTY | O_NONBLOCK, 0) : -ENOMEM;
    if (fd < 0 || (flags & O_ACCMODE) == O_RDONLY || is_kernels(fd))
        return fd;
    close(fd);
    return -EINVAL;
}

/* Write TEXT with one call. 0 or -errno. */
static int write_text(int fd, const char *text, size_t length)
{
    ssize_t written = write(fd, text, length);
    return written < 0 ? -errno : (size_t)written == length ? 0 : -EIO;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* SOURCE gives no notices: WHY, a text that is never freed. */
static void give_up(struct gs_notice_source *source, const char *why)
{
    close_fd(&source->fd);
    atomic_store(&source->why, why);
}

/* SOURCE waits on FD, which concerns the file PATH (taken); FD may be -errno. */
static void use(struct gs_notice_source *source, int fd, char *path)
{
    source->path = path;
    source->fd = fd < 0 ? -1 : fd;
    atomic_store(&source->why, fd < 0 ? strerrordesc_np(-fd) : NULL);
}

/* ---- the group -------------------------------------------------------------------------------------------------------- */

/* The directory of the group with the lowest limit, from the process's own group up, with a slash at its end: LIMIT_FILE has
 * the limit, which goes to *LIMIT. Without a limit: the own group, and UINT64_MAX. NULL: there is no group, or no memory. */
static char *find_limited(const char *root, const char *controller, const char *limit_file, uint64_t *limit)
{
    struct gs_control_group group;
    char *found = NULL;
    *limit = UINT64_MAX;
    if (gs_metrics_group_find(root, controller, &group))
        return NULL;
    do {
        char *path = gs_metrics_group_path(&group, root, limit_file);
        uint64_t bytes = path ? gs_metrics_read_limit(path) : 0;
        bool lower = bytes && bytes < NO_LIMIT && bytes < *limit;
        gs_free(path);
        if (!lower && found)
            continue;
        gs_free(found);
        found = gs_metrics_group_path(&group, root, "");
        if (lower)
            *limit = bytes;
    } while (found && gs_metrics_group_up(&group));
    gs_metrics_group_fini(&group);
    return found;
}

/* ---- thresholds of version 1 ------------------------------------------------------------------------------------------- */

static void open_thresholds(struct gs_notices *notices, const char *root)
{
    struct gs_notice_source *source = &notices->source[GS_NOTICE_THRESHOLDS];
    char *dir = find_limited(root, "memory", "memory.limit_in_bytes", &notices->limit_bytes);
    if (!dir || notices->limit_bytes == UINT64_MAX) {
        atomic_store(&source->why, dir ? "its memory has no limit in cgroup version 1"
                                       : "it is in no memory group of cgroup version 1");
        gs_free(dir);
        return;
    }
    char *usage = gs_metrics_join_path(dir, "memory.usage_in_bytes"),
         *control = gs_metrics_join_path(dir, "cgroup.event_control");
    notices->usage = open_file(usage, O_RDONLY);
    notices->control = open_file(control, O_WRONLY);
    int error = notices->usage < 0     ? notices->usage
                : notices->control < 0 ? notices->control
                                       : 0,
        fd = error ? error : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    use(source, fd < 0 && !error ? -errno : fd, usage);
    gs_free(control);
    gs_free(dir);
}

/* The files are needed for registering only. */
static void end_registering(struct gs_notices *notices)
{
    close_fd(&notices->usage);
    close_fd(&notices->control);
}

bool gs_metrics_notices_register(struct gs_notices *notices)
{
    struct gs_notice_source *source = &notices->source[GS_NOTICE_THRESHOLDS];
    char text[64];
    if (source->fd < 0 || notices->steps == GS_NOTICE_STEPS - 1) {
        end_registering(notices);
        return false;
    }
    uint64_t threshold = notices->limit_bytes / GS_NOTICE_STEPS * (notices->steps + 1);
    int length = snprintf(text, sizeof text, "%d %d %llu", source->fd, notices->usage,
                          (unsigned long long)threshold),
        error = write_text(notices->control, text, (size_t)length);
    if (error)
        give_up(source, strerrordesc_np(-error));
    else
        notices->steps++;
    return true;
}

/* ---- events of version 2 ----------------------------------------------------------------------------------------------- */

/* How often the group was short of memory, by TEXT of memory.events. False: no line of it is there. */
static bool count_events(const char *text, uint64_t *count)
{
    static const char *const lines[] = {"high", "max", "oom"};
    bool found = false;
    *count = 0;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        uint64_t number;
        if (gs_metrics_scan_line(text, lines[i], &number)) {
            *count += number; // may wrap, and differs nevertheless
            found = true;
        }
    }
    return found;
}

/* Read the counters: that also makes the descriptor ready for the next change. */
static void read_events(struct gs_notice_source *source, uint64_t *count)
{
    char text[1024];
    ssize_t length = pread(source->fd, text, sizeof text - 1, 0);
    if (length < 0) {
        give_up(source, strerrordesc_np(errno));
        return;
    }
    text[length] = 0;
    if (!count_events(text, count))
        give_up(source, "the file is not as expected");
}

static void open_events(struct gs_notices *notices, const char *root)
{
    static const char *const names[] = {"memory.events.local", "memory.events"};
    struct gs_notice_source *source = &notices->source[GS_NOTICE_EVENTS];
    uint64_t limit;
    char *dir = find_limited(root, NULL, "memory.max", &limit), *path = NULL;
    int fd = -ENOENT;
    for (size_t i = 0; dir && fd < 0 && i < sizeof names / sizeof *names; i++) {
        gs_free(path);
        path = gs_metrics_join_path(dir, names[i]);
        fd = open_file(path, O_RDONLY);
    }
    gs_free(dir);
    use(source, fd, path);
    if (fd >= 0)
        read_events(source, &notices->events);
}

/* ---- pressure --------------------------------------------------------------------------------------------------------- */

/* Open PATH with a trigger: tasks were stalled for SHARE of a window. The descriptor or -errno. */
static int open_trigger(const char *path, double share)
{
    static const unsigned windows[] = {WINDOW_US, WINDOW_FOR_ALL_US};
    int fd = open_file(path, O_RDWR), error = fd < 0 ? fd : -EINVAL;
    for (size_t i = 0; fd >= 0 && error && i < sizeof windows / sizeof *windows; i++) {
        char text[64];
        int length = snprintf(text, sizeof text, "some %u %u", (unsigned)(share * windows[i]), windows[i]);
        error = write_text(fd, text, (size_t)length + 1); // the kernel takes the last byte for the NUL
    }
    if (fd >= 0 && error)
        close(fd);
    return error ? error : fd;
}

static void open_pressure(struct gs_notices *notices, const char *root, double share)
{
    struct gs_notice_source *source = &notices->source[GS_NOTICE_PRESSURE];
    struct gs_control_group group;
    char *path = NULL;
    int fd = -ENOENT;
    share = share < STALLED_LEAST ? STALLED_LEAST : share < 1 ? share : 1;
    if (gs_metrics_group_find(root, NULL, &group) == 0) {
        path = gs_metrics_group_path(&group, root, "memory.pressure");
        gs_metrics_group_fini(&group);
        fd = open_trigger(path, share);
    }
    if (fd < 0) {
        gs_free(path);
        path = gs_metrics_join_path(root, "/proc/pressure/memory");
        fd = open_trigger(path, share);
    }
    use(source, fd, path);
}

/* ---- all of them ------------------------------------------------------------------------------------------------------- */

void gs_metrics_notices_open(struct gs_notices *notices, const char *root, double stalled_share)
{
    *notices = (struct gs_notices){.usage = -1, .control = -1};
    for (int i = 0; i < GS_NOTICES; i++)
        notices->source[i].fd = -1;
    open_thresholds(notices, root);
    open_events(notices, root);
    open_pressure(notices, root, stalled_share);
}

void gs_metrics_notices_close(struct gs_notices *notices)
{
    end_registering(notices);
    for (int i = 0; i < GS_NOTICES; i++) {
        close_fd(&notices->source[i].fd);
        gs_free(notices->source[i].path);
        notices->source[i].path = NULL;
    }
}

struct pollfd gs_metrics_notices_poll(const struct gs_notices *notices, enum gs_notice which)
{
    return (struct pollfd){.fd = notices->source[which].fd,
                           .events = which == GS_NOTICE_THRESHOLDS ? POLLIN : POLLPRI};
}

bool gs_metrics_notices_take(struct gs_notices *notices, enum gs_notice which, short revents)
{
    struct gs_notice_source *source = &notices->source[which];
    uint64_t count = 0, before = notices->events;
    if (source->fd < 0 || !revents)
        return false;
    if (which == GS_NOTICE_THRESHOLDS)
        return read(source->fd, &count, sizeof count) == sizeof count;
    if (which == GS_NOTICE_PRESSURE) {
        if (!(revents & POLLPRI) || revents & POLLERR)
            give_up(source, "the group is gone");
        return source->fd >= 0;
    }
    read_events(source, &notices->events);
    return source->fd >= 0 && notices->events != before;
}
