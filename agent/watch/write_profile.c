/* write_profile.c - writes one profile to a descriptor, for a host that serves /debug/pprof itself.
 *
 *   host thread ──▶ own thread, own table of descriptors: gather ──▶ bytes ──▶ host thread: write
 *                   over a time:  gather ▶ sleep ▶ gather ▶ subtract
 *
 * So the agent opens nothing in the host's table, and a slow reader of the descriptor delays only the caller.
 * Who: host threads, in a public call; profile_jobs.c. One thread gathers at a time: the watcher waits, too.
 * Bounds: GS_OWN_THREADS_CALLED profiles for public calls at a time; further calls wait for their turn. */
#include "watch/write_profile.h"
#include "account/account.h"
#include "base/clock.h"
#include "base/memory.h"
#include "gather/gather.h"
#include "host/credentials.h"
#include "host/own_thread.h"
#include "metrics/metrics.h"
#include "probe/probe.h"
#include "profile/profile.h"
#include "symbol/symbol.h"
#include "sys/event.h"
#include "sys/file.h"
#include "sys/log.h"
#include "watch/active_captures.h"
#include <errno.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PROFILE_MAX (1 << 30)

/* Sample CPU time as JOB says; the calling thread sleeps meanwhile. NULL: not possible, which is logged. */
static struct gs_cpu_session *sample_cpu(struct gs_profile_job *job)
{
    char why[160];
    struct gs_cpu_session *session = gs_gather_cpu_open(job->request.cpu_ns, why, sizeof why);
    if (!session)
        gs_log(GS_LOG_WARNING, "CPU profile on demand: %s", why);
    while (session && !atomic_load(&job->cancelled) &&
           !gs_gather_cpu_is_over(session, gs_clock_monotonic_ns())) {
        (void)gs_credentials_follow();
        nanosleep(&(struct timespec){.tv_nsec = GS_CPU_POLL_NS}, NULL);
        gs_gather_cpu_poll(gs_clock_monotonic_ns());
    }
    return session;
}

/* Write PROFILE as pprof into JOB->bytes. 0 or -errno. */
static int print(const struct gs_profile *profile, struct gs_profile_job *job)
{
    int fd = memfd_create("gumshoe", MFD_CLOEXEC), error = fd < 0 ? -errno : gs_profile_write(profile, fd);
    if (!error)
        error = lseek(fd, 0, SEEK_SET) < 0 ? -errno
                                           : gs_file_read_all(fd, PROFILE_MAX, &job->bytes, &job->length);
    if (fd >= 0)
        close(fd);
    return error;
}

/* Store TEXT in JOB->bytes, which takes it over. 0 or -errno. */
static int take_text(struct gs_text *text, struct gs_profile_job *job)
{
    if (text->failed || !text->bytes)
        return text->failed ? -ENOMEM : -ENODATA;
    job->bytes = text->bytes;
    job->length = text->length;
    *text = (struct gs_text){0};
    return 0;
}

/* Gather JOB's kind of evidence into OUT, which the caller frees with gs_gather_fini. 0 or -errno. */
static int gather(const struct gs_profile_job *job, struct gs_cpu_session *cpu, struct gs_gathered *out)
{
    int64_t start_ns = job->request.start_ns;
    struct gs_gather how = {
        .maps = gs_symbol_maps_read(0),
        .now_ns = gs_clock_monotonic_ns(),
        .start_ns = start_ns ? start_ns : gs_clock_monotonic_ns(),
        .reason = job->request.reason,
        .cpu = cpu,
        .waste_asked = true,
        .open_descriptors = gs_metrics_open_descriptors,
    };
    int error = how.maps ? gs_account_gather(job->kind->kind, &how, out) : -errno;
    if (!how.maps)
        gs_gather_cpu_abandon(cpu);
    gs_symbol_maps_free((struct gs_maps *)how.maps);
    return error;
}

static int gather_alone(const struct gs_profile_job *job, struct gs_cpu_session *cpu, struct gs_gathered *out)
{
    gs_watch_gathering_lock();
    int error = gather(job, cpu, out);
    gs_watch_gathering_unlock();
    return error;
}

/* Sleep until UNTIL_NS, or until nobody waits for JOB any more. */
static void sleep_until(struct gs_profile_job *job, int64_t until_ns)
{
    while (!atomic_load(&job->cancelled) && gs_clock_monotonic_ns() < until_ns) {
        int64_t left_ns = until_ns - gs_clock_monotonic_ns();
        (void)gs_credentials_follow();
        nanosleep(&(struct timespec){.tv_nsec = left_ns < GS_CPU_POLL_NS ? left_ns : GS_CPU_POLL_NS}, NULL);
    }
}

/* Make PROFILE the growth since BEFORE, with the time and the comments of a profile of that time. 0 or -errno. */
static int subtract(struct gs_profile *profile, struct gs_profile *before)
{
    int64_t duration_ns = profile->time_ns - before->time_ns;
    gs_profile_clear_type(
        before, "alive_objects"); // of lifetimes: blocks that only became older would be in two classes
    gs_profile_clear_type(before, "alive_space");
    before->comment_count = 0; // the later profile has them, and its counts of drops are the current ones
    int error = gs_profile_subtract(profile, before);
    profile->duration_ns = duration_ns;
    return error;
}

/* Gather what grew within the request's time. */
static int gather_growth(struct gs_profile_job *job, struct gs_gathered *out)
{
    struct gs_gathered before = {0};
    int error = gather_alone(job, NULL, &before);
    if (!error) {
        sleep_until(job, gs_clock_monotonic_ns() + job->request.growth_ns);
        error = gather_alone(job, NULL, out);
    }
    if (!error)
        error = subtract(out->profile, before.profile);
    gs_gather_fini(&before);
    return error;
}

static int gather_cpu(struct gs_profile_job *job, struct gs_gathered *out)
{
    struct gs_cpu_session *cpu = sample_cpu(job);
    return cpu ? gather_alone(job, cpu, out) : -EBUSY;
}

void gs_watch_profile_make(void *pointer)
{
    struct gs_profile_job *job = pointer;
    struct gs_gathered gathered = {0};
    enum gs_kind kind = job->kind->kind;
    if (kind == GS_CPU)
        job->error = gather_cpu(job, &gathered);
    else if (job->request.growth_ns && kind != GS_THREADS && kind != GS_PEAK && kind != GS_PAGES &&
             kind != GS_WASTE)
        job->error = gather_growth(job, &gathered);
    else
        job->error = gather_alone(job, NULL, &gathered);
    if (!job->error)
        job->error = job->request.text ? take_text(&gathered.text, job) : print(gathered.profile, job);
    gs_gather_fini(&gathered);
}

/* ---- for public calls ------------------------------------------------------------------------------------------------- */

static struct {
    struct gs_event ended;
    _Atomic int running;
} calls;

/* Take one of the GS_OWN_THREADS_CALLED turns. False: none is free. */
static bool take_turn(const void *unused)
{
    int running = atomic_load(&calls.running);
    (void)unused;
    while (running < GS_OWN_THREADS_CALLED)
        if (atomic_compare_exchange_weak(&calls.running, &running, running + 1))
            return true;
    return false;
}

static void give_turn(void)
{
    atomic_fetch_sub(&calls.running, 1);
    gs_event_signal(&calls.ended);
}

void gs_watch_write_profile_after_fork(void)
{
    atomic_store(&calls.running, 0);
}

static int make_and_write(struct gs_profile_job *job, int fd)
{
    const struct gs_own_thread_options start = {"gumshoe-profile", gs_watch_profile_make, job,
                                                GS_PROFILE_STACK_BYTES, GS_FDS_OWN_TEMPORARY};
    struct gs_own_thread thread = {0};
    int error = gs_own_thread_start(&thread, &start);
    if (error)
        return error;
    while (!gs_own_thread_join(&thread, GS_NS_PER_S))
        ;
    gs_own_thread_fini(&thread);
    error = job->error ? job->error : gs_file_write_all(fd, job->bytes, job->length);
    gs_free(job->bytes);
    return error;
}

int gs_watch_gather_profile(const struct gs_profile_request *request, int fd)
{
    for (const struct gs_kind_entry *kind = gs_kinds; kind->name; kind++)
        if ((unsigned)kind->kind == (unsigned)request->kind) {
            struct gs_profile_job job = {.request = *request, .kind = kind};
            gs_json_use_our_memory();
            while (!gs_event_wait_until(&calls.ended, take_turn, NULL, GS_NS_PER_S))
                ;
            int error = make_and_write(&job, fd);
            give_turn();
            return error;
        }
    return -EINVAL;
}
