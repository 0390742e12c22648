/* thread.c - pthread_create, taken over to record which stack created each thread.
 *
 *   host: pthread_create ──▶ walk, intern ──▶ the real function, with begin() in place of the host's routine
 *   new thread: begin() ──▶ thread_table.c, alternate_stack.c, cpu.c ──▶ jumps to the host's routine: no frame of ours stays on its stack
 *
 * Threads that the C library makes for itself (thrd_create, timers, aio) do not come through here.
 * Who: host threads. Bounds: STARTS threads between creation and first instruction; further ones are created without a
 *      record: they are only counted. */
#include "probe/hooks/inside.h"
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HOOK __attribute__((visibility("default")))

typedef int create_function(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
typedef void *routine_function(void *);

enum { STARTS = 256 };
static struct start {
    _Atomic bool taken;
    bool sandboxed; // its creator is in a sandbox
    uint32_t stack;
    size_t stack_size; // from the attributes; 0: not set
    routine_function *routine;
    void *argument;
} starts[STARTS];

static struct start *claim_start(void)
{
    for (unsigned i = 0; i < STARTS; i++) {
        bool taken = false;
        if (atomic_compare_exchange_strong_explicit(&starts[i].taken, &taken, true, memory_order_acquire,
                                                    memory_order_relaxed))
            return &starts[i];
    }
    return NULL;
}

static void release_start(struct start *start)
{
    atomic_store_explicit(&start->taken, false, memory_order_release);
}

static void begin_in_sandbox(struct start *start)
{
    gs_threads_sandbox_inherit(start->stack_size);
    release_start(start);
}

static void begin_seen(struct start *start)
{
    pid_t tid = (pid_t)syscall(SYS_gettid);
    size_t stack_size = start->stack_size;
    gs_threads_table_add(tid, start->stack, stack_size);
    release_start(start);
    gs_threads_alternate_stack_begin(tid);
    if (!gs_is_small_stack(stack_size))
        gs_threads_cpu_begin(tid);
}

static void *begin(void *given)
{
    struct start *start = given;
    routine_function *routine = start->routine;
    void *argument = start->argument;
    if (start->sandboxed)
        begin_in_sandbox(start);
    else
        begin_seen(start);
    return routine(argument);
}

GS_HOOK(pthread_create, __pthread_create_2_1);

static create_function *real_create(void)
{
    static _Atomic(create_function *) real;
    create_function *found = atomic_load_explicit(&real, memory_order_acquire);
    if (!found) {
        void *symbol = gs_hooks_real_function(GS_HOOKED(pthread_create, __pthread_create_2_1));
        memcpy(&found, &symbol, sizeof found);
        atomic_store_explicit(&real, found, memory_order_release);
    }
    return found;
}

static size_t stack_size_of(const pthread_attr_t *attributes)
{
    size_t size;
    return attributes && pthread_attr_getstacksize(attributes, &size) == 0 ? size : 0;
}

static int create_recorded(uint32_t stack, pthread_t *thread, const pthread_attr_t *attributes,
                           routine_function *routine, void *argument)
{
    struct start *start = claim_start();
    if (!start)
        return real_create()(thread, attributes, routine, argument);
    start->sandboxed = gs_is_sandboxed();
    start->stack = stack;
    start->stack_size = stack_size_of(attributes);
    start->routine = routine;
    start->argument = argument;
    int error = real_create()(thread, attributes, begin, start);
    if (error)
        release_start(start);
    return error;
}

HOOK int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, routine_function *routine,
                        void *argument)
{
    uint32_t stack;
    if (!gs_heap_sampler_stack(GS_CALLER(), &stack))
        return real_create()(thread, attributes, routine, argument);
    int error = create_recorded(stack, thread, attributes, routine, argument);
    if (!error)
        gs_heap_stack_count_thread(stack);
    return error;
}
