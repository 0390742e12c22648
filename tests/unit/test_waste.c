/* Whose blocks pin free memory: over pages and blocks that are made up, every part is worked out by hand; over heaps that are drawn from
 * fixed seeds, the parts are right within six standard errors. */
#include "account/inside.h"
#include "base/memory.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define KIB       1024ull
#define MIB       (1ull << 20)
#define BASE      (64 * MIB * 16)
#define PRESENT   (1ull << 63)
#define BLOCK_MAX 65536

static struct gs_heap_pages *heap;
static struct gs_waste waste;
static struct gs_waste_block block[BLOCK_MAX];
static size_t blocks;

static int nothing(void **state)
{
    (void)state;
    blocks = 0;
    heap = gs_alloc(sizeof *heap);
    return heap == NULL;
}

static int forget(void **state)
{
    (void)state;
    gs_account_heap_pages_free(heap);
    gs_account_waste_fini(&waste);
    return 0;
}

/* LENGTH bytes at START are resident. */
static void resident(uint64_t start, uint64_t length)
{
    const uint64_t word = PRESENT;
    gs_account_heap_pages_range(heap, start, start + length, false);
    for (uint64_t at = start; at < start + length; at += GS_PAGE)
        gs_account_heap_pages_add(heap, at / GS_PAGE, &word, 1);
}

static void sampled(uint32_t stack, uint64_t address, uint64_t size, uint64_t weight, int64_t born_ns)
{
    assert_true(blocks < BLOCK_MAX);
    block[blocks++] = (struct gs_waste_block){address, size, weight, born_ns, stack};
}

static void share(void)
{
    gs_account_heap_pages_settle(heap);
    gs_account_waste_sort(block, blocks);
    gs_account_waste_fini(&waste);
    assert_int_equal(gs_account_waste_share(heap, block, blocks, &waste), 0);
}

static struct gs_waste_row row(uint32_t stack)
{
    for (size_t i = 0; i < waste.count; i++)
        if (waste.row[i].stack == stack)
            return waste.row[i];
    return (struct gs_waste_row){0};
}

/* ---- worked out by hand --------------------------------------------------------------------------------------------------- */

static void free_memory_is_what_is_resident_and_not_live(void **state)
{
    (void)state;
    resident(BASE, 8 * MIB);
    sampled(1, BASE + 100, 64, 2 * MIB, 5); // stands for 2 MiB of live blocks
    share();
    assert_int_equal(waste.resident, 8 * MIB);
    assert_int_equal(waste.bytes, 6 * MIB);
    assert_in_range(row(1).bytes, 768 * KIB - 64, 768 * KIB); // 6/8 of its window
    assert_int_equal(waste.pinned, row(1).bytes);
    assert_int_equal(row(1).oldest_ns, 5);
    assert_int_equal(row(1).samples, 1);
}

static void a_window_is_shared_by_what_the_samples_stand_for(void **state)
{
    (void)state;
    resident(BASE, 1 * MIB);
    sampled(1, BASE + 4096, 64, 384 * KIB, 9);
    sampled(2, BASE + 8192, 64, 64 * KIB, 4);
    sampled(2, BASE + 900 * KIB, 64, 64 * KIB, 7);
    share();
    assert_int_equal(waste.bytes, 512 * KIB);
    assert_int_equal(row(1).bytes, 384 * KIB);
    assert_int_equal(row(2).bytes, 128 * KIB);
    assert_int_equal(row(2).oldest_ns, 4);
    assert_int_equal(row(2).samples, 2);
    assert_int_equal(waste.pinned, waste.bytes);
}

static void a_heap_of_live_blocks_has_no_waste(void **state)
{
    (void)state;
    resident(BASE, 16 * MIB);
    for (uint64_t i = 0; i < 16; i++) // windows with two samples, with none: all in all it is live
        for (uint64_t n = i % 2 * 2; n > 0; n--)
            sampled(1, BASE + i * MIB + n * 8192, 64, 1 * MIB, 1);
    share();
    assert_int_equal(waste.bytes, 0);
    assert_int_equal(row(1).bytes, 0);
}

static void a_large_block_does_not_pin_itself(void **state)
{
    (void)state;
    resident(BASE, 4 * MIB);
    sampled(1, BASE, 4 * MIB, 4 * MIB, 1);
    share();
    assert_int_equal(waste.bytes, 0);
}

static void pages_of_a_block_that_were_never_touched_are_not_live(void **state)
{
    (void)state;
    resident(BASE, 1 * MIB);
    resident(BASE + 63 * MIB, 1 * MIB); // of a block of 64 MiB the last one was touched
    sampled(1, BASE + 16, 64, 256 * KIB, 1);
    sampled(2, BASE + 60 * MIB, 4 * MIB, 4 * MIB, 1);
    share();
    assert_int_equal(waste.bytes, 768 * KIB);
    assert_int_equal(row(1).bytes, 768 * KIB);
    assert_int_equal(row(2).bytes, 0);
}

static void a_sample_pins_by_the_part_of_it_that_is_resident(void **state)
{
    (void)state;
    resident(BASE, 512 * KIB);
    resident(BASE + 768 * KIB, 16 * KIB); // a quarter of the second block
    sampled(1, BASE, 64 * KIB, 128 * KIB, 1);
    sampled(2, BASE + 768 * KIB, 64 * KIB, 128 * KIB, 1);
    share();
    assert_int_equal(waste.bytes, (512 + 16 - 128 - 32) * KIB);
    assert_in_range(row(1).bytes, waste.bytes * 4 / 5 - 1, waste.bytes * 4 / 5 + 1);
    assert_in_range(row(2).bytes, waste.bytes / 5 - 1, waste.bytes / 5 + 1);
}

static void pages_that_two_ranges_share_are_found_once(void **state)
{
    (void)state;
    resident(BASE, 64 * KIB);
    resident(BASE + 1 * MIB, 64 * KIB);
    resident(BASE + 128 * KIB, 64 * KIB); // in the first one's cell
    gs_account_heap_pages_settle(heap);
    const struct gs_heap_cell *cell = gs_account_heap_pages_cell(heap, BASE + 100 * KIB);
    assert_non_null(cell);
    assert_int_equal(gs_account_cell_resident(cell, BASE, BASE + GS_CELL), 128 * KIB);
    assert_null(gs_account_heap_pages_cell(heap, BASE + 512 * KIB)); // before the next cell
    assert_null(gs_account_heap_pages_cell(heap, BASE + 2 * MIB));
}

static void headers_say_more_than_samples(void **state)
{
    (void)state;
    resident(BASE, 512 * KIB);
    heap->cell[0].walked = true;
    heap->cell[0].in_use = 56 * KIB;
    heap->cell[0].trimmable = 100 * KIB;
    heap->cell[1].walked = true;
    heap->cell[1].in_use = 256 * KIB;
    sampled(1, BASE + 16, 64, 512 * KIB, 1);
    sampled(2, BASE + 300 * KIB, 64, 512 * KIB, 1);
    share();
    assert_int_equal(waste.bytes, 200 * KIB);
    assert_int_equal(waste.walked, 512 * KIB);
    assert_int_equal(row(1).bytes, 100 * KIB);
    assert_int_equal(row(1).trimmable, 50 * KIB);
    assert_int_equal(waste.trimmable, 100 * KIB);
}

static void without_pages_or_samples_there_is_nothing_to_share(void **state)
{
    (void)state;
    share();
    assert_int_equal(waste.bytes, 0);
    sampled(1, BASE, 64, 64, 1);
    sampled(1, UINT64_MAX - 5, 64, 64, 1);
    sampled(1, BASE, 0, 64, 1);
    share();
    assert_int_equal(waste.count, 0);
    blocks = 0;
    resident(BASE, 1 * MIB);
    share();
    assert_int_equal(waste.bytes, 1 * MIB);
    assert_int_equal(waste.pinned, 0);
}

/* ---- drawn ------------------------------------------------------------------------------------------------------------------- */

static double uniform(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return (double)(*random >> 11) / (double)(1ull << 53);
}

/* A heap of SIZE bytes in blocks of 256 bytes: of ten blocks LIVE are live, the first OF_A of these are A's, the others B's; sampled
 * every DISTANCE bytes. */
static void draw(uint64_t size, unsigned live, unsigned of_a, double distance, uint64_t seed)
{
    const double taken = 1 - exp(-256 / distance);
    uint64_t random = seed * 0x9e3779b97f4a7c15u | 1;
    gs_account_heap_pages_free(heap);
    assert_int_equal(nothing(NULL), 0);
    resident(BASE, size);
    for (uint64_t i = 0; i < size / 256; i++)
        if (i % 10 < live && uniform(&random) < taken)
            sampled(i % 10 < of_a ? 1 : 2, BASE + i * 256, 256, (uint64_t)(256 / taken), 1);
    share();
}

static void within(double value, double wanted, double error, const char *what)
{
    if (fabs(value - wanted) > error)
        fail_msg("%s: %.4f, wanted %.4f ± %.4f", what, value, wanted, error);
}

/* A has 1/10 of the heap and B another tenth, interleaved: 80 % is free, and each pins one half of it. */
static void the_sum_and_the_parts_are_right_within_their_error(void **state)
{
    (void)state;
    const double size = 256 * (double)MIB, distance = 64 * (double)KIB, windows = 256;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        draw((uint64_t)size, 2, 1, distance, seed);
        double live = 0.2 * size, samples = live / distance;
        within((double)waste.bytes / size, 0.8, 6 * sqrt(live * distance) / size, "free");
        double empty = exp(-samples / windows); // windows without a sample, 3.2 being expected
        within((double)(waste.bytes - waste.pinned) / (double)waste.bytes, empty,
               6 * sqrt(empty * (1 - empty) / windows), "without an owner");
        within((double)row(1).bytes / (double)waste.pinned, 0.5, 6 * 0.5 / sqrt(samples) * sqrt(1.5), "A");
    }
}

static void the_thinner_the_samples_the_more_is_without_an_owner(void **state)
{
    (void)state;
    double last = -1;
    for (double distance = 16 * (double)KIB; distance <= 1024 * (double)KIB; distance *= 4) {
        draw(256 * MIB, 1, 1, distance, 7);
        double without = (double)(waste.bytes - waste.pinned) / (double)waste.bytes;
        assert_true(without > last);
        last = without;
    }
    assert_true(last > 0.5); // 26 samples in 256 windows
}

static void a_leak_is_no_waste_however_thin_the_samples(void **state)
{
    (void)state;
    const double size = 256 * (double)MIB;
    for (uint64_t seed = 1; seed <= 20; seed++)
        for (double distance = 64 * (double)KIB; distance <= 1024 * (double)KIB; distance *= 4) {
            draw((uint64_t)size, 10, 10, distance, seed);
            within((double)waste.bytes / size, 0, 6 * sqrt(distance / size), "free");
        }
}

int main(void)
{
#define STORY(story) cmocka_unit_test_setup_teardown(story, nothing, forget)
    const struct CMUnitTest stories[] = {
        STORY(free_memory_is_what_is_resident_and_not_live),
        STORY(a_window_is_shared_by_what_the_samples_stand_for),
        STORY(a_heap_of_live_blocks_has_no_waste),
        STORY(a_large_block_does_not_pin_itself),
        STORY(pages_of_a_block_that_were_never_touched_are_not_live),
        STORY(a_sample_pins_by_the_part_of_it_that_is_resident),
        STORY(pages_that_two_ranges_share_are_found_once),
        STORY(headers_say_more_than_samples),
        STORY(without_pages_or_samples_there_is_nothing_to_share),
        STORY(the_sum_and_the_parts_are_right_within_their_error),
        STORY(the_thinner_the_samples_the_more_is_without_an_owner),
        STORY(a_leak_is_no_waste_however_thin_the_samples),
    };
    return cmocka_run_group_tests(stories, NULL, NULL);
}
