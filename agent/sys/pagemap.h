/* pagemap.h - the state of this process's pages: /proc/PID/pagemap, one 64-bit word for each page.
 * Context: watcher. About 7 ms a GiB. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GS_PAGE = 4096, GS_PAGES_STEP = 512 };   // bytes; words that are read at once: 2 MiB of addresses
/* Bits of a word. A word of 0: the page was never written, or the kernel took it back because its content is in a file. */
#define GS_PAGE_PRESENT (1ull << 63)
#define GS_PAGE_SWAPPED (1ull << 62)
#define GS_PAGE_SHARED  (1ull << 61)            // of a file, or of shared memory
#define GS_PAGE_MAPPED_ONCE (1ull << 56)
#define GS_PAGE_WRITTEN (1ull << 55)            // since somebody wrote 4 to /proc/PID/clear_refs; see gs_pagemap_tracks_writes

struct gs_pages {
    int fd;             // of the pagemap
    int64_t until_ns;   // CLOCK_MONOTONIC: no step begins after this
    bool cut;           // until_ns was reached
    int error;          // -errno of a read that failed; nothing is read after it
};
/* Read the words of the pages from FIRST on, up to LAST (exclusive) or the next multiple of GS_PAGES_STEP: the kernel holds the
 * memory map's lock for one step only. Returns how many words were read; 0: pages->cut, pages->error, or the end of the
 * address space. */
size_t gs_pagemap_read(struct gs_pages *pages, uint64_t first, uint64_t last, uint64_t words[GS_PAGES_STEP]);
/* Does the kernel record which pages were written (CONFIG_MEM_SOFT_DIRTY)? */
bool gs_pagemap_tracks_writes(struct gs_pages *pages);
