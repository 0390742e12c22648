/* linked_ages.c OLD NEW - a host with old and new memory, all of one function: OLD MiB before a word is read from its input, NEW MiB
 * afterwards. */
#include <gumshoe/gumshoe.h>
#include <stdio.h>
#include <stdlib.h>

enum { MIB = 1 << 20, BLOCKS = 1000 };
static void *volatile block[BLOCKS];

static __attribute__((noinline)) void grow(int from, int count)
{
    for (int i = from; i < from + count && i < BLOCKS; i++)
        block[i] = malloc(MIB);
}

static int next_word(const char *done)
{
    char word[32];
    puts(done);
    fflush(stdout);
    return scanf("%31s", word);
}

int main(int argc, char **argv)
{
    if (argc < 3 || gumshoe_start(NULL))
        return 2;
    int old = atoi(argv[1]), new = atoi(argv[2]);
    free(malloc(100 << 20)); // past the gap that was drawn before the rules were read
    grow(0, old);
    if (next_word("old") != 1)
        return 1;
    grow(old, new);
    return next_word("new") == 1;
}
