/* fuzz.c - what the targets share. */
#include "fuzz.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void gs_broken(const char *what, const char *file, int line)
{
    fprintf(stderr, "%s:%d: ERROR: does not hold: %s\n", file, line, what);
    abort();
}

const char *gs_fuzz_file(const void *bytes, size_t length)
{
    static char path[64];
    static int fd = -1;
    if (fd < 0) {
        fd = memfd_create("fuzz", MFD_CLOEXEC);
        snprintf(path, sizeof path, "/proc/%d/fd/%d", getpid(), fd);
    }
    gs_must(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, bytes, length, 0) == (ssize_t)length);
    return path;
}

char *gs_fuzz_copy(const void *bytes, size_t length, size_t end)
{
    char *copy = malloc(length + end ? length + end : 1);
    gs_must(copy != NULL);
    if (length)
        memcpy(copy, bytes, length);
    if (end)
        copy[length] = 0;
    return copy;
}
