/* pagemap.c - reads the pagemap in steps, within a time. Context: watcher. */
#include "sys/pagemap.h"
#include "base/clock.h"
#include <errno.h>
#include <unistd.h>

size_t gs_pagemap_read(struct gs_pages *pages, uint64_t first, uint64_t last, uint64_t words[GS_PAGES_STEP])
{
    size_t count = GS_PAGES_STEP - first % GS_PAGES_STEP;
    ssize_t got;
    if (pages->error || pages->cut || first >= last)
        return 0;
    if (count > last - first)
        count = (size_t)(last - first);
    if (gs_clock_monotonic_ns() > pages->until_ns) {
        pages->cut = true;
        return 0;
    }
    do
        got = pread(pages->fd, words, count * sizeof *words, (off_t)(first * sizeof *words));
    while (got < 0 && errno == EINTR);
    if (got < 0)
        pages->error = -errno;
    return got < 0 ? 0 : (size_t)got / sizeof *words;
}

bool gs_pagemap_tracks_writes(struct gs_pages *pages)
{
    volatile char written = 1; // so the bit of its page is set, whenever the bits were cleared
    uint64_t words[GS_PAGES_STEP], page = (uintptr_t)&written / GS_PAGE;
    return gs_pagemap_read(pages, page, page + 1, words) == 1 && (words[0] & GS_PAGE_WRITTEN);
}
