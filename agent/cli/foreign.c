/* foreign.c - the threads of a process that has no agent.
 *
 *   PTRACE_SEIZE each thread ▶ PTRACE_INTERRUPT ▶ all stand still ▶ libunwind walks each stack ▶ let go ▶ incident
 *
 * The process stands still while its stacks are walked, and a system call that one of its threads sleeps in may return
 * early (EINTR), as under any debugger. It is let go again whatever happens: the kernel detaches when we end.
 * Bounds: THREADS_MAX threads; a thread that does not stop within STOP_NS is listed without a stack. */
#include "base/clock.h"
#include "base/memory.h"
#include "box/box.h"
#include "cli/cli.h"
#include "gather/gather.h"
#include "incident/incident.h"
#include "rules/rules.h"
#include "store/store.h"
#include "sys/file.h"
#include "sys/process.h"
#include <errno.h>
#include <fcntl.h>
#include <libunwind-ptrace.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { THREADS_MAX = 1 << 16 };
#define STOP_NS (GS_NS_PER_S)

struct stopped {
    int pid;
    struct gs_given_thread *thread;
    size_t count, capacity;
};

/* ---- what /proc says, before the thread is stopped ---------------------------------------------------------------------- */

static void read_line(int pid, int tid, const char *name, char *out, size_t size)
{
    char path[80], *text;
    size_t length;
    snprintf(path, sizeof path, "/proc/%d/task/%d/%s", pid, tid, name);
    out[0] = 0;
    if (gs_file_read(AT_FDCWD, path, 1 << 16, &text, &length))
        return;
    snprintf(out, size, "%.*s", (int)strcspn(text, "\n"), text);
    gs_free(text);
}

static void read_call(const char *line, struct gs_given_thread *thread)
{
    unsigned long a[6];
    thread->call = -1;
    if (sscanf(line, "%d 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx", &thread->call, &a[0], &a[1], &a[2], &a[3],
               &a[4], &a[5]) == 7)
        for (int i = 0; i < 6; i++)
            thread->argument[i] = a[i];
    else
        thread->call = -1;
}

static void describe(int pid, struct gs_given_thread *thread)
{
    char line[256];
    read_line(pid, thread->tid, "stat", line, sizeof line);
    const char *end = strrchr(line, ')');
    thread->state = end && end[1] && end[2] ? end[2] : '?';
    read_line(pid, thread->tid, "comm", thread->name, sizeof thread->name);
    read_line(pid, thread->tid, "wchan", thread->channel, sizeof thread->channel);
    if (strcmp(thread->channel, "0") == 0)
        thread->channel[0] = 0;
    read_line(pid, thread->tid, "syscall", line, sizeof line);
    read_call(line, thread);
}

/* ---- stopping ------------------------------------------------------------------------------------------------------------- */

static bool is_known(const struct stopped *all, int tid)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->thread[i].tid == tid)
            return true;
    return false;
}

/* Seize the threads that are not yet; how many, or -errno. Those that were seized stop one after the other. */
static int seize_new_threads(struct stopped *all)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/%d/task", all->pid);
    int task = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), new = 0;
    if (task < 0)
        return -errno;
    struct gs_dir dir;
    gs_file_dir_start(&dir, task);
    for (const char *name; new >= 0 && (name = gs_file_dir_next(&dir));) {
        int tid = atoi(name);
        if (is_known(all, tid) || all->count == THREADS_MAX)
            continue;
        if (gs_grow(&all->thread, &all->capacity, all->count + 1, sizeof *all->thread)) {
            new = -ENOMEM;
            break;
        }
        struct gs_given_thread *thread = &all->thread[all->count];
        memset(thread, 0, sizeof *thread);
        thread->tid = tid;
        describe(all->pid, thread);
        if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) != 0) {
            if (errno == ESRCH)
                continue; // it has ended
            new = all->count ? new : -errno;
            break;
        }
        ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
        all->count++;
        new ++;
    }
    close(task);
    return new;
}

/* True once thread TID has stopped. */
static bool wait_for_stop(int tid)
{
    int64_t until_ns = gs_clock_monotonic_ns() + STOP_NS;
    int status, got;
    while ((got = waitpid(tid, &status, __WALL | WNOHANG)) == 0 && gs_clock_monotonic_ns() < until_ns)
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    return got == tid && WIFSTOPPED(status);
}

/* ---- walking ----------------------------------------------------------------------------------------------------------------
 * */

static void walk(unw_addr_space_t space, struct gs_given_thread *thread)
{
    struct UPT_info *info = _UPT_create(thread->tid);
    unw_cursor_t cursor;
    unw_word_t pc;
    bool exact = true;
    thread->cut = true;
    if (!info || unw_init_remote(&cursor, space, info) != 0) {
        if (info)
            _UPT_destroy(info);
        return;
    }
    for (int more = 1; more > 0 && thread->depth < GS_GIVEN_DEPTH; more = unw_step(&cursor)) {
        if (unw_get_reg(&cursor, UNW_REG_IP, &pc) != 0 || pc == 0)
            break;
        thread->frames[thread->depth++] = (uintptr_t)pc + exact;
        exact = unw_is_signal_frame(&cursor) > 0;
        thread->cut = false;
    }
    _UPT_destroy(info);
}

static int read_stacks(struct stopped *all)
{
    unw_addr_space_t space = unw_create_addr_space(&_UPT_accessors, 0);
    int new = 0;
    if (!space)
        return -ENOMEM;
    unw_set_caching_policy(space, UNW_CACHE_GLOBAL);
    for (size_t at = 0; (new = seize_new_threads(all)) > 0;)
        for (; at < all->count; at++)
            (void)wait_for_stop(all->thread[at].tid); // one that does not is walked in vain
    for (size_t i = 0; i < all->count && new == 0; i++)
        walk(space, &all->thread[i]);
    unw_destroy_addr_space(space);
    return new;
}

static void let_go(const struct stopped *all)
{
    for (size_t i = 0; i < all->count; i++)
        ptrace(PTRACE_DETACH, all->thread[i].tid, NULL, NULL);
}

/* ---- the incident
 * -------------------------------------------------------------------------------------------------------------- */

static int write_incident(const struct stopped *all, struct gs_store *store, int64_t triggered_ns,
                          char path[])
{
    struct gs_given_threads given = {.pid = all->pid, .thread = all->thread, .count = all->count};
    struct gs_errors errors = {0};
    struct gs_rules *rules = gs_rules_read(gs_default_rules_text, gs_default_rules_length, "", &errors);
    gs_errors_fini(&errors);
    if (!rules)
        return -ENOMEM;
    struct gs_incident_trigger trigger = {
        .rule = "asked",
        .condition = "call",
        .reason =
            "asked for from outside (gumshoe capture); the process has no agent, and was stopped for it",
        .value = NAN,
        .line = NAN,
        .capture = GS_THREADS,
        .triggered_ns = triggered_ns,
        .given = &given,
    };
    struct gs_incident_context context = {
        .rules = rules, .start_ns = gs_clock_monotonic_ns(), .started_ns = gs_process_started_ns(all->pid)};
    struct gs_incident *incident;
    int error = gs_incident_begin(store, &trigger, &context, &incident);
    if (!error)
        error = gs_incident_end(incident, path);
    gs_rules_free(rules);
    return error;
}

int gs_cli_capture_foreign(int pid, const char *dir, char path[])
{
    char why[256];
    struct stopped all = {.pid = pid};
    struct gs_store *store = gs_store_open(dir, &(struct gs_store_limits){0}, why, sizeof why);
    if (!store)
        return gs_cli_complain(GS_IO, "%s: %s", dir, why);
    gs_store_sweep(store);
    int64_t triggered_ns = gs_clock_realtime_ns();
    int error = read_stacks(&all), status = GS_FINE;
    let_go(&all); // before anything is named or written
    if (!error)
        error = write_incident(&all, store, triggered_ns, path);
    if (error == -EPERM || error == -EACCES)
        status = gs_cli_complain(
            GS_IO, "process %d: it may not be traced (another user's, or kernel.yama.ptrace_scope)", pid);
    else if (error)
        status = gs_cli_complain(GS_IO, "process %d: %s", pid, strerrordesc_np(-error));
    gs_free(all.thread);
    gs_store_close(store);
    return status;
}
