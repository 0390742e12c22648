/* family.c - calls the whole malloc family, the odd corners above all, and prints what comes back: NULL or not, how well
 * aligned, room enough or not, what errno says. Whatever stands below, the lines must be those of the plain allocator.
 *
 * Each corner is tried ROUNDS times, so that with a sample every KiB some of the calls are sampled and some are not; an
 * answer that changes from one round to the next is printed again. Sizes and functions go through volatiles: a compiler
 * that knows malloc would answer for it. */
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 200, ERRNO_BEFORE = 4242 };

static void *(*volatile do_malloc)(size_t) = malloc;
static void *(*volatile do_calloc)(size_t, size_t) = calloc;
static void *(*volatile do_realloc)(void *, size_t) = realloc;
static void *(*volatile do_reallocarray)(void *, size_t, size_t) = reallocarray;
static int (*volatile do_posix_memalign)(void **, size_t, size_t) = posix_memalign;
static void *(*volatile do_aligned_alloc)(size_t, size_t) = aligned_alloc;
static void *(*volatile do_memalign)(size_t, size_t) = memalign;
static void *(*volatile do_valloc)(size_t) = valloc;
static void *(*volatile do_pvalloc)(size_t) = pvalloc;
static size_t (*volatile do_usable)(void *) = malloc_usable_size;
static void (*volatile do_free)(void *) = free;

/* ---- saying what came back ------------------------------------------------------------------------------------- */

enum { CORNERS_MAX = 128 };
static struct {
    char corner[64], result[96];
} said[CORNERS_MAX];

/* One line for each corner, and one more whenever a round answers other than the round before. */
static void say(const char *corner, const char *result)
{
    int at = 0;
    while (at < CORNERS_MAX - 1 && said[at].corner[0] && strcmp(said[at].corner, corner) != 0)
        at++;
    if (strcmp(said[at].corner, corner) == 0 && strcmp(said[at].result, result) == 0)
        return;
    snprintf(said[at].corner, sizeof said[at].corner, "%s", corner);
    snprintf(said[at].result, sizeof said[at].result, "%s", result);
    printf("%s: %s\n", corner, result);
}

static const char *errno_name(int error)
{
    return error == ERRNO_BEFORE ? "untouched" : strerrorname_np(error);
}

/* A block of SIZE bytes: whether there is one, errno, whether it is aligned as asked and has the room. */
static void say_block(const char *corner, void *block, size_t size, size_t alignment)
{
    char result[96];
    int error = errno;
    if (block)
        snprintf(result, sizeof result, "a block, errno %s, %s, %s", errno_name(error),
                 (uintptr_t)block % alignment ? "misaligned" : "aligned",
                 do_usable(block) >= size ? "room enough" : "too small");
    else
        snprintf(result, sizeof result, "NULL, errno %s", errno_name(error));
    say(corner, result);
}

static void say_error(const char *corner, int error, bool touched)
{
    char result[96];
    snprintf(result, sizeof result, "%s, errno %s, pointer %s", error ? strerrorname_np(error) : "0",
             errno_name(errno), touched ? "set" : "untouched");
    say(corner, result);
}

static void say_yes_no(const char *corner, bool yes)
{
    say(corner, yes ? "yes" : "no");
}

static bool holds(const unsigned char *block, size_t size, unsigned char byte)
{
    for (size_t i = 0; i < size; i++)
        if (block[i] != byte)
            return false;
    return true;
}

/* ---- the corners -------------------------------------------------------------------------------------------------- */

static const size_t huge[] = {PTRDIFF_MAX, (size_t)PTRDIFF_MAX + 1, SIZE_MAX - 4096, SIZE_MAX};
enum { HUGES = sizeof huge / sizeof huge[0] };

#define FRESH(call) (errno = ERRNO_BEFORE, (call))

static void try_malloc(void)
{
    static const size_t sizes[] = {0, 1, 24, 25, 4096, 200000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (int round = 0; round < ROUNDS; round++) {
            char corner[64];
            volatile size_t size = sizes[i];
            void *block = FRESH(do_malloc(size));
            snprintf(corner, sizeof corner, "malloc(%zu)", sizes[i]);
            say_block(corner, block, sizes[i], 16);
            do_free(block);
        }
    for (int i = 0; i < HUGES; i++)
        for (int round = 0; round < ROUNDS; round++) {
            volatile size_t size = huge[i];
            say_block("malloc(huge)", FRESH(do_malloc(size)), size, 16);
        }
}

static void try_calloc(void)
{
    for (int round = 0; round < ROUNDS; round++) {
        unsigned char *dirty = do_malloc(3000);
        memset(dirty, 0xee, 3000);
        do_free(dirty);
        unsigned char *block = FRESH(do_calloc(3, 1000));
        say_block("calloc(3, 1000)", block, 3000, 16);
        say_yes_no("calloc zeroes", holds(block, 3000, 0));
        do_free(block);
        block = FRESH(do_calloc(0, 8));
        say_block("calloc(0, 8)", block, 0, 16);
        do_free(block);
        volatile size_t half = SIZE_MAX / 2, whole = SIZE_MAX, wrap = (size_t)1 << 33;
        say_block("calloc(SIZE_MAX / 2, 3)", FRESH(do_calloc(half, 3)), 0, 16);
        say_block("calloc(SIZE_MAX, SIZE_MAX)", FRESH(do_calloc(whole, whole)), 0, 16);
        say_block("calloc(2^33, 2^33)", FRESH(do_calloc(wrap, wrap)), 0, 16);
        say_block("calloc(SIZE_MAX / 2, 1)", FRESH(do_calloc(half, 1)), 0, 16);
    }
}

static void try_realloc(void)
{
    for (int round = 0; round < ROUNDS; round++) {
        unsigned char *block = FRESH(do_realloc(NULL, 2000));
        say_block("realloc(NULL, 2000)", block, 2000, 16);
        memset(block, 0xab, 2000);
        block = FRESH(do_realloc(block, 60000));
        say_block("realloc to more", block, 60000, 16);
        say_yes_no("realloc to more keeps the bytes", holds(block, 2000, 0xab));
        volatile size_t much = PTRDIFF_MAX;
        say_block("realloc to PTRDIFF_MAX", FRESH(do_realloc(block, much)), 0, 16);
        say_yes_no("a failed realloc keeps the bytes", holds(block, 2000, 0xab));
        block = FRESH(do_realloc(block, 100));
        say_block("realloc to less", block, 100, 16);
        say_yes_no("realloc to less keeps the bytes", holds(block, 100, 0xab));
        say_block("realloc to 0", FRESH(do_realloc(block, 0)), 0, 16);
        block = FRESH(do_realloc(NULL, 0));
        say_block("realloc(NULL, 0)", block, 0, 16);
        do_free(block);
    }
}

static void try_reallocarray(void)
{
    for (int round = 0; round < ROUNDS; round++) {
        unsigned char *block = FRESH(do_reallocarray(NULL, 30, 100));
        say_block("reallocarray(NULL, 30, 100)", block, 3000, 16);
        memset(block, 0xcd, 3000);
        volatile size_t many = SIZE_MAX / 4;
        say_block("reallocarray that overflows", FRESH(do_reallocarray(block, many, 5)), 0, 16);
        say_block("reallocarray to too much", FRESH(do_reallocarray(block, many, 3)), 0, 16);
        say_yes_no("a failed reallocarray keeps the bytes", holds(block, 3000, 0xcd));
        block = FRESH(do_reallocarray(block, 60, 100));
        say_block("reallocarray to more", block, 6000, 16);
        say_block("reallocarray(block, 0, 9)", FRESH(do_reallocarray(block, 0, 9)), 0, 16);
    }
}

static void try_one_posix_memalign(const char *corner, size_t alignment, size_t size)
{
    static char untouched;
    void *block = &untouched;
    volatile size_t asked = alignment, bytes = size;
    int error = FRESH(do_posix_memalign(&block, asked, bytes));
    say_error(corner, error, block != &untouched);
    if (error == 0)
        say_block("a block of posix_memalign", block, size, alignment);
    if (block != &untouched)
        do_free(block);
}

static void try_aligned(void)
{
    for (int round = 0; round < ROUNDS; round++) {
        try_one_posix_memalign("posix_memalign(64, 3000)", 64, 3000);
        try_one_posix_memalign("posix_memalign(8, 0)", 8, 0);
        try_one_posix_memalign("posix_memalign(0, 100)", 0, 100);
        try_one_posix_memalign("posix_memalign(3, 100)", 3, 100);
        try_one_posix_memalign("posix_memalign(4, 100)", 4, 100);
        try_one_posix_memalign("posix_memalign(24, 3000)", 24, 3000);
        try_one_posix_memalign("posix_memalign(64, PTRDIFF_MAX)", 64, PTRDIFF_MAX);
    }
    static void *(*volatile *const twin[])(size_t, size_t) = {&do_aligned_alloc, &do_memalign};
    static const char *const name[] = {"aligned_alloc", "memalign"};
    static const size_t alignments[] = {0, 3, 16, 64, 100, 4096, (size_t)1 << 62, SIZE_MAX};
    for (int i = 0; i < 2; i++)
        for (size_t j = 0; j < sizeof alignments / sizeof alignments[0]; j++)
            for (int round = 0; round < ROUNDS; round++) {
                char corner[64];
                volatile size_t alignment = alignments[j], huge_size = PTRDIFF_MAX;
                void *block = FRESH((*twin[i])(alignment, 3000));
                snprintf(corner, sizeof corner, "%s(%zu, 3000)", name[i], alignments[j]);
                say_block(corner, block, 3000,
                          alignments[j] == 64 || alignments[j] == 4096 ? alignments[j] : 16);
                do_free(block);
                snprintf(corner, sizeof corner, "%s(%zu, PTRDIFF_MAX)", name[i], alignments[j]);
                say_block(corner, FRESH((*twin[i])(alignment, huge_size)), 0, 16);
            }
}

static void try_paged(void)
{
    for (int round = 0; round < ROUNDS; round++) {
        volatile size_t much = PTRDIFF_MAX, most = SIZE_MAX;
        void *block = FRESH(do_valloc(5000));
        say_yes_no("valloc(5000) is on a page",
                   block && (uintptr_t)block % 4096 == 0 && errno == ERRNO_BEFORE);
        do_free(block);
        block = FRESH(do_pvalloc(5000));
        say_yes_no("pvalloc(5000) is two pages",
                   block && (uintptr_t)block % 4096 == 0 && do_usable(block) >= 8192);
        do_free(block);
        block = FRESH(do_pvalloc(0));
        say_yes_no("pvalloc(0) gives a block", block != NULL);
        do_free(block);
        say_block("valloc(PTRDIFF_MAX)", FRESH(do_valloc(much)), 0, 16);
        say_block("pvalloc(PTRDIFF_MAX)", FRESH(do_pvalloc(much)), 0, 16);
        say_block("pvalloc(SIZE_MAX)", FRESH(do_pvalloc(most)), 0, 16);
    }
}

static void try_free(void)
{
    for (int round = 0; round < ROUNDS; round++) {
        void *block = do_malloc(3000), *mapped = do_malloc(1 << 20);
        errno = ERRNO_BEFORE;
        do_free(NULL);
        do_free(block);
        do_free(mapped);
        say_yes_no("free leaves errno alone", errno == ERRNO_BEFORE);
        say_yes_no("malloc_usable_size(NULL) is 0", do_usable(NULL) == 0);
    }
}

/* A hundred thousand times, and until the input ends: what succeeds leaves errno alone, also while others take our stack by a signal. */
static void storm(void)
{
    struct pollfd input = {.fd = 0, .events = POLLIN};
    bool kept = true;
    void *block[64] = {NULL};
    for (unsigned i = 0; i % 4096 || i < 100000 || poll(&input, 1, 0) == 0; i++) {
        unsigned at = i % 64;
        errno = ERRNO_BEFORE;
        do_free(block[at]);
        block[at] = i % 3 ? do_malloc(i % 5000) : do_calloc(1, i % 5000);
        block[at] = do_realloc(block[at], 1 + i * 7 % 5000);
        kept = kept && errno == ERRNO_BEFORE;
    }
    for (int i = 0; i < 64; i++)
        do_free(block[i]);
    say_yes_no("errno is kept in a storm", kept);
}

int main(void)
{
    for (int i = 0; i < 5000; i++) // past the gap that was drawn before the rules were read
        do_free(do_malloc(5000));
    try_malloc();
    try_calloc();
    try_realloc();
    try_reallocarray();
    try_aligned();
    try_paged();
    try_free();
    storm();
    return 0;
}
