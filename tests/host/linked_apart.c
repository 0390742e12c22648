/* linked_apart.c - a host that is busy with descriptors and functions of its own while the agent captures. Each story prints what
 * came of it.
 *   reload      the rules are changed, then no descriptor is left, then an incident is asked for
 *   reader      somebody who asked for a profile does not read it; incidents are asked for meanwhile
 *   closefrom   all descriptors are closed and a file is opened, again and again, while incidents are made
 *   callback    the function is taken away while it runs; what it is called with is gone then
 *   inside      the function takes itself away */
#include <errno.h>
#include <fcntl.h>
#include <gumshoe/gumshoe.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static const char first_rules[] = "{\"version\":1,\"interval\":\"100ms\",\"incidents\":{\"max_per_hour\":0,\"keep\":5},"
                                  "\"rules\":[{\"name\":\"a\",\"metric\":\"rss\",\"above\":\"90%\"}]}";
static const char other_rules[] = "{\"version\":1,\"interval\":\"100ms\",\"incidents\":{\"max_per_hour\":0,\"keep\":5},"
                                  "\"rules\":[{\"name\":\"b\",\"metric\":\"rss\",\"above\":\"91%\"}]}";

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    if (!file || fputs(text, file) < 0 || fclose(file) != 0)
        exit(3);
}

static void start(void)
{
    struct gumshoe_options options = {.size = sizeof options, .rules_file = "rules.json", .dir = "incidents"};
    put("rules.json", first_rules);
    if (gumshoe_start(&options) != 0)
        exit(4);
}

static int capture(void)
{
    return gumshoe_capture("asked", GUMSHOE_HEAP | GUMSHOE_THREADS);
}

/* ---- the stories ------------------------------------------------------------------------------------------------------- */

static bool log_has(const char *words)
{
    char text[1 << 16];
    FILE *file = fopen("log", "r");
    size_t length = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    text[length] = 0;
    return strstr(text, words);
}

static void reload(void)
{
    struct rlimit limit = {256, 256};
    put("new.json", other_rules);
    rename("new.json", "rules.json");
    while (!log_has("the changed rules are in force"))
        usleep(10000);
    setrlimit(RLIMIT_NOFILE, &limit);
    while (open("/dev/null", O_RDONLY) >= 0)
        ;
    printf("no descriptor left: %s\n", strerrorname_np(errno));
    for (int i = 0; i < 5; i++)
        printf("capture %d\n", capture());
}

static void *read_nothing(void *end)
{
    long fd = (long)end;
    printf("profile %d\n", gumshoe_write_profile(GUMSHOE_HEAP, (int)fd));
    return NULL;
}

static void reader(void)
{
    int end[2];
    char byte = 0, rest[4096];
    pthread_t asks;
    if (pipe(end) != 0)
        exit(5);
    fcntl(end[1], F_SETFL, O_NONBLOCK);
    while (write(end[1], &byte, 1) == 1)
        ; // it is full: who writes into it waits
    fcntl(end[1], F_SETFL, 0);
    pthread_create(&asks, NULL, read_nothing, (void *)(long)end[1]);
    for (int i = 0; i < 3; i++)
        printf("capture %d\n", capture());
    printf("another profile %d\n", gumshoe_write_profile(GUMSHOE_THREADS, open("/dev/null", O_WRONLY)));
    fcntl(end[0], F_SETFL, O_NONBLOCK);
    while (pthread_tryjoin_np(asks, NULL) != 0)
        if (read(end[0], rest, sizeof rest) < 0)
            usleep(1000);
}

static _Atomic bool done;

static void *capture_all(void *unused)
{
    int failed = 0;
    (void)unused;
    for (int i = 0; i < 20; i++)
        failed += capture() != 0;
    printf("captures that failed: %d\n", failed);
    done = true;
    return NULL;
}

static void close_and_open(void)
{
    struct stat status;
    pthread_t captures;
    int rounds = 0, wrong = 0, written = 0;
    pthread_create(&captures, NULL, capture_all, NULL);
    while (!done) {
        closefrom(3);
        int fd[24];
        for (int i = 0; i < 24; i++)
            wrong += (fd[i] = open("mine", O_RDWR | O_CREAT, 0600)) != i + 3;
        usleep(200);
        for (int i = 0; i < 24; i++)
            wrong += fstat(fd[i], &status) != 0 || (written += status.st_size != 0, false);
        rounds++;
    }
    pthread_join(captures, NULL);
    printf("descriptors that were not the host's: %d, bytes in its file: %d%s\n", wrong, written, rounds > 1 ? "" : ", no rounds");
}

struct mine {
    _Atomic int calls;
    _Atomic bool inside, gone;
};
static struct mine mine;
static _Atomic int too_late;

static void on_incident(const char *dir, void *user)
{
    struct mine *of = user;
    of->inside = true;
    of->calls++;
    usleep(200000);
    too_late += of->gone;
    of->inside = false;
    (void)dir;
}

static void callback(void)
{
    gumshoe_on_incident(on_incident, &mine);
    printf("capture %d\n", capture());
    while (!mine.inside)
        usleep(1000);
    gumshoe_on_incident(NULL, NULL);
    mine.gone = true;
    printf("capture %d\n", capture());
    usleep(300000);
    printf("calls %d, after it was taken away %d\n", mine.calls, too_late);
}

static void take_away(const char *dir, void *user)
{
    (void)dir;
    gumshoe_on_incident(NULL, NULL);
    ++*(_Atomic int *)user;
}

static void inside(void)
{
    static _Atomic int calls;
    gumshoe_on_incident(take_away, &calls);
    printf("capture %d\n", capture());
    while (!calls)
        usleep(1000);
    printf("capture %d\n", capture());
    printf("calls %d\n", calls);
}

int main(int argc, char **argv)
{
    const char *story = argc > 1 ? argv[1] : "";
    start();
    if (!strcmp(story, "reload")) reload();
    else if (!strcmp(story, "reader")) reader();
    else if (!strcmp(story, "closefrom")) close_and_open();
    else if (!strcmp(story, "callback")) callback();
    else if (!strcmp(story, "inside")) inside();
    else return 64;
    gumshoe_stop();
    puts("stopped");
    return 0;
}
