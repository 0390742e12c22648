/* write_profile.c - one profile into a descriptor, for a host that serves /debug/pprof itself.
 * Who: host threads, at their own time: one gathers at a time, and the watcher too waits its turn. */
#include "write_profile.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "profile/profile.h"
#include "under_way.h"
#include <errno.h>
#include <time.h>

/* Sample for so long, on the calling thread. */
static struct gs_cpu_session *sample_cpu(int64_t duration_ns)
{
    char why[160];
    struct gs_cpu_session *session = gs_cpu_open(duration_ns, why, sizeof why);
    if (!session)
        gs_log(GS_LOG_WARNING, "gumshoe_write_profile: %s", why);
    while (session && !gs_cpu_is_over(session, gs_monotonic_ns())) {
        nanosleep(&(struct timespec){.tv_nsec = GS_CPU_POLL_NS}, NULL);
        gs_cpu_poll(gs_monotonic_ns());
    }
    return session;
}

static int gather_and_write(const struct gs_capture *kind, int64_t start_ns, struct gs_cpu_session *cpu,
                            int fd)
{
    struct gs_gathered gathered = {0};
    struct gs_gather how = {
        .maps = gs_maps_read(0),
        .now_ns = gs_monotonic_ns(),
        .start_ns = start_ns ? start_ns : gs_monotonic_ns(),
        .reason = "asked for by the program (gumshoe_write_profile)",
        .cpu = cpu,
    };
    int error = how.maps ? kind->gather(&how, &gathered) : -errno;
    if (!how.maps)
        gs_cpu_abandon(cpu);
    if (!error)
        error = gs_profile_write(gathered.profile, fd);
    gs_gathered_fini(&gathered);
    gs_maps_free((struct gs_maps *)how.maps);
    return error;
}

int gs_write_profile(const struct gs_write_profile *what, int fd)
{
    for (const struct gs_capture *kind = gs_captures; kind->name; kind++) {
        if ((unsigned)kind->kind != (unsigned)what->kind)
            continue;
        gs_memory_for_json();
        struct gs_cpu_session *cpu = kind->kind == GS_CPU ? sample_cpu(what->cpu_ns) : NULL;
        if (kind->kind == GS_CPU && !cpu)
            return -EBUSY;
        gs_gathering_lock();
        int error = gather_and_write(kind, what->start_ns, cpu, fd);
        gs_gathering_unlock();
        return error;
    }
    return -EINVAL;
}
