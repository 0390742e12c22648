/* A host whose memory is of known kinds: account KIND [KIND…] takes it, says "ready", and waits for its input's end.
 *   map      200 MiB mapped by map_table, 50 of them unmapped again, in two pieces, the rest moved by mremap; a block of 18 MiB in its place
 *   wait     says "waits", and does so for a line of input
 *   heap     100 MiB of live blocks
 *   holes    200 MiB of blocks, of every four three freed
 *   kept     100 MiB allocated and freed by a thread that has ended, in an arena of its own
 *   threads  8 threads with 1 MiB of stack used each
 *   shared   40 MiB of MAP_SHARED, a memfd of 10 MiB
 *   zeros    a 300 MiB table that is read and never written
 *   reserve  1 TiB that nobody may touch, with 20 MiB in use in its middle
 *   child    a forked child, so that every page is mapped twice */
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { MIB = 1 << 20, BLOCK = 1000, BLOCKS = 200 * MIB / 1024 };

static void *blocks[BLOCKS + 1];

static char *anonymous(size_t size, int flags)
{
    char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    return at;
}

__attribute__((noinline)) void map_table(void);
void map_table(void)
{
    char *table = anonymous(200 * MIB, MAP_PRIVATE);
    memset(table, 1, 200 * MIB);
    munmap(table + 100 * MIB, 20 * MIB);
    munmap(table + 170 * MIB, 30 * MIB);
    char *moved = mremap(table, 100 * MIB, 125 * MIB, MREMAP_MAYMOVE);
    if (moved == MAP_FAILED || moved == table) {
        perror("mremap");
        exit(1);
    }
    memset(blocks[BLOCKS] = malloc(18 * MIB), 1, 18 * MIB); // comes to lie where the table was
}

static void allocate(int count)
{
    for (int i = 0; i < count; i++)
        blocks[i] = memset(malloc(BLOCK), 1, BLOCK);
}

static void *in_a_thread(void *unused)
{
    enum { PIECES = 100 * MIB / BLOCK };
    static void *piece[PIECES];
    for (int i = 0; i < PIECES; i++)
        piece[i] = memset(malloc(BLOCK), 1, BLOCK);
    void *last = memset(malloc(BLOCK), 1, BLOCK); // keeps the arena's top in place
    for (int i = 0; i < PIECES; i++)
        free(piece[i]);
    return last == unused ? unused : NULL;
}

static sem_t used;

static void *use_stack(void *unused)
{
    volatile char room[MIB];
    for (size_t i = 0; i < sizeof room; i += 4096)
        room[i] = 1;
    sem_post(&used);
    for (;;)
        pause();
    return room[0] ? unused : NULL;
}

static void use_threads(void)
{
    pthread_t thread;
    sem_init(&used, 0, 0);
    for (int i = 0; i < 8; i++)
        pthread_create(&thread, NULL, use_stack, NULL);
    for (int i = 0; i < 8; i++)
        sem_wait(&used);
}

__attribute__((noinline)) void map_ring(void);
void map_ring(void)
{
    memset(anonymous(40 * MIB, MAP_SHARED), 1, 40 * MIB);
}

__attribute__((noinline)) void map_memfd(void);
void map_memfd(void)
{
    int fd = memfd_create("table", 0);
    if (ftruncate(fd, 10 * MIB) != 0)
        exit(1);
    memset(mmap(NULL, 10 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), 1, 10 * MIB);
}

static void share(void)
{
    map_ring();
    map_memfd();
}

static void read_zeros(void)
{
    const volatile char *table = anonymous(300 * MIB, MAP_PRIVATE);
    for (size_t i = 0; i < 300 * MIB; i += 4096)
        if (table[i])
            exit(1);
}

__attribute__((noinline)) void fill_part(char *part);
void fill_part(char *part)
{
    for (int i = 0; i < 20; i++, part += MIB) {
        if (mprotect(part, MIB, PROT_READ | PROT_WRITE) != 0)
            exit(1);
        memset(part, 1, MIB);
    }
}

__attribute__((noinline)) void reserve(void);
void reserve(void)
{
    char *at = mmap(NULL, 1ull << 40, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        exit(1);
    fill_part(at + (1ull << 39));
}

static void wait_for_a_line(void)
{
    puts("waits");
    fflush(stdout);
    getchar();
}

static void take(const char *kind)
{
    pthread_t thread;
    if (!strcmp(kind, "map"))
        map_table();
    else if (!strcmp(kind, "wait"))
        wait_for_a_line();
    else if (!strcmp(kind, "heap"))
        allocate(BLOCKS / 2);
    else if (!strcmp(kind, "shared"))
        share();
    else if (!strcmp(kind, "reserve"))
        reserve();
    else if (!strcmp(kind, "zeros"))
        read_zeros();
    else if (!strcmp(kind, "threads"))
        use_threads();
    else if (!strcmp(kind, "kept") && !pthread_create(&thread, NULL, in_a_thread, NULL))
        pthread_join(thread, NULL);
    else if (!strcmp(kind, "child") && fork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    } else if (!strcmp(kind, "holes")) {
        allocate(BLOCKS);
        for (int i = 0; i < BLOCKS; i++)
            if (i % 4)
                free(blocks[i]);
    }
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        take(argv[i]);
    puts("ready");
    fflush(stdout);
    while (getchar() != EOF)
        ;
    return 0;
}
