/* linked_profile_for.c - a host that writes profiles over a time. Before: 40 MB live, of which 30 MB are freed meanwhile, 20 MB
 * are added, and 50 MB come and go. It writes heap.pb.gz, cpu.pb.gz, threadcreate.pb.gz and threads.pb.gz, and prints what the
 * calls returned. The argument is the time of each; status 3: the work took longer. */
#include <dirent.h>
#include <fcntl.h>
#include <gumshoe/gumshoe.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))
enum { BLOCKS = 400, BLOCK_BYTES = 100000 };

struct profile {
    enum gumshoe_kind kind;
    const char *path;
    double seconds;
    int result;
    _Atomic bool done;
};

static void *volatile before[BLOCKS], *volatile added[BLOCKS / 2];
static volatile unsigned long sink;
static pthread_t worker[5];

static NOINLINE void hold_from_before(void)
{
    for (int i = 0; i < BLOCKS; i++)
        before[i] = malloc(BLOCK_BYTES);
}

static NOINLINE void add(void)
{
    for (int i = 0; i < BLOCKS / 2; i++)
        added[i] = malloc(BLOCK_BYTES);
}

static NOINLINE void come_and_go(void)
{
    for (int i = 0; i < 500; i++)
        free(malloc(BLOCK_BYTES));
}

static void *wait_for_signal(void *unused)
{
    pause();
    return unused;
}

static NOINLINE void create_threads(int from, int to)
{
    for (int i = from; i < to; i++)
        pthread_create(&worker[i], NULL, wait_for_signal, NULL);
}

static NOINLINE void create_more_threads(void)
{
    create_threads(2, 5);
    __asm__ volatile("" ::: "memory"); // not a jump
}

static NOINLINE void spin(const struct profile *until)
{
    while (!until->done)
        sink++;
}

static void *write_profile(void *pointer)
{
    struct profile *profile = pointer;
    int fd = open(profile->path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    profile->result = gumshoe_write_profile_for(profile->kind, fd, profile->seconds);
    close(fd);
    profile->done = true;
    return NULL;
}

/* Does the thread that gathers the profile sleep between its two looks? */
static bool is_between(void)
{
    char path[320], text[64] = "";
    DIR *tasks = opendir("/proc/self/task");
    bool sleeps = false;
    for (struct dirent *task; tasks && (task = readdir(tasks));) {
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", task->d_name);
        FILE *file = fopen(path, "r");
        bool found = file && fgets(text, sizeof text, file) && strcmp(text, "gumshoe-profile\n") == 0;
        if (file)
            fclose(file);
        snprintf(path, sizeof path, "/proc/self/task/%s/syscall", task->d_name);
        file = found ? fopen(path, "r") : NULL;
        long call = -1;
        sleeps |= file && fscanf(file, "%ld", &call) == 1 && call == SYS_clock_nanosleep;
        if (file)
            fclose(file);
    }
    closedir(tasks);
    return sleeps;
}

/* Write PROFILE; WORK is done within its time, or the process ends with 3. */
static void write_while(struct profile *profile, void (*work)(void))
{
    pthread_t writer;
    pthread_create(&writer, NULL, write_profile, profile);
    while (!is_between() && !profile->done)
        usleep(1000);
    work();
    if (!is_between())
        exit(3);
    pthread_join(writer, NULL);
    printf("%s %d\n", profile->path, profile->result);
}

static void change_heap(void)
{
    for (int i = 0; i < BLOCKS * 3 / 4; i++)
        free(before[i]);
    add();
    come_and_go();
}

static void profile_cpu(double seconds)
{
    struct profile cpu = {.kind = GUMSHOE_CPU, .path = "cpu.pb.gz", .seconds = seconds};
    pthread_t writer;
    pthread_create(&writer, NULL, write_profile, &cpu);
    spin(&cpu);
    pthread_join(writer, NULL);
    printf("cpu %d\n", cpu.result);
}

static void refuse(enum gumshoe_kind kind, double seconds)
{
    int error = gumshoe_write_profile_for(kind, 2, seconds);
    printf("refused %g %s\n", seconds, error ? strerrorname_np(-error) : "no");
}

int main(int argc, char **argv)
{
    struct gumshoe_options options = {
        .size = sizeof options,
        .rules_json = "{\"version\": 1, \"heap\": {\"sample\": \"1KiB\"}, \"budget\": \"100%\","
                      " \"rules\": [{\"name\": \"n\", \"every\": \"24h\"}]}"};
    double seconds = argc > 1 ? atof(argv[1]) : 1;
    if (gumshoe_start(&options))
        return 2;
    free(malloc(100 << 20)); // past the gap that was drawn before the rules were read
    hold_from_before();
    create_threads(0, 2);
    write_while(&(struct profile){.kind = GUMSHOE_HEAP, .path = "heap.pb.gz", .seconds = seconds},
                change_heap);
    write_while(
        &(struct profile){.kind = GUMSHOE_THREADCREATE, .path = "threadcreate.pb.gz", .seconds = seconds},
        create_more_threads);
    profile_cpu(seconds);
    int fd = open("threads.pb.gz", O_WRONLY | O_CREAT | O_TRUNC, 0600); // of now: an hour would be too long
    printf("threads %d\n", gumshoe_write_profile_for(GUMSHOE_THREADS, fd, 3600));
    refuse(GUMSHOE_HEAP, 0);
    refuse(GUMSHOE_HEAP, -1);
    refuse(GUMSHOE_HEAP, NAN);
    refuse(GUMSHOE_HEAP, GUMSHOE_PROFILE_SECONDS_MAX + 1);
    refuse((enum gumshoe_kind)(1 << 20), 1);
    return 0;
}
