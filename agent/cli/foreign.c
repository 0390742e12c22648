/* foreign.c - captures the threads of a process that has no agent.
 *
 *   PTRACE_SEIZE each thread ▶ PTRACE_INTERRUPT ▶ all stopped ▶ libunwind walks each stack ▶ PTRACE_DETACH ▶ incident
 *
 * The process is stopped while its stacks are walked. A system call that one of its threads sleeps in may return early
 * (EINTR), as under any debugger. The process always continues: if this command dies, the kernel detaches its threads.
 * Bounds: THREADS_MAX threads; a thread that does not stop within STOP_NS is listed without a stack. */
#include "base/clock.h"
#include "base/memory.h"
#include "box/box.h"
#include "cli/options.h"
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

struct stopped_process {
    int pid;
    struct gs_given_thread *thread;
    size_t count, capacity;
};

/* ---- /proc, read before the thread is stopped --------------------------------------------------------------------------- */

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

/* LINE is /proc/PID/task/TID/syscall: the call's number and six arguments, or "running". */
static void read_call(const char *line, struct gs_given_thread *thread)
{
    unsigned long argument[6];
    thread->call = -1;
    if (sscanf(line, "%d 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx", &thread->call, &argument[0], &argument[1],
               &argument[2], &argument[3], &argument[4], &argument[5]) == 7)
        for (int i = 0; i < 6; i++)
            thread->argument[i] = argument[i];
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

/* ---- stopping ------------------------------------------------------------------------------------------------------------ */

static bool is_known(const struct stopped_process *process, int tid)
{
    for (size_t i = 0; i < process->count; i++)
        if (process->thread[i].tid == tid)
            return true;
    return false;
}

/* Seize the threads that are not seized yet, and ask them to stop. Returns how many, or -errno. */
static int seize_new_threads(struct stopped_process *process)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/%d/task", process->pid);
    int task = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), new_count = 0;
    if (task < 0)
        return -errno;
    struct gs_dir dir;
    gs_file_dir_start(&dir, task);
    for (const char *name; new_count >= 0 && (name = gs_file_dir_next(&dir));) {
        int tid = atoi(name);
        if (is_known(process, tid) || process->count == THREADS_MAX)
            continue;
        if (gs_grow(&process->thread, &process->capacity, process->count + 1, sizeof *process->thread)) {
            new_count = -ENOMEM;
            break;
        }
        struct gs_given_thread *thread = &process->thread[process->count];
        memset(thread, 0, sizeof *thread);
        thread->tid = tid;
        describe(process->pid, thread);
        if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) != 0) {
            if (errno == ESRCH)
                continue; // it has ended
            new_count = process->count ? new_count : -errno;
            break;
        }
        ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
        process->count++;
        new_count++;
    }
    close(task);
    return new_count;
}

/* Wait until thread TID has stopped, STOP_NS at most. Returns whether it has. */
static bool wait_for_stop(int tid)
{
    int64_t until_ns = gs_clock_monotonic_ns() + STOP_NS;
    int status, waited_tid;
    while ((waited_tid = waitpid(tid, &status, __WALL | WNOHANG)) == 0 && gs_clock_monotonic_ns() < until_ns)
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    return waited_tid == tid && WIFSTOPPED(status);
}

/* ---- walking ------------------------------------------------------------------------------------------------------- */

static void walk_stack(unw_addr_space_t space, struct gs_given_thread *thread)
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

/* Read again, now that THREAD stands still, which system call it is in, and what it waits for. */
static void read_wait(int pid, struct gs_given_thread *thread)
{
    char line[256];
    read_line(pid, thread->tid, "syscall", line, sizeof line);
    read_call(line, thread);
    gs_gather_given_lock(pid, thread);
}

static int read_stacks(struct stopped_process *process)
{
    unw_addr_space_t space = unw_create_addr_space(&_UPT_accessors, 0);
    int new_count = 0;
    if (!space)
        return -ENOMEM;
    unw_set_caching_policy(space, UNW_CACHE_GLOBAL);
    for (size_t at = 0; (new_count = seize_new_threads(process)) > 0;)
        for (; at < process->count; at++)
            (void)wait_for_stop(process->thread[at].tid); // the walk of one that does not stop fails
    for (size_t i = 0; i < process->count && new_count == 0; i++) {
        walk_stack(space, &process->thread[i]);
        read_wait(process->pid, &process->thread[i]);
    }
    unw_destroy_addr_space(space);
    return new_count;
}

static void detach_all(const struct stopped_process *process)
{
    for (size_t i = 0; i < process->count; i++)
        ptrace(PTRACE_DETACH, process->thread[i].tid, NULL, NULL);
}

/* Does process PID number its threads in another way than this one does? Then its locks do, too. */
static bool is_in_other_namespace(int pid)
{
    char path[40], own[64] = "", other[64] = "";
    snprintf(path, sizeof path, "/proc/%d/ns/pid", pid);
    return readlink("/proc/self/ns/pid", own, sizeof own - 1) < 0 ||
           readlink(path, other, sizeof other - 1) < 0 || strcmp(own, other) != 0;
}

/* ---- the incident
 * -------------------------------------------------------------------------------------------------------------- */

static int write_incident(const struct stopped_process *process, struct gs_store *store, int64_t triggered_ns,
                          const struct gs_option_list *plumbing, char path[])
{
    struct gs_given_threads given = {.pid = process->pid,
                                     .partial = process->count == THREADS_MAX,
                                     .other_namespace = is_in_other_namespace(process->pid),
                                     .thread = process->thread,
                                     .count = process->count};
    struct gs_errors errors = {0};
    struct gs_rules *rules = gs_rules_read(gs_default_rules_text, gs_default_rules_length, "", &errors);
    gs_errors_fini(&errors);
    if (!rules)
        return -ENOMEM;
    struct gs_incident_trigger trigger = {
        .rule = "asked",
        .condition = "call",
        .reason = "on demand, by gumshoe capture; the process has no agent, and was stopped while its stacks "
                  "were read",
        .value = NAN,
        .line = NAN,
        .capture = GS_THREADS,
        .triggered_ns = triggered_ns,
        .plumbing = plumbing->item,
        .plumbing_count = plumbing->count,
        .given = &given,
    };
    struct gs_incident_context context = {.rules = rules,
                                          .start_ns = gs_clock_monotonic_ns(),
                                          .started_ns = gs_process_started_ns(process->pid)};
    struct gs_incident *incident;
    int error = gs_incident_begin(store, &trigger, &context, &incident);
    if (!error)
        error = gs_incident_end(incident, path);
    gs_rules_free(rules);
    return error;
}

int gs_cli_capture_foreign(int pid, const char *dir, const struct gs_option_list *plumbing, char path[])
{
    char why[256];
    struct stopped_process process = {.pid = pid};
    struct gs_store *store = gs_store_open(dir, &(struct gs_store_limits){0}, why, sizeof why);
    if (!store)
        return gs_cli_complain(GS_EXIT_IO, "%s: %s", dir, why);
    gs_store_sweep(store);
    int64_t triggered_ns = gs_clock_realtime_ns();
    int error = read_stacks(&process), status = GS_EXIT_OK;
    detach_all(
        &process); // before symbols are resolved and files written: the process continues as soon as possible
    if (!error)
        error = write_incident(&process, store, triggered_ns, plumbing, path);
    if (error == -EPERM || error == -EACCES)
        status = gs_cli_complain(
            GS_EXIT_IO, "process %d: it may not be traced (another user's, or kernel.yama.ptrace_scope)",
            pid);
    else if (error)
        status = gs_cli_complain(GS_EXIT_IO, "process %d: %s", pid, strerrordesc_np(-error));
    gs_free(process.thread);
    gs_store_close(store);
    return status;
}
