/* index.h - a hash table from hashes to item numbers. Context: any (pure); memory from base/memory.h. */
#pragma once
#include "base/attributes.h"
#include <stddef.h>
#include <stdint.h>

/* The caller keeps the items and compares them. Open addressing; grows when half full. */
struct gs_index { uint32_t *slot; size_t size, used; }; // slot: number + 1; size: a power of two
/* Return the number of the next candidate for HASH, or UINT32_MAX when there are no more. *AT is the position of the search:
 * set it to SIZE_MAX before the first call. */
uint32_t gs_index_next(const struct gs_index *index, uint64_t hash, size_t *at);
/* Add NUMBER with HASH. HASH_OF(ITEMS, number) returns the hash of an item already added; needed to grow. 0 or -ENOMEM. */
int gs_index_add(struct gs_index *index, uint64_t hash, uint32_t number,
                 uint64_t (*hash_of)(const void *items, uint32_t number), const void *items) GS_CHECK_RESULT;
void gs_index_fini(struct gs_index *index);
