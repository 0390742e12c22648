/* linked_peak.c - a host whose heap has a peak. It does what the lines of its input say, and prints "done WORD RESULT" after each:
 *   base      holds 20 MiB from now on            load, unload   holds 100 MiB more; frees them
 *   teeth     20 times 10 MiB, freed at once      profile        writes peak.pb.gz */
#include <fcntl.h>
#include <gumshoe/gumshoe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))
enum { MIB = 1 << 20, LOADED = 100 };

static void *volatile base[20], *volatile tooth[10], *volatile loaded[LOADED];

static NOINLINE void keep_base(void)
{
    for (int i = 0; i < 20; i++)
        base[i] = malloc(MIB);
}

static NOINLINE void make_tooth(void)
{
    for (int i = 0; i < 10; i++)
        tooth[i] = malloc(MIB);
    for (int i = 0; i < 10; i++)
        free(tooth[i]);
}

static NOINLINE void load_everything(void)
{
    for (int i = 0; i < LOADED; i++)
        loaded[i] = malloc(MIB);
}

static void unload(void)
{
    for (int i = 0; i < LOADED; i++)
        free(loaded[i]);
}

static int write_profile(void)
{
    int fd = open("peak.pb.gz", O_WRONLY | O_CREAT | O_TRUNC, 0600), error = gumshoe_write_profile(GUMSHOE_PEAK, fd);
    close(fd);
    return error;
}

static int obey(const char *word)
{
    if (strcmp(word, "base") == 0)
        keep_base();
    else if (strcmp(word, "teeth") == 0)
        for (int i = 0; i < 20; i++)
            make_tooth();
    else if (strcmp(word, "load") == 0)
        load_everything();
    else if (strcmp(word, "unload") == 0)
        unload();
    else if (strcmp(word, "profile") == 0)
        return write_profile();
    return 0;
}

int main(void)
{
    char word[32];
    if (gumshoe_start(NULL))
        return 2;
    free(malloc(100 << 20)); // past the gap that was drawn before the rules were read
    while (scanf("%31s", word) == 1) {
        int result = obey(word);
        printf("done %s %s\n", word, result ? strerrorname_np(-result) : "ok");
        fflush(stdout);
    }
    return 0;
}
