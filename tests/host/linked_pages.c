/* linked_pages.c - a host of whose heap it is known which pages were written. It does what the lines of its input say, and prints
 * "done WORD RESULT" after each:
 *   hold      load_table: 64 MiB, written           half_table: 64 MiB, the first half written
 *             sparse_index: 64 MiB, each 8th page   cache_init: 48 MiB of calloc, never written
 *             keep_small: 32 MiB in blocks of 1000 bytes, written
 *   rewrite   writes the first half of load_table's again
 *   pageout   asks the kernel to swap load_table's out
 *   child     forks a child that shares every page, and stays
 *   childless ends the child: shared pages would not be swapped out
 *   churn     80 profiles, churn-N.pb.gz, while two threads hold blocks whose pages are all there from before malloc returns, and
 *             free them */
#include <errno.h>
#include <fcntl.h>
#include <gumshoe/gumshoe.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))
enum { MIB = 1 << 20, PAGE = 4096, SMALL = 1000, SMALLS = (32 << 20) / SMALL };

static char *volatile table, *volatile half, *volatile sparse, *volatile cache, *volatile small[SMALLS];
static atomic_bool churning;

static NOINLINE void load_table(void)
{
    table = malloc(64 * MIB);
    memset(table, 1, 64 * MIB);
}

static NOINLINE void half_table(void)
{
    half = malloc(64 * MIB);
    memset(half, 1, 32 * MIB);
}

static NOINLINE void sparse_index(void)
{
    sparse = malloc(64 * MIB);
    for (size_t at = 0; at < 64 * MIB; at += 8 * PAGE)
        sparse[at] = 1;
}

static NOINLINE void cache_init(void)
{
    cache = calloc(48, MIB);
}

static NOINLINE void keep_small(void)
{
    for (int i = 0; i < SMALLS; i++) {
        small[i] = malloc(SMALL);
        memset(small[i], 1, SMALL);
    }
}

static void hold(void)
{
    load_table();
    half_table();
    sparse_index();
    cache_init();
    keep_small();
}

static int page_out(void)
{
    char *first = (char *)(((uintptr_t)table + PAGE - 1) & ~(uintptr_t)(PAGE - 1));
    return madvise(first, 64 * MIB - PAGE, MADV_PAGEOUT) ? -errno : 0;
}

static pid_t child;

static void share_with_child(void)
{
    child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
}

static int end_child(void)
{
    return kill(child, SIGKILL) || waitpid(child, NULL, 0) != child ? -errno : 0;
}

static NOINLINE void *churn_locked(void *unused)
{
    while (atomic_load(&churning)) {
        void *block[8];
        for (int i = 0; i < 8; i++)
            block[i] = malloc(2 * MIB);
        for (int i = 0; i < 8; i++)
            free(block[i]);
    }
    return unused;
}

static int write_profile(int number)
{
    char name[32];
    snprintf(name, sizeof name, "churn-%d.pb.gz", number);
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600), error;
    do
        error = gumshoe_write_profile(GUMSHOE_PAGES, fd);
    while (error == -ENODATA); // at that moment no block was live
    close(fd);
    return error;
}

static int churn(void)
{
    pthread_t thread[2];
    int error = 0;
    mallopt(M_MMAP_THRESHOLD, MIB);
    if (mlockall(MCL_FUTURE))
        return -errno;
    atomic_store(&churning, true);
    for (int i = 0; i < 2; i++)
        pthread_create(&thread[i], NULL, churn_locked, NULL);
    for (int i = 0; !error && i < 80; i++)
        error = write_profile(i);
    atomic_store(&churning, false);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    munlockall();
    return error;
}

static int obey(const char *word)
{
    if (strcmp(word, "hold") == 0)
        hold();
    else if (strcmp(word, "rewrite") == 0)
        memset(table, 2, 32 * MIB);
    else if (strcmp(word, "pageout") == 0)
        return page_out();
    else if (strcmp(word, "child") == 0)
        share_with_child();
    else if (strcmp(word, "childless") == 0)
        return end_child();
    else if (strcmp(word, "churn") == 0)
        return churn();
    return 0;
}

int main(void)
{
    char word[32];
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0); // a page that was written makes no others resident
    if (gumshoe_start(NULL))
        return 2;
    free(malloc(100 << 20)); // past the gap that was drawn before the rules were read
    while (scanf("%31s", word) == 1) {
        int result = obey(word);
        printf("done %s %s\n", word, result ? strerrorname_np(-result) : "ok");
        fflush(stdout);
    }
    return 0;
}
