/* forks.c - a host that forks while its threads allocate: each child works with the heap that it was given, whatever the
 * other threads were doing at that moment, and ends with the status that it was told. Also by way of system and popen.
 * Prints "forks: N children, N right". */
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 4, FORKS = 300, SHELLS = 10 };
static atomic_bool done;
extern char **environ;

static void churn(unsigned seed)
{
    void *block[64] = {NULL};
    for (unsigned i = 0; i < 640; i++) {
        unsigned at = (seed * 7 + i * 13) % 64;
        free(block[at]);
        block[at] = malloc(1 + (seed + i * 37) % 6000);
        memset(block[at], 1, 1);
    }
    for (int i = 0; i < 64; i++)
        free(block[i]);
}

static void *allocate_on(void *argument)
{
    for (unsigned i = 0; !atomic_load(&done); i++)
        churn(i + (unsigned)(long)argument);
    return NULL;
}

/* One child that allocates, starts a thread, and ends with STATUS. Is that what its parent sees? */
static int fork_one(int status)
{
    pid_t child = fork();
    if (child == 0) {
        pthread_t thread;
        alarm(300); // a child that hangs is a child that failed
        churn((unsigned)status);
        atomic_store(&done, true);
        if (pthread_create(&thread, NULL, allocate_on, NULL) == 0)
            pthread_join(thread, NULL);
        exit(status);
    }
    int ended = -1;
    return child > 0 && waitpid(child, &ended, 0) == child && WIFEXITED(ended) &&
           WEXITSTATUS(ended) == status;
}

static int shell_one(void)
{
    char word[16] = "";
    FILE *in = popen("echo popen", "re");
    if (!in || !fgets(word, sizeof word, in) || pclose(in) != 0)
        return 0;
    return strcmp(word, "popen\n") == 0 && WEXITSTATUS(system("exit 6")) == 6;
}

static int spawn_one(void)
{
    char *arguments[] = {"sh", "-c", "exit 8", NULL};
    pid_t child;
    int ended = -1;
    return posix_spawn(&child, "/bin/sh", NULL, NULL, arguments, environ) == 0 &&
           waitpid(child, &ended, 0) == child && WEXITSTATUS(ended) == 8;
}

int main(void)
{
    pthread_t thread[THREADS];
    int right = 0;
    free(malloc(100 << 20)); // past the gap that was drawn before the rules were read
    for (long i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, allocate_on, (void *)(i * 1000));
    for (int i = 0; i < FORKS; i++)
        right += fork_one(i % 100);
    for (int i = 0; i < SHELLS; i++)
        right += shell_one() + spawn_one();
    atomic_store(&done, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    printf("forks: %d children, %d right\n", FORKS + 2 * SHELLS, right);
    return right != FORKS + 2 * SHELLS;
}
