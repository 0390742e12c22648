/* linked_start.c - a host that is linked with the library: starts the watcher as its arguments say, prints what came
 * back, and works.
 *   linked_start [rules=FILE] [dir=DIR] [json=TEXT] [work=twice|capture|profile|callback] */
#include <errno.h>
#include <gumshoe/gumshoe.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Atomic bool told;

static void on_incident(const char *dir, void *user)
{
    printf("incident %s %s\n", (const char *)user, dir);
    fflush(stdout);
    told = true;
}

int main(int argc, char **argv)
{
    struct gumshoe_error error;
    struct gumshoe_options options = {.size = sizeof options, .error = &error};
    const char *work = "";
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "rules=", 6) == 0)
            options.rules_file = argv[i] + 6;
        else if (strncmp(argv[i], "dir=", 4) == 0)
            options.dir = argv[i] + 4;
        else if (strncmp(argv[i], "json=", 5) == 0)
            options.rules_json = argv[i] + 5;
        else if (strncmp(argv[i], "work=", 5) == 0)
            work = argv[i] + 5;
    }
    int started = gumshoe_start(&options);
    printf("start %s\n", started ? strerrorname_np(-started) : "ok");
    if (started)
        printf("error %d %s %d %d %s\n", error.code, error.file, error.line, error.column, error.message);
    void *volatile block = malloc(100 << 20); // seen or not, the host works
    printf("works %s\n", block ? "yes" : "no");
    if (strcmp(work, "twice") == 0)
        printf("again %s\n", strerrorname_np(-gumshoe_start(&options)));
    if (strcmp(work, "capture") == 0) {
        printf("capture %d\n", gumshoe_capture("by-hand", GUMSHOE_HEAP | GUMSHOE_THREADS));
        printf("bad reason %s\n", strerrorname_np(-gumshoe_capture("Bad Reason", GUMSHOE_HEAP)));
        printf("bad kind %s\n", strerrorname_np(-gumshoe_capture("by-hand", 1u << 9)));
    }
    if (strcmp(work, "callback") == 0) {
        gumshoe_on_incident(on_incident, (void *)"told");
        printf("capture %d\n", gumshoe_capture("by-hand", GUMSHOE_HEAP));
        for (int i = 0; i < 3000 && !told; i++) // its thread may be late on a busy machine
            usleep(100000);
    }
    if (strcmp(work, "profile") == 0) {
        int fd = open("profile.pb.gz", O_WRONLY | O_CREAT | O_TRUNC, 0600);
        printf("profile %d\n", gumshoe_write_profile(GUMSHOE_HEAP, fd));
        close(fd);
    }
    gumshoe_stop();
    printf("after stop %s\n", strerrorname_np(-gumshoe_capture("by-hand", GUMSHOE_HEAP)));
    printf("version %s\n", gumshoe_version());
    free(block);
    return 0;
}
