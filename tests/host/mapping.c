/* mmap, munmap, mremap, mprotect, brk, sbrk, shmat and shmdt in all their corners, told as results: the same lines with and
 * without the agent. Also before anything is initialised, from 8 threads at once, and in a child that is forked meanwhile. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, LARGE = 1 << 20 };
static const int rw = PROT_READ | PROT_WRITE, private = MAP_PRIVATE | MAP_ANONYMOUS;

static char *early; // mapped before the first constructor
static int early_break;

static void before_all(void)
{
    early_break = sbrk(PAGE) != (void *)-1 && sbrk(-PAGE) != (void *)-1;
    early = mmap(NULL, LARGE, rw, private, -1, 0);
    if (early != MAP_FAILED)
        early[LARGE - 1] = 7;
}
__attribute__((section(".preinit_array"), used)) static void (*const preinit)(void) = before_all;

/* What a call gave: yes or no, and errno, which was 77 before it. */
static void told(const char *what, const void *at)
{
    printf("%s: %s, errno %d\n", what, at == MAP_FAILED ? "no" : "yes", errno);
    errno = 77;
}

static void told_int(const char *what, int failed)
{
    told(what, failed ? MAP_FAILED : NULL);
}

static void corners(void)
{
    int program = open("/proc/self/exe", O_RDONLY);
    errno = 77;
    told("no length", mmap(NULL, 0, rw, private, -1, 0));
    told("no kind", mmap(NULL, LARGE, rw, MAP_ANONYMOUS, -1, 0));
    told("too much", mmap(NULL, SIZE_MAX / 2, rw, private, -1, 0));
    told("all there is", mmap(NULL, SIZE_MAX, rw, private, -1, 0));
    told("fixed, askew", mmap((void *)1, LARGE, rw, private | MAP_FIXED, -1, 0));
    told("bad descriptor", mmap(NULL, LARGE, rw, MAP_PRIVATE, 1000, 0));
    told("bad offset", mmap(NULL, LARGE, rw, MAP_PRIVATE, 0, 1));
    char *at = mmap(NULL, LARGE, rw, private, -1, 0);
    told("plain", at);
    told("over itself", mmap(at, LARGE, rw, private | MAP_FIXED, -1, 0));
    told("not over it", mmap(at, LARGE, rw, private | MAP_FIXED_NOREPLACE, -1, 0));
    told("a file over its half", mmap(at, LARGE / 2, PROT_READ, MAP_PRIVATE | MAP_FIXED, program, 0));
    told_int("unmap, askew", munmap(at + 1, PAGE));
    told_int("unmap nothing", munmap(at, 0));
    told_int("unmap all there is", munmap(at, SIZE_MAX));
    at[LARGE - PAGE] = 5;
    told("resize, nothing there", mremap((void *)PAGE, PAGE, LARGE, MREMAP_MAYMOVE));
    told("resize, in bad ways", mremap(at, LARGE, LARGE, 64));
    char *half = mremap(at + LARGE / 2, LARGE / 2, 4 * LARGE, MREMAP_MAYMOVE);
    told("resize", half);
    printf("moved with it: %d %d\n", half[LARGE / 2 - PAGE], half[3 * LARGE]);
    char *target = mmap(NULL, 8 * LARGE, PROT_NONE, private | MAP_NORESERVE, -1, 0);
    char *put = mremap(half, 4 * LARGE, 4 * LARGE, MREMAP_MAYMOVE | MREMAP_FIXED, target);
    told("put in its place", put);
    printf("there: %d %d\n", put == target, put[LARGE / 2 - PAGE]);
    char *copy = mremap(put, 4 * LARGE, 4 * LARGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
    told("moved, and left", copy);
    printf("there, and no more here: %d %d\n", copy[LARGE / 2 - PAGE], put[LARGE / 2 - PAGE]);
    told_int("unmap", munmap(copy, 4 * LARGE));
    told_int("unmap twice", munmap(copy, 4 * LARGE));
    told("the other name", mmap64(NULL, LARGE, rw, private, -1, 0));
}

static void protections(void)
{
    char *at = mmap(NULL, 4 * LARGE, PROT_NONE, private, -1, 0);
    errno = 77;
    told_int("open, askew", mprotect(at + 1, PAGE, rw));
    told_int("open nothing", mprotect(at, 0, rw));
    told_int("open all there is", mprotect(at, SIZE_MAX, rw));
    told_int("open in bad ways", mprotect(at, PAGE, 1 << 30));
    told_int("open a part", mprotect(at + LARGE, LARGE, rw));
    at[LARGE] = 5;
    told_int("open beyond the end", mprotect(at + 3 * LARGE, 1ul << 46, rw));
    told_int("open all", mprotect(at, 4 * LARGE, rw));
    printf("there: %d %d\n", at[LARGE], at[4 * LARGE - 1]);
    told_int("close a part", mprotect(at + LARGE, LARGE, PROT_NONE));
    told_int("open it again", mprotect(at + LARGE, LARGE, rw | PROT_EXEC));
    printf("still there: %d\n", at[LARGE]);
    told_int("unmap", munmap(at, 4 * LARGE));
    told_int("open what is gone", mprotect(at, LARGE, rw));
    char *shared = mmap(NULL, LARGE, rw, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    told("shared", shared);
    told_int("close it", mprotect(shared, LARGE, PROT_NONE));
    told_int("open it for reading", mprotect(shared, LARGE, PROT_READ));
    told("resize it", mremap(shared, LARGE, 2 * LARGE, MREMAP_MAYMOVE));
    told("shared in bad ways", mmap(NULL, LARGE, rw, MAP_SHARED_VALIDATE | MAP_ANONYMOUS | 1 << 30, -1, 0));
}

/* Where the break is, in pages from BASE on. */
static void told_break(const char *what, const char *base, const void *was)
{
    printf("%s: %ld, now %ld, errno %d\n", what,
           was == (void *)-1 ? -1L : (long)((const char *)was - base) / PAGE,
           (long)((char *)sbrk(0) - base) / PAGE, errno);
    errno = 77;
}

static void breaks(void)
{
    char *base = sbrk(0);
    errno = 77;
    told_break("the break", base, sbrk(0));
    told_break("up", base, sbrk(100 * PAGE));
    base[100 * PAGE - 1] = 5;
    told_break("a little", base, sbrk(PAGE));
    told_break("down", base, sbrk(-51 * PAGE));
    told_break("too far", base, sbrk(INTPTR_MAX));
    told_break("too far down", base, sbrk(INTPTR_MIN));
    told_break("set up", base, brk(base + 200 * PAGE) == 0 ? base : (void *)-1);
    base[200 * PAGE - 1] = 5;
    told_break("set down", base, brk(base + 10 * PAGE) == 0 ? base : (void *)-1);
    told_break("set where it is", base, brk(base + 10 * PAGE) == 0 ? base : (void *)-1);
    told_break("set too low", base, brk((void *)1) == 0 ? base : (void *)-1);
    told_break("set to nothing", base, brk(NULL) == 0 ? base : (void *)-1);
    told_break("set too high", base, brk((void *)UINTPTR_MAX) == 0 ? base : (void *)-1);
    told_break("back", base, sbrk(-10 * PAGE));
}

static void segments(void)
{
    int id = shmget(IPC_PRIVATE, LARGE, IPC_CREAT | 0600);
    errno = 77;
    char *at = shmat(id, NULL, 0), *twice = shmat(id, NULL, SHM_RDONLY);
    told("attach", at);
    at[LARGE - 1] = 5;
    printf("there: %d\n", twice[LARGE - 1]);
    told("attach, askew", shmat(id, at + 1, 0));
    told("attach over it", shmat(id, at, 0));
    told("attach nothing", shmat(-1, NULL, 0));
    told_int("detach, askew", shmdt(at + 1));
    told_int("detach", shmdt(at));
    told_int("detach twice", shmdt(at));
    printf("still there: %d\n", twice[LARGE - 1]);
    told_int("detach the other", shmdt(twice));
    shmctl(id, IPC_RMID, NULL);
    errno = 77;
    told("attach what is gone", shmat(id, NULL, 0));
}

/* Eight threads map, write, resize and unmap, while the first forks: nothing is lost, and every child can do the same. */
static void *busy(void *number)
{
    char mark = (char)(1 + (intptr_t)number);
    intptr_t wrong = 0;
    for (int i = 0; i < 400; i++) {
        size_t size = (size_t)(1 + i % 7) * 64 * 1024;
        char *at = mmap(NULL, size, rw, private, -1, 0);
        memset(at, mark, size);
        munmap(at + size / 2, PAGE);
        char *grown = mremap(at, size / 2, size, MREMAP_MAYMOVE);
        wrong += grown == MAP_FAILED || grown[0] != mark || grown[size / 2 - 1] != mark;
        munmap(at + size / 2 + PAGE, size / 2 - PAGE);
        munmap(grown, size);
        char *reserved = mmap(NULL, 4 * size, PROT_NONE, private, -1, 0);
        wrong += mprotect(reserved + size, size, rw) != 0;
        reserved[size] = mark;
        wrong += mprotect(reserved, 3 * size, rw) != 0 || reserved[size] != mark;
        munmap(reserved, 4 * size);
    }
    return (void *)wrong;
}

static void storm(void)
{
    enum { THREADS = 8, CHILDREN = 40 };
    pthread_t thread[THREADS];
    int well = 0, status;
    intptr_t wrong = 0;
    for (intptr_t i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, busy, (void *)i);
    for (int i = 0; i < CHILDREN; i++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(300);
            char *at = mmap(NULL, LARGE, rw, private, -1, 0);
            at[5] = 5;
            _exit(at[5] == 5 && munmap(at, LARGE) == 0 ? 0 : 1);
        }
        well += waitpid(child, &status, 0) == child && status == 0;
    }
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(thread[i], &result);
        wrong += (intptr_t)result;
    }
    printf("storm: %d children well, %ld wrong\n", well, (long)wrong);
}

static void in_a_handler(int number)
{
    char *at = mmap(NULL, LARGE, rw, private, -1, 0);
    at[number] = 1;
    munmap(at, LARGE);
}

int main(void)
{
    printf("early: %d %d\n", early[LARGE - 1], early_break);
    told_int("unmap what was early", munmap(early, LARGE));
    corners();
    protections();
    breaks();
    segments();
    signal(SIGUSR1, in_a_handler);
    for (int i = 0; i < 1000; i++)
        raise(SIGUSR1);
    storm();
    return 0;
}
