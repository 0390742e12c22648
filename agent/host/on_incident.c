/* on_incident.c - on_incident, from the complete folder to what came of it.
 *
 *   begin ──▶ job: WAITING ──▶ RUNNING (gs_spawn_run, on the runner thread) ──▶ ENDED ──▶ go_on: log, incident.json
 *
 * Who:    the watcher makes jobs and writes down their ends; the runner, a thread of our own, runs them one at a time.
 * Bounds: JOBS_MAX jobs that have not ended; LIMIT_NS for each. */
#include "host/on_incident.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/units.h"
#include "host/command_line.h"
#include "host/credentials.h"
#include "host/own_thread.h"
#include "host/spawn.h"
#include "probe/probe.h"
#include "store/store.h"
#include "sys/event.h"
#include "sys/lock.h"
#include "sys/log.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

enum { JOBS_MAX = 8, STACK_BYTES = 128 << 10 };
#define LIMIT_NS         (30 * GS_NS_PER_S)
#define STOP_PATIENCE_NS (300 * GS_NS_PER_MS)

struct job {
    enum { WAITING, RUNNING, ENDED } state;
    char path[PATH_MAX]; // of the incident
    struct gs_command_line line;
    struct gs_spawn_end end;
};

static struct {
    struct gs_lock lock;
    struct gs_event work; // there is some, or the watch is over
    struct gs_own_thread thread;
    unsigned watch;            // counts them: a runner that outlives its watch ends by itself
    struct job *job[JOBS_MAX]; // in the order of the incidents
    size_t count;
} a = {.lock.rank = GS_RANK_JOBS};

static void job_free(struct job *job)
{
    if (job)
        gs_command_line_fini(&job->line);
    gs_free(job);
}

/* ---- the runner ---------------------------------------------------------------------------------------------------------- */

/* The next job that waits, taken; NULL: there is none. */
static struct job *take_waiting(void)
{
    struct job *next = NULL;
    gs_lock_take(&a.lock);
    for (size_t i = 0; i < a.count && !next; i++)
        if (a.job[i]->state == WAITING)
            next = a.job[i];
    if (next)
        next->state = RUNNING;
    gs_lock_give(&a.lock);
    return next;
}

static bool is_over(unsigned watch)
{
    gs_lock_take(&a.lock);
    bool over = watch != a.watch;
    gs_lock_give(&a.lock);
    return over;
}

/* The next job, as soon as there is one; NULL when the watch is over. */
static struct job *next_job(unsigned watch)
{
    for (;;) {
        uint32_t seen = gs_event_seen(&a.work);
        (void)gs_credentials_follow();
        if (is_over(watch))
            return NULL;
        struct job *next = take_waiting();
        if (next)
            return next;
        gs_event_wait(&a.work, seen, INT64_MAX / 2);
    }
}

/* JOB has ended: the watcher's to write down, unless its watch is over. */
static void hand_back(struct job *job, unsigned watch)
{
    gs_lock_take(&a.lock);
    bool stray = watch != a.watch;
    job->state = ENDED;
    gs_lock_give(&a.lock);
    if (stray)
        job_free(job);
    else
        gs_probe_wake();
}

static void run_jobs(void *watch_number)
{
    unsigned watch = (unsigned)(uintptr_t)watch_number;
    for (struct job *job; (job = next_job(watch));) {
        struct gs_spawn command = {job->line.program, job->line.argv, gs_command_line_environment(),
                                   LIMIT_NS};
        gs_spawn_run(&command, &job->end);
        hand_back(job, watch);
    }
}

void gs_on_incident_expect(const struct gs_rules *rules)
{
    if (!rules->on_incident || gs_own_thread_runs(&a.thread))
        return;
    const struct gs_own_thread_options start = {"gumshoe-run", run_jobs, (void *)(uintptr_t)a.watch,
                                                STACK_BYTES, GS_TABLE_CREATORS};
    int error = gs_own_thread_start(&a.thread, &start);
    if (error)
        gs_log(GS_LOG_WARNING, "on_incident: no thread for it: %s", strerrordesc_np(-error));
}

/* ---- the watcher: what came of it ---------------------------------------------------------------------------------------- */

static void write_down(const char *path, enum gs_remark kind, const char *text)
{
    gs_log(kind == GS_NOTE ? GS_LOG_INFO : GS_LOG_ERROR, "%s", text);
    int error = gs_store_amend_incident(path, kind, text);
    if (error)
        gs_log(GS_LOG_WARNING, "%s/incident.json does not say so: %s", path, strerrordesc_np(-error));
}

static void say_end(const struct job *job)
{
    char text[512], took[GS_UNIT_TEXT];
    const struct gs_spawn_end *end = &job->end;
    const char *program = job->line.argv[0];
    gs_units_print_duration(end->took_ns / GS_NS_PER_MS * GS_NS_PER_MS, took);
    if (end->error)
        snprintf(text, sizeof text, "on_incident: %.200s could not be run: %s", program,
                 strerrordesc_np(end->error));
    else if (end->too_long)
        snprintf(text, sizeof text, "on_incident: %.200s was ended: it was not done after %d s", program,
                 (int)(LIMIT_NS / GS_NS_PER_S));
    else if (WIFSIGNALED(end->status))
        snprintf(text, sizeof text, "on_incident: %.200s was killed by signal %d (%s) after %s", program,
                 WTERMSIG(end->status), sigdescr_np(WTERMSIG(end->status)), took);
    else if (WEXITSTATUS(end->status))
        snprintf(text, sizeof text, "on_incident: %.200s failed with exit status %d after %s", program,
                 WEXITSTATUS(end->status), took);
    else
        snprintf(text, sizeof text, "on_incident: %.200s was done after %s", program, took);
    bool well = !end->error && !end->too_long && end->status == 0;
    write_down(job->path, well ? GS_NOTE : GS_FAILURE, text);
}

/* Take the first job that has ended off the list. */
static struct job *take_ended(void)
{
    struct job *ended = NULL;
    gs_lock_take(&a.lock);
    for (size_t i = 0; i < a.count; i++)
        if (ended)
            a.job[i - 1] = a.job[i];
        else if (a.job[i]->state == ENDED)
            ended = a.job[i];
    a.count -= ended != NULL;
    gs_lock_give(&a.lock);
    return ended;
}

void gs_on_incident_continue(void)
{
    for (struct job *job; (job = take_ended()); job_free(job))
        say_end(job);
}

/* ---- the watcher: a new job ------------------------------------------------------------------------------------------------ */

static struct job *new_job(const struct gs_rules *rules, const char *path)
{
    struct job *job = gs_alloc(sizeof *job);
    if (job)
        snprintf(job->path, sizeof job->path, "%s", path);
    if (job && gs_command_line_make(rules, path, &job->line))
        return job;
    job_free(job);
    return NULL;
}

/* A place for JOB; false: there is none. */
static bool post(struct job *job)
{
    gs_lock_take(&a.lock);
    bool room = a.count < JOBS_MAX;
    if (room)
        a.job[a.count++] = job;
    gs_lock_give(&a.lock);
    gs_event_signal(&a.work);
    return room;
}

void gs_on_incident_run(const struct gs_rules *rules, const char *path)
{
    char text[160];
    if (!rules || !rules->on_incident)
        return;
    if (!gs_own_thread_runs(&a.thread)) {
        write_down(path, GS_FAILURE, "on_incident: not run: there was no thread for it");
        return;
    }
    struct job *job = new_job(rules, path);
    if (!job) {
        write_down(path, GS_FAILURE,
                   "on_incident: not run: out of memory, or the incident could not be read back");
    } else if (!post(job)) {
        snprintf(text, sizeof text, "on_incident: not run: %d others have not ended", JOBS_MAX);
        write_down(path, GS_FAILURE, text);
        job_free(job);
    }
}

/* ---- the end --------------------------------------------------------------------------------------------------------------- */

static bool all_ended(void)
{
    bool ended = true;
    gs_lock_take(&a.lock);
    for (size_t i = 0; i < a.count; i++)
        ended &= a.job[i]->state == ENDED;
    gs_lock_give(&a.lock);
    return ended;
}

/* What runs is the runner's to free from here on. */
static void give_up(void)
{
    gs_lock_take(&a.lock);
    a.watch++;
    for (size_t i = 0; i < a.count; i++) {
        if (a.job[i]->state == WAITING)
            write_down(a.job[i]->path, GS_FAILURE,
                       "on_incident: not run: the watch had ended before its turn came");
        if (a.job[i]->state != RUNNING)
            job_free(a.job[i]);
    }
    a.count = 0;
    gs_lock_give(&a.lock);
    gs_event_signal(&a.work);
}

void gs_on_incident_wake(void)
{
    gs_event_signal(&a.work);
}

void gs_on_incident_stop(void)
{
    const struct timespec moment = {.tv_nsec = 5 * GS_NS_PER_MS};
    int64_t until_ns = gs_clock_monotonic_ns() + STOP_PATIENCE_NS;
    while (!all_ended() && gs_clock_monotonic_ns() < until_ns)
        nanosleep(&moment, NULL);
    gs_on_incident_continue();
    give_up();
    (void)gs_own_thread_join(&a.thread, 50 * GS_NS_PER_MS); // else it ends with its program
}

void gs_on_incident_after_fork(void)
{
    gs_lock_after_fork(&a.lock);
    gs_own_thread_after_fork(&a.thread);
    a.count = 0;
    a.watch++;
}
