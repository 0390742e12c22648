/* memory_lock.c - locks the memory of the process for mlockall(2), but not the agent's.
 *
 *   /proc/self/maps less gs_memory_ranges ─┬▶ the host's mappings: mlock2
 *                                          └▶ this library's: mlock2 with MLOCK_ONFAULT, if there is no limit: what the hooks use of
 *                                             it stays resident once it was used
 *
 * The watcher does it: it has a table of descriptors for the file. MCL_FUTURE is the kernel's; the agent's later mappings unlock
 * themselves (gs_memory_stay_unlocked). Whatever cannot be done like this is left to the kernel: the host calls the real function.
 * Who: host threads ask, one at a time; the watcher serves. Bounds: a host thread waits PATIENCE_NS for the watcher to begin, for
 * example after a capture, and then for as long as the kernel needs to make the memory resident, as without us. */
#include "host/memory_lock.h"
#include "base/clock.h"
#include "base/memory.h"
#include "probe/probe.h"
#include "sys/event.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PATIENCE_NS (5 * GS_NS_PER_S)
#define KERNEL_HALF (UINT64_C(1) << 63) /* [vsyscall] */

enum { MAPS_MAX = 16 << 20 };
enum phase { IDLE, TAKEN, ASKED, SERVED, DONE };

static struct {
    const struct gs_own_thread *watcher;
    void (*wake)(void);
    _Atomic enum phase phase;
    struct gs_event changed;
    int flags, error;
    bool future; // MCL_FUTURE was asked for, perhaps alone: then the kernel does it all
} request;

/* ---- what is locked ------------------------------------------------------------------------------------------------------- */

extern const char __ehdr_start[] __attribute__((visibility("hidden"))), // of this library
    _end[] __attribute__((visibility("hidden")));

struct survey {
    char *maps; // "start-end …", a line for each mapping
    size_t range_count;
    struct gs_memory_range range[GS_RANGES_MAX + 1]; // the agent's mappings, and last this library
};

static bool take_survey(struct survey *survey)
{
    size_t length;
    if (gs_file_read(AT_FDCWD, "/proc/thread-self/maps", MAPS_MAX, &survey->maps, &length))
        return false;
    survey->range_count = gs_memory_ranges(survey->range, GS_RANGES_MAX);
    survey->range[survey->range_count++] = (struct gs_memory_range){(uintptr_t)__ehdr_start, (uintptr_t)_end};
    return true;
}

/* Call VISIT for what START to END has of the host's, with FLAGS. Returns the sum of what it returns. */
static uint64_t visit_hosts(const struct survey *survey, uint64_t start, uint64_t end,
                            uint64_t (*visit)(uint64_t start, uint64_t end, unsigned flags), unsigned flags)
{
    uint64_t sum = 0;
    while (start < end) {
        uint64_t ours = end, behind = end; // the next range of ours
        for (size_t i = 0; i < survey->range_count; i++)
            if (survey->range[i].end > start && survey->range[i].start < ours) {
                ours = survey->range[i].start > start ? survey->range[i].start : start;
                behind = survey->range[i].end;
            }
        if (ours > start)
            sum += visit(start, ours, flags);
        start = behind;
    }
    return sum;
}

static uint64_t visit_all(const struct survey *survey, uint64_t (*visit)(uint64_t, uint64_t, unsigned),
                          unsigned flags)
{
    uint64_t sum = 0;
    for (const char *line = survey->maps; line && *line; line = strchr(line, '\n')) {
        char *at;
        line += *line == '\n';
        uint64_t start = strtoull(line, &at, 16), end = *at == '-' ? strtoull(at + 1, NULL, 16) : 0;
        if (end < KERNEL_HALF)
            sum += visit_hosts(survey, start, end, visit, flags);
    }
    return sum;
}

static uint64_t length_of(uint64_t start, uint64_t end, unsigned flags)
{
    (void)flags;
    return end - start;
}

/* What cannot be made resident, as memory without access, is no failure: mlockall takes it for none, either. */
static uint64_t lock_piece(uint64_t start, uint64_t end, unsigned flags)
{
    (void)!syscall(SYS_mlock2, start, end - start, flags);
    return 0;
}

/* ---- as the kernel would ------------------------------------------------------------------------------------------------- */

static bool may_exceed_limit(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
    return syscall(SYS_capget, &header, data) == 0 && data[0].effective >> CAP_IPC_LOCK & 1;
}

/* How many bytes may be locked; UINT64_MAX: any number. */
static uint64_t limit_bytes(void)
{
    struct rlimit limit;
    bool none = getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY;
    return none || may_exceed_limit() ? UINT64_MAX : limit.rlim_cur;
}

static int lock_surveyed(const struct survey *survey, int flags)
{
    const struct gs_memory_range *library = &survey->range[survey->range_count - 1];
    unsigned how = flags & MCL_ONFAULT ? MLOCK_ONFAULT : 0;
    uint64_t limit = limit_bytes(), hosts = visit_all(survey, length_of, 0);
    if (limit == 0)
        return -EPERM;
    if (hosts > limit)
        return -ENOMEM;
    if (flags & MCL_FUTURE && syscall(SYS_mlockall, flags & ~MCL_CURRENT) != 0)
        return -errno;
    (void)visit_all(survey, lock_piece, how);
    if (limit == UINT64_MAX) // else it would take from what the host may lock later
        lock_piece(library->start, library->end, MLOCK_ONFAULT);
    return 0;
}

/* MCL_CURRENT alone would also end an earlier MCL_FUTURE: that only the kernel can do. */
static bool is_ours_to_do(int flags)
{
    return (flags & MCL_CURRENT) && !(flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) &&
           ((flags & MCL_FUTURE) || !request.future);
}

static int lock_all(int flags)
{
    struct survey *survey = gs_alloc(sizeof *survey);
    int error;
    if (survey && take_survey(survey))
        error = lock_surveyed(survey, flags);
    else
        error = syscall(SYS_mlockall, flags) ? -errno : 0;
    if (survey)
        gs_free(survey->maps);
    gs_free(survey);
    return error;
}

/* ---- the request --------------------------------------------------------------------------------------------------------- */

void gs_memory_lock_serve(void)
{
    enum phase asked = ASKED;
    if (!atomic_compare_exchange_strong(&request.phase, &asked, SERVED))
        return;
    request.error = lock_all(request.flags);
    atomic_store(&request.phase, DONE);
    gs_event_signal(&request.changed);
}

static bool is_done(const void *unused)
{
    (void)unused;
    return atomic_load(&request.phase) == DONE || !gs_own_thread_runs(request.watcher);
}

/* Take the request back. False: the watcher serves it. */
static bool withdraw(void)
{
    enum phase asked = ASKED;
    return atomic_compare_exchange_strong(&request.phase, &asked, IDLE);
}

static bool ask_watcher(int flags, int *error)
{
    enum phase idle = IDLE;
    if (flags & MCL_FUTURE) {
        gs_memory_stay_unlocked(true);
        request.future = true;
    }
    if (!is_ours_to_do(flags) || !gs_own_thread_runs(request.watcher) || gs_own_thread_is_me() ||
        !atomic_compare_exchange_strong(&request.phase, &idle, TAKEN))
        return false;
    request.flags = flags;
    atomic_store(&request.phase, ASKED);
    request.wake();
    if (!gs_event_wait_until(&request.changed, is_done, NULL, PATIENCE_NS) && withdraw())
        return false;
    (void)gs_event_wait_until(&request.changed, is_done, NULL, INT64_MAX / 2);
    bool done = atomic_load(&request.phase) == DONE;
    *error = request.error;
    atomic_store(&request.phase, IDLE);
    return done;
}

void gs_memory_lock_prepare(const struct gs_own_thread *watcher, void (*wake)(void))
{
    request.watcher = watcher;
    request.wake = wake;
    gs_probe_on_lock(ask_watcher);
}

void gs_memory_lock_after_fork(void)
{
    atomic_store(&request.phase, IDLE);
    request.future = false;
    gs_memory_stay_unlocked(false);
}
