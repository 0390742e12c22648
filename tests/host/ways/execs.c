/* execs.c - a program that becomes another: execs WAY A B, by that member of the exec family, becomes `execs say A B`, which prints
 * both and what LD_PRELOAD is. "fails": the program is not there. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int execveat(int, const char *, char *const[], char *const[], int);

static const char *preload(void)
{
    const char *value = getenv("LD_PRELOAD");
    return value ? value : "none";
}

int main(int argc, char **argv)
{
    const char *way = argv[1], *a = argv[2], *b = argv[3];
    char *const more[] = {"execs", "say", (char *)a, (char *)b, NULL};
    if (argc != 4)
        return 64;
    if (!strcmp(way, "say")) printf("%s %s %s\n", a, b, preload());
    else if (!strcmp(way, "execve")) execve("./execs", more, environ);
    else if (!strcmp(way, "execv")) execv("./execs", more);
    else if (!strcmp(way, "execvp")) execvp("./execs", more);
    else if (!strcmp(way, "execvpe")) execvpe("./execs", more, environ);
    else if (!strcmp(way, "execl")) execl("./execs", "execs", "say", a, b, NULL);
    else if (!strcmp(way, "execlp")) execlp("./execs", "execs", "say", a, b, NULL);
    else if (!strcmp(way, "execle")) execle("./execs", "execs", "say", a, b, NULL, environ);
    else if (!strcmp(way, "fexecve")) fexecve(open("./execs", O_RDONLY), more, environ);
    else if (!strcmp(way, "execveat")) execveat(AT_FDCWD, "./execs", more, environ, 0);
    else if (!strcmp(way, "fails")) {
        execl("./nothing", "nothing", NULL);
        printf("%s %s\n", strerrorname_np(errno), preload());
    }
    return 0;
}
