/* heap_pages.c - which pages of the heap are resident: the survey's reading of the pagemap, kept as one bit a page.
 *
 *   cell   │ 64 pages, 256 KiB │ …        only cells with resident pages take room: 32 bytes for up to 256 KiB
 *
 * Context: any (pure). */
#include "account/inside.h"
#include "base/memory.h"
#include "base/search.h"
#include "base/sort.h"

enum { CELL_PAGES = GS_CELL / GS_PAGE };

void gs_account_heap_pages_range(struct gs_heap_pages *heap, uint64_t start, uint64_t end, bool is_main)
{
    if (gs_grow(&heap->range, &heap->range_capacity, heap->ranges + 1, sizeof *heap->range))
        heap->failed = true;
    else
        heap->range[heap->ranges++] = (struct gs_heap_range){start, end, is_main};
}

/* Pages are added in the order of their addresses, range by range: it is the last cell, or a new one. */
static struct gs_heap_cell *cell_for(struct gs_heap_pages *heap, uint64_t address)
{
    if (heap->count && heap->cell[heap->count - 1].address == address)
        return &heap->cell[heap->count - 1];
    if (gs_grow(&heap->cell, &heap->capacity, heap->count + 1, sizeof *heap->cell)) {
        heap->failed = true;
        return NULL;
    }
    heap->cell[heap->count] = (struct gs_heap_cell){.address = address};
    return &heap->cell[heap->count++];
}

void gs_account_heap_pages_add(struct gs_heap_pages *heap, uint64_t first, const uint64_t *word, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!(word[i] & GS_PAGE_PRESENT) || word[i] & GS_PAGE_SHARED)
            continue;
        uint64_t page = first + i;
        struct gs_heap_cell *cell = cell_for(heap, page / CELL_PAGES * GS_CELL);
        if (!cell)
            return;
        cell->pages |= 1ull << page % CELL_PAGES;
    }
}

static int by_address(const void *a, const void *b)
{
    const struct gs_heap_cell *x = a, *y = b;
    return (x->address > y->address) - (x->address < y->address);
}

static int by_start(const void *a, const void *b)
{
    const struct gs_heap_range *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

/* A cell that two ranges share was added twice. */
static void merge_cells(struct gs_heap_pages *heap)
{
    size_t kept = 0;
    for (size_t i = 0; i < heap->count; i++)
        if (kept && heap->cell[kept - 1].address == heap->cell[i].address)
            heap->cell[kept - 1].pages |= heap->cell[i].pages;
        else
            heap->cell[kept++] = heap->cell[i];
    heap->count = kept;
}

static void merge_ranges(struct gs_heap_pages *heap)
{
    size_t kept = 0;
    for (size_t i = 0; i < heap->ranges; i++) {
        struct gs_heap_range *last = kept ? &heap->range[kept - 1] : NULL;
        if (last && last->end == heap->range[i].start && last->is_main == heap->range[i].is_main)
            last->end = heap->range[i].end;
        else
            heap->range[kept++] = heap->range[i];
    }
    heap->ranges = kept;
}

void gs_account_heap_pages_settle(struct gs_heap_pages *heap)
{
    gs_sort(heap->cell, heap->count, sizeof *heap->cell, by_address);
    gs_sort(heap->range, heap->ranges, sizeof *heap->range, by_start);
    merge_cells(heap);
    merge_ranges(heap);
}

/* The first cell that ends after ADDRESS; COUNT: none. */
static size_t first_cell_after(const struct gs_heap_pages *heap, uint64_t address)
{
    struct gs_search search = {.high = heap->count};
    while (gs_search_next(&search))
        gs_search_step(&search, heap->cell[search.middle].address + GS_CELL <= address);
    return search.low;
}

struct gs_heap_cell *gs_account_heap_pages_cell(const struct gs_heap_pages *heap, uint64_t address)
{
    size_t found = first_cell_after(heap, address);
    return found < heap->count && heap->cell[found].address <= address ? &heap->cell[found] : NULL;
}

uint64_t gs_account_cell_resident(const struct gs_heap_cell *cell, uint64_t start, uint64_t end)
{
    uint64_t bytes = 0;
    for (uint64_t at = start, next; at < end; at = next) {
        next = at - at % GS_PAGE + GS_PAGE < end ? at - at % GS_PAGE + GS_PAGE : end;
        bytes += cell->pages >> (at - cell->address) / GS_PAGE & 1 ? next - at : 0;
    }
    return bytes;
}

void gs_account_heap_pages_free(struct gs_heap_pages *heap)
{
    if (!heap)
        return;
    gs_free(heap->cell);
    gs_free(heap->range);
    gs_free(heap);
}
