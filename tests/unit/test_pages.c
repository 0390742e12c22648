/* Where the heap in use is: sampled blocks, and a pagemap, that are made up. Every figure is worked out by hand. */
#include "base/clock.h"
#include "base/memory.h"
#include "gather/inside.h"
#include "incident/inside.h"
#include "probe/heap/inside.h"
#include "profile/profile.h"
#include "symbol/symbol.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define PRESENT (1ull << 63)
#define SWAPPED (1ull << 62)
#define ALONE   (1ull << 56)
#define WRITTEN (1ull << 55)
enum { PAGE = 4096, BLOCKS_MAX = 2000 };

static char path[] = "/tmp/gumshoe-pagemap-XXXXXX";
static struct gs_pages source;
static struct gs_maps *maps;
static struct gs_gathered gathered;
static const void *block[BLOCKS_MAX];
static int blocks;
static bool tracks_writes; // the kernel has soft-dirty bits

/* ---- a process that is made up ---------------------------------------------------------------------------------------------- */

static void conn_new(void)
{
}
static void cache_init(void)
{
}
static void load_table(void)
{
}

static int no_blocks(void **state)
{
    (void)state;
    tracks_writes = false;
    gs_json_use_our_memory();
    strcpy(path, "/tmp/gumshoe-pagemap-XXXXXX");
    source = (struct gs_pages){.fd = mkstemp(path), .until_ns = INT64_MAX};
    maps = gs_symbol_maps_read(0);
    return source.fd < 0 || !maps || ftruncate(source.fd, 8ll << 30) != 0; // sparse
}

static int forget(void **state)
{
    struct gs_live sample;
    (void)state;
    while (blocks > 0)
        assert_true(gs_heap_live_take(block[--blocks], &sample));
    gs_gather_fini(&gathered);
    gs_symbol_maps_free(maps);
    close(source.fd);
    return unlink(path);
}

/* WHO has a block of SIZE bytes at ADDRESS, which stands for OBJECTS of them. */
static void holds(void (*who)(void), uintptr_t address, uint64_t size, uint64_t objects)
{
    uintptr_t frames[] = {(uintptr_t)who + 1};
    struct gs_live sample = {.stack = gs_heap_stack_intern(frames, 1, false, 0),
                             .born_ns = 1 << 20,
                             .objects = objects << GS_OBJECT_SHIFT,
                             .bytes = objects * size};
    block[blocks++] = (const void *)address;
    assert_true(gs_heap_live_insert((const void *)address, &sample));
}

static void pages(uintptr_t address, int count, uint64_t word)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(pwrite(source.fd, &word, 8, (off_t)((address / PAGE + (uintptr_t)i) * 8)), 8);
}

static int gather(void)
{
    const struct gs_gather how = {.maps = maps, .reason = "a test"};
    return gs_gather_pages_by(&how, &source, tracks_writes, &gathered);
}

static int64_t bytes(const char *type, const char *function)
{
    struct gs_top top;
    int64_t found = 0;
    assert_int_equal(gs_profile_top(gathered.profile, gs_profile_sample_type(gathered.profile, type), &top),
                     0);
    for (size_t i = 0; i < top.count; i++)
        if (strcmp(top.row[i].function, function) == 0)
            found += top.row[i].flat;
    gs_profile_top_fini(&top);
    return found;
}

static void assert_held(const char *function, int64_t resident, int64_t swapped, int64_t untouched,
                        int64_t unknown)
{
    assert_int_equal(bytes("inuse_resident", function), resident);
    assert_int_equal(bytes("inuse_swapped", function), swapped);
    assert_int_equal(bytes("inuse_untouched", function), untouched);
    assert_int_equal(bytes("inuse_unknown", function), unknown);
}

/* ---- the profile ------------------------------------------------------------------------------------------------------------ */

/* 100 pages: 10 in memory, 60 swapped out, 30 that nobody wrote to. */
static void pages_are_in_memory_swapped_out_or_untouched(void **state)
{
    (void)state;
    holds(conn_new, 0x1000000, 100 * PAGE, 1);
    pages(0x1000000, 10, PRESENT | ALONE);
    pages(0x100a000, 60, SWAPPED | 0x1234);
    assert_int_equal(gather(), 0);
    assert_held("conn_new", 10 * PAGE, 60 * PAGE, 30 * PAGE, 0);
}

/* The block begins 16 bytes after the first page's start, as malloc's do, and ends 16 bytes into the third page: 4080, 4096 and 16. */
static void parts_of_pages_count_by_their_bytes(void **state)
{
    (void)state;
    holds(conn_new, 0x2000010, 2 * PAGE, 1);
    pages(0x2000000, 1, PRESENT | ALONE);
    pages(0x2001000, 1, SWAPPED);
    pages(0x2002000, 1, PRESENT | ALONE);
    assert_int_equal(gather(), 0);
    assert_held("conn_new", 4096, 4096, 0, 0);
}

/* A block of 64 bytes stands for 8192 of its size, 512 KiB: half of them are where it is. */
static void a_small_block_stands_for_others(void **state)
{
    (void)state;
    holds(conn_new, 0x3000040, 64, 8192);
    holds(conn_new, 0x3001040, 64, 8192);
    holds(cache_init, 0x3001fe0, 64, 8192); // half in one page, half in the next
    pages(0x3000000, 1, PRESENT | ALONE);
    pages(0x3001000, 1, SWAPPED);
    assert_int_equal(gather(), 0);
    assert_held("conn_new", 512 << 10, 512 << 10, 0, 0);
    assert_held("cache_init", 0, 256 << 10, 256 << 10, 0);
}

/* After a fork pages are mapped twice; pages of shared memory and huge pages have other bits. They are all in memory. */
static void a_present_page_is_in_memory_whatever_its_kind(void **state)
{
    (void)state;
    holds(load_table, 0x4000000, 3 * PAGE, 1);
    pages(0x4000000, 1, PRESENT);
    pages(0x4001000, 1, PRESENT | 1ull << 61);
    pages(0x4002000, 1, PRESENT | SWAPPED);
    assert_int_equal(gather(), 0);
    assert_held("load_table", 3 * PAGE, 0, 0, 0);
}

/* 3 GiB, read in steps of 2 MiB, with one page in memory at each end of a step. */
static void large_blocks_are_read_to_their_end(void **state)
{
    enum { STEP = 512, STEPS = 1536 };
    (void)state;
    holds(cache_init, 0x40000000 + 8 * PAGE, 3ull << 30, 1);
    for (int i = 0; i <= STEPS; i++)
        pages(0x40000000 + (uintptr_t)i * STEP * PAGE, 1, PRESENT | ALONE);
    assert_int_equal(gather(), 0);
    assert_held("cache_init", (int64_t)STEPS * PAGE, 0, (3ll << 30) - (int64_t)STEPS * PAGE, 0);
}

/* ---- what is not known ---------------------------------------------------------------------------------------------------- */

static void what_was_not_read_in_time_is_unknown(void **state)
{
    (void)state;
    holds(conn_new, 0x1000000, 100 * PAGE, 1);
    holds(load_table, 0x2000000, 50 * PAGE, 1);
    pages(0x1000000, 100, PRESENT | ALONE);
    source.until_ns = gs_clock_monotonic_ns() - 1;
    assert_int_equal(gather(), 0);
    assert_held("conn_new", 0, 0, 0, 100 * PAGE);
    assert_held("load_table", 0, 0, 0, 50 * PAGE);
    assert_string_equal(
        gathered.notes.bytes,
        "pages: of 2 sampled blocks, 2 not read within 1 s: inuse_unknown in heap.pages.pb.gz\n");
}

/* A program may report blocks that are no memory of its own (gumshoe_note_alloc): beyond the end of the pagemap. */
static void what_is_not_in_the_pagemap_is_unknown(void **state)
{
    (void)state;
    holds(conn_new, 0x7fff00000000, 100 * PAGE, 1);
    holds(load_table, 0x2000000, 50 * PAGE, 1);
    assert_int_equal(gather(), 0);
    assert_held("conn_new", 0, 0, 0, 100 * PAGE);
    assert_held("load_table", 0, 0, 50 * PAGE, 0);
    assert_string_equal(gathered.notes.bytes,
                        "pages: of 2 sampled blocks, 1 not read: inuse_unknown in heap.pages.pb.gz\n");
}

static void a_pagemap_that_cannot_be_read_is_no_profile(void **state)
{
    (void)state;
    holds(conn_new, 0x1000000, 100 * PAGE, 1);
    int fd = source.fd;
    source.fd = -1;
    assert_int_equal(gather(), -ENODATA);
    assert_int_equal(source.error, -EBADF);
    assert_null(gathered.profile);
    source.fd = fd;
}

static void no_block_is_no_profile(void **state)
{
    (void)state;
    assert_int_equal(gather(), -ENODATA);
}

/* ---- what the incident says ------------------------------------------------------------------------------------------------- */

static struct gs_incident_findings findings;

static void assert_line(const char *wanted)
{
    struct gs_text text = {0};
    assert_int_equal(gather(), 0);
    findings = (struct gs_incident_findings){.pages = gathered.profile};
    gs_incident_find_pages(&findings);
    gs_incident_add_pages(&text, &findings);
    assert_string_equal(text.bytes, wanted);
    gs_text_fini(&text);
}

/* 40 of 50 MiB swapped out are conn_new's. */
static void swap_as_an_incident_tells_it(void **state)
{
    (void)state;
    holds(conn_new, 0x10000000, 40 << 20, 1);
    holds(load_table, 0x20000000, 30 << 20, 1);
    holds(cache_init, 0x30000000, 8 << 20, 1);
    pages(0x10000000, 10240, SWAPPED);
    pages(0x20000000, 5120, PRESENT | ALONE);
    pages(0x21400000, 2560, SWAPPED);
    assert_line("\nOf the 78 MiB in use: 20 MiB in memory, 50 MiB swapped out (conn_new 40 MiB), 8 MiB never "
                "touched (cache_init 8 MiB)\n");
    json_t *json = gs_incident_pages_json(&findings), *by = json_object_get(json, "swapped_by");
    assert_int_equal(json_integer_value(json_object_get(json, "swapped")), 50 << 20);
    assert_int_equal(json_integer_value(json_object_get(json, "resident")), 20 << 20);
    assert_int_equal(json_integer_value(json_object_get(json, "untouched")), 8 << 20);
    assert_int_equal(json_integer_value(json_object_get(json, "unknown")), 0);
    assert_string_equal(json_string_value(json_object_get(by, "function")), "conn_new");
    assert_int_equal(json_integer_value(json_object_get(by, "bytes")), 40 << 20);
    assert_true(json_real_value(json_object_get(by, "share")) == 0.8);
    json_decref(json);
}

/* Of 40 pages in memory 30 were not written since the bits were cleared; swapped pages have the bit, too, and are not in memory. */
static void what_was_not_written_is_told_if_the_kernel_knows(void **state)
{
    (void)state;
    tracks_writes = true;
    holds(load_table, 0x20000000, 60 * PAGE, 1);
    pages(0x20000000, 10, PRESENT | ALONE | WRITTEN);
    pages(0x2000a000, 30, PRESENT | ALONE);
    pages(0x20028000, 10, SWAPPED);
    assert_line("\nOf the 240 KiB in use: 160 KiB in memory, 40 KiB swapped out (load_table 40 KiB), 40 KiB "
                "never touched (load_table 40 KiB)\n"
                "  of what is in memory, 120 KiB not written since the soft-dirty bits were cleared "
                "(load_table 120 KiB)\n");
    assert_int_equal(bytes("inuse_unwritten", "load_table"), 30 * PAGE);
    json_t *json = gs_incident_pages_json(&findings);
    assert_int_equal(json_integer_value(json_object_get(json, "unwritten")), 30 * PAGE);
    json_decref(json);
}

static void a_kernel_that_does_not_record_writes_leaves_no_figure(void **state)
{
    (void)state;
    holds(load_table, 0x20000000, 60 * PAGE, 1);
    pages(0x20000000, 60, PRESENT | ALONE);
    assert_int_equal(gather(), 0);
    assert_int_equal(gs_profile_sample_type(gathered.profile, "inuse_unwritten"), -1);
    assert_string_equal(gathered.profile->comment[gathered.profile->comment_count - 1],
                        "which pages were written is not known: this kernel has no soft-dirty bits");
}

/* A page of our stack was just written: its bit says whether the kernel sets one. */
static void a_page_of_ours_tells_whether_the_kernel_records_writes(void **state)
{
    enum { BELOW = 64 };
    uintptr_t here = (uintptr_t)&state;
    assert_false(gs_pagemap_tracks_writes(&source)); // the stack is beyond the end of the file
    pages(here - BELOW * PAGE, BELOW + 1, PRESENT | ALONE);
    assert_false(gs_pagemap_tracks_writes(&source));
    pages(here - BELOW * PAGE, BELOW + 1, PRESENT | ALONE | WRITTEN);
    assert_true(gs_pagemap_tracks_writes(&source));
}

static void a_heap_that_is_all_in_memory_is_told_in_one_figure(void **state)
{
    (void)state;
    holds(load_table, 0x20000000, 1 << 20, 1);
    pages(0x20000000, 256, PRESENT | ALONE);
    assert_line("\nOf the 1 MiB in use: 1 MiB in memory\n");
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, no_blocks, forget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(pages_are_in_memory_swapped_out_or_untouched),
        STORY(parts_of_pages_count_by_their_bytes),
        STORY(a_small_block_stands_for_others),
        STORY(a_present_page_is_in_memory_whatever_its_kind),
        STORY(large_blocks_are_read_to_their_end),
        STORY(what_was_not_read_in_time_is_unknown),
        STORY(what_is_not_in_the_pagemap_is_unknown),
        STORY(a_pagemap_that_cannot_be_read_is_no_profile),
        STORY(no_block_is_no_profile),
        STORY(swap_as_an_incident_tells_it),
        STORY(what_was_not_written_is_told_if_the_kernel_knows),
        STORY(a_kernel_that_does_not_record_writes_leaves_no_figure),
        STORY(a_page_of_ours_tells_whether_the_kernel_records_writes),
        STORY(a_heap_that_is_all_in_memory_is_told_in_one_figure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
