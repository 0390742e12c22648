/* linked_allocations.c - a host with single large allocations: "big" takes 300 MiB at a time, "fail" asks for 64 TiB, which no
 * machine has. It sets a gauge before it does either, goes on until it is killed, and ends by itself after five minutes. */
#include "gumshoe/gumshoe.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((noinline)) static void *load_catalogue(void)
{
    void *volatile block = malloc((size_t)300 << 20); // no tail call: this function stays on the stack
    return block;
}

__attribute__((noinline)) static void *reserve_everything(void)
{
    void *volatile block = malloc((size_t)1 << 46);
    return block;
}

int main(int argc, char **argv)
{
    void *(*take)(void) = argc > 1 && strcmp(argv[1], "fail") == 0 ? reserve_everything : load_catalogue;
    alarm(300);
    for (;;) {
        gumshoe_gauge("queue", 7);
        void *volatile block = take();
        free(block);
        usleep(10000);
    }
}
