/* children.c - decides which forked children get a watcher thread.
 *
 *   fork ──▶ in the child: a thread that sleeps 100 ms ─┬─ exec or _exit: the thread ends, and has done nothing
 *                                                       └─ still running: the thread becomes the child's watcher
 *
 * Why a thread at once: the atfork handler is the only code of ours that surely runs in a child outside of malloc and signal
 * handlers. A thread cannot be started later from malloc, a signal handler or another process. It costs the child about 80
 * µs, compared to 10 ms for a fork of 200 MB, and 0.8 ms for fork and exec of a small program.
 * To spare children that only exec, each call site of fork has counters of what became of its children:
 *
 *   call site (stack of the caller of fork) ──▶ { aged: children forked more than 2 × 100 ms ago, grown: alive after 100 ms }
 *   aged >= PROBATION and grown == 0        ──▶ from then on one child in RETRY gets a thread, in case that has changed
 *
 * vfork and posix_spawn, and so system and popen, run no atfork handlers: their children are never watched.
 * Who:    host threads that fork; children, in the atfork handler and on their watcher's thread. A process and all its
 *         descendants share the counters.
 * Bounds: one page, FORK_SITES call sites; children of further call sites all get a thread. */
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

enum { FORK_SITES = 120, NEIGHBOURS = 8, FRAMES = 8, PROBATION = 8, RETRY = 16 };

struct fork_site {
    _Atomic uint64_t hash;    // of the stack; 0: free
    _Atomic int64_t since_ns; // when the first of `young` was forked
    _Atomic uint32_t young, aged, grown;
    _Atomic uint32_t forked; // all children, to choose one in RETRY
};
struct page {
    struct fork_site site[FORK_SITES + NEIGHBOURS];
};
_Static_assert(sizeof(struct page) <= 4096, "one page");

static struct page *page; // MAP_SHARED; NULL: out of memory, every child gets a thread
static _Thread_local struct fork_site *current_fork_site __attribute__((tls_model("initial-exec")));
static struct fork_site *birth_site;

void gs_children_prepare(void)
{
    void *at = page ? MAP_FAILED
                    : mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at != MAP_FAILED)
        page = at;
}

/* ---- call sites ------------------------------------------------------------------------------------------------------- */

static struct fork_site *find_site(uint64_t hash)
{
    struct fork_site *at = &page->site[hash % FORK_SITES];
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
    current_fork_site = depth ? find_site(hash ? hash : 1) : NULL;
}

/* Count a child of SITE. The earlier ones count as aged when 2 × GS_CHILD_GROWN_NS have passed since the first of them. */
static void count_birth(struct fork_site *site)
{
    int64_t now_ns = gs_clock_monotonic_ns(), since_ns = atomic_load(&site->since_ns);
    if (now_ns - since_ns > 2 * GS_CHILD_GROWN_NS &&
        atomic_compare_exchange_strong(&site->since_ns, &since_ns, now_ns))
        atomic_fetch_add(&site->aged, atomic_exchange(&site->young, 0));
    atomic_fetch_add(&site->young, 1);
    atomic_fetch_add(&site->forked, 1);
}

bool gs_children_may_work(void)
{
    birth_site = current_fork_site;
    if (!birth_site)
        return true;
    count_birth(birth_site);
    return atomic_load(&birth_site->grown) > 0 || atomic_load(&birth_site->aged) < PROBATION ||
           atomic_load(&birth_site->forked) % RETRY == 0;
}

void gs_children_grown(void)
{
    if (birth_site)
        atomic_fetch_add(&birth_site->grown, 1);
}

/* ---- "only" ----------------------------------------------------------------------------------------------------------- */

bool gs_children_selected_by(const struct gs_rules *rules)
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
