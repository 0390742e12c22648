/* linked_children.c - a host that is linked with the library, and forks: a child that goes on to work is watched, one that stops
 * the watch is not, one that starts a watch of its own has that one. Prints what gumshoe_capture comes to in each. */
#include <errno.h>
#include <gumshoe/gumshoe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A child is watched from some time after its birth on. */
static int capture_when_watched(const char *what)
{
    enum { TRIES = 6000, PAUSE_US = 10000 };
    int result = -ESRCH;
    if (strcmp(what, "works") != 0)
        usleep(400000); // for what is not to come
    for (int i = 0; i == 0 || (result == -ESRCH && strcmp(what, "works") == 0 && i < TRIES); i++) {
        result = gumshoe_capture("by-child", GUMSHOE_HEAP);
        usleep(PAUSE_US);
    }
    return result;
}

static void in_child(const char *what, const char *rules)
{
    struct gumshoe_options own = {.size = sizeof own, .rules_json = rules, .dir = "its-own"};
    fflush(stdout);
    pid_t child = fork();
    if (child) {
        waitpid(child, NULL, 0);
        return;
    }
    if (!strcmp(what, "stops"))
        gumshoe_stop();
    if (!strcmp(what, "starts"))
        printf("starts %d\n", gumshoe_start(&own));
    int result = capture_when_watched(what);
    printf("%s %s\n", what, result ? strerrorname_np(-result) : "0");
    exit(0); // by way of the library's end
}

int main(int argc, char **argv)
{
    struct gumshoe_options options = {.size = sizeof options, .rules_json = argv[1], .dir = argv[2]};
    printf("start %d\n", argc == 3 ? gumshoe_start(&options) : -1);
    usleep(100000);
    in_child("works", argv[1]);
    in_child("stops", argv[1]);
    in_child("starts", argv[1]);
    printf("parent %d\n", gumshoe_capture("by-parent", GUMSHOE_HEAP));
    gumshoe_stop();
    in_child("after", argv[1]);
    return 0;
}
