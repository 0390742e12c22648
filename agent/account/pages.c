/* pages.c - how many pages of a range are resident, by the pagemap (sys/pagemap.h). Context: watcher. */
#include "account/inside.h"

static void add(uint64_t word, struct gs_page_counts *out)
{
    if (!(word & GS_PAGE_PRESENT))
        return;
    if (word & GS_PAGE_SHARED) {
        out->file++;
    } else {
        out->anonymous++;
        out->doubtful += !(word & GS_PAGE_MAPPED_ONCE);
    }
}

void gs_account_pages_count(struct gs_pages *pages, uint64_t start, uint64_t end, struct gs_page_counts *out,
                            struct gs_heap_pages *heap)
{
    uint64_t words[GS_PAGES_STEP], page = start / GS_PAGE, last = end / GS_PAGE;
    for (size_t got; (got = gs_pagemap_read(pages, page, last, words)) > 0; page += got) {
        for (size_t i = 0; i < got; i++)
            add(words[i], out);
        if (heap)
            gs_account_heap_pages_add(heap, page, words, got);
    }
}
