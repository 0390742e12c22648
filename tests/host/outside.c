/* A host whose memory grows outside malloc: outside KIND [KIND…] does each in turn, says "ready", and waits for one more line of input.
 *   wait      says "waits", and waits for a line of input
 *   raw       maps 60 MiB by the bare system call, which no hook sees
 *   arena     maps 100 MiB, untouched; fill: writes 60 MiB of what arena mapped
 *   populate  the same by MADV_POPULATE_WRITE
 *   lend      maps and writes 100 MiB, and gives them back by MADV_DONTNEED
 *   static    writes 60 MiB of a static array
 *   written   writes 60 MiB of a file that is mapped privately
 *   read      reads 60 MiB of a file that is mapped to be read
 *   pieces    maps 60 MiB in pieces of 4 to 60 KiB, 45 MiB of them by map_most, and unmaps as much again
 *   sysv, posix, memfd   shared memory of 60 MiB
 *   break     moves the program break by 60 MiB
 *   deep      a thread, "diver", calls itself until its stack is 48 MiB deep
 *   dived     the same, but it comes up again
 *   wide      a thread whose one function has 48 MiB of local variables
 *   crowd     40 threads of 1 MiB each */
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MIB = 1 << 20, KIB = 1 << 10, SIZE = 60 * MIB };
#define SEEN __attribute__((noinline, noclone)) void

static const int rw = PROT_READ | PROT_WRITE, anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
static volatile int kept; // used after each call, so that no call is made a jump

static char *checked(void *at)
{
    if (at == MAP_FAILED) {
        perror("outside");
        exit(1);
    }
    return at;
}

SEEN map_raw(void);
SEEN map_raw(void)
{
    memset(checked((void *)syscall(SYS_mmap, NULL, SIZE, rw, anonymous, -1, 0)), 1, SIZE);
    kept++;
}

static char *arena;
SEEN arena_init(void);
SEEN arena_init(void)
{
    arena = checked(mmap(NULL, 100 * MIB, rw, anonymous, -1, 0));
    kept++;
}

SEEN arena_fill(void);
SEEN arena_fill(void)
{
    memset(arena, 1, SIZE);
    kept++;
}

SEEN populate(void);
SEEN populate(void)
{
    if (madvise(arena, SIZE, 23 /* MADV_POPULATE_WRITE */) != 0) // from Linux 5.14 on
        memset(arena, 1, SIZE);
    kept++;
}

SEEN lend(void);
SEEN lend(void)
{
    char *lent = checked(mmap(NULL, 100 * MIB, rw, anonymous, -1, 0));
    memset(lent, 1, 100 * MIB);
    kept += madvise(lent, 100 * MIB, MADV_DONTNEED);
}

static char table[SIZE];
SEEN fill_table(void);
SEEN fill_table(void)
{
    memset(table, 1, sizeof table);
    kept++;
}

static int a_file(void)
{
    int fd = open("data.file", O_RDWR | O_CREAT | O_TRUNC, 0600);
    char block[64 * KIB];
    memset(block, 1, sizeof block);
    for (int i = 0; i < SIZE / (int)sizeof block; i++)
        if (write(fd, block, sizeof block) != (ssize_t)sizeof block)
            exit(1);
    return fd;
}

SEEN patch_file(void);
SEEN patch_file(void)
{
    memset(checked(mmap(NULL, SIZE, rw, MAP_PRIVATE, a_file(), 0)), 2, SIZE);
    kept++;
}

SEEN read_file(void);
SEEN read_file(void)
{
    const volatile char *at = checked(mmap(NULL, SIZE, PROT_READ, MAP_SHARED, a_file(), 0));
    for (int i = 0; i < SIZE; i += 4 * KIB)
        kept += at[i];
}

static char *piece(size_t size)
{
    return memset(checked(mmap(NULL, size, rw, anonymous, -1, 0)), 1, size);
}

SEEN map_most(size_t size);
SEEN map_most(size_t size)
{
    kept += piece(size)[0];
}

SEEN map_rest(size_t size);
SEEN map_rest(size_t size)
{
    kept += piece(size)[0];
}

SEEN map_briefly(size_t size);
SEEN map_briefly(size_t size)
{
    kept += munmap(piece(size), size);
}

static void map_pieces(void)
{
    size_t size = 4 * KIB;
    for (size_t mapped = 0; mapped < SIZE; mapped += size) {
        size = size % (60 * KIB) + 4 * KIB;
        map_briefly(size);
        if (mapped / (60 * KIB) % 4)
            map_most(size);
        else
            map_rest(size);
    }
}

SEEN attach_segment(void);
SEEN attach_segment(void)
{
    int id = shmget(IPC_PRIVATE, SIZE, IPC_CREAT | 0600);
    char *at = checked(shmat(id, NULL, 0));
    shmctl(id, IPC_RMID, NULL);
    memset(at, 1, SIZE);
    kept++;
}

SEEN map_posix(void);
SEEN map_posix(void)
{
    char name[40];
    snprintf(name, sizeof name, "/gumshoe-outside-%d", (int)getpid());
    int fd = shm_open(name, O_RDWR | O_CREAT, 0600);
    if (fd < 0 || shm_unlink(name) != 0 || ftruncate(fd, SIZE) != 0)
        exit(1);
    memset(checked(mmap(NULL, SIZE, rw, MAP_SHARED, fd, 0)), 1, SIZE);
    kept++;
}

SEEN map_memfd(void);
SEEN map_memfd(void)
{
    int fd = memfd_create("ring", 0);
    if (ftruncate(fd, SIZE) != 0)
        exit(1);
    memset(checked(mmap(NULL, SIZE, rw, MAP_SHARED, fd, 0)), 1, SIZE);
    kept++;
}

SEEN move_break(void);
SEEN move_break(void)
{
    for (int i = 0; i < SIZE / MIB; i++) {
        char *at = sbrk(MIB);
        if (at == (void *)-1)
            exit(1);
        memset(at, 1, MIB);
    }
    kept++;
}

/* ---- threads ------------------------------------------------------------------------------------------------ */

static sem_t down;
static int stays_down = 1;

static void stay(void)
{
    sem_post(&down);
    while (kept >= 0) // always
        pause();
}

__attribute__((noinline, noclone)) int descend(int left);
int descend(int left)
{
    volatile char room[8 * KIB];
    room[0] = room[4 * KIB] = (char)left;
    if (left == 0 && stays_down)
        stay();
    else if (left > 0)
        descend(left - 1);
    return room[0];
}

SEEN use_much(void);
SEEN use_much(void)
{
    volatile char room[48 * MIB];
    for (int i = 0; i < 48 * MIB; i += 4 * KIB)
        room[i] = 1;
    stay();
    kept += room[0];
}

SEEN use_little(void);
SEEN use_little(void)
{
    volatile char room[MIB];
    for (int i = 0; i < MIB; i += 4 * KIB)
        room[i] = 1;
    stay();
    kept += room[0];
}

static void *in_thread(void *what)
{
    stays_down = strcmp(what, "dived") != 0;
    if (*(char *)what == 'd') {
        descend(48 * MIB / (8 * KIB) - 10);
        stay();
    } else if (*(char *)what == 'w')
        use_much();
    else
        use_little();
    return NULL;
}

SEEN launch(char *what);
SEEN launch(char *what)
{
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 64 * MIB);
    if (pthread_create(&thread, &attributes, in_thread, what) != 0)
        exit(1);
    pthread_setname_np(thread, *what == 'c' ? "worker" : "diver");
    sem_wait(&down);
}

static void take(char *kind)
{
    static const struct {
        const char *kind;
        void (*take)(void);
    } kinds[] = {{"raw", map_raw},        {"arena", arena_init},    {"fill", arena_fill},
                 {"populate", populate},  {"lend", lend},           {"static", fill_table},
                 {"written", patch_file}, {"read", read_file},      {"pieces", map_pieces},
                 {"posix", map_posix},    {"sysv", attach_segment}, {"memfd", map_memfd},
                 {"break", move_break}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(kind, kinds[i].kind))
            kinds[i].take();
    for (int i = 0; i < (*kind == 'c' ? 40 : 1); i++)
        if (!strcmp(kind, "deep") || !strcmp(kind, "dived") || !strcmp(kind, "wide") ||
            !strcmp(kind, "crowd"))
            launch(kind);
    if (!strcmp(kind, "wait")) {
        puts("waits");
        fflush(stdout);
        getchar();
    }
}

int main(int argc, char **argv)
{
    sem_init(&down, 0, 0);
    for (int i = 1; i < argc; i++)
        take(argv[i]);
    puts("ready");
    fflush(stdout);
    return getchar() == EOF;
}
