/* search.h - where in a sorted array something begins: a binary search that the caller drives, so that it serves any array.
 *
 *     struct gs_search search = {.high = count};
 *     while (gs_search_next(&search))
 *         gs_search_step(&search, item[search.middle].end <= address);
 *
 *     item   before  before  before │ not  not  not      search.low is the first that is not before; COUNT: all of them are
 *
 * Context: any (pure). Bounds: as many steps as COUNT has bits. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct gs_search {
    size_t low, high; // what is sought lies in [low, high]
    size_t middle;    // the item to look at now
};

/* False: the search is over, and low is what it found. Else the item to look at is in middle. */
static inline bool gs_search_next(struct gs_search *search)
{
    search->middle = search->low + (search->high - search->low) / 2;
    return search->low < search->high;
}

/* IS_BEFORE: the item at middle, like all that lie before it, comes before what is sought. */
static inline void gs_search_step(struct gs_search *search, bool is_before)
{
    if (is_before)
        search->low = search->middle + 1;
    else
        search->high = search->middle;
}
