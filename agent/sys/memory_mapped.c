/* memory_mapped.c - memory of the library, from mappings of its own, never from the host's malloc.
 *
 *   a block:   [ size class or mapped length | 16 bytes ] [ what the caller got, 16-byte aligned … ]
 *   ≤ 64 KiB:  size classes of powers of two; a free list for each class; new blocks are cut from a chunk
 *   larger:    a mapping of its own, freed with munmap, grown with mremap
 *   mmap fails: from the reserve (address_reserve.c)
 *
 * Who:    the watcher, and public calls on host threads (gumshoe_start); of the hooks only setrlimit's (gs_memory_limit). One
 *         lock, held for a few instructions or one mmap.
 * Fork:   the parent's watcher may hold the lock during the fork, with a list half changed. So the child drops lists and
 *         chunk (gs_memory_after_fork) and maps a new chunk.
 * Bounds: chunks are reused, never unmapped: as much as the largest capture needed in small blocks. The addresses of
 *         GS_RANGES_MAX mappings are recorded (gs_memory_ranges); further mappings work, too, but count as the host's. */
#include "base/memory.h"
#include "sys/address_reserve.h"
#include "sys/mapping.h"
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

enum {
    HEADER = 16,
    CLASS_MIN_SHIFT = 5,  // 32 bytes, header included
    CLASS_MAX_SHIFT = 16, // 64 KiB
    CLASSES = CLASS_MAX_SHIFT - CLASS_MIN_SHIFT + 1,
    CHUNK = 1 << 18,
};

struct block {
    size_t room;        // bytes of the block, including this header
    struct block *next; // next in the free list
};

static struct block *free_list[CLASSES];
static char *chunk_at, *chunk_end;
static struct gs_memory_range range[GS_RANGES_MAX]; // end 0: a free entry
static size_t range_count;                          // entries from here on are free
static atomic_flag lock_flag = ATOMIC_FLAG_INIT;
static _Atomic bool stay_unlocked; // mlockall(MCL_FUTURE) is in force

static void lock(void)
{
    while (atomic_flag_test_and_set_explicit(&lock_flag, memory_order_acquire))
        sched_yield();
}

static void unlock(void)
{
    atomic_flag_clear_explicit(&lock_flag, memory_order_release);
}

/* Change the recorded range that begins at START (0: a free entry) to NEW_RANGE. The caller holds the lock. */
static void change_range(uintptr_t start, struct gs_memory_range new_range)
{
    size_t i = 0;
    while (i < range_count && range[i].start != start)
        i++;
    if (i == range_count && (start || range_count == GS_RANGES_MAX))
        return;
    range[i] = new_range;
    if (i == range_count)
        range_count++;
}

/* Map SIZE bytes, from the reserve if mmap fails; NULL: none. The caller holds the lock. */
static void *map(size_t size)
{
    void *at = atomic_load(&stay_unlocked) ? gs_mapping_new_unlocked(size) : gs_mapping_new(size);
    if (at == MAP_FAILED)
        return gs_address_reserve_take(size);
    gs_mapping_decline_huge_pages(at, size);
    change_range(0, (struct gs_memory_range){(uintptr_t)at, (uintptr_t)at + size});
    return at;
}

static void unmap(void *at, size_t size)
{
    lock();
    if (gs_address_reserve_holds(at)) {
        gs_address_reserve_give(at, size);
    } else {
        change_range((uintptr_t)at, (struct gs_memory_range){0, 0});
        gs_mapping_free(at, size);
    }
    unlock();
}

static size_t page_up(size_t size)
{
    return (size + 4095) & ~(size_t)4095;
}

static unsigned class_of(size_t room)
{
    unsigned shift = CLASS_MIN_SHIFT;
    while (((size_t)1 << shift) < room)
        shift++;
    return shift - CLASS_MIN_SHIFT;
}

/* A block of class CLASS from the chunk or from a new chunk, whose pages are new and zero; NULL: none. The caller holds the
 * lock. */
static struct block *cut_block(unsigned class)
{
    size_t room = (size_t)1 << (class + CLASS_MIN_SHIFT);
    if ((size_t)(chunk_end - chunk_at) < room) {
        char *chunk = map(CHUNK); // wastes the rest of the old chunk: less than one block
        if (!chunk)
            return NULL;
        chunk_at = chunk;
        chunk_end = chunk + CHUNK;
    }
    struct block *block = (struct block *)(void *)chunk_at;
    chunk_at += room;
    block->room = room;
    return block;
}

/* A block of class CLASS from its free list; NULL: none. The caller holds the lock. */
static struct block *take_free_block(unsigned class)
{
    struct block *block = free_list[class];
    if (block)
        free_list[class] = block->next;
    return block;
}

static void *alloc_large(size_t room)
{
    lock();
    struct block *block = map(page_up(room));
    unlock();
    if (!block)
        return gs_memory_failed();
    block->room = page_up(room);
    return (char *)block + HEADER;
}

void *gs_alloc(size_t size)
{
    if (size > PTRDIFF_MAX)
        return gs_memory_failed();
    size_t room = size + HEADER;
    if (room > (size_t)1 << CLASS_MAX_SHIFT)
        return alloc_large(room); // new pages are zero
    unsigned class = class_of(room);
    lock();
    struct block *used_before = take_free_block(class);
    struct block *block = used_before ? used_before : cut_block(class);
    unlock();
    if (!block)
        return gs_memory_failed();
    // A new block is zero, and stays untouched where the caller does not write: its pages are not resident.
    return used_before ? memset((char *)block + HEADER, 0, size) : (char *)block + HEADER;
}

static struct block *block_of(void *ptr)
{
    return (struct block *)(void *)((char *)ptr - HEADER);
}

void gs_free(void *ptr)
{
    if (!ptr)
        return;
    struct block *block = block_of(ptr);
    size_t room = block->room;
    if (room > (size_t)1 << CLASS_MAX_SHIFT) {
        unmap(block, room);
        return;
    }
    unsigned class = class_of(room);
    lock();
    block->next = free_list[class];
    free_list[class] = block;
    unlock();
}

static void *copy_larger(struct block *block, size_t room)
{
    char *moved = alloc_large(room);
    if (!moved)
        return NULL;
    memcpy(moved, (char *)block + HEADER, block->room - HEADER);
    unmap(block, block->room);
    return moved;
}

static void *grow_large(struct block *block, size_t room)
{
    size_t old = block->room;
    struct block *moved = MAP_FAILED;
    lock();
    if (!gs_address_reserve_holds(block))
        moved = gs_mapping_resize(block, old, page_up(room));
    if (moved != MAP_FAILED)
        change_range((uintptr_t)block,
                     (struct gs_memory_range){(uintptr_t)moved, (uintptr_t)moved + page_up(room)});
    unlock();
    if (moved == MAP_FAILED)
        return copy_larger(block, room);
    moved->room = page_up(room);
    return (char *)moved + HEADER;
}

void *gs_realloc(void *ptr, size_t size)
{
    if (!ptr)
        return gs_alloc(size);
    if (size > PTRDIFF_MAX)
        return gs_memory_failed();
    struct block *block = block_of(ptr);
    size_t room = size + HEADER;
    if (room <= block->room)
        return ptr;
    if (block->room > (size_t)1 << CLASS_MAX_SHIFT)
        return grow_large(block, room);
    void *moved = gs_alloc(size);
    if (!moved)
        return NULL;
    memcpy(moved, ptr, block->room - HEADER);
    gs_free(ptr);
    return moved;
}

size_t gs_memory_ranges(struct gs_memory_range *out, size_t max)
{
    size_t count = 0;
    lock();
    struct gs_memory_range reserve = gs_address_reserve_range();
    if (reserve.start && count < max)
        out[count++] = reserve;
    for (size_t i = 0; i < range_count && count < max; i++)
        if (range[i].end)
            out[count++] = range[i];
    unlock();
    return count;
}

void gs_memory_reserve(void)
{
    lock();
    gs_address_reserve_open();
    unlock();
}

void gs_memory_limit(uint64_t limit)
{
    enum { TRIES = 1000 }; // the thread that this signal handler interrupted may hold the lock
    for (int i = 0; i < TRIES; i++) {
        if (!atomic_flag_test_and_set_explicit(&lock_flag, memory_order_acquire)) {
            gs_address_reserve_limit(limit);
            unlock();
            return;
        }
        sched_yield();
    }
}

void gs_memory_stay_unlocked(bool stay)
{
    atomic_store(&stay_unlocked, stay);
}

void gs_memory_after_fork(void)
{
    memset(free_list, 0, sizeof free_list);
    chunk_at = chunk_end = NULL;
    unlock();
}
