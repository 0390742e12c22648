/* index.c - a hash table from hashes to item numbers. Context: watcher, CLI. */
#include "base/index.h"
#include "base/memory.h"
#include <errno.h>

uint32_t gs_index_next(const struct gs_index *index, uint64_t hash, size_t *at)
{
    if (index->size == 0)
        return UINT32_MAX;
    *at = *at == SIZE_MAX ? hash & (index->size - 1) : (*at + 1) & (index->size - 1);
    return index->slot[*at] - 1; // an empty slot's 0 becomes UINT32_MAX
}

static void insert(struct gs_index *index, uint64_t hash, uint32_t number)
{
    size_t at = hash & (index->size - 1);
    while (index->slot[at])
        at = (at + 1) & (index->size - 1);
    index->slot[at] = number + 1;
    index->used++;
}

int gs_index_add(struct gs_index *index, uint64_t hash, uint32_t number,
                 uint64_t (*hash_of)(const void *items, uint32_t number), const void *items)
{
    if (index->used * 2 >= index->size) {
        struct gs_index grown = {.size = index->size ? index->size * 2 : 64};
        grown.slot = gs_alloc(grown.size * sizeof *grown.slot);
        if (!grown.slot)
            return -ENOMEM;
        for (size_t i = 0; i < index->size; i++)
            if (index->slot[i])
                insert(&grown, hash_of(items, index->slot[i] - 1), index->slot[i] - 1);
        gs_index_fini(index);
        *index = grown;
    }
    insert(index, hash, number);
    return 0;
}

void gs_index_fini(struct gs_index *index)
{
    gs_free(index->slot);
    *index = (struct gs_index){0};
}
