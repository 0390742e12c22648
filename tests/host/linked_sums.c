/* linked_sums.c - a host that gives every block back, each kind on another way, and writes its heap profile before and
 * after: what is not in use any more may not be in the profile, to the byte, however it was freed.
 *
 *   by_ended_thread  allocated by threads that are long gone, freed by main
 *   by_main          allocated by main, freed by other threads
 *   by_thread_key    freed by the destructor of a thread's key, as the thread ends
 *   by_handler       freed in a signal handler
 *   by_moving        grown with realloc until it moved, then freed
 *   by_late_comer    freed after gumshoe_stop
 *   by_parent        freed by a forked child, kept by the parent: only the child's profile is without it
 *   by_keeper        never freed: in each profile, so that an empty one does not pass
 * Profiles go to the working directory: full.pb.gz, empty.pb.gz, child.pb.gz. */
#include <fcntl.h>
#include <gumshoe/gumshoe.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BLOCKS = 400, BLOCK_BYTES = 5000, THREADS = 8 };
typedef void *hoard[BLOCKS];

/* A function of its own for each hoard: its name is what the profile is asked for. (noipa: else they are folded into one.) */
#define HOARDER(name)                                                          \
    __attribute__((noipa)) static void name(hoard blocks)                      \
    {                                                                          \
        for (int i = 0; i < BLOCKS; i++)                                       \
            blocks[i] = malloc(BLOCK_BYTES);                                   \
        __asm__ volatile("" ::: "memory"); /* no tail call: the frame stays */ \
    }
HOARDER(by_ended_thread)
HOARDER(by_main)
HOARDER(by_thread_key)
HOARDER(by_handler)
HOARDER(by_late_comer)
HOARDER(by_parent)
HOARDER(by_keeper)

__attribute__((noipa)) static void by_moving(hoard blocks)
{
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(100);
        for (size_t size = 1000; size <= BLOCK_BYTES; size += 1000)
            blocks[i] = realloc(blocks[i], size);
    }
}

static void free_all(hoard blocks)
{
    for (int i = 0; i < BLOCKS; i++)
        free(blocks[i]);
}

static void write_profile(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || gumshoe_write_profile(GUMSHOE_HEAP, fd) != 0)
        exit(1);
    close(fd);
}

/* ---- the threads' parts ------------------------------------------------------------------------------------------ */

static hoard of_thread[THREADS], of_main[THREADS], of_handler, moved, late, kept, of_parent;
static pthread_key_t key;

static void *work(void *argument)
{
    long at = (long)argument;
    hoard *mine = malloc(sizeof *mine);
    by_ended_thread(of_thread[at]);
    free_all(of_main[at]);
    by_thread_key(*mine);
    pthread_setspecific(key, mine);
    return NULL;
}

static void free_hoard(void *mine)
{
    free_all(mine);
    free(mine);
}

static void run_threads(void)
{
    pthread_t thread[THREADS];
    for (long i = 0; i < THREADS; i++)
        if (pthread_create(&thread[i], NULL, work, (void *)i) != 0)
            exit(1);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
}

/* ---- the handler and the child -------------------------------------------------------------------------------------- */

static void on_signal(int number)
{
    (void)number;
    free_all(of_handler); // raised by us, outside malloc
}

static int in_child(void)
{
    pid_t child = fork();
    if (child == 0) {
        free_all(of_parent);
        write_profile("child.pb.gz");
        _exit(0);
    }
    int status = -1;
    waitpid(child, &status, 0);
    return status;
}

int main(void)
{
    static const char rules[] = "{\"version\": 1, \"interval\": \"100ms\", \"heap\": {\"sample\": \"1KiB\"}, "
                                "\"budget\": \"100%\", \"rules\":"
                                " [{\"name\": \"never\", \"metric\": \"heap_in_use\", \"above\": \"1TiB\"}]}";
    struct gumshoe_options options = {.size = sizeof options, .rules_json = rules, .dir = "incidents"};
    if (gumshoe_start(&options) != 0 || pthread_key_create(&key, free_hoard) != 0)
        return 1;
    free(malloc(100 << 20)); // past the gap that was drawn before the rules were read
    signal(SIGUSR1, on_signal);
    for (int i = 0; i < THREADS; i++)
        by_main(of_main[i]);
    by_handler(of_handler);
    by_moving(moved);
    by_late_comer(late);
    by_parent(of_parent);
    by_keeper(kept);
    write_profile("full.pb.gz");
    run_threads();
    raise(SIGUSR1);
    for (int i = 0; i < THREADS; i++)
        free_all(of_thread[i]);
    free_all(moved);
    if (in_child() != 0)
        return 1;
    gumshoe_stop();
    free_all(late);
    write_profile("empty.pb.gz");
    return 0;
}
