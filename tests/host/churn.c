/* churn DEPTH: a host with 2^DEPTH allocation sites, each of which lets go of its block and makes another, in turn, without end.
 * Whoever writes down what has changed has all of them to write, all the time. */
#include <stdio.h>
#include <stdlib.h>

enum { SIZE = 2048 };

static void **block;

static void left(unsigned site, unsigned depth);
static void right(unsigned site, unsigned depth);

__attribute__((noinline)) static void either(unsigned site, unsigned depth)
{
    if (depth == 0) {
        free(block[site]);
        block[site] = malloc(SIZE);
    } else if (site >> (depth - 1) & 1) {
        left(site, depth - 1);
    } else {
        right(site, depth - 1);
    }
    __asm__ volatile(""); // no tail call: each stands in the stack
}

__attribute__((noinline)) static void left(unsigned site, unsigned depth)
{
    either(site, depth);
    __asm__ volatile("");
}

__attribute__((noinline)) static void right(unsigned site, unsigned depth)
{
    either(site, depth);
    __asm__ volatile("");
}

int main(int argc, char **argv)
{
    unsigned depth = argc > 1 ? (unsigned)atoi(argv[1]) : 10;
    block = calloc((size_t)1 << depth, sizeof *block);
    for (unsigned round = 0;; round++) {
        for (unsigned site = 0; site < 1u << depth; site++)
            either(site, depth);
        if (round == 3) {
            printf("churning\n");
            fflush(stdout);
        }
    }
}
