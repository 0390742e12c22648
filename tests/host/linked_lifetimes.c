/* linked_lifetimes.c - a host whose blocks live as long as it says: for each block of 1 MiB it prints the function that allocated it, and
 * between which two durations in ns its lifetime is, as the host's own clock sees it. Blocks of keep stay. It waits for a word, then
 * does a second round, and waits again. */
#include <gumshoe/gumshoe.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define NOINLINE __attribute__((noinline))
enum { MIB = 1 << 20, BLOCKS = 40, DELAY_MS = 100 };
struct block {
    void *volatile memory;
    int64_t before_ns, after_ns;
}; // the clock, before and after it was allocated
static struct block block[BLOCKS];
static void *volatile kept[BLOCKS], *volatile resized;

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline __attribute__((always_inline)) void take(struct block *out)
{
    out->before_ns = now_ns();
    out->memory = malloc(MIB);
    out->after_ns = now_ns();
}

static void give(struct block *given, const char *function)
{
    int64_t before_ns = now_ns();
    free(given->memory);
    int64_t after_ns = now_ns();
    printf("%s %lld %lld\n", function, (long long)(before_ns - given->after_ns),
           (long long)(after_ns - given->before_ns));
}

static NOINLINE void churn(void)
{
    for (int i = 0; i < BLOCKS; i++) {
        take(&block[i]);
        give(&block[i], "churn");
    }
}

/* Every second block is freed at once, the others after DELAY_MS. */
static NOINLINE void mix(void)
{
    for (int i = 0; i < BLOCKS; i++) {
        take(&block[i]);
        if (i % 2)
            give(&block[i], "mix");
    }
    int64_t until_ns = now_ns() + DELAY_MS * 1000000LL;
    while (now_ns() < until_ns)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    for (int i = 0; i < BLOCKS; i += 2)
        give(&block[i], "mix");
}

static NOINLINE void keep(void)
{
    for (int i = 0; i < BLOCKS; i++)
        kept[i] = malloc(MIB);
}

/* A block that realloc resizes ends, and the new one begins. */
static NOINLINE void resize(void)
{
    resized = malloc(MIB);
    for (size_t size = 2; size <= 5; size++)
        resized = realloc(resized, size * MIB);
}

static int next_word(const char *done)
{
    char word[32];
    puts(done);
    fflush(stdout);
    return scanf("%31s", word);
}

static int write_profile(const char *path)
{
    FILE *file = fopen(path, "w");
    int error = file ? gumshoe_write_profile(GUMSHOE_LIFETIMES, fileno(file)) : -1;
    if (file)
        fclose(file);
    return error;
}

int main(void)
{
    static char output[4096]; // the C library's own would be a block of the function that prints first
    setvbuf(stdout, output, _IOFBF, sizeof output);
    if (gumshoe_start(NULL))
        return 2;
    free(malloc(100 << 20)); // past the gap that was drawn before the rules were read
    churn();
    mix();
    keep();
    resize();
    if (next_word(write_profile("written.pb.gz") ? "failed" : "ready") != 1)
        return 1;
    churn();
    return next_word("again") == 1;
}
