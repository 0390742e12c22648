/* glibc's heap by its headers: heaps that are made up as glibc lays them out, whole and damaged. */
#include "account/inside.h"
#include "base/memory.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define KIB     1024ull
#define MIB     (1ull << 20)
#define MAIN    0x555555600000ull // of the main heap
#define ARENA   0x7f0000000000ull
#define PRESENT (1ull << 63)
enum {
    SIZE = 2 << 20,
    HEADER = 16,
    BLOCKS = 64,
    IN_USE_BEFORE = 1,
    MAPPED = 2,
    OF_ARENA = 4,
    FREE = 0,
    USED = 1
};
#define LONG_ENOUGH (1ll << 50) // of CPU time

static _Alignas(16) unsigned char memory[SIZE];
static uint64_t base, end_of_chunks; // of the memory
static bool last_used;
static struct gs_heap_pages *heap;
static struct gs_waste_block block[BLOCKS];
static size_t blocks;

static bool read_memory(const struct gs_memory *self, uint64_t at, void *out, size_t length)
{
    (void)self;
    if (at < base || at - base > SIZE || length > SIZE - (at - base))
        return false;
    memcpy(out, memory + (at - base), length);
    return true;
}
static const struct gs_memory reader = {read_memory};

static void put(uint64_t at, uint64_t word)
{
    memcpy(memory + (at - base), &word, sizeof word);
}

static int an_empty_heap(void **state)
{
    (void)state;
    memset(memory, 0, sizeof memory);
    blocks = 0;
    heap = gs_alloc(sizeof *heap);
    last_used = true;
    return heap == NULL;
}

static int forget(void **state)
{
    (void)state;
    gs_account_heap_pages_free(heap);
    return 0;
}

/* Memory of LENGTH bytes at ADDRESS, all resident but for page WITHOUT (of the range; -1: none). */
static void range(uint64_t address, uint64_t length, bool is_main, int without)
{
    const uint64_t word = PRESENT, none = 0;
    base = end_of_chunks = address;
    gs_account_heap_pages_range(heap, address, address + length, is_main);
    for (uint64_t at = 0; at < length; at += GS_PAGE)
        gs_account_heap_pages_add(heap, (address + at) / GS_PAGE,
                                  (int)(at / GS_PAGE) == without ? &none : &word, 1);
}

/* The next chunk, as glibc leaves it. Returns the address of its block. */
static uint64_t chunk(uint64_t size, bool used)
{
    uint64_t at = end_of_chunks;
    put(at + 8, size | (last_used ? IN_USE_BEFORE : 0) | (used && base == ARENA ? OF_ARENA : 0));
    end_of_chunks += size;
    if (!used && end_of_chunks < base + SIZE)
        put(end_of_chunks, size);
    last_used = used;
    return at + HEADER;
}

/* The rest up to LENGTH bytes from the base. */
static void top(uint64_t length)
{
    uint64_t at = end_of_chunks;
    put(at + 8, (base + length - at) | (last_used ? IN_USE_BEFORE : 0));
}

static void known(uint64_t address)
{
    assert_true(blocks < BLOCKS);
    block[blocks++] = (struct gs_waste_block){.address = address, .size = 64, .weight = 64};
}

static void walk(void)
{
    gs_account_heap_pages_settle(heap);
    gs_account_waste_sort(block, blocks);
    assert_int_equal(gs_account_chunks_walk(heap, &reader, block, blocks, LONG_ENOUGH), 0);
}

struct sums {
    uint64_t walked, in_use, trimmable;
};
static struct sums sums(void)
{
    struct sums sums = {0};
    for (size_t i = 0; i < heap->count; i++)
        if (heap->cell[i].walked) {
            sums.walked++;
            sums.in_use += heap->cell[i].in_use;
            sums.trimmable += heap->cell[i].trimmable;
        }
    return sums;
}

/* ---- whole heaps ---------------------------------------------------------------------------------------------------------- */

static void what_is_in_use_is_found_to_the_byte(void **state)
{
    (void)state;
    range(MAIN, MIB, true, -1);
    chunk(656, USED);
    chunk(100 * KIB, FREE); // from byte 656: malloc_trim leaves 48 bytes and what is before the next page
    chunk(64 * KIB, USED);
    chunk(300 * KIB, FREE);
    known(chunk(48, USED));
    top(MIB);
    walk();
    const uint64_t free_end = 656 + 100 * KIB, next = free_end + 64 * KIB, last = next + 300 * KIB,
                   rest = last + 48;
    uint64_t trim = free_end / 4096 * 4096 - 4096 + last / 4096 * 4096 - (next + 48 + 4095) / 4096 * 4096 +
                    MIB - (rest + 33 + 4095) / 4096 * 4096;
    assert_int_equal(sums().walked, 4);
    assert_int_equal(sums().in_use, 656 + 64 * KIB + 48);
    assert_int_equal(sums().trimmable, trim);
    assert_int_equal(heap->arenas, 1);
}

static void pages_that_are_not_resident_do_not_count(void **state)
{
    (void)state;
    range(MAIN, MIB, true, 3);
    chunk(64 * KIB, USED); // page 3 is in it
    chunk(100 * KIB, FREE);
    chunk(48, USED);
    top(MIB);
    walk();
    assert_int_equal(sums().in_use, 60 * KIB + 48);
    assert_int_equal(sums().walked, 4);
}

/* The heap of an arena has its own description before the chunks; its top is not for malloc_trim. */
static void an_arena_is_known_by_its_description(void **state)
{
    (void)state;
    range(ARENA, MIB, false, -1);
    const uint64_t info[] = {ARENA + 48, 0, MIB, MIB, 4096};
    memcpy(memory, info, sizeof info);
    end_of_chunks = ARENA + 48 + 2200 + 8;
    known(chunk(64 * KIB, USED));
    chunk(128 * KIB, FREE);
    known(chunk(64 * KIB, USED));
    top(MIB);
    walk();
    assert_int_equal(heap->arenas, 1);
    assert_int_equal(sums().walked, 4);
    assert_int_equal(sums().in_use, 48 + 2200 + 8 + 128 * KIB);
    assert_in_range(sums().trimmable, 128 * KIB - 8192, 128 * KIB);
}

static void a_second_heap_of_an_arena_is_none_more(void **state)
{
    (void)state;
    range(ARENA, MIB, false, -1);
    const uint64_t info[] = {ARENA - 64 * MIB + 48, ARENA - 64 * MIB, MIB, MIB, 4096};
    memcpy(memory, info, sizeof info);
    end_of_chunks = ARENA + 48;
    known(chunk(64 * KIB, USED));
    top(MIB);
    walk();
    assert_int_equal(heap->arenas, 0);
    assert_int_equal(sums().walked, 4);
}

/* ---- memory that is not what it should be ----------------------------------------------------------------------------------- */

static void a_contradiction_costs_its_cell_alone(void **state)
{
    (void)state;
    uint64_t damaged = 0;
    range(MAIN, 2 * MIB, true, -1);
    for (uint64_t i = 0; i < 2 * MIB / (4 * KIB) - 1; i++) {
        uint64_t at = chunk(4 * KIB, i % 2 == 0);
        if (i == 200) // in the fourth cell
            damaged = at;
        if (i == 206) // known to be in use: the walk goes on here
            known(at);
    }
    top(2 * MIB);
    put(damaged - 8, 0x4141414141414141);
    walk();
    assert_int_equal(sums().walked, 7);
    assert_false(heap->cell[3].walked);
    assert_int_equal(heap->arenas, 1);
}

static void without_a_known_block_the_rest_is_unknown(void **state)
{
    (void)state;
    range(MAIN, MIB, true, -1);
    chunk(300 * KIB, USED);
    put(end_of_chunks + 8, 24 | IN_USE_BEFORE); // no chunk is so small
    walk();
    assert_int_equal(sums().walked, 1);
}

static void a_free_chunk_has_its_size_at_its_end_too(void **state)
{
    (void)state;
    range(MAIN, MIB, true, -1);
    chunk(300 * KIB, USED);
    chunk(300 * KIB, FREE);
    put(end_of_chunks, 16 * KIB);
    chunk(64, USED);
    top(MIB);
    walk();
    assert_int_equal(sums().walked, 1);
}

static void chunks_that_hold_known_blocks_but_are_free_are_not_glibcs(void **state)
{
    (void)state;
    range(MAIN, MIB, true, -1);
    known(chunk(300 * KIB, USED));
    known(chunk(300 * KIB, FREE));
    known(chunk(64, USED) - 100 * KIB); // in the free chunk, too
    top(MIB);
    walk();
    assert_int_equal(sums().walked, 0);
    assert_int_equal(heap->arenas, 0);
}

static void other_memory_is_not_taken_for_an_arena(void **state)
{
    (void)state;
    const uint64_t infos[][5] = {
        {ARENA + 48, ARENA, MIB, MIB, 4096},     // a first heap has none before it
        {ARENA + 48, 0, 2 * MIB, 2 * MIB, 4096}, // larger than the memory
        {ARENA + 48, 0, MIB, MIB - 4096, 4096},  // more in use than opened
        {ARENA + 48, 0, MIB + 1, MIB + 1, 4096},
        {ARENA + 56, 0, MIB, MIB, 4096},
        {0, 0, 0, 0, 0},
        {ARENA - 64 * MIB + 48, ARENA - MIB, MIB, MIB, 0},
        {~0ull, ~0ull, ~0ull, ~0ull, ~0ull},
    };
    range(ARENA, MIB, false, -1);
    for (size_t i = 0; i < sizeof infos / sizeof *infos; i++) {
        memcpy(memory, infos[i], sizeof infos[i]);
        walk();
        assert_int_equal(heap->arenas, 0);
        assert_int_equal(sums().walked, 0);
    }
}

static uint64_t random_word(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    return *random ^= *random << 17;
}

/* Words of a heap are overwritten by others, and by sizes: whatever is there, the walk ends, reads only what is resident, and counts no
 * more than there is. */
static void any_memory_is_walked_to_an_end(void **state)
{
    uint64_t random = 42;
    for (int round = 0; round < 400; round++) {
        forget(state);
        an_empty_heap(state);
        range(round % 2 ? MAIN : ARENA, MIB, round % 2, round % 3 ? (int)(random_word(&random) % 256) : -1);
        const uint64_t info[] = {ARENA + 48, 0, MIB, MIB, 4096};
        if (base == ARENA)
            memcpy(memory, info, sizeof info);
        end_of_chunks += base == ARENA ? 48 + 2200 + 8 : 0;
        while (end_of_chunks < base + MIB - 40 * KIB) {
            uint64_t at = chunk(32 + random_word(&random) % 2000 * 16, random_word(&random) % 2);
            last_used |= random_word(&random) % 2; // neighbours that are both free contradict each other
            if (blocks < BLOCKS && random_word(&random) % 8 == 0)
                known(at);
        }
        top(MIB);
        for (int i = 0; i < round % 20; i++)
            put(base + random_word(&random) % (MIB / 8) * 8,
                i % 2 ? random_word(&random) : random_word(&random) % (128 * KIB));
        walk();
        assert_true(sums().in_use + sums().trimmable <= sums().walked * GS_CELL);
    }
}

static void no_time_is_no_walk(void **state)
{
    (void)state;
    range(MAIN, MIB, true, -1);
    chunk(64 * KIB, USED);
    top(MIB);
    gs_account_heap_pages_settle(heap);
    assert_int_equal(gs_account_chunks_walk(heap, &reader, block, 0, -1), 0);
    assert_int_equal(sums().walked, 0);
}

int main(void)
{
#define STORY(story) cmocka_unit_test_setup_teardown(story, an_empty_heap, forget)
    const struct CMUnitTest stories[] = {
        STORY(what_is_in_use_is_found_to_the_byte),
        STORY(pages_that_are_not_resident_do_not_count),
        STORY(an_arena_is_known_by_its_description),
        STORY(a_second_heap_of_an_arena_is_none_more),
        STORY(a_contradiction_costs_its_cell_alone),
        STORY(without_a_known_block_the_rest_is_unknown),
        STORY(a_free_chunk_has_its_size_at_its_end_too),
        STORY(chunks_that_hold_known_blocks_but_are_free_are_not_glibcs),
        STORY(other_memory_is_not_taken_for_an_arena),
        STORY(any_memory_is_walked_to_an_end),
        STORY(no_time_is_no_walk),
    };
    return cmocka_run_group_tests(stories, NULL, NULL);
}
