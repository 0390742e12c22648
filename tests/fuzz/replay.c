/* replay.c - a target's main without libFuzzer: every file of the corpus, then seeded changes of them.
 *
 *   TARGET CORPUS [CHANGES [SEED]]          an input that ends the process is left in ./TARGET.input
 *
 * The changes are blind, where libFuzzer's follow the code: they find what a slip of the pen breaks. */
#include "fuzz.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { INPUTS_MAX = 1000, INPUT_MAX = 1 << 20 };

struct input {
    unsigned char *bytes;
    size_t length;
};
static struct input corpus[INPUTS_MAX];
static size_t corpus_count;

static unsigned seed;

/* The input at hand stands in ./TARGET.input while it runs: there it is left if it is the last. */
static int at_hand_fd;
static char at_hand[64];

static void open_at_hand(void)
{
    snprintf(at_hand, sizeof at_hand, "%.40s.input", program_invocation_short_name);
    at_hand_fd = open(at_hand, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    gs_must(at_hand_fd >= 0);
}

static void run(struct input input)
{
    gs_must(pwrite(at_hand_fd, input.bytes, input.length, 0) == (ssize_t)input.length);
    gs_must(ftruncate(at_hand_fd, (off_t)input.length) == 0);
    (void)LLVMFuzzerTestOneInput(input.bytes, input.length);
}

static void read_corpus(const char *path)
{
    DIR *dir = opendir(path);
    gs_must(dir != NULL);
    for (struct dirent *entry; (entry = readdir(dir)) && corpus_count < INPUTS_MAX;) {
        int fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_CLOEXEC);
        unsigned char *bytes = malloc(INPUT_MAX);
        ssize_t length = fd < 0 || entry->d_name[0] == '.' ? -1 : read(fd, bytes, INPUT_MAX);
        if (length >= 0)
            corpus[corpus_count++] = (struct input){bytes, (size_t)length};
        else
            free(bytes);
        if (fd >= 0)
            close(fd);
    }
    closedir(dir);
}

static size_t below(size_t end)
{
    return end ? (size_t)rand_r(&seed) % end : 0;
}

/* Numbers at which code turns. */
static unsigned char edge(void)
{
    static const unsigned char edges[] = {0,   1,    0x7f, 0x80, 0xff, '0', '9',
                                          '"', '\\', '{',  '}',  '\n', ' ', '-'};
    return edges[below(sizeof edges)];
}

/* One change of BYTES (LENGTH of room SIZE); returns its new length. */
static size_t change(unsigned char *bytes, size_t length, size_t size)
{
    size_t at = below(length), count = 1 + below(8);
    const struct input *other = &corpus[below(corpus_count)];
    switch (below(6)) {
    case 0: // a bit
        if (length)
            bytes[at] ^= (unsigned char)(1 << below(8));
        return length;
    case 1: // some bytes of one value
        for (size_t i = at; i < length && i < at + count; i++)
            bytes[i] = edge();
        return length;
    case 2: // some out
        count = at + count > length ? length - at : count;
        memmove(bytes + at, bytes + at + count, length - at - count);
        return length - count;
    case 3: // some in
        if (length + count > size)
            return length;
        memmove(bytes + at + count, bytes + at, length - at);
        memset(bytes + at, edge(), count);
        return length + count;
    case 4: // cut
        return below(8) == 0 ? at : length;
    default: { // a piece of another
        size_t from = below(other->length), piece = below(64);
        piece = from + piece > other->length ? other->length - from : piece;
        piece = at + piece > size ? size - at : piece;
        memcpy(bytes + at, other->bytes + from, piece);
        return at + piece > length ? at + piece : length;
    }
    }
}

int main(int argc, char **argv)
{
    static unsigned char bytes[INPUT_MAX];
    long changes = argc > 2 ? atol(argv[2]) : 0;
    gs_must(argc > 1);
    seed = argc > 3 ? (unsigned)atoi(argv[3]) : 1;
    read_corpus(argv[1]);
    open_at_hand();
    gs_must(corpus_count > 0);
    for (size_t i = 0; i < corpus_count; i++)
        run(corpus[i]);
    for (long i = 0; i < changes; i++) {
        const struct input *from = &corpus[below(corpus_count)];
        size_t length = from->length;
        memcpy(bytes, from->bytes, length);
        for (size_t k = 1 + below(6); k > 0; k--)
            length = change(bytes, length, sizeof bytes);
        run((struct input){bytes, length});
    }
    unlink(at_hand);
    printf("%zu files of the corpus and %ld changes of them\n", corpus_count, changes);
    for (size_t i = 0; i < corpus_count; i++)
        free(corpus[i].bytes);
    return 0;
}
