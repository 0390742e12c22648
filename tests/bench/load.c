/* load.c - what a server does to its allocator, in pure form. Prints nanoseconds an operation, or what the mode says.
 *
 *   load pairs N              malloc and free N times, 16 to 512 bytes
 *   load tight N              malloc(64) and free, N times
 *   load live THREADS N       each thread replaces one of its 20000 blocks, N times
 *   load hold THREADS BLOCKS N  the same with BLOCKS each: the cost against the size of the heap
 *   load handoff N            one thread allocates, another frees
 *   load deep N               malloc(1000) and free under 20 frames, N times
 *   load fill MB              MB megabytes in blocks of 64 bytes; prints the resident kilobytes
 *   load wait SECONDS THREADS that many threads sleep; prints the resident kilobytes before it ends
 *   load spin SECONDS         computes on two threads; prints the CPU nanoseconds a round
 *   load ticks SECONDS        wakes every 10 ms and does nothing; prints the microseconds of CPU time a time
 *   load cross BYTES          leaks until BYTES are held, prints the realtime in ns, waits a second
 *   load serve SECONDS MB     requests over MB megabytes; prints how many a second
 *
 * Built plain, and as load_linked with libgumshoe.a and a watcher of its own (-DLINKED). */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#ifdef LINKED
#include <gumshoe/gumshoe.h>
#endif

enum { THREADS_MAX = 1000, LIVE = 20000, RING = 1024 };

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

static void use(void *block)
{
    __asm__ volatile("" ::"r"(block) : "memory");
}

static long resident_kb(void)
{
    long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    if (!statm || fscanf(statm, "%*d %ld", &pages) != 1)
        exit(2);
    fclose(statm);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* ---- one thread ---------------------------------------------------------------------------------------------- */

static void pairs(long n)
{
    uint64_t random = 88172645463325252u;
    for (long i = 0; i < n; i++) {
        void *block = malloc(16 + next(&random) % 497);
        use(block);
        free(block);
    }
}

static void tight(long n)
{
    for (long i = 0; i < n; i++) {
        void *block = malloc(64);
        use(block);
        free(block);
    }
}

static __attribute__((noinline)) void deep(int depth, long n)
{
    if (depth > 1)
        deep(depth - 1, n);
    else
        for (long i = 0; i < n; i++) {
            void *block = malloc(1000);
            use(block);
            free(block);
        }
    __asm__ volatile("" ::: "memory"); // no tail call
}

static void fill(long megabytes)
{
    for (long i = 0; i < megabytes * 1000000 / 64; i++)
        *(volatile char *)malloc(64) = 1;
    printf("%ld\n", resident_kb());
}

static void cross(long bytes)
{
    const long block = 16 << 20; // always sampled, and weighed as it is: the estimate crosses where the truth does
    struct timespec t;
    usleep(500000); // the watcher has looked around
    for (long held = 0; held < bytes; held += block)
        use(malloc((size_t)block));
    clock_gettime(CLOCK_REALTIME, &t);
    printf("%lld%09ld\n", (long long)t.tv_sec, t.tv_nsec);
    fflush(stdout);
    sleep(1);
}

/* ---- several ------------------------------------------------------------------------------------------------- */

static struct {
    long count, blocks;
} job;

/* Of this thread's own CPU time: with more threads than CPUs the clock on the wall tells of the scheduler. */
static double thread_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* A block as programs have them: made to be written to. */
static void *new_block(uint64_t *random)
{
    size_t size = 16 + next(random) % 497;
    void *block = malloc(size);
    memset(block, (int)size, size);
    return block;
}

static void *replace_blocks(void *seed)
{
    uint64_t random = 88172645463325252u + (uintptr_t)seed * 77;
    void **block = calloc((size_t)job.blocks, sizeof *block);
    for (long i = 0; i < job.blocks; i++)
        block[i] = new_block(&random);
    double began = thread_ns();
    for (long i = 0; i < job.count; i++) {
        void **victim = &block[next(&random) % (uint64_t)job.blocks];
        free(*victim);
        *victim = new_block(&random);
    }
    double *took = malloc(sizeof *took);
    *took = thread_ns() - began;
    for (long i = 0; i < job.blocks; i++)
        free(block[i]);
    free(block);
    return took;
}

static double hold(int threads, long blocks, long n)
{
    pthread_t thread[THREADS_MAX];
    double sum = 0;
    job.count = n;
    job.blocks = blocks;
    for (int i = 0; i < threads; i++)
        pthread_create(&thread[i], NULL, replace_blocks, (void *)(uintptr_t)i);
    for (int i = 0; i < threads; i++) {
        void *took;
        pthread_join(thread[i], &took);
        sum += *(double *)took;
        free(took);
    }
    return sum / threads / (double)n;
}

static void *spin(void *rounds)
{
    volatile uint64_t sink = 0;
    uint64_t random = 1;
    double began = thread_ns();
    for (long left = *(long *)rounds; left > 0; left--)
        sink += next(&random);
    *(double *)rounds = thread_ns() - began; // the answer, in the question's place
    return NULL;
}

/* As many rounds as take about SECONDS, the same number each time; CPU time of one. */
static double spin_for(double seconds)
{
    enum { A_SECOND = 400000000 };
    union { long rounds; double took; } job_of[2];
    pthread_t thread[2];
    long rounds = (long)(seconds * A_SECOND);
    for (int i = 0; i < 2; i++) {
        job_of[i].rounds = rounds;
        pthread_create(&thread[i], NULL, spin, &job_of[i]);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    return (job_of[0].took + job_of[1].took) / 2 / (double)rounds;
}

/* What it costs to sleep and to wake: the control of the watcher's ticks. */
static void tick_for(double seconds)
{
    struct timespec step = {.tv_nsec = 10000000};
    int count = (int)(seconds * 100);
    double began = thread_ns();
    for (int i = 0; i < count; i++)
        nanosleep(&step, NULL);
    printf("%.3f\n", (thread_ns() - began) / count / 1e3);
}

static struct {
    void *slot[RING];
    _Alignas(64) _Atomic long put;
    _Alignas(64) _Atomic long got;
} ring;

static void *consume(void *unused)
{
    for (long i = 0; i < job.count; i++) {
        while (ring.put == i)
            ;
        free(ring.slot[i % RING]);
        ring.got = i + 1;
    }
    return unused;
}

static void handoff(long n)
{
    pthread_t consumer;
    job.count = n;
    pthread_create(&consumer, NULL, consume, NULL);
    for (long i = 0; i < n; i++) {
        void *block = malloc(64);
        while (i - ring.got >= RING)
            ;
        ring.slot[i % RING] = block;
        ring.put = i + 1;
    }
    pthread_join(consumer, NULL);
}

/* Asleep as deep as a server's threads are. */
static __attribute__((noinline)) void sleep_deep(int depth)
{
    if (depth > 0)
        sleep_deep(depth - 1);
    else
        pause();
    __asm__ volatile("" ::: "memory"); // no tail call
}

static void *sleep_long(void *unused)
{
    sleep_deep(40);
    return unused;
}

static void wait_with(double seconds, int threads)
{
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 64 << 10);
    for (int i = 0; i < threads; i++)
        pthread_create(&thread, &attributes, sleep_long, NULL);
    usleep((useconds_t)(seconds * 1e6));
    printf("%ld\n", resident_kb());
}

static void serve(double seconds, long megabytes)
{
    uint64_t random = 1;
    size_t blocks = (size_t)megabytes * 1000000 / 1000;
    char **block = malloc(blocks * sizeof *block);
    long requests = 0;
    for (size_t i = 0; i < blocks; i++)
        block[i] = memset(malloc(1000), 1, 1000);
    for (double end = now_ns() + seconds * 1e9; now_ns() < end; requests++)
        for (int i = 0; i < 20; i++) { // a request touches and replaces twenty entries
            char **entry = &block[next(&random) % blocks];
            free(*entry);
            *entry = memset(malloc(1000), 2, 1000);
        }
    printf("%.1f\n", (double)requests / seconds);
}

int main(int argc, char **argv)
{
    const char *mode = argc > 2 ? argv[1] : "";
    long a = argc > 2 ? atol(argv[2]) : 0, b = argc > 3 ? atol(argv[3]) : 0, c = argc > 4 ? atol(argv[4]) : 0;
    double began, each = 0;
#ifdef LINKED
    if (gumshoe_start(NULL))
        return 2;
#endif
    began = now_ns();
    if (!strcmp(mode, "pairs"))
        pairs(a);
    else if (!strcmp(mode, "tight"))
        tight(a);
    else if (!strcmp(mode, "deep"))
        deep(20, a);
    else if (!strcmp(mode, "handoff"))
        handoff(a);
    else if (!strcmp(mode, "live"))
        each = hold((int)a, LIVE, b);
    else if (!strcmp(mode, "hold"))
        each = hold((int)a, b, c);
    else if (!strcmp(mode, "fill"))
        return fill(a), 0;
    else if (!strcmp(mode, "wait"))
        return wait_with(atof(argv[2]), (int)b), 0;
    else if (!strcmp(mode, "spin"))
        each = spin_for(atof(argv[2]));
    else if (!strcmp(mode, "ticks"))
        return tick_for(atof(argv[2])), 0;
    else if (!strcmp(mode, "cross"))
        return cross(a), 0;
    else if (!strcmp(mode, "serve"))
        return serve(atof(argv[2]), b), 0;
    else
        return 2;
    printf("%.3f\n", each ? each : (now_ns() - began) / (double)a);
    return 0;
}
