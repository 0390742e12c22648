/* chunks.c - glibc's heap by the headers of its chunks: what is in use, and what malloc_trim would return.
 *
 *   main heap   │ chunk │ chunk │ … │ top │                       from the start of [heap]
 *   arena       │ heap_info │ arena │ chunk │ … │ top │           at each multiple of 64 MiB; a further heap has no arena
 *   chunk       │ size of the one before, if that is free │ size and flags │ …      whether it is in use: a flag of the next
 *
 * No lock is taken: the program goes on meanwhile. So each value is checked, and where two contradict each other, the cell stays unknown
 * and the walk goes on at the next block that is known to be in use. A cell counts only if it was walked from its first resident page to
 * its end. If known blocks lie in chunks that are free by the headers, these are not glibc's, and none of them counts.
 * Only resident pages are read: others would have to be swapped in.
 * Error: blocks in the threads' caches and in fast bins count as in use. Headers and rounding count as in use, too.
 * Who: the watcher. Bounds: each page is read at most once, until the caller's time is up. */
#include "account/inside.h"
#include "base/clock.h"
#include "base/memory.h"
#include <errno.h>
#include <string.h>

#define ARENA 0x4000000ull // 64 MiB
enum {
    BUFFER = 64 << 10,
    ALIGNMENT = 16,
    HEADER = 16, // the two sizes
    CHUNK_MIN = 32,
    CHUNK_STRUCT = 48,  // of a free chunk: malloc_trim leaves these bytes alone
    MAIN_STRUCT = 2200, // of an arena, without the rounding
    INFO_MAX = 256,     // a heap_info is smaller
    PREVIOUS_IN_USE = 1,
    IS_MAPPED = 2,
    OF_ARENA = 4,
    FLAGS = 7,
};

struct chunk_walk {
    struct gs_heap_pages *heap;
    const struct gs_memory *memory;
    const struct gs_waste_block *block;
    size_t blocks, next; // next: the first block that the walk has not passed
    int64_t until_ns;    // CPU time of this thread
    bool is_over;        // the time is up
    bool is_main;
    uint64_t limit;                   // the end of this heap
    struct gs_heap_cell *cell;        // the current one; NULL: none
    uint64_t from, in_use, trimmable; // what was walked of it, from FROM on
    uint64_t agree, contradict;       // known blocks in chunks that are in use, and that are free
    uint64_t walked;                  // cells
    uint64_t buffer_at, buffer_length;
    unsigned char *buffer;
};

/* ---- reading ------------------------------------------------------------------------------------------------------------ */

static bool is_resident(const struct chunk_walk *walk, uint64_t address)
{
    const struct gs_heap_cell *cell = gs_account_heap_pages_cell(walk->heap, address);
    return cell && cell->pages >> (address - cell->address) / GS_PAGE & 1;
}

/* Read from AT on, as far as pages are resident. */
static bool refill(struct chunk_walk *walk, uint64_t at)
{
    uint64_t end = at;
    while (end < walk->limit && end - at < BUFFER - GS_PAGE && is_resident(walk, end))
        end = end - end % GS_PAGE + GS_PAGE;
    walk->buffer_length = 0;
    walk->is_over |= (int64_t)gs_clock_thread_cpu_ns() > walk->until_ns;
    if (end == at || walk->is_over || !walk->memory->read(walk->memory, at, walk->buffer, end - at))
        return false;
    walk->buffer_at = at;
    walk->buffer_length = end - at;
    return true;
}

/* The word at AT, a multiple of 8; false: it cannot be read. */
static bool read_word(struct chunk_walk *walk, uint64_t at, uint64_t *out)
{
    bool there = at >= walk->buffer_at && at - walk->buffer_at < walk->buffer_length;
    if (!there && !refill(walk, at))
        return false;
    memcpy(out, walk->buffer + (at - walk->buffer_at), sizeof *out);
    return true;
}

/* ---- what was walked ------------------------------------------------------------------------------------------------------ */

/* The current cell was walked up to END. */
static void leave_cell(struct chunk_walk *walk, uint64_t end)
{
    struct gs_heap_cell *cell = walk->cell;
    walk->cell = NULL;
    if (!cell)
        return;
    uint64_t first = cell->address + (uint64_t)__builtin_ctzll(cell->pages) * GS_PAGE,
             last = cell->address + (64 - (uint64_t)__builtin_clzll(cell->pages)) * GS_PAGE;
    if (walk->from > first || end < last)
        return;
    cell->walked = true;
    cell->in_use = (uint32_t)walk->in_use;
    cell->trimmable = (uint32_t)walk->trimmable;
    walk->walked++;
}

/* The cell of AT becomes the current one. Returns where it ends. */
static uint64_t enter_cell(struct chunk_walk *walk, uint64_t at)
{
    uint64_t start = at - at % GS_CELL;
    if (!walk->cell || walk->cell->address != start) {
        leave_cell(walk, start);
        walk->cell = gs_account_heap_pages_cell(walk->heap, at);
        walk->from = at;
        walk->in_use = walk->trimmable = 0;
    }
    return start + GS_CELL;
}

struct extent {
    uint64_t start, end;
}; // of a chunk; of its pages that malloc_trim would return

static uint64_t resident_of(const struct chunk_walk *walk, uint64_t start, uint64_t end)
{
    return start < end ? gs_account_cell_resident(walk->cell, start, end) : 0;
}

/* CHUNK was walked; TRIM: of its pages. */
static void add_chunk(struct chunk_walk *walk, struct extent chunk, bool in_use, struct extent trim)
{
    for (uint64_t at = chunk.start, end; at < chunk.end; at = end) {
        end = enter_cell(walk, at);
        if (end > chunk.end)
            end = chunk.end;
        if (!walk->cell)
            continue;
        if (in_use)
            walk->in_use += resident_of(walk, at, end);
        else
            walk->trimmable +=
                resident_of(walk, at > trim.start ? at : trim.start, end < trim.end ? end : trim.end);
    }
    for (; walk->next < walk->blocks && walk->block[walk->next].address < chunk.end; walk->next++)
        if (walk->block[walk->next].address >= chunk.start) {
            walk->agree += in_use;
            walk->contradict += !in_use;
        }
}

/* ---- chunks ---------------------------------------------------------------------------------------------------------------- */

static uint64_t round_up(uint64_t at)
{
    return (at + GS_PAGE - 1) / GS_PAGE * GS_PAGE;
}

/* What malloc_trim returns of the free CHUNK. The top of the main heap is given back by brk, the tops of arenas stay. */
static struct extent trim_of(const struct chunk_walk *walk, struct extent chunk, bool is_top)
{
    uint64_t start = round_up(chunk.start + (is_top ? CHUNK_MIN + 1 : CHUNK_STRUCT)),
             end = chunk.end - chunk.end % GS_PAGE;
    return start < end && (walk->is_main || !is_top) ? (struct extent){start, end} : (struct extent){0, 0};
}

/* Can a chunk with SIZE, a size with flags, begin at AT? */
static bool is_plausible(const struct chunk_walk *walk, uint64_t at, uint64_t size)
{
    uint64_t bytes = size & ~(uint64_t)FLAGS;
    return bytes >= CHUNK_MIN && bytes % ALIGNMENT == 0 && bytes <= walk->limit - at && !(size & IS_MAPPED) &&
           !(walk->is_main && size & OF_ARENA);
}

/* Does the header NEXT (two words) contradict the chunk before it, of SIZE? */
static bool contradicts(const struct chunk_walk *walk, uint64_t size, const uint64_t next[2])
{
    bool in_use = next[1] & PREVIOUS_IN_USE;
    if (in_use)
        return !walk->is_main && !(size & OF_ARENA);
    return next[0] != (size & ~(uint64_t)FLAGS) || !(size & PREVIOUS_IN_USE);
}

/* Walk the chunk at *AT, and go to the next. False: *AT is the end of the heap, or (*LOST) it is no chunk. */
static bool walk_chunk(struct chunk_walk *walk, uint64_t *at, bool *lost)
{
    uint64_t size, next[2];
    *lost = true;
    if (!read_word(walk, *at + 8, &size))
        return false;
    bool is_fence = (size & ~(uint64_t)FLAGS) == HEADER; // at the end of a heap that another one continues
    if (is_fence || !is_plausible(walk, *at, size)) {
        *lost = !is_fence;
        return false;
    }
    struct extent chunk = {*at, *at + (size & ~(uint64_t)FLAGS)};
    bool is_top = chunk.end == walk->limit, in_use = false;
    if (!is_top) {
        if (chunk.end + HEADER > walk->limit || !read_word(walk, chunk.end, &next[0]) ||
            !read_word(walk, chunk.end + 8, &next[1]) || contradicts(walk, size, next))
            return false;
        in_use = next[1] & PREVIOUS_IN_USE;
    }
    add_chunk(walk, chunk, in_use, trim_of(walk, chunk, is_top));
    *at = chunk.end;
    *lost = false;
    return !is_top;
}

/* The chunk of the next known block after AT; the end of the heap if there is none. */
static uint64_t next_known(struct chunk_walk *walk, uint64_t at)
{
    while (walk->next < walk->blocks && walk->block[walk->next].address < at + HEADER + ALIGNMENT)
        walk->next++;
    bool found = walk->next < walk->blocks && walk->block[walk->next].address < walk->limit &&
                 walk->block[walk->next].address % ALIGNMENT == 0;
    return found ? walk->block[walk->next].address - HEADER : walk->limit;
}

/* Walk the heap that has its first chunk at AT. */
static void walk_heap(struct chunk_walk *walk, uint64_t at, uint64_t limit)
{
    bool lost = false;
    walk->limit = limit;
    walk->buffer_length = 0;
    while (at < limit && !walk->is_over) {
        while (walk_chunk(walk, &at, &lost))
            ;
        if (!lost)
            break;
        walk->cell = NULL; // it stays unknown
        at = next_known(walk, at);
    }
    leave_cell(walk, lost ? at : limit);
    walk->cell = NULL;
}

/* ---- heaps ------------------------------------------------------------------------------------------------------------------ */

struct heap_info {
    uint64_t arena, previous, size, opened, page;
}; // as glibc has it; before 2.35 without the last

/* The first chunk of the heap at START, which INFO describes; 0: it is no heap. */
static uint64_t first_chunk(const struct heap_info *info, uint64_t start, uint64_t limit)
{
    uint64_t length = info->arena - start;
    bool is_first = length < INFO_MAX;
    if (info->size == 0 || info->size > ARENA || info->size % GS_PAGE || info->opened < info->size ||
        info->opened > ARENA || start + info->size > limit || info->arena % ALIGNMENT)
        return 0;
    if (is_first)
        return info->previous == 0 && length >= 32 ? info->arena + MAIN_STRUCT + 8 : 0;
    bool has_page = info->page >= GS_PAGE && (info->page & (info->page - 1)) == 0;
    return info->previous && info->previous % ARENA == 0 && info->arena % ARENA < INFO_MAX
               ? start + (has_page ? sizeof *info + 8 : 32)
               : 0;
}

/* Walk the heap of an arena at START, if there is one. */
static void walk_arena(struct chunk_walk *walk, uint64_t start, uint64_t limit)
{
    struct heap_info info;
    if (!is_resident(walk, start) || !walk->memory->read(walk->memory, start, &info, sizeof info))
        return;
    uint64_t chunk = first_chunk(&info, start, limit);
    if (!chunk)
        return;
    walk->heap->arenas += info.previous == 0;
    add_chunk(walk, (struct extent){start, chunk}, true, (struct extent){0, 0});
    walk_heap(walk, chunk, start + info.size);
}

static void walk_range(struct chunk_walk *walk, const struct gs_heap_range *range)
{
    uint64_t walked = walk->walked;
    walk->is_main = range->is_main;
    walk->cell = NULL;
    while (walk->next < walk->blocks && walk->block[walk->next].address < range->start)
        walk->next++;
    if (range->is_main) {
        walk_heap(walk, range->start, range->end);
        walk->heap->arenas += walk->walked > walked;
        return;
    }
    uint64_t start = (range->start + ARENA - 1) / ARENA * ARENA;
    for (; start < range->end && !walk->is_over; start += ARENA)
        walk_arena(walk, start, range->end);
}

int gs_account_chunks_walk(struct gs_heap_pages *heap, const struct gs_memory *memory,
                           const struct gs_waste_block *block, size_t blocks, int64_t most_ns)
{
    struct chunk_walk walk = {.heap = heap,
                              .memory = memory,
                              .block = block,
                              .blocks = blocks,
                              .until_ns = (int64_t)gs_clock_thread_cpu_ns() + most_ns};
    walk.buffer = gs_alloc(BUFFER);
    if (!walk.buffer)
        return -ENOMEM;
    heap->arenas = 0;
    for (size_t i = 0; i < heap->ranges && !walk.is_over; i++)
        walk_range(&walk, &heap->range[i]);
    gs_free(walk.buffer);
    if (walk.contradict <= walk.agree)
        return 0;
    heap->arenas = 0; // the memory is another allocator's
    for (size_t i = 0; i < heap->count; i++)
        heap->cell[i].walked = false;
    return 0;
}
