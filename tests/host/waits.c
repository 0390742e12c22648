/* waits.c - a server whose threads wait, in the way that its argument says. "flusher" holds what the others wait for and sleeps
 * in a system call, until the input ends. Every waiter counts itself just before it waits; "ready" is printed once all have. */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))
#define END      __asm__ volatile("" ::: "memory")
enum { WAITERS = 12 };

pthread_mutex_t cache_lock = PTHREAD_MUTEX_INITIALIZER;
struct {
    char entries[64];
    pthread_mutex_t lock;
} index_of_cache = {.lock = PTHREAD_MUTEX_INITIALIZER};
static pthread_mutex_t *heap_lock, queue_lock = PTHREAD_MUTEX_INITIALIZER, priority_lock;
static pthread_rwlock_t table_lock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_cond_t queue_ready = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t round_end;
static sem_t slots, held;
static struct {
    int word, level, last_user;
} own_lock; // looks like a contended mutex
static atomic_int waiting;
static const char *mode;

static NOINLINE void sleep_until_input_ends(void)
{
    char byte;
    while (read(0, &byte, 1) > 0)
        ;
    _exit(0);
}

static NOINLINE void flush_segment(void)
{
    pthread_mutex_lock(&cache_lock);
    pthread_mutex_lock(&index_of_cache.lock);
    pthread_mutex_lock(heap_lock);
    pthread_mutex_lock(&priority_lock);
    if (strcmp(mode, "rwlock") == 0)
        pthread_rwlock_wrlock(&table_lock);
    sem_post(&held);
    sleep_until_input_ends();
    END;
}

static void *flusher(void *unused)
{
    pthread_setname_np(pthread_self(), "flusher");
    if (strcmp(mode, "gone") == 0) {
        pthread_mutex_lock(&cache_lock);
        return unused; // and never gives it back
    }
    flush_segment();
    END;
    return NULL;
}

static NOINLINE void lock(pthread_mutex_t *mutex)
{
    waiting++;
    pthread_mutex_lock(mutex);
    END;
}

static NOINLINE void cache_get(void)
{
    lock(&cache_lock);
    END;
}
static NOINLINE void cache_put(void)
{
    lock(&cache_lock);
    index_of_cache.entries[0]++;
    END;
}

static NOINLINE void wait_for_work(void)
{
    pthread_mutex_lock(&queue_lock);
    waiting++;
    for (;;)
        pthread_cond_wait(&queue_ready, &queue_lock);
}

static NOINLINE void wait_a_while_for_work(void)
{
    struct timespec far = {.tv_sec = 1L << 40};
    pthread_mutex_lock(&queue_lock);
    waiting++;
    for (;;)
        pthread_cond_timedwait(&queue_ready, &queue_lock, &far);
}

static NOINLINE void use_table(long number)
{
    waiting++;
    if (number % 2)
        pthread_rwlock_rdlock(&table_lock);
    else
        pthread_rwlock_wrlock(&table_lock);
    END;
}

static NOINLINE void change_table(void)
{
    waiting++;
    pthread_rwlock_wrlock(&table_lock);
    END;
}

static NOINLINE void take_own_lock(void)
{
    waiting++;
    for (;;)
        syscall(SYS_futex, &own_lock.word, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
}

static void *worker(void *number)
{
    // clang-format off
    if (strcmp(mode, "mutex") == 0 || strcmp(mode, "gone") == 0) (long)number % 3 ? cache_get() : cache_put();
    else if (strcmp(mode, "member") == 0)    lock(&index_of_cache.lock);
    else if (strcmp(mode, "heap") == 0)      lock(heap_lock);
    else if (strcmp(mode, "priority") == 0)  lock(&priority_lock);
    else if (strcmp(mode, "rwlock") == 0)    use_table((long)number);
    else if (strcmp(mode, "readers") == 0)   change_table();
    else if (strcmp(mode, "own") == 0)       take_own_lock();
    else if (strcmp(mode, "semaphore") == 0) { waiting++; sem_wait(&slots); }
    else if (strcmp(mode, "barrier") == 0)   { waiting++; pthread_barrier_wait(&round_end); }
    else if (strcmp(mode, "timed") == 0 && (long)number == 0) wait_a_while_for_work();
    else                                     wait_for_work();
    // clang-format on
    END;
    return NULL;
}

static void prepare(void)
{
    pthread_mutexattr_t inherits;
    heap_lock = malloc(sizeof *heap_lock);
    pthread_mutex_init(heap_lock, NULL);
    pthread_mutexattr_init(&inherits);
    pthread_mutexattr_setprotocol(&inherits, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&priority_lock, &inherits);
    pthread_barrier_init(&round_end, NULL, WAITERS + 1);
    sem_init(&slots, 0, 0);
    sem_init(&held, 0, 0);
    own_lock.word = 2;
    own_lock.last_user = getpid();
    if (strcmp(mode, "readers") == 0)
        for (int i = 0; i < 3; i++)
            pthread_rwlock_rdlock(&table_lock);
}

int main(int argc, char **argv)
{
    pthread_t thread, holder;
    mode = argc > 1 ? argv[1] : "mutex";
    prepare();
    if (strcmp(mode, "nobody") != 0 && strcmp(mode, "timed") != 0)
        pthread_create(&holder, NULL, flusher, NULL);
    if (strcmp(mode, "gone") == 0)
        pthread_join(holder, NULL);
    else if (strcmp(mode, "nobody") != 0 && strcmp(mode, "timed") != 0)
        sem_wait(&held);
    for (long i = 0; i < WAITERS; i++)
        pthread_create(&thread, NULL, worker, (void *)i);
    while (waiting < WAITERS)
        sched_yield();
    printf("ready\n");
    fflush(stdout);
    if (strcmp(mode, "gone") == 0)
        sleep_until_input_ends();
    pthread_join(thread, NULL);
    END;
}
