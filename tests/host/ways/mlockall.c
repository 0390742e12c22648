/* mlockall.c - a program that locks its memory: `mlockall FLAGS LIMIT`. FLAGS: of mlockall(2); LIMIT in MiB, or "none". With a limit it
 * gives up root before. Prints what mlockall says and the locked and resident memory in KiB, then works until there is a file
 * "enough", and prints all again. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static long status(const char *key)
{
    char line[200];
    long value = -1;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, key, strlen(key)) == 0)
            value = atol(line + strlen(key));
    if (file)
        fclose(file);
    return value;
}

static void tell(const char *when)
{
    printf("%s: locked %ld KiB, resident %ld KiB\n", when, status("VmLck:"), status("VmRSS:"));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    int flags = argc > 1 ? atoi(argv[1]) : 0;
    if (argc > 2 && strcmp(argv[2], "none") != 0) {
        rlim_t most = (rlim_t)atol(argv[2]) << 20;
        struct rlimit limit = {most, most};
        if (setrlimit(RLIMIT_MEMLOCK, &limit) || setgid(65534) || setuid(65534))
            return 125;
    }
    int result = mlockall(flags);
    printf("mlockall: %d %s\n", result, result ? strerror(errno) : "");
    tell("then");
    for (int i = 0; access("enough", F_OK) != 0; i++) {
        free(malloc(1000 + i % 100));
        usleep(100);
    }
    void *more = malloc(1 << 20);
    printf("1 MiB more: %s\n", more ? "yes" : "no");
    tell("at the end");
    return 0;
}
