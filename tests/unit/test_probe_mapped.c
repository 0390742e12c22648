/* What a host maps outside malloc, and takes away again: in whole, in part, many at once. Addresses are made up. */
#include "probe/heap/inside.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <math.h>
#include <cmocka.h>

enum { PAGE = 4096 };

/* All records in order of their addresses, as "start-end stack" in pages. */
static const char *records(void)
{
    static char text[4096];
    struct gs_mapped seen[64], next;
    size_t count = 0, length = 0;
    for (size_t at = 0; gs_probe_mapped_next(&at, &next) && count < 64;) {
        size_t i = count++;
        for (; i > 0 && seen[i - 1].start > next.start; i--)
            seen[i] = seen[i - 1];
        seen[i] = next;
    }
    text[0] = 0;
    for (size_t i = 0; i < count; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "%s%lu-%lu %u", i ? ", " : "",
                                   seen[i].start / PAGE, seen[i].end / PAGE, seen[i].stack);
    return text;
}

static void add(uintptr_t start, uintptr_t end, uint32_t stack)
{
    gs_heap_mapped_add(start * PAGE, end * PAGE, stack, GS_MAPPED_ONE);
}

static void take(uintptr_t start, uintptr_t end)
{
    gs_heap_mapped_forget(start * PAGE, end * PAGE);
}

static int nothing_mapped(void **state)
{
    (void)state;
    gs_heap_mapped_forget(0, UINTPTR_MAX);
    return *records() != 0;
}

static void a_mapping_comes_and_goes(void **state)
{
    (void)state;
    add(100, 200, 1);
    add(300, 400, 2);
    assert_string_equal(records(), "100-200 1, 300-400 2");
    take(100, 200);
    assert_string_equal(records(), "300-400 2");
    take(200, 500);
    assert_string_equal(records(), "");
}

static void parts_are_taken_away(void **state)
{
    (void)state;
    add(100, 200, 1);
    take(100, 110);
    take(190, 200);
    assert_string_equal(records(), "110-190 1");
    take(140, 150);
    assert_string_equal(records(), "110-140 1, 150-190 1");
    take(130, 160);
    assert_string_equal(records(), "110-130 1, 160-190 1");
    take(90, 100);
    take(200, 300);
    take(150, 150);
    assert_string_equal(records(), "110-130 1, 160-190 1");
}

/* An arena that grows downward, or upward, piece by piece, is one record; another stack's neighbour is not of it. */
static void neighbours_of_one_stack_are_one(void **state)
{
    (void)state;
    for (uintptr_t at = 1000; at > 900; at -= 10)
        add(at - 10, at, 1);
    assert_string_equal(records(), "900-1000 1");
    add(1000, 1010, 1);
    add(1010, 1020, 2);
    assert_string_equal(records(), "900-1010 1, 1010-1020 2");
}

/* munmap was not seen (a direct system call): the kernel gives the addresses out again, and the newer is right. */
static void what_is_mapped_over_is_gone(void **state)
{
    (void)state;
    add(100, 200, 1);
    add(150, 250, 2);
    assert_string_equal(records(), "100-150 1, 150-250 2");
}

static void the_stack_of_an_address_is_known(void **state)
{
    struct gs_mapped found;
    (void)state;
    add(100, 200, 5);
    assert_true(gs_heap_mapped_find(199 * PAGE, &found));
    assert_int_equal(found.stack, 5);
    assert_false(gs_heap_mapped_find(200 * PAGE, &found));
    assert_false(gs_heap_mapped_find(99 * PAGE, &found));
}

/* Reserved by 1, opened piece by piece by 2 and 3. What is opened twice, or was never reserved, stays as it is. */
static void what_is_reserved_belongs_to_who_opens_it(void **state)
{
    (void)state;
    add(100, 200, 1 | GS_MAPPED_RESERVED);
    add(300, 400, 4);
    assert_true(gs_heap_mapped_is_reserved(199 * PAGE, 300 * PAGE));
    assert_false(gs_heap_mapped_is_reserved(200 * PAGE, 400 * PAGE));
    gs_heap_mapped_open(150 * PAGE, 160 * PAGE, 2);
    assert_string_equal(records(), "100-150 1, 150-160 2, 160-200 1, 300-400 4");
    gs_heap_mapped_open(160 * PAGE, 170 * PAGE, 2);
    assert_string_equal(records(), "100-150 1, 150-170 2, 170-200 1, 300-400 4");
    gs_heap_mapped_open(90 * PAGE, 350 * PAGE, 3);
    assert_string_equal(records(), "100-150 3, 150-170 2, 170-200 3, 300-400 4");
    assert_false(gs_heap_mapped_is_reserved(0, 1000 * PAGE));
}

/* No room to tell the opened part from the rest: it stays with who reserved it, and nothing is lost. */
static void in_a_full_table_it_stays_with_who_reserved_it(void **state)
{
    struct gs_mapped seen;
    uint64_t before = gs_probe_drops().mappings;
    size_t count = 0;
    (void)state;
    add(100, 200, 1 | GS_MAPPED_RESERVED);
    for (uintptr_t i = 0; i < 1022; i++)
        add(1000 + 2 * i, 1001 + 2 * i, 2);
    gs_heap_mapped_open(150 * PAGE, 160 * PAGE, 3);
    assert_true(gs_heap_mapped_is_reserved(150 * PAGE, 160 * PAGE));
    for (size_t at = 0; gs_probe_mapped_next(&at, &seen);)
        count += seen.stack == 3;
    assert_int_equal(count, 0);
    assert_int_equal(gs_probe_drops().mappings, before);
    take(1000, 1001);
    gs_heap_mapped_open(150 * PAGE, 160 * PAGE, 3);
    assert_false(gs_heap_mapped_is_reserved(150 * PAGE, 160 * PAGE));
    assert_int_equal(gs_probe_drops().mappings, before);
}

static void a_full_table_counts_what_it_drops(void **state)
{
    (void)state;
    uint64_t before = gs_probe_drops().mappings;
    for (uintptr_t i = 0; i < 1030; i++)
        add(1000 + 2 * i, 1001 + 2 * i, 1);
    assert_int_equal(gs_probe_drops().mappings - before, 6);
    take(1000, 1001);
    add(5000, 5001, 1);
    assert_int_equal(gs_probe_drops().mappings - before, 6);
}

/* 60,000 mappings of 4 to 60 KiB and 300 of 64 KiB, 1.9 GiB in all, with gaps between them: the table does not fill up, and what the
 * records stand for is what was mapped, within eight estimated standard errors: of the last records each stands for 8 MiB. */
static void many_small_mappings_are_sampled(void **state)
{
    enum { KIB = 1 << 10 };
    struct gs_mapped seen;
    uint64_t before = gs_probe_drops().mappings, mapped = 0, count = 0;
    double estimate = 0, error = 0;
    (void)state;
    uintptr_t at = 1ul << 40;
    for (unsigned i = 0; i < 60300; i++) {
        size_t size = i % 201 == 0 ? 64 * KIB : (4 + i % 15 * 4) * KIB;
        if (gs_heap_mapped_draw(size)) {
            uint32_t weight = gs_heap_mapped_weight(size);
            gs_heap_mapped_add(at, at + size, 1 + i % 3, weight);
            error += (double)size * (double)size * weight / GS_MAPPED_ONE * ((double)weight / GS_MAPPED_ONE - 1);
        }
        mapped += size;
        at += size + PAGE;
    }
    for (size_t i = 0; gs_probe_mapped_next(&i, &seen); count++)
        estimate += (double)(seen.end - seen.start) * seen.weight / GS_MAPPED_ONE;
    assert_int_equal(gs_probe_drops().mappings, before);
    assert_in_range(count, 512, 1000);
    error = 8 * sqrt(error);
    if (estimate < (double)mapped - error || estimate > (double)mapped + error)
        fail_msg("%.0f MiB, not %.0f +- %.0f", estimate / 1048576, (double)mapped / 1048576, error / 1048576);
}

/* What is sampled keeps its weight when it is cut, and is not joined to its neighbour. */
static void a_sampled_mapping_keeps_its_weight(void **state)
{
    struct gs_mapped found;
    (void)state;
    gs_heap_mapped_add(100 * PAGE, 108 * PAGE, 1, 8 * GS_MAPPED_ONE);
    gs_heap_mapped_add(108 * PAGE, 116 * PAGE, 1, 8 * GS_MAPPED_ONE);
    add(116, 200, 1);
    assert_string_equal(records(), "100-108 1, 108-116 1, 116-200 1");
    take(102, 104);
    assert_string_equal(records(), "100-102 1, 104-108 1, 108-116 1, 116-200 1");
    assert_true(gs_heap_mapped_find(105 * PAGE, &found));
    assert_int_equal(found.weight, 8 * GS_MAPPED_ONE);
}

/* Two segments of one stack lie side by side: each is detached by its address alone. */
static void a_segment_stays_alone(void **state)
{
    struct gs_mapped found;
    (void)state;
    add(100, 200, 1 | GS_MAPPED_ALONE);
    add(200, 300, 1 | GS_MAPPED_ALONE);
    assert_true(gs_heap_mapped_find(200 * PAGE, &found));
    assert_int_equal(found.start, 200 * PAGE);
    assert_string_equal(records(), "100-200 1, 200-300 1");
}

/* Eight threads map and unmap pieces of one range each, side by side, of one stack, so that they meet in shared records. At the
 * end all is gone; but for a piece where somebody lost patience, which is counted. */
static void *map_and_unmap(void *number)
{
    uintptr_t base = 100000 + (uintptr_t)number * 10;
    for (int i = 0; i < 20000; i++) {
        add(base, base + 10, 3);
        take(base + 3, base + 5);
        take(base, base + 10);
    }
    return NULL;
}

static void threads_meet_in_one_record(void **state)
{
    pthread_t thread[8];
    (void)state;
    uint64_t before = gs_probe_drops().mappings;
    for (uintptr_t i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, map_and_unmap, (void *)i), 0);
    for (int i = 0; i < 8; i++)
        pthread_join(thread[i], NULL);
    if (gs_probe_drops().mappings == before)
        assert_string_equal(records(), "");
}

/* ---- where the heap is ------------------------------------------------------------------------------------------------- */

static bool is_known(uintptr_t wanted)
{
    uintptr_t address;
    for (size_t at = 0; gs_probe_block_next(&at, &address);)
        if (address == wanted)
            return true;
    return false;
}

static void the_heap_is_known_after_it_was_freed(void **state)
{
    (void)state;
    const uintptr_t here = 0x7f1234567890, next_door = here + 64, far = here + (4 << 20);
    gs_heap_regions_add((void *)here);
    gs_heap_regions_add((void *)next_door);
    gs_heap_regions_add((void *)far);
    assert_true(is_known(here));
    assert_false(is_known(next_door)); // one of each 2 MiB will do
    assert_true(is_known(far));
    gs_heap_mapped_add(here & ~4095ul, (here & ~4095ul) + (1 << 20), 1,
                       GS_MAPPED_ONE); // now something else is there
    assert_false(is_known(here));
    assert_true(is_known(far));
}

static void a_live_sample_is_a_place_of_the_heap(void **state)
{
    (void)state;
    static char block[64];
    struct gs_live sample = {.stack = 1, .bytes = 64};
    assert_true(gs_heap_live_insert(block, &sample));
    assert_true(is_known((uintptr_t)block));
    assert_true(gs_heap_live_take(block, &sample));
    assert_false(is_known((uintptr_t)block));
}

#define STORY(function) cmocka_unit_test_setup(function, nothing_mapped)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_mapping_comes_and_goes),
        STORY(parts_are_taken_away),
        STORY(neighbours_of_one_stack_are_one),
        STORY(what_is_mapped_over_is_gone),
        STORY(the_stack_of_an_address_is_known),
        STORY(what_is_reserved_belongs_to_who_opens_it),
        STORY(in_a_full_table_it_stays_with_who_reserved_it),
        STORY(a_full_table_counts_what_it_drops),
        STORY(many_small_mappings_are_sampled),
        STORY(a_sampled_mapping_keeps_its_weight),
        STORY(a_segment_stays_alone),
        STORY(threads_meet_in_one_record),
        STORY(the_heap_is_known_after_it_was_freed),
        STORY(a_live_sample_is_a_place_of_the_heap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
