/* index.h - a set of numbered things, found by hash. Context: any (pure); memory is base/memory.h's. */
#pragma once
#include "base/attributes.h"
#include <stddef.h>
#include <stdint.h>

/* The caller compares. Open addressing, grows at half full. */
struct gs_index { uint32_t *slot; size_t size, used; }; // slot: number + 1; size: a power of two
/* Look for HASH: calls back through *AT, which starts at SIZE_MAX. Returns the next candidate's number, or UINT32_MAX
 * when there is none left; then gs_index_add may put a new one in. */
uint32_t gs_index_next(const struct gs_index *index, uint64_t hash, size_t *at);
/* Add NUMBER under HASH; HASH_OF gives the hashes of those that are in already, when the table grows. 0 or -ENOMEM. */
int gs_index_add(struct gs_index *index, uint64_t hash, uint32_t number,
                 uint64_t (*hash_of)(const void *of, uint32_t number), const void *of) GS_CHECK_RESULT;
void gs_index_fini(struct gs_index *index);
