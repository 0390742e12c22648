/* alternate_stack.c - signal stacks for the crash handler: without one, a thread that overflowed its stack cannot handle the
 * signal.
 *
 *   chunk[CHUNKS] ──▶ SLOTS stacks of STACK bytes ;  owner[chunk][slot]: the tid of its thread, 0: free
 *
 * A stack belongs to one thread, which only loses it by its end: like the rows of thread_table.c, the stack of a thread that
 * has ended is reused. A thread that has a signal stack of its own keeps that.
 * Who:    each thread for itself, when it begins; the main thread at the start of the watch. Nothing happens while crashes
 *         are not handled.
 * Bounds: CHUNKS * SLOTS threads; more threads get none. A page is used only once a signal handler has run on it. */
#include "probe/threads/inside.h"
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CHUNKS = 64, SLOTS = 64, NEIGHBOURS = 8, STACK = 128 << 10 };

static _Atomic(char *) chunks[CHUNKS];
static _Atomic uint32_t chunk_count;
static _Atomic pid_t owner[CHUNKS * SLOTS];

static char *stack_of(unsigned slot)
{
    char *chunk = atomic_load_explicit(&chunks[slot / SLOTS], memory_order_acquire);
    return chunk ? chunk + (size_t)(slot % SLOTS) * STACK : NULL;
}

/* Take SLOT for thread TID, if it is free or its thread has ended. */
static bool take_slot(unsigned slot, pid_t tid)
{
    pid_t before = atomic_load_explicit(&owner[slot], memory_order_relaxed);
    return (before == 0 || before == tid || gs_threads_ended(getpid(), before)) &&
           atomic_compare_exchange_strong_explicit(&owner[slot], &before, tid, memory_order_acq_rel,
                                                   memory_order_relaxed);
}

/* Add a chunk, with a slot of it taken for TID; the slot's number, or -1. Two threads may add one at the same time. */
static int slot_of_new_chunk(pid_t tid)
{
    uint32_t at = atomic_fetch_add(&chunk_count, 1);
    if (at >= CHUNKS) {
        atomic_store(&chunk_count, CHUNKS);
        return -1;
    }
    long mapped = syscall(SYS_mmap, NULL, (size_t)SLOTS * STACK, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (mapped == -1)
        return -1;
    unsigned slot = at * SLOTS + (unsigned)tid % SLOTS;
    atomic_store_explicit(&owner[slot], tid, memory_order_relaxed);
    atomic_store_explicit(&chunks[at], (char *)mapped, memory_order_release);
    return (int)slot;
}

/* A slot for TID; -1: none is free. */
static int claim_slot(pid_t tid)
{
    uint32_t count = atomic_load(&chunk_count);
    unsigned slots = (count < CHUNKS ? count : CHUNKS) * SLOTS;
    for (unsigned i = 0; i < NEIGHBOURS && i < slots; i++) {
        unsigned slot = ((unsigned)tid + i) % slots;
        if (stack_of(slot) && take_slot(slot, tid))
            return (int)slot;
    }
    return slot_of_new_chunk(tid);
}

static void give_stack(pid_t tid)
{
    stack_t stack;
    int saved_errno = errno;
    int slot =
        syscall(SYS_sigaltstack, NULL, &stack) == 0 && stack.ss_flags & SS_DISABLE ? claim_slot(tid) : -1;
    if (slot >= 0) {
        stack = (stack_t){.ss_sp = stack_of((unsigned)slot), .ss_size = STACK};
        syscall(SYS_sigaltstack, &stack, NULL);
    }
    errno = saved_errno;
}

void gs_threads_alternate_stack_begin(pid_t tid)
{
    if (gs_threads_crash_is_on())
        give_stack(tid);
}

void gs_probe_crash_stack(void)
{
    gs_threads_alternate_stack_begin((pid_t)syscall(SYS_gettid));
}

bool gs_threads_alternate_stack_is_ours(const void *base)
{
    const char *at = base;
    for (unsigned i = 0; at && i < CHUNKS; i++) {
        const char *chunk = atomic_load_explicit(&chunks[i], memory_order_acquire);
        if (chunk && at >= chunk && at < chunk + (size_t)SLOTS * STACK)
            return true;
    }
    return false;
}

/* The slots of the parent's other threads are free; the calling thread keeps its stack under its new tid. */
void gs_threads_alternate_stack_after_fork(void)
{
    stack_t stack;
    if (atomic_load_explicit(&chunk_count, memory_order_relaxed) == 0 || gs_is_sandboxed())
        return;
    bool known = syscall(SYS_sigaltstack, NULL, &stack) == 0;
    pid_t tid = (pid_t)syscall(SYS_gettid);
    for (unsigned slot = 0; slot < CHUNKS * SLOTS; slot++)
        if (atomic_load_explicit(&owner[slot], memory_order_relaxed))
            atomic_store_explicit(&owner[slot], known && stack_of(slot) == stack.ss_sp ? tid : 0,
                                  memory_order_relaxed);
}
