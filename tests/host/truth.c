/* truth.c - a host that knows its live bytes: keeps COUNT blocks of SIZE bytes, has freed as many again, says how many
 * bytes it holds, and waits to be told to end.
 *   truth SIZE COUNT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((noinline)) static void *keep_block(size_t size)
{
    char *block = malloc(size);
    memset(block, 1, size < 64 ? size : 64);
    return block;
}

__attribute__((noinline)) static void waste_block(size_t size)
{
    void *volatile block = malloc(size);
    free(block);
}

int main(int argc, char **argv)
{
    size_t size = strtoul(argv[argc - 2], NULL, 10), count = strtoul(argv[argc - 1], NULL, 10);
    void **kept = malloc(count * sizeof *kept);
    char line[8];
    for (size_t i = 0; i < count; i++) {
        kept[i] = keep_block(size);
        waste_block(size);
    }
    printf("%zu\n", size * count + count * sizeof *kept);
    fflush(stdout);
    (void)!read(0, line, sizeof line);
    return kept[0] == NULL;
}
