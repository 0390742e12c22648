/* Locks of the running glibc, as another thread sees them: their addresses and holders, from the futex that a thread waits on. */
#include "gather/inside.h"
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

static int tid_of_caller(void)
{
    return (int)syscall(SYS_gettid);
}

static bool read_own(const struct gs_memory *memory, uint64_t at, void *out, size_t length)
{
    (void)memory;
    return gs_probe_peek(getpid(), (uintptr_t)at, out, length);
}
static const struct gs_memory own = {read_own};

/* ---- threads that wait ------------------------------------------------------------------------------------------------ */

struct waiter {
    void (*wait)(void *lock);
    void *lock;
    pthread_t thread;
    _Atomic int tid;
    struct gs_thread_stack stack;
    struct gs_lock_memory memory;
};

static void *run(void *of)
{
    struct waiter *waiter = of;
    waiter->tid = tid_of_caller();
    waiter->wait(waiter->lock);
    return NULL;
}

/* Start a thread that waits; returns once it sleeps in futex, and reads what it waits on. */
static void start(struct waiter *waiter, void wait(void *), void *lock)
{
    int task = open("/proc/self/task", O_RDONLY | O_DIRECTORY);
    assert_true(task >= 0);
    *waiter = (struct waiter){.wait = wait, .lock = lock};
    assert_int_equal(pthread_create(&waiter->thread, NULL, run, waiter), 0);
    do {
        sched_yield();
        if (waiter->tid)
            gs_probe_thread_stack(task, waiter->tid, 0, &waiter->stack);
    } while (!waiter->tid || waiter->stack.how != GS_THREAD_ASLEEP || waiter->stack.call != SYS_futex);
    gs_gather_lock_memory_read(&own, waiter->stack.argument[0], &waiter->memory);
    close(task);
}

static struct gs_lock_state lock_of(const struct waiter *waiter, enum gs_wait_kind kind)
{
    struct gs_lock_state out;
    const struct gs_futex futex = {waiter->stack.argument[0], (uint32_t)waiter->stack.argument[1],
                                   (uint32_t)waiter->stack.argument[2]};
    gs_gather_lock_read(kind, &futex, &waiter->memory, &out);
    return out;
}

static void lock_mutex(void *mutex)
{
    pthread_mutex_lock(mutex);
    pthread_mutex_unlock(mutex);
}

static void read_lock(void *rwlock)
{
    pthread_rwlock_rdlock(rwlock);
    pthread_rwlock_unlock(rwlock);
}

static void write_lock(void *rwlock)
{
    pthread_rwlock_wrlock(rwlock);
    pthread_rwlock_unlock(rwlock);
}

/* ---- mutexes ------------------------------------------------------------------------------------------------------------- */

static void held_by_us(pthread_mutex_t *mutex)
{
    struct waiter waiter;
    struct gs_wait wait;
    pthread_mutex_lock(mutex);
    start(&waiter, lock_mutex, mutex);
    struct gs_lock_state lock = lock_of(&waiter, GS_WAIT_MUTEX);
    assert_true(lock.known);
    assert_int_equal(lock.address, (uintptr_t)mutex);
    assert_int_equal(lock.holder, tid_of_caller());
    assert_true(gs_gather_waits_for(&waiter.memory, &waiter.stack, &wait));
    assert_int_equal(wait.holder, tid_of_caller());
    pthread_mutex_unlock(mutex);
    pthread_join(waiter.thread, NULL);
}

static void a_mutex_names_its_owner(void **state)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    (void)state;
    held_by_us(&mutex);
}

static void robust_and_inheriting_mutexes_name_their_owner(void **state)
{
    pthread_mutexattr_t attributes;
    pthread_mutex_t robust, inheriting;
    (void)state;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&robust, &attributes);
    held_by_us(&robust);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_STALLED);
    pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&inheriting, &attributes);
    held_by_us(&inheriting);
}

static void a_mutex_at_either_end_of_a_mapping_is_read(void **state)
{
    (void)state;
    char *memory = mmap(NULL, 3 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    assert_int_equal(mprotect(memory + 4096, 4096, PROT_READ | PROT_WRITE), 0);
    held_by_us((pthread_mutex_t *)(memory + 4096)); // all zero: PTHREAD_MUTEX_INITIALIZER
    held_by_us((pthread_mutex_t *)(memory + 2 * 4096 - sizeof(pthread_mutex_t)));
    munmap(memory, 3 * 4096);
}

static void memory_that_is_gone_is_not_known(void **state)
{
    struct gs_lock_memory memory;
    struct gs_lock_state lock;
    struct gs_wait wait;
    struct gs_thread_stack stack = {.call = SYS_futex, .argument = {4096, FUTEX_WAIT_PRIVATE, 2}};
    (void)state;
    gs_gather_lock_memory_read(&own, 4096, &memory);
    gs_gather_lock_read(GS_WAIT_MUTEX, &(struct gs_futex){4096, FUTEX_WAIT_PRIVATE, 2}, &memory, &lock);
    assert_false(lock.known);
    gs_gather_lock_read(GS_WAIT_RWLOCK, &(struct gs_futex){4096 + 8, FUTEX_WAIT_PRIVATE, 3}, &memory, &lock);
    assert_false(lock.known);
    assert_false(gs_gather_waits_for(&memory, &stack, &wait));
}

/* ---- rwlocks ------------------------------------------------------------------------------------------------------------- */

static void a_rwlock_names_its_writer_to_readers_and_writers(void **state)
{
    pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
    struct waiter waiter[3];
    (void)state;
    pthread_rwlock_wrlock(&rwlock);
    start(&waiter[0], read_lock, &rwlock);
    start(&waiter[1], write_lock, &rwlock);
    start(&waiter[2], read_lock, &rwlock);
    for (int i = 0; i < 3; i++) {
        struct gs_lock_state lock = lock_of(&waiter[i], GS_WAIT_RWLOCK);
        assert_true(lock.known);
        assert_int_equal(lock.address, (uintptr_t)&rwlock);
        assert_int_equal(lock.holder, tid_of_caller());
        assert_int_equal(lock.readers, 0);
    }
    pthread_rwlock_unlock(&rwlock);
    for (int i = 0; i < 3; i++)
        pthread_join(waiter[i].thread, NULL);
}

static void a_rwlock_counts_its_readers(void **state)
{
    pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
    struct waiter waiter[2];
    (void)state;
    pthread_rwlock_rdlock(&rwlock);
    pthread_rwlock_rdlock(&rwlock);
    start(&waiter[0], write_lock, &rwlock); // waits for the readers
    start(&waiter[1], write_lock, &rwlock); // waits for the first writer
    for (int i = 0; i < 2; i++) {
        struct gs_lock_state lock = lock_of(&waiter[i], GS_WAIT_RWLOCK);
        assert_true(lock.known);
        assert_int_equal(lock.address, (uintptr_t)&rwlock);
        assert_int_equal(lock.holder, 0);
        assert_int_equal(lock.readers, 2);
    }
    pthread_rwlock_unlock(&rwlock);
    pthread_rwlock_unlock(&rwlock);
    for (int i = 0; i < 2; i++)
        pthread_join(waiter[i].thread, NULL);
}

static void a_reader_waits_behind_a_writer_that_is_preferred(void **state)
{
    pthread_rwlockattr_t attributes;
    pthread_rwlock_t rwlock;
    struct waiter waiter[2];
    (void)state;
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&rwlock, &attributes);
    pthread_rwlock_rdlock(&rwlock);
    start(&waiter[0], write_lock, &rwlock);
    start(&waiter[1], read_lock, &rwlock); // on the word that counts the readers
    struct gs_lock_state lock = lock_of(&waiter[1], GS_WAIT_RWLOCK);
    assert_true(lock.known);
    assert_int_equal(lock.address, (uintptr_t)&rwlock);
    assert_int_equal(lock.readers, 1);
    pthread_rwlock_unlock(&rwlock);
    for (int i = 0; i < 2; i++)
        pthread_join(waiter[i].thread, NULL);
}

/* ---- condition variables, barriers, and threads that end ------------------------------------------------------------------ */

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t condition;
    int turn;
} queue = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};

static void wait_for_turn(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&queue.mutex);
    for (int seen = queue.turn; queue.turn == seen;)
        pthread_cond_wait(&queue.condition, &queue.mutex);
    pthread_mutex_unlock(&queue.mutex);
}

static void a_condition_variable_is_found_by_both_of_its_words(void **state)
{
    (void)state;
    bool seen[2] = {false, false};
    for (int i = 0; i < 4; i++) { // glibc takes its words in turn
        struct waiter waiter;
        start(&waiter, wait_for_turn, NULL);
        assert_int_equal(lock_of(&waiter, GS_WAIT_CONDITION).address, (uintptr_t)&queue.condition);
        seen[waiter.stack.argument[0] % 8 == 4] = true;
        pthread_mutex_lock(&queue.mutex);
        queue.turn++;
        pthread_cond_broadcast(&queue.condition);
        pthread_mutex_unlock(&queue.mutex);
        pthread_join(waiter.thread, NULL);
    }
    assert_true(seen[0] && seen[1]);
}

static void wait_at_barrier(void *barrier)
{
    pthread_barrier_wait(barrier);
}

static void a_barrier_is_found(void **state)
{
    pthread_barrier_t barrier;
    struct waiter waiter;
    (void)state;
    pthread_barrier_init(&barrier, NULL, 2);
    start(&waiter, wait_at_barrier, &barrier);
    assert_int_equal(lock_of(&waiter, GS_WAIT_BARRIER).address, (uintptr_t)&barrier);
    pthread_barrier_wait(&barrier);
    pthread_join(waiter.thread, NULL);
}

static void join(void *of)
{
    pthread_join(((struct waiter *)of)->thread, NULL);
}

static void who_joins_waits_for_the_thread(void **state)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    struct waiter waiter, joiner;
    struct gs_wait wait;
    (void)state;
    pthread_mutex_lock(&mutex);
    start(&waiter, lock_mutex, &mutex);
    start(&joiner, join, &waiter);
    assert_true(gs_gather_waits_for(&joiner.memory, &joiner.stack, &wait));
    assert_int_equal(wait.holder, waiter.tid);
    assert_int_equal(wait.lock, 0);
    pthread_mutex_unlock(&mutex);
    pthread_join(joiner.thread, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mutex_names_its_owner),
        cmocka_unit_test(robust_and_inheriting_mutexes_name_their_owner),
        cmocka_unit_test(a_mutex_at_either_end_of_a_mapping_is_read),
        cmocka_unit_test(memory_that_is_gone_is_not_known),
        cmocka_unit_test(a_rwlock_names_its_writer_to_readers_and_writers),
        cmocka_unit_test(a_rwlock_counts_its_readers),
        cmocka_unit_test(a_reader_waits_behind_a_writer_that_is_preferred),
        cmocka_unit_test(a_condition_variable_is_found_by_both_of_its_words),
        cmocka_unit_test(a_barrier_is_found),
        cmocka_unit_test(who_joins_waits_for_the_thread),
    };
    return cmocka_run_group_tests_name("locks", tests, NULL, NULL);
}
