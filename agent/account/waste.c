/* waste.c - whose blocks pin free memory: the resident memory of each window of the heap, less what is live in it, is shared among
 * the stacks whose sampled blocks lie in the window.
 *
 *   window, 1 MiB   │ resident pages                         │
 *   in use          │ A A   A        B      A                │   by the headers (chunks.c), else estimated from the samples
 *   free            │    ▒▒▒ ▒▒▒▒▒▒▒▒ ▒▒▒▒▒▒ ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒ │ ──▶ to the stacks of the sampled A and B, by what they stand for
 *   no sample in it                                            ──▶ nobody: it stays without an owner
 *
 * Live memory without headers: the sampled blocks are live for sure. What they stand for beyond their own size is spread over the rest:
 * one window holds too few samples, so its density is that of the smallest aligned block of windows around it that has SAMPLES_WANTED
 * times the mean of these weights in resident bytes. A density may not be above 1, which adds waste where all is live; so all these
 * windows together are scaled to what is resident there less the estimate of all that is live there.
 * Error: of the sum as of heap_in_use. A stack's part rests on its samples: their number stands beside it.
 * Context: any (pure). */
#include "account/inside.h"
#include "base/memory.h"
#include "base/numbers.h"
#include "base/search.h"
#include "base/sort.h"
#include <errno.h>

enum { SAMPLES_WANTED = 8, DOUBLINGS = 10 };

struct window {
    uint64_t address;
    size_t cell; // its first one
    uint64_t resident;
    uint64_t walked, in_use; // resident bytes of cells with headers; of them in use
    uint64_t trimmable;
    double unknown, live;               // resident bytes of the other cells; estimated to be live
    double sampled;                     // resident bytes of sampled blocks in the other cells: live for sure
    double unknown_so_far, live_so_far; // the sums up to this window
    double waste;
    double weight; // of the pins
};
struct pin { // a sampled block in a window
    size_t window;
    uint32_t stack;
    bool first; // its first window
    int64_t born_ns;
    double weight;
};
struct sharing {
    const struct gs_heap_pages *heap;
    struct window *window;
    size_t count, capacity;
    struct pin *pin;
    size_t pins, pin_capacity;
    double mean_weight; // of a sample beyond the size of its block
};

/* ---- windows ---------------------------------------------------------------------------------------------------------- */

static int add_cell(struct sharing *sharing, size_t at)
{
    const struct gs_heap_cell *cell = &sharing->heap->cell[at];
    uint64_t address = cell->address - cell->address % GS_WASTE_WINDOW,
             resident = gs_account_cell_resident(cell, cell->address, cell->address + GS_CELL);
    if (!sharing->count || sharing->window[sharing->count - 1].address != address) {
        if (gs_grow(&sharing->window, &sharing->capacity, sharing->count + 1, sizeof *sharing->window))
            return -ENOMEM;
        sharing->window[sharing->count++] = (struct window){.address = address, .cell = at};
    }
    struct window *window = &sharing->window[sharing->count - 1];
    window->resident += resident;
    if (cell->walked) {
        window->walked += resident;
        window->in_use += cell->in_use < resident ? cell->in_use : resident;
        window->trimmable += cell->trimmable < resident ? cell->trimmable : resident;
    } else {
        window->unknown += (double)resident;
    }
    return 0;
}

/* The first window that ends after ADDRESS. */
static size_t window_from(const struct sharing *sharing, uint64_t address)
{
    struct gs_search search = {.high = sharing->count};
    while (gs_search_next(&search))
        gs_search_step(&search, sharing->window[search.middle].address + GS_WASTE_WINDOW <= address);
    return search.low;
}

/* ---- blocks ------------------------------------------------------------------------------------------------------------- */

/* The bytes that BLOCK stands for beyond its own. */
static double beyond(const struct gs_waste_block *block)
{
    return block->weight > block->size ? (double)(block->weight - block->size) : 0;
}

/* Pin what lies in window AT to BLOCK. */
static int pin_window(struct sharing *sharing, size_t at, const struct gs_waste_block *block, bool first)
{
    struct window *window = &sharing->window[at];
    uint64_t end = block->address + block->size, window_end = window->address + GS_WASTE_WINDOW, all = 0;
    for (size_t i = window->cell; i < sharing->heap->count; i++) {
        const struct gs_heap_cell *cell = &sharing->heap->cell[i];
        uint64_t cell_end = cell->address + GS_CELL,
                 from = block->address > cell->address ? block->address : cell->address,
                 to = end < cell_end ? end : cell_end;
        if (cell->address >= window_end || cell->address >= end)
            break;
        uint64_t resident = from < to ? gs_account_cell_resident(cell, from, to) : 0;
        all += resident;
        if (!cell->walked) {
            window->unknown -= (double)resident;
            window->live += beyond(block) * (double)resident / (double)block->size;
        }
    }
    if (!all)
        return 0;
    if (gs_grow(&sharing->pin, &sharing->pin_capacity, sharing->pins + 1, sizeof *sharing->pin))
        return -ENOMEM;
    double weight = (double)block->weight * (double)all / (double)block->size;
    sharing->pin[sharing->pins++] = (struct pin){at, block->stack, first, block->born_ns, weight};
    window->weight += weight;
    return 0;
}

static int pin_block(struct sharing *sharing, const struct gs_waste_block *block)
{
    uint64_t end = block->address + block->size;
    size_t pins = sharing->pins;
    int error = 0;
    for (size_t at = window_from(sharing, block->address);
         !error && at < sharing->count && sharing->window[at].address < end; at++)
        error = pin_window(sharing, at, block, sharing->pins == pins);
    return error;
}

/* ---- how much of a window is live ---------------------------------------------------------------------------------------- */

static double sum_of(double upto, const struct window *before, bool of_live)
{
    return upto - (!before ? 0 : of_live ? before->live_so_far : before->unknown_so_far);
}

/* The share that is live of what is resident around window AT, as far as no headers were read. */
static double density(const struct sharing *sharing, size_t at)
{
    double resident = 0, live = 0;
    for (unsigned doublings = 0; doublings <= DOUBLINGS; doublings++) {
        uint64_t size = (uint64_t)GS_WASTE_WINDOW << doublings,
                 start = sharing->window[at].address & ~(size - 1);
        size_t first = window_from(sharing, start), last = window_from(sharing, start + size) - 1;
        const struct window *before = first ? &sharing->window[first - 1] : NULL,
                            *end = &sharing->window[last];
        resident = sum_of(end->unknown_so_far, before, false);
        live = sum_of(end->live_so_far, before, true);
        if (resident >= SAMPLES_WANTED * sharing->mean_weight)
            break;
    }
    return live < resident ? live / resident : 1;
}

static void sum_up(struct sharing *sharing)
{
    double unknown = 0, live = 0;
    for (size_t i = 0; i < sharing->count; i++) {
        struct window *window = &sharing->window[i];
        window->unknown = gs_larger(window->unknown, 0); // blocks were freed, and their memory was reused
        window->unknown_so_far = unknown += window->unknown;
        window->live_so_far = live += window->live;
    }
}

/* Estimate the waste of all windows. */
static void estimate(struct sharing *sharing)
{
    double estimated = 0;
    sum_up(sharing);
    for (size_t i = 0; i < sharing->count; i++) {
        struct window *window = &sharing->window[i];
        if (window->unknown <= 0)
            continue;
        estimated += window->waste = window->unknown * (1 - density(sharing, i));
    }
    const struct window *last = sharing->count ? &sharing->window[sharing->count - 1] : NULL;
    double left = last ? gs_larger(last->unknown_so_far - last->live_so_far, 0) : 0,
           scale = estimated > left ? left / estimated : 1;
    for (size_t i = 0; i < sharing->count; i++) {
        struct window *window = &sharing->window[i];
        window->waste = window->waste * scale + (double)(window->walked - window->in_use);
    }
}

/* ---- shares --------------------------------------------------------------------------------------------------------------- */

static int by_stack(const void *a, const void *b)
{
    const struct pin *x = a, *y = b;
    if (x->stack != y->stack)
        return x->stack < y->stack ? -1 : 1;
    return (x->window > y->window) - (x->window < y->window);
}

/* Add the row of PIN[0..COUNT), which have one stack. */
static void add_row(const struct sharing *sharing, const struct pin *pin, size_t count, struct gs_waste *out)
{
    struct gs_waste_row *row = &out->row[out->count++];
    double bytes = 0, trimmable = 0;
    *row = (struct gs_waste_row){.stack = pin->stack, .oldest_ns = INT64_MAX};
    for (size_t i = 0; i < count; i++) {
        const struct window *window = &sharing->window[pin[i].window];
        double share = pin[i].weight / window->weight;
        bytes += window->waste * share;
        trimmable += (double)window->trimmable * share;
        row->samples += pin[i].first;
        if (pin[i].born_ns < row->oldest_ns)
            row->oldest_ns = pin[i].born_ns;
    }
    row->bytes = (uint64_t)(bytes + 0.5);
    row->trimmable = (uint64_t)(trimmable + 0.5);
    out->pinned += row->bytes;
    out->pinned_trimmable += row->trimmable;
}

static int add_rows(struct sharing *sharing, struct gs_waste *out)
{
    size_t stacks = 0;
    gs_sort(sharing->pin, sharing->pins, sizeof *sharing->pin, by_stack);
    for (size_t i = 0; i < sharing->pins; i++)
        stacks += i == 0 || sharing->pin[i].stack != sharing->pin[i - 1].stack;
    out->row = gs_alloc((stacks + 1) * sizeof *out->row);
    if (!out->row)
        return -ENOMEM;
    for (size_t i = 0, next; i < sharing->pins; i = next) {
        for (next = i + 1; next < sharing->pins && sharing->pin[next].stack == sharing->pin[i].stack; next++)
            ;
        add_row(sharing, &sharing->pin[i], next - i, out);
    }
    return 0;
}

static void add_totals(const struct sharing *sharing, struct gs_waste *out)
{
    double waste = 0;
    for (size_t i = 0; i < sharing->count; i++) {
        const struct window *window = &sharing->window[i];
        out->resident += window->resident;
        out->walked += window->walked;
        out->trimmable += window->trimmable;
        waste += window->waste;
    }
    out->bytes = (uint64_t)(waste + 0.5);
    if (out->bytes < out->pinned) // by rounding
        out->bytes = out->pinned;
    if (out->trimmable < out->pinned_trimmable)
        out->trimmable = out->pinned_trimmable;
}

static int share(struct sharing *sharing, const struct gs_waste_block *block, size_t blocks,
                 struct gs_waste *out)
{
    double weights = 0, squares = 0;
    int error = 0;
    for (size_t i = 0; !error && i < sharing->heap->count; i++)
        error = add_cell(sharing, i);
    for (size_t i = 0; !error && i < blocks; i++) {
        weights += beyond(&block[i]);
        squares += beyond(&block[i]) * beyond(&block[i]);
        if (block[i].size)
            error = pin_block(sharing, &block[i]);
    }
    if (error)
        return error;
    sharing->mean_weight = weights > 0 ? squares / weights : 0; // weighted: where all is uncertain
    estimate(sharing);
    error = add_rows(sharing, out);
    if (!error)
        add_totals(sharing, out);
    return error;
}

int gs_account_waste_share(const struct gs_heap_pages *heap, const struct gs_waste_block *block,
                           size_t blocks, struct gs_waste *out)
{
    struct sharing sharing = {.heap = heap};
    *out = (struct gs_waste){0};
    int error = share(&sharing, block, blocks, out);
    gs_free(sharing.window);
    gs_free(sharing.pin);
    return error;
}

static int by_address(const void *a, const void *b)
{
    const struct gs_waste_block *x = a, *y = b;
    if (x->address != y->address)
        return x->address < y->address ? -1 : 1;
    return (x->born_ns > y->born_ns) - (x->born_ns < y->born_ns);
}

void gs_account_waste_sort(struct gs_waste_block *block, size_t blocks)
{
    gs_sort(block, blocks, sizeof *block, by_address);
}

void gs_account_waste_fini(struct gs_waste *waste)
{
    gs_free(waste->row);
    *waste = (struct gs_waste){0};
}
