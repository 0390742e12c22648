/* search.h - binary search in any sorted array; the caller does the comparisons.
 *
 *     struct gs_search search = {.high = count};
 *     while (gs_search_next(&search))
 *         gs_search_step(&search, item[search.middle].end <= address);
 *
 *     item   before  before  before │ not  not  not      search.low: the first that is not before; COUNT: none
 *
 * Context: any (pure). Bounds: about log2(COUNT) steps. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct gs_search {
    size_t low, high; // the result lies in [low, high]
    size_t middle;    // the item to compare now
};

/* True: compare the item at `middle`, then call gs_search_step. False: the search is over, `low` is the result. */
static inline bool gs_search_next(struct gs_search *search)
{
    search->middle = search->low + (search->high - search->low) / 2;
    return search->low < search->high;
}

/* IS_BEFORE: the item at `middle` lies before the sought position. */
static inline void gs_search_step(struct gs_search *search, bool is_before)
{
    if (is_before)
        search->low = search->middle + 1;
    else
        search->high = search->middle;
}
