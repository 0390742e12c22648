/* on_incident.c - runs programs after each incident, and records their results: `gumshoe symbolize`, then "on_incident".
 *
 *   gs_on_incident_run ──▶ job: WAITING ──▶ RUNNING, on the runner thread: gs_symbolizer_run, gs_spawn_run
 *                               ──▶ ENDED ──▶ gs_on_incident_continue: log, incident.json
 *
 * Who:    the watcher makes jobs and records their results; the runner, an agent thread, runs one job at a time.
 * Bounds: at most JOBS_MAX jobs that have not ended, and SYMBOLIZE_MAX that wait to be symbolized; each runs for at most
 *         GS_SYMBOLIZER_LIMIT_NS + LIMIT_NS. When the watch ends, symbolizing is stopped at once. */
#include "host/on_incident.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/units.h"
#include "host/command_line.h"
#include "host/credentials.h"
#include "host/own_thread.h"
#include "host/spawn.h"
#include "host/symbolizer.h"
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

enum { JOBS_MAX = 8, SYMBOLIZE_MAX = 4, STACK_BYTES = 128 << 10 };
#define LIMIT_NS         (30 * GS_NS_PER_S)
#define STOP_PATIENCE_NS (300 * GS_NS_PER_MS)

struct job {
    enum { WAITING, RUNNING, ENDED } state;
    char path[PATH_MAX];          // the incident folder
    _Atomic bool symbolize;       // first; cleared if there is no time for it
    uint64_t data_bytes;          // which that may use
    struct gs_owned_fd users;     // of the directory, if it is that of a user and no path leads to it
    bool has_program;             // then: the rules' on_incident
    struct gs_command_line line;  // its
    bool symbolized, program_ran; // the ends are set
    struct gs_spawn_end symbolize_end, end;
};

static struct {
    struct gs_lock lock;
    struct gs_event work; // there is a new job, or the watcher ends
    struct gs_own_thread thread;
    unsigned run;              // number of the current watcher run; a runner of an earlier run ends by itself
    struct job *job[JOBS_MAX]; // in the order of the incidents
    size_t count;
    bool no_thread_logged,
        no_spawn_logged; // the log says once that the runner, or the command, could not be started
} jobs = {.lock.rank = GS_RANK_JOBS};

static void job_free(struct job *job)
{
    if (job) {
        gs_command_line_fini(&job->line);
        gs_owned_fd_close(&job->users);
    }
    gs_free(job);
}

/* ---- the runner ------------------------------------------------------------------------------------------------------- */

/* Take the next waiting job and mark it as running; NULL: none waits. */
static struct job *take_waiting(void)
{
    struct job *next = NULL;
    gs_lock_take(&jobs.lock);
    for (size_t i = 0; i < jobs.count && !next; i++)
        if (jobs.job[i]->state == WAITING)
            next = jobs.job[i];
    if (next)
        next->state = RUNNING;
    gs_lock_give(&jobs.lock);
    return next;
}

static bool is_run_over(unsigned run)
{
    gs_lock_take(&jobs.lock);
    bool over = run != jobs.run;
    gs_lock_give(&jobs.lock);
    return over;
}

/* Wait for the next job and take it; NULL: the watcher has ended. */
static struct job *next_job(unsigned run)
{
    for (;;) {
        uint32_t seen = gs_event_seen(&jobs.work);
        (void)gs_credentials_follow();
        if (is_run_over(run))
            return NULL;
        struct job *next = take_waiting();
        if (next)
            return next;
        gs_event_wait(&jobs.work, seen, INT64_MAX / 2);
    }
}

/* Give the ended JOB to the watcher, which records it; if that watcher has ended, free it. */
static void return_job(struct job *job, unsigned run)
{
    gs_lock_take(&jobs.lock);
    bool orphaned = run != jobs.run;
    job->state = ENDED;
    gs_lock_give(&jobs.lock);
    if (orphaned)
        job_free(job);
    else
        gs_probe_wake();
}

static void run_program(struct job *job)
{
    const struct gs_spawn command = {.program = job->line.program,
                                     .argv = job->line.argv,
                                     .envp = gs_command_line_environment(),
                                     .limit_ns = LIMIT_NS};
    gs_spawn_run(&command, &job->end);
    job->program_ran = true;
}

static void symbolize(struct job *job)
{
    bool in_users = gs_owned_fd_is_open(&job->users, NULL);
    gs_symbolizer_run(job->path, in_users ? job->users.fd : 0, job->data_bytes, &job->symbolize_end);
}

static void run_jobs(void *run_number)
{
    unsigned run = (unsigned)(uintptr_t)run_number;
    for (struct job *job; (job = next_job(run));) {
        if (atomic_load(&job->symbolize)) {
            symbolize(job);
            job->symbolized = true;
        }
        if (job->has_program && !is_run_over(run))
            run_program(job);
        return_job(job, run);
    }
}

/* Start the runner, unless it runs. 0 or -errno. */
static int start_runner(void)
{
    const struct gs_own_thread_options start = {"gumshoe-run", run_jobs, (void *)(uintptr_t)jobs.run,
                                                STACK_BYTES, GS_FDS_OF_CREATOR};
    return gs_own_thread_runs(&jobs.thread) ? 0 : gs_own_thread_start(&jobs.thread, &start);
}

void gs_on_incident_expect(const struct gs_rules *rules)
{
    int error = rules->on_incident ? start_runner() : 0;
    if (error)
        gs_log(GS_LOG_WARNING, "on_incident: its thread could not be created: %s", strerrordesc_np(-error));
}

/* ---- the watcher: results ---------------------------------------------------------------------------------------- */

static void record_result(const char *path, enum gs_remark kind, const char *text)
{
    gs_log(kind == GS_NOTE ? GS_LOG_INFO : GS_LOG_ERROR, "%s", text);
    int error = gs_store_amend_incident(path, kind, text);
    if (error)
        gs_log(GS_LOG_WARNING, "%s/incident.json could not record this: %s", path, strerrordesc_np(-error));
}

static void record_program(const struct job *job)
{
    char text[512], took[GS_UNIT_TEXT];
    const struct gs_spawn_end *end = &job->end;
    const char *program = job->line.argv[0];
    gs_units_print_duration(end->took_ns / GS_NS_PER_MS * GS_NS_PER_MS, took);
    if (end->error)
        snprintf(text, sizeof text, "on_incident: %.200s could not be run: %s", program,
                 strerrordesc_np(end->error));
    else if (end->too_long)
        snprintf(text, sizeof text, "on_incident: %.200s was stopped because it still ran after %d s",
                 program, (int)(LIMIT_NS / GS_NS_PER_S));
    else if (WIFSIGNALED(end->status))
        snprintf(text, sizeof text, "on_incident: %.200s was killed by signal %d (%s) after %s", program,
                 WTERMSIG(end->status), sigdescr_np(WTERMSIG(end->status)), took);
    else if (WEXITSTATUS(end->status))
        snprintf(text, sizeof text, "on_incident: %.200s failed with exit status %d after %s", program,
                 WEXITSTATUS(end->status), took);
    else
        snprintf(text, sizeof text, "on_incident: %.200s finished after %s", program, took);
    bool succeeded = !end->error && !end->too_long && end->status == 0;
    record_result(job->path, succeeded ? GS_NOTE : GS_FAILURE, text);
}

/* Record how the command ended that symbolizes. If it succeeded, or found no lines (NO_LINES), it has written its own note. */
static void record_symbolizer(const struct job *job)
{
    enum { NO_LINES = 1 };
    char text[200];
    const struct gs_spawn_end *end = &job->symbolize_end;
    if (end->error) { // the same for the next incident: not worth a note in each
        if (!jobs.no_spawn_logged)
            gs_log(GS_LOG_WARNING, "symbolize: the command could not be run: %s",
                   strerrordesc_np(end->error));
        jobs.no_spawn_logged = true;
        return;
    }
    if (end->too_long)
        snprintf(text, sizeof text, "symbolize: stopped because it still ran after %d s",
                 (int)(GS_SYMBOLIZER_LIMIT_NS / GS_NS_PER_S));
    else if (WIFSIGNALED(end->status) && !atomic_load(&job->symbolize))
        snprintf(text, sizeof text, "symbolize: stopped because the watch ended");
    else if (WIFSIGNALED(end->status))
        snprintf(text, sizeof text, "symbolize: killed by signal %d (%s)", WTERMSIG(end->status),
                 sigdescr_np(WTERMSIG(end->status)));
    else if (WEXITSTATUS(end->status) > NO_LINES)
        snprintf(text, sizeof text, "symbolize: failed with exit status %d", WEXITSTATUS(end->status));
    else
        return;
    record_result(job->path, GS_NOTE, text);
}

static void record_end(const struct job *job)
{
    if (job->symbolized)
        record_symbolizer(job);
    if (job->program_ran)
        record_program(job);
    else if (job->has_program)
        record_result(job->path, GS_FAILURE, "on_incident: not run: the watcher ended first");
}

/* Take the first job that has ended off the list. */
static struct job *take_ended(void)
{
    struct job *ended = NULL;
    gs_lock_take(&jobs.lock);
    for (size_t i = 0; i < jobs.count; i++)
        if (ended)
            jobs.job[i - 1] = jobs.job[i];
        else if (jobs.job[i]->state == ENDED)
            ended = jobs.job[i];
    jobs.count -= ended != NULL;
    gs_lock_give(&jobs.lock);
    return ended;
}

void gs_on_incident_continue(void)
{
    for (struct job *job; (job = take_ended()); job_free(job))
        record_end(job);
}

/* ---- the watcher: a new job ------------------------------------------------------------------------------------------- */

/* A job for the incident in folder PATH; NULL, with a sentence in WHY. */
static struct job *new_job(const struct gs_rules *rules, const char *path, char why[GS_SYMBOLIZER_TEXT])
{
    struct job *job = gs_alloc(sizeof *job);
    snprintf(why, GS_SYMBOLIZER_TEXT, "out of memory, or the incident could not be read back");
    if (!job)
        return NULL;
    job->users = (struct gs_owned_fd)GS_OWNED_FD_NONE;
    snprintf(job->path, sizeof job->path, "%s", path);
    job->has_program = rules->on_incident;
    if (job->has_program && !gs_command_line_make(rules, path, &job->line)) {
        job_free(job);
        return NULL;
    }
    job->symbolize = gs_symbolizer_may_run(rules, &job->data_bytes, why);
    if (job->symbolize)
        (void)!gs_owned_fd_take(&job->users, gs_store_dup_user()); // -ENOENT: there is a path
    return job;
}

/* Queue JOB. False: too many jobs have not ended. If too many wait to be symbolized, the oldest of them is not, and its
 * folder goes to SKIPPED, which is "" else. */
static bool queue_job(struct job *job, char skipped[PATH_MAX])
{
    struct job *oldest = NULL;
    unsigned waiting = 0;
    skipped[0] = 0;
    gs_lock_take(&jobs.lock);
    bool has_room = jobs.count < JOBS_MAX;
    if (has_room)
        jobs.job[jobs.count++] = job;
    for (size_t i = 0; i < jobs.count; i++)
        if (jobs.job[i]->state == WAITING && atomic_load(&jobs.job[i]->symbolize) && waiting++ == 0)
            oldest = jobs.job[i];
    if (waiting > SYMBOLIZE_MAX) {
        atomic_store(&oldest->symbolize, false);
        strcpy(skipped, oldest->path);
    }
    gs_lock_give(&jobs.lock);
    gs_event_signal(&jobs.work);
    return has_room;
}

static void start(struct job *job)
{
    char text[160], skipped[PATH_MAX];
    if (!queue_job(job, skipped)) {
        snprintf(text, sizeof text, "%s: not run: %d earlier runs have not ended",
                 job->has_program ? "on_incident" : "symbolize", JOBS_MAX);
        record_result(job->path, job->has_program ? GS_FAILURE : GS_NOTE, text);
        job_free(job);
    }
    if (skipped[0])
        record_result(skipped, GS_NOTE, "symbolize: not done: later incidents came before its turn");
}

/* The runner does not run: an incident that only waits to be symbolized stays as it is. */
static void record_no_runner(const struct gs_rules *rules, const char *path, int error)
{
    if (rules->on_incident)
        record_result(path, GS_FAILURE, "on_incident: not run: its thread could not be created");
    else if (!jobs.no_thread_logged)
        gs_log(GS_LOG_WARNING, "symbolize: its thread could not be created: %s", strerrordesc_np(-error));
    jobs.no_thread_logged = true;
}

void gs_on_incident_run(const struct gs_rules *rules, const char *path)
{
    char why[GS_SYMBOLIZER_TEXT], text[GS_SYMBOLIZER_TEXT + 40];
    if (!rules)
        return;
    struct job *job = new_job(rules, path, why);
    if (!job && rules->on_incident) {
        snprintf(text, sizeof text, "on_incident: not run: %s", why);
        record_result(path, GS_FAILURE, text);
    }
    if (!job)
        return;
    if (!job->symbolize && *why) {
        snprintf(text, sizeof text, "symbolize: not run: %s", why);
        record_result(path, GS_NOTE, text);
    }
    bool wanted = job->has_program || job->symbolize;
    int error = wanted ? start_runner() : 0;
    if (wanted && !error) {
        start(job);
        return;
    }
    if (error)
        record_no_runner(rules, path, error);
    job_free(job);
}

/* ---- the end ---------------------------------------------------------------------------------------------------------- */

/* Stop symbolizing, so that the programs get their turn. True: all jobs have ended. */
static bool hurry(void)
{
    bool ended = true;
    gs_lock_take(&jobs.lock);
    for (size_t i = 0; i < jobs.count; i++) {
        struct job *job = jobs.job[i];
        int pid = job->state == RUNNING ? atomic_load(&job->symbolize_end.pid) : 0;
        atomic_store(&job->symbolize, false);
        if (pid > 0)
            kill(-pid, SIGKILL);
        ended &= job->state == ENDED;
    }
    gs_lock_give(&jobs.lock);
    return ended;
}

/* Drop all jobs but the running one, which the runner frees from now on. */
static void drop_jobs(void)
{
    gs_lock_take(&jobs.lock);
    jobs.run++;
    for (size_t i = 0; i < jobs.count; i++) {
        if (jobs.job[i]->state == WAITING && jobs.job[i]->has_program)
            record_result(jobs.job[i]->path, GS_FAILURE, "on_incident: not run: the watcher ended first");
        if (jobs.job[i]->state != RUNNING)
            job_free(jobs.job[i]);
    }
    jobs.count = 0;
    gs_lock_give(&jobs.lock);
    gs_event_signal(&jobs.work);
}

void gs_on_incident_wake(void)
{
    gs_event_signal(&jobs.work);
}

void gs_on_incident_stop(void)
{
    const struct timespec pause = {.tv_nsec = 5 * GS_NS_PER_MS};
    int64_t until_ns = gs_clock_monotonic_ns() + STOP_PATIENCE_NS;
    while (!hurry() && gs_clock_monotonic_ns() < until_ns)
        nanosleep(&pause, NULL);
    gs_on_incident_continue();
    drop_jobs();
    (void)gs_own_thread_join(&jobs.thread, 50 * GS_NS_PER_MS); // on a timeout it ends after its program
}

void gs_on_incident_after_fork(void)
{
    gs_lock_after_fork(&jobs.lock);
    gs_own_thread_after_fork(&jobs.thread);
    jobs.count = 0;
    jobs.run++;
}
