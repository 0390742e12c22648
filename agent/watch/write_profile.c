/* write_profile.c - one profile into a descriptor, for a host that serves /debug/pprof itself.
 *
 *   host thread ──▶ a thread of ours, with a table of descriptors of its own: gather ──▶ bytes ──▶ host thread: write
 *
 * So nothing of ours is opened in the host's table, and a reader that takes its time keeps nobody waiting but who asks.
 * Who: host threads, at their own time: one gathers at a time, and the watcher too waits its turn. */
#include "watch/write_profile.h"
#include "base/clock.h"
#include "base/memory.h"
#include "gather/gather.h"
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

enum { STACK_BYTES = 1 << 20 };
#define PROFILE_MAX (1 << 30)

struct order {
    const struct gs_profile_request *what;
    const struct gs_kind_entry *kind;
    char *bytes; // of the profile, once it is made
    size_t length;
    int error;
};

/* Sample for so long, on the calling thread. */
static struct gs_cpu_session *sample_cpu(int64_t duration_ns)
{
    char why[160];
    struct gs_cpu_session *session = gs_gather_cpu_open(duration_ns, why, sizeof why);
    if (!session)
        gs_log(GS_LOG_WARNING, "gumshoe_write_profile: %s", why);
    while (session && !gs_gather_cpu_is_over(session, gs_clock_monotonic_ns())) {
        nanosleep(&(struct timespec){.tv_nsec = GS_CPU_POLL_NS}, NULL);
        gs_gather_cpu_poll(gs_clock_monotonic_ns());
    }
    return session;
}

/* PROFILE as the bytes of a file. */
static int print(const struct gs_profile *profile, struct order *order)
{
    int fd = memfd_create("gumshoe", MFD_CLOEXEC), error = fd < 0 ? -errno : gs_profile_write(profile, fd);
    if (!error)
        error = lseek(fd, 0, SEEK_SET) < 0 ? -errno
                                           : gs_file_read_all(fd, PROFILE_MAX, &order->bytes, &order->length);
    if (fd >= 0)
        close(fd);
    return error;
}

static int gather(struct order *order, struct gs_cpu_session *cpu)
{
    struct gs_gathered gathered = {0};
    int64_t start_ns = order->what->start_ns;
    struct gs_gather how = {
        .maps = gs_symbol_maps_read(0),
        .now_ns = gs_clock_monotonic_ns(),
        .start_ns = start_ns ? start_ns : gs_clock_monotonic_ns(),
        .reason = "asked for by the program (gumshoe_write_profile)",
        .cpu = cpu,
    };
    int error = how.maps ? gs_gather(order->kind->kind, &how, &gathered) : -errno;
    if (!how.maps)
        gs_gather_cpu_abandon(cpu);
    if (!error)
        error = print(gathered.profile, order);
    gs_gather_fini(&gathered);
    gs_symbol_maps_free((struct gs_maps *)how.maps);
    return error;
}

static void make(void *of)
{
    struct order *order = of;
    struct gs_cpu_session *cpu = order->kind->kind == GS_CPU ? sample_cpu(order->what->cpu_ns) : NULL;
    order->error = -EBUSY;
    if (order->kind->kind == GS_CPU && !cpu)
        return;
    gs_watch_gathering_lock();
    order->error = gather(order, cpu);
    gs_watch_gathering_unlock();
}

static int order_and_write(struct order *order, int fd)
{
    const struct gs_own_thread_options start = {"gumshoe-profile", make, order, STACK_BYTES,
                                                GS_TABLE_PASSING};
    struct gs_own_thread thread = {0};
    int error = gs_own_thread_start(&thread, &start);
    if (error)
        return error;
    while (!gs_own_thread_join(&thread, GS_NS_PER_S))
        ;
    gs_own_thread_fini(&thread);
    error = order->error ? order->error : gs_file_write_all(fd, order->bytes, order->length);
    gs_free(order->bytes);
    return error;
}

int gs_watch_gather_profile(const struct gs_profile_request *what, int fd)
{
    for (const struct gs_kind_entry *kind = gs_kinds; kind->name; kind++)
        if ((unsigned)kind->kind == (unsigned)what->kind) {
            struct order order = {.what = what, .kind = kind};
            gs_json_use_our_memory();
            return order_and_write(&order, fd);
        }
    return -EINVAL;
}
