/* linked_storms.c - hosts at their worst, one a run; each gives back what it took and writes its heap profile to
 * profile.pb.gz in the working directory.
 *
 *   hammer     8 threads that free each other's blocks and get their addresses again at once
 *   crowd      64 threads, all allocating
 *   threads    100,000 threads that live for one block; prints the resident kilobytes after 10,000 and at the end
 *   forks      8 threads allocate while 300 children are forked, each of which allocates and frees what it inherited
 *   failing    realloc refuses, and moves
 *   stacks     10 million distinct stacks; prints the resident kilobytes after 500,000 and at the end
 *   parked     a thread is stopped by a signal wherever it is, in malloc too, while others go on and a capture is made
 *   eaten      no memory is left: malloc has returned NULL when the capture is asked for */
#include <fcntl.h>
#include <gumshoe/gumshoe.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static long resident_kb(void)
{
    char text[64] = "";
    long size = 0, pages = 0;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC); // no stdio: this must work without memory
    if (read(fd, text, sizeof text - 1) <= 0 || sscanf(text, "%ld %ld", &size, &pages) != 2)
        exit(3);
    close(fd);
    return pages * 4;
}

static void write_profile(void)
{
    int fd = open("profile.pb.gz", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || gumshoe_write_profile(GUMSHOE_HEAP, fd) != 0)
        exit(3);
    close(fd);
}

__attribute__((noipa)) static void *take_block(size_t size)
{
    void *block = malloc(size);
    if (!block)
        exit(3);
    return block;
}

static void run_threads(int count, void *(*work)(void *))
{
    pthread_t thread[64];
    for (int i = 0; i < count; i++)
        if (pthread_create(&thread[i], NULL, work, (void *)(uintptr_t)(i + 1)))
            exit(3);
    for (int i = 0; i < count; i++)
        pthread_join(thread[i], NULL);
}

/* ---- hammer, crowd ---------------------------------------------------------------------------------------------- */

static _Atomic(void *) shelf[64];

static void *swap_blocks(void *seed)
{
    uint32_t random = (uint32_t)(uintptr_t)seed * 2654435761u;
    for (int i = 0; i < 200000; i++) {
        random = random * 1664525 + 1013904223;
        free(atomic_exchange(&shelf[random >> 26], take_block(900 + (random >> 20) % 3)));
    }
    return NULL;
}

static void clear_shelf(void)
{
    for (int i = 0; i < 64; i++)
        free(atomic_exchange(&shelf[i], NULL));
}

static void hammer(void)
{
    run_threads(8, swap_blocks);
    clear_shelf();
}

static void crowd(void)
{
    run_threads(64, swap_blocks);
    clear_shelf();
}

/* ---- threads ------------------------------------------------------------------------------------------------------ */

static void *one_block(void *unused)
{
    (void)unused;
    return take_block(2000);
}

static void threads(void)
{
    for (int i = 1; i <= 100000; i++) {
        pthread_t thread;
        void *block;
        if (pthread_create(&thread, NULL, one_block, NULL) || pthread_join(thread, &block))
            exit(3);
        free(block);
        if (i == 10000 || i == 100000)
            printf("%ld\n", resident_kb());
    }
}

/* ---- forks ---------------------------------------------------------------------------------------------------------- */

static _Atomic bool over;

static void *swap_until_over(void *seed)
{
    while (!over)
        swap_blocks(seed);
    return NULL;
}

static void *fork_children(void *unused)
{
    for (int i = 0; i < 300; i++) {
        pid_t child = fork();
        if (child == 0) {
            clear_shelf();
            for (int n = 0; n < 100; n++)
                free(take_block(3000));
            _exit(0);
        }
        int status = -1;
        waitpid(child, &status, 0);
        if (status != 0)
            exit(4);
    }
    over = true;
    return unused;
}

static void *forks_or_swaps(void *seed)
{
    return (uintptr_t)seed == 1 ? fork_children(seed) : swap_until_over(seed);
}

static void forks(void)
{
    run_threads(9, forks_or_swaps);
    clear_shelf();
}

/* ---- failing ---------------------------------------------------------------------------------------------------------- */

__attribute__((noipa)) static void failing(void)
{
    enum { BLOCKS = 500 };
    static void *block[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        block[i] = take_block(4000);
        volatile size_t absurd = PTRDIFF_MAX;
        if (realloc(block[i], absurd))
            exit(3);
    }
    write_profile(); // while all of it is held: the script looks at this one
    rename("profile.pb.gz", "held.pb.gz");
    for (int i = 0; i < BLOCKS; i++) {
        block[i] = realloc(block[i], 40000);
        free(block[i]);
    }
}

/* ---- stacks ------------------------------------------------------------------------------------------------------------ */

static void *leaf_block(uint32_t path);
__attribute__((noipa)) static void *by_zero(uint32_t path, int left)
{
    extern void *next_step(uint32_t, int);
    void *block = left ? next_step(path, left) : leaf_block(path);
    __asm__ volatile("" ::: "memory");
    return block;
}
__attribute__((noipa)) static void *by_one(uint32_t path, int left)
{
    extern void *next_step(uint32_t, int);
    void *block = left ? next_step(path, left) : leaf_block(path);
    __asm__ volatile("" ::: "memory");
    return block;
}
void *next_step(uint32_t path, int left)
{
    return (path >> (left - 1) & 1 ? by_one : by_zero)(path, left - 1);
}
__attribute__((noipa)) static void *leaf_block(uint32_t path)
{
    (void)path;
    return take_block(6000);
}

static void stacks(void)
{
    for (uint32_t path = 1; path <= 10000000; path++) {
        free(next_step(path, 24));
        if (path == 500000 || path == 10000000)
            printf("%ld\n", resident_kb());
    }
}

/* ---- parked -------------------------------------------------------------------------------------------------------------- */

static _Atomic int parked;

static void park(int number)
{
    (void)number;
    sigset_t none;
    sigfillset(&none);
    sigdelset(&none, SIGUSR2);
    parked = 1;
    sigsuspend(&none);
    parked = 0;
}

static void wake_up(int number)
{
    (void)number;
}

static void parks(void)
{
    struct sigaction parking = {.sa_handler = park}, waking = {.sa_handler = wake_up};
    pthread_t victim;
    sigaddset(&parking.sa_mask, SIGUSR2);
    sigaction(SIGUSR1, &parking, NULL);
    sigaction(SIGUSR2, &waking, NULL);
    pthread_create(&victim, NULL, swap_until_over, (void *)7);
    for (int i = 0; i < 40; i++) {
        usleep((useconds_t)(200 + i * 37));
        pthread_kill(victim, SIGUSR1);
        while (!parked)
            usleep(100);
        for (int n = 0; n < 20; n++)
            free(gumshoe_version() ? malloc((size_t)(2 << 20) + (size_t)n) : NULL); // mmap'ed: needs none of the arenas that
        if (i % 10 == 0 && gumshoe_capture("parked", GUMSHOE_HEAP))                 // the victim may have locked
            exit(4);
        pthread_kill(victim, SIGUSR2);
        while (parked)
            usleep(100);
    }
    over = true;
    pthread_join(victim, NULL);
    clear_shelf();
}

/* ---- eaten ---------------------------------------------------------------------------------------------------------------- */

__attribute__((noipa)) static void eat(void **all)
{
    for (size_t size = 1 << 20; size >= 16; size /= 2)
        for (void **block; (block = malloc(size));) {
            *block = *all;
            *all = block;
        }
    __asm__ volatile("" ::: "memory");
}

static void eaten(void)
{
    struct rlimit limit = {300 << 20, RLIM_INFINITY};
    void *all = NULL;
    setrlimit(RLIMIT_AS, &limit);
    eat(&all);
    if (malloc(100))
        exit(4);
    int error = gumshoe_capture("eaten", GUMSHOE_HEAP | GUMSHOE_THREADS);
    limit.rlim_cur = RLIM_INFINITY;
    setrlimit(RLIMIT_AS, &limit);
    while (all) {
        void *next = *(void **)all;
        free(all);
        all = next;
    }
    if (error)
        exit(5);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } storms[] = {{"hammer", hammer},   {"crowd", crowd},   {"threads", threads}, {"forks", forks},
                  {"failing", failing}, {"stacks", stacks}, {"parked", parks},    {"eaten", eaten}};
    static const char rules[] =
        "{\"version\": 1, \"interval\": \"100ms\", \"heap\": {\"sample\": \"1KiB\"}, \"budget\": \"100%\", \"rules\":"
        " [{\"name\": \"never\", \"metric\": \"heap_in_use\", \"above\": \"1TiB\"}]}";
    struct gumshoe_options options = {.size = sizeof options, .rules_json = rules, .dir = "incidents"};
    setvbuf(stdout, NULL, _IONBF, 0);
    if (gumshoe_start(&options))
        return 2;
    free(malloc(100 << 20)); // past the gap that was drawn before the rules were read
    for (size_t i = 0; i < sizeof storms / sizeof *storms; i++)
        if (argc == 2 && strcmp(argv[1], storms[i].name) == 0)
            storms[i].run();
    write_profile();
    return 0;
}
