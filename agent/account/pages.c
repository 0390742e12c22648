/* pages.c - which pages are resident: /proc/PID/pagemap, one 64-bit word for each page.
 *
 *   bit 63 present │ 61 page of a file or of shared memory │ 56 mapped only once
 *
 * Context: watcher. About 7 ms a GiB. */
#include "account/inside.h"
#include "base/clock.h"
#include <errno.h>
#include <unistd.h>

enum { STEP = 512 }; // pages: 2 MiB
#define PRESENT        (1ull << 63)
#define FILE_OR_SHARED (1ull << 61)
#define MAPPED_ONCE    (1ull << 56)

/* Read COUNT words, starting with that of page FIRST; returns the number of words read. */
static size_t read_step(struct gs_pages *pages, uint64_t first, size_t count, uint64_t *words)
{
    ssize_t got;
    do
        got = pread(pages->fd, words, count * sizeof *words, (off_t)(first * sizeof *words));
    while (got < 0 && errno == EINTR);
    if (got < 0)
        pages->error = -errno;
    return got < 0 ? 0 : (size_t)got / sizeof *words;
}

static void add(uint64_t word, struct gs_page_counts *out)
{
    if (!(word & PRESENT))
        return;
    if (word & FILE_OR_SHARED) {
        out->file++;
    } else {
        out->anonymous++;
        out->doubtful += !(word & MAPPED_ONCE);
    }
}

void gs_account_pages_count(struct gs_pages *pages, uint64_t start, uint64_t end, struct gs_page_counts *out)
{
    uint64_t words[STEP], page = start / GS_PAGE, last = end / GS_PAGE;
    while (page < last && !pages->cut && !pages->error) {
        size_t wanted = STEP - page % STEP;
        if (wanted > last - page)
            wanted = (size_t)(last - page);
        if (gs_clock_monotonic_ns() > pages->until_ns) {
            pages->cut = true;
            return;
        }
        size_t got = read_step(pages, page, wanted, words);
        for (size_t i = 0; i < got; i++)
            add(words[i], out);
        if (got < wanted)
            return; // the end of the address space
        page += got;
    }
}
