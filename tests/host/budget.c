/* budget.c - a host that does nothing but allocate, until its standard input ends: 64 MiB live all the time, each block
 * replaced again and again. */
#include <poll.h>
#include <stdlib.h>

enum { BLOCKS = 65536, BLOCK = 1024 };

__attribute__((noinline)) static void replace_block(void **block)
{
    free(*block);
    *block = malloc(BLOCK);
}

int main(void)
{
    static void *block[BLOCKS];
    struct pollfd input = {.fd = 0, .events = POLLIN};
    while (poll(&input, 1, 0) == 0)
        for (int i = 0; i < BLOCKS; i++)
            replace_block(&block[i]);
    return 0;
}
