/* spike TABLE CACHE HOW: a host that dies of a spike. A table of TABLE MiB, and after a line of input a cache of CACHE MiB; then,
 * after another line, HOW:
 *   kill    SIGKILL          stay    sleep until somebody ends it
 *   more    a cache of 1 GiB more, and sleep
 *   exit    exit(0)    _exit  _exit(0)    abort    exec PROGRAM …
 * It says "calm" and "full" as it comes to be so. At the end of its input it does not wait. */
#include "say.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 64 << 10 };

static void **blocks;
static size_t count;

__attribute__((always_inline)) static inline void keep(size_t size)
{
    void *block = malloc(size);
    if (!block)
        _exit(9);
    memset(block, 1, size);
    blocks[count++] = block;
}

/* (noipa: else the two are folded into one.) */
__attribute__((noipa)) static void build_table(size_t bytes)
{
    for (size_t at = 0; at < bytes; at += BLOCK)
        keep(BLOCK);
    __asm__ volatile(""); // no tail call: it stands in the stack
}

__attribute__((noipa)) static void fill_cache(size_t bytes)
{
    for (size_t at = 0; at < bytes; at += BLOCK)
        keep(BLOCK);
    __asm__ volatile("");
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    size_t table = (size_t)atol(argv[1]) << 20, cache = (size_t)atol(argv[2]) << 20, more = (size_t)1 << 30;
    const char *how = argv[3];
    blocks = calloc((table + cache + more) / BLOCK + 1, sizeof *blocks);
    build_table(table);
    say_and_wait("calm");
    fill_cache(cache);
    say_and_wait("full");
    if (strcmp(how, "kill") == 0)
        kill(getpid(), SIGKILL);
    if (strcmp(how, "abort") == 0)
        abort();
    if (strcmp(how, "_exit") == 0)
        _exit(0);
    if (strcmp(how, "exec") == 0)
        execvp(argv[4], argv + 4);
    if (strcmp(how, "more") == 0)
        fill_cache(more);
    if (strcmp(how, "stay") == 0 || strcmp(how, "more") == 0)
        for (;;)
            pause();
    return 0;
}
