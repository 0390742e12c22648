/* children.c - which forked children are worth a thread of their own.
 *
 *   fork ──▶ in the child: a thread that sleeps 100 ms ─┬─ exec, _exit: it is gone, and has done nothing
 *                                                       └─ still there: it is the child's watcher from then on
 *
 * Why a thread at once: fork(2) is the one place in a child where the host has called us, outside of malloc and of signal
 * handlers, and comes by for sure; a thread cannot be started later from malloc or from a signal, and not from outside. It
 * costs the child some 80 µs: nothing beside a fork of 200 MB (10 ms), a tenth of a small program's fork and exec (0.8 ms).
 * So that those who only fork to exec do not pay for it, each place in the program that forks is known by what became of its
 * children:
 *
 *   place (stack of the caller of fork) ──▶ { old: children that had time to grow, grown: those that did }
 *   EARLY of them grew old and none grown  ──▶ from then on, one in LUCKY gets a thread, to see whether that has changed
 *
 * vfork, posix_spawn, and so system and popen, do not come by here.
 * Who:    threads of the host that fork; children, in the handler of fork and in their watcher's thread. Counters are shared
 *         by a process and all that it forks.
 * Bounds: one page; places beyond PLACES are all given a thread. */
#include "host/children.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/text.h"
#include "probe/probe.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PLACES = 120, NEIGHBOURS = 8, FRAMES = 8, EARLY = 8, LUCKY = 16 };

struct fork_site {
    _Atomic uint64_t hash;    // 0: free
    _Atomic int64_t since_ns; // when `young` began to count
    _Atomic uint32_t young, old, grown;
    _Atomic uint32_t born; // all of them, for the one in LUCKY
};
struct page {
    struct fork_site place[PLACES + NEIGHBOURS];
};
_Static_assert(sizeof(struct page) <= 4096, "one page");

static struct page *page; // MAP_SHARED; NULL: there was no memory, and all are given a thread
static _Thread_local struct fork_site *forks_at __attribute__((tls_model("initial-exec")));
static struct fork_site *born_at;

void gs_children_prepare(void)
{
    void *at = page ? MAP_FAILED
                    : mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at != MAP_FAILED)
        page = at;
}

/* ---- places -------------------------------------------------------------------------------------------------------------- */

static struct fork_site *place_of(uint64_t hash)
{
    struct fork_site *at = &page->place[hash % PLACES];
    for (int i = 0; i < NEIGHBOURS; i++, at++) {
        uint64_t there = 0;
        if (atomic_compare_exchange_strong(&at->hash, &there, hash) || there == hash)
            return at;
    }
    return NULL;
}

void gs_children_before_fork(void)
{
    uintptr_t frames[FRAMES];
    uint32_t depth = page ? gs_probe_own_frames(frames, FRAMES) : 0;
    uint64_t hash = gs_hash_bytes(frames, depth * sizeof *frames);
    forks_at = depth ? place_of(hash ? hash : 1) : NULL;
}

/* One more was born here. Those before it are old once twice the time to grow has passed since the first of them. */
static void count_birth(struct fork_site *place)
{
    int64_t now_ns = gs_clock_monotonic_ns(), since_ns = atomic_load(&place->since_ns);
    if (now_ns - since_ns > 2 * GS_CHILD_GROWN_NS &&
        atomic_compare_exchange_strong(&place->since_ns, &since_ns, now_ns))
        atomic_fetch_add(&place->old, atomic_exchange(&place->young, 0));
    atomic_fetch_add(&place->young, 1);
    atomic_fetch_add(&place->born, 1);
}

bool gs_children_may_work(void)
{
    born_at = forks_at;
    if (!born_at)
        return true;
    count_birth(born_at);
    return atomic_load(&born_at->grown) > 0 || atomic_load(&born_at->old) < EARLY ||
           atomic_load(&born_at->born) % LUCKY == 0;
}

void gs_children_grown(void)
{
    if (born_at)
        atomic_fetch_add(&born_at->grown, 1);
}

/* ---- "only" -------------------------------------------------------------------------------------------------------------- */

bool gs_children_meant(const struct gs_rules *rules)
{
    char exe[4096];
    ssize_t length = readlink("/proc/self/exe", exe, sizeof exe - 1);
    exe[length > 0 ? length : 0] = 0;
    for (size_t i = 0; i < rules->only_count; i++)
        if (!strcmp(rules->only[i], gs_text_base_name(exe)) ||
            !strcmp(rules->only[i], program_invocation_short_name))
            return true;
    return rules->only_count == 0;
}
