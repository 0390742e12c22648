/* write_profile.c - writes one profile to a descriptor, for a host that serves /debug/pprof itself.
 *
 *   host thread ──▶ own thread, own table of descriptors: gather ──▶ bytes ──▶ host thread: write
 *
 * So the agent opens nothing in the host's table, and a slow reader of the descriptor delays only the caller.
 * Who: host threads, in a public call; profile_jobs.c. One thread gathers at a time: the watcher waits, too. */
#include "watch/write_profile.h"
#include "base/clock.h"
#include "base/memory.h"
#include "gather/gather.h"
#include "host/credentials.h"
#include "host/own_thread.h"
#include "profile/profile.h"
#include "symbol/symbol.h"
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
        gs_log(GS_LOG_WARNING, "a CPU profile was asked for: %s", why);
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

static int gather(struct gs_profile_job *job, struct gs_cpu_session *cpu)
{
    struct gs_gathered gathered = {0};
    int64_t start_ns = job->request.start_ns;
    struct gs_gather how = {
        .maps = gs_symbol_maps_read(0),
        .now_ns = gs_clock_monotonic_ns(),
        .start_ns = start_ns ? start_ns : gs_clock_monotonic_ns(),
        .reason = job->request.reason,
        .cpu = cpu,
    };
    int error = how.maps ? gs_gather(job->kind->kind, &how, &gathered) : -errno;
    if (!how.maps)
        gs_gather_cpu_abandon(cpu);
    if (!error)
        error = job->request.text ? take_text(&gathered.text, job) : print(gathered.profile, job);
    gs_gather_fini(&gathered);
    gs_symbol_maps_free((struct gs_maps *)how.maps);
    return error;
}

void gs_watch_profile_make(void *pointer)
{
    struct gs_profile_job *job = pointer;
    struct gs_cpu_session *cpu = job->kind->kind == GS_CPU ? sample_cpu(job) : NULL;
    job->error = -EBUSY;
    if (job->kind->kind == GS_CPU && !cpu)
        return;
    gs_watch_gathering_lock();
    job->error = gather(job, cpu);
    gs_watch_gathering_unlock();
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
            return make_and_write(&job, fd);
        }
    return -EINVAL;
}
