/* The memory account, over maps and pages that are made up: every sum is worked out by hand. */
#include "base/clock.h"
#include "base/memory.h"
#include "profile/profile.h"
#include "account/account.h"
#include "account/inside.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define PRESENT (1ull << 63)
#define SWAPPED (1ull << 62)
#define OF_FILE (1ull << 61)
#define ALONE   (1ull << 56)

static struct gs_survey survey;
static int pagemap;
static char path[] = "/tmp/gumshoe-pagemap-XXXXXX";
static uint64_t part[GS_PARTS];

/* ---- a process that is made up ------------------------------------------------------------------------------------- */

static int nothing_resident(void **state)
{
    (void)state;
    strcpy(path, "/tmp/gumshoe-pagemap-XXXXXX");
    pagemap = mkstemp(path);
    survey = (struct gs_survey){.source = {.fd = pagemap, .until_ns = INT64_MAX}};
    memset(part, 0, sizeof part);
    return pagemap < 0 || ftruncate(pagemap, 8ll << 30) != 0; // sparse
}

static int forget(void **state)
{
    (void)state;
    gs_account_survey_fini(&survey);
    close(pagemap);
    return unlink(path);
}

/* COUNT pages from ADDRESS on are as WORD says. */
static void pages(uint64_t address, int count, uint64_t word)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(pwrite(pagemap, &word, 8, (off_t)((address / 4096 + (uint64_t)i) * 8)), 8);
}

static void own(uint64_t address, int count)
{
    pages(address, count, PRESENT | ALONE);
}

static void of_file(uint64_t address, int count)
{
    pages(address, count, PRESENT | OF_FILE);
}

static void map(const char *maps, const char *mounts)
{
    assert_int_equal(gs_account_survey_map(&survey, maps, strlen(maps), mounts), 0);
}

static void claim(enum gs_claimant who, uint64_t start, uint64_t end)
{
    assert_int_equal(gs_account_survey_claim(&survey, who, start, end, 7), 0);
}

static void thread_at(uint64_t top, uint64_t size, uint64_t sp)
{
    assert_int_equal(gs_account_survey_thread(&survey, GS_CLAIM_STACK, top, size, sp), 0);
}

/* Count, and sum up: LIVE bytes of the heap are live, and the kernel counts ANONYMOUS pages. */
static void sum(uint64_t live, uint64_t resident_pages, uint64_t anonymous_pages)
{
    struct gs_resident resident = {.all = resident_pages * 4096, .anonymous = anonymous_pages * 4096};
    gs_account_survey_count(&survey, resident.all);
    gs_account_survey_sum(&survey, live, &resident, part);
}

static void assert_pages(uint64_t live, uint64_t kept, uint64_t stacks, uint64_t files, uint64_t shared,
                         uint64_t anonymous, uint64_t agent)
{
    const uint64_t wanted[GS_PARTS] = {live, kept, stacks, files, shared, anonymous, agent};
    for (int i = 0; i < GS_PARTS; i++)
        if (part[i] != wanted[i] * 4096)
            fail_msg("%s: %llu bytes, wanted %llu pages", gs_part_names[i], (unsigned long long)part[i],
                     (unsigned long long)wanted[i]);
}

/* ---- stories ---------------------------------------------------------------------------------------------------------- */

/* A program: 3 pages of its text were read, of its data 1 is as in the file and 2 were written, 4 of its .bss, 10 of [heap],
 * 3 of [stack]; the kernel's own [vdso] counts, [vvar] does not; what is swapped out is not resident. */
static void a_plain_program(void **state)
{
    (void)state;
    map("00400000-00500000 r-xp 00000000 08:01 100        /usr/bin/a host\n"
        "00500000-00510000 rw-p 00100000 08:01 100        /usr/bin/a host\n"
        "00510000-00520000 rw-p 00000000 00:00 0 \n"
        "01000000-01100000 rw-p 00000000 00:00 0          [heap]\n"
        "70000000-70100000 rw-p 00000000 00:00 0          [stack]\n"
        "70200000-70204000 r--p 00000000 00:00 0          [vvar]\n"
        "70204000-70206000 r-xp 00000000 00:00 0          [vdso]\n",
        "");
    of_file(0x400000, 3);
    of_file(0x500000, 1);
    own(0x501000, 2);
    own(0x510000, 4);
    own(0x1000000, 10);
    pages(0x100a000, 5, SWAPPED);
    own(0x700f0000, 3);
    pages(0x70200000, 1, PRESENT);
    of_file(0x70204000, 1);
    gs_account_survey_settle_claims(&survey);
    sum(6 * 4096, 24, 19);
    assert_pages(6, 4, 3, 3 + 1 + 1, 0, 2 + 4, 0);
}

/* The estimate of what is live may be above what is resident: blocks that were never written to. */
static void live_blocks_are_bounded_by_the_heap(void **state)
{
    (void)state;
    map("01000000-01100000 rw-p 00000000 00:00 0          [heap]\n", NULL);
    own(0x1000000, 10);
    gs_account_survey_settle_claims(&survey);
    sum(1 << 30, 10, 10);
    assert_pages(10, 0, 0, 0, 0, 0, 0);
}

/* Memory that several may share: anonymous, System V's, a memfd, a file on tmpfs (device 0:32, which maps writes 00:20). A
 * file on a disk is a file though it is mapped shared; huge pages and a device's memory count nowhere. */
static void shared_memory_is_told_by_its_name_or_device(void **state)
{
    (void)state;
    map("50000000-50100000 rw-s 00000000 00:01 5          /dev/zero (deleted)\n"
        "51000000-51100000 rw-s 00000000 00:01 6          /SYSV00000000 (deleted)\n"
        "52000000-52100000 rw-s 00000000 00:01 7          /memfd:table (deleted)\n"
        "53000000-53100000 r--s 00000000 00:20 8          /data/table\n"
        "54000000-54100000 rw-s 00000000 08:01 9          /data/journal\n"
        "55000000-55200000 rw-s 00000000 00:11 10         /huge/pages\n"
        "56000000-56200000 rw-p 00000000 00:0f 11         /anon_hugepage (deleted)\n"
        "57000000-57100000 rw-s 00000000 00:06 12         /dev/nvidia0\n",
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        "30 22 0:32 / /data rw - tmpfs tmpfs rw,size=1g\n"
        "31 22 0:17 / /huge rw master:3 - hugetlbfs none rw\n");
    of_file(0x50000000, 1);
    of_file(0x51000000, 2);
    of_file(0x52000000, 4);
    of_file(0x53000000, 8);
    of_file(0x54000000, 16);
    of_file(0x55000000, 32);
    own(0x56000000, 64);
    pages(0x57000000, 128, PRESENT);
    gs_account_survey_settle_claims(&survey);
    sum(0, 31, 0);
    assert_pages(0, 0, 0, 16, 1 + 2 + 4 + 8, 0, 0);
}

/* Who mapped shared memory is known, and it stays shared memory. A page of a private mapping of such a file that was written is
 * the process's own. Whoever mapped a file on a disk is not asked. */
static void who_maps_shared_memory_is_known(void **state)
{
    (void)state;
    map("50000000-50100000 rw-s 00000000 00:01 5          /dev/zero (deleted)\n"
        "52000000-52100000 rw-p 00000000 00:01 7          /memfd:table (deleted)\n"
        "54000000-54100000 rw-s 00000000 08:01 9          /data/journal\n",
        NULL);
    of_file(0x50000000, 5);
    of_file(0x52000000, 3);
    own(0x52003000, 2);
    of_file(0x54000000, 16);
    claim(GS_CLAIM_MAPPED, 0x50000000, 0x50100000);
    claim(GS_CLAIM_MAPPED, 0x52000000, 0x52100000);
    claim(GS_CLAIM_MAPPED, 0x54000000, 0x54100000);
    gs_account_survey_settle_claims(&survey);
    sum(0, 26, 2);
    assert_pages(0, 0, 0, 16, 5 + 3, 2, 0);
    const struct gs_claim *mapped = survey.claims[GS_CLAIM_MAPPED].claim;
    assert_int_equal(mapped[0].shared, 5);
    assert_int_equal(mapped[1].shared, 3);
    assert_int_equal(mapped[2].shared, 0);
    assert_int_equal(mapped[0].pages + mapped[1].pages + mapped[2].pages, 0);
}

/* The heap is where blocks were seen: one in the area at 0x10000000, none in the one at 0x11000000; the arena of glibc's at
 * 0x44000000 (17 times 64 MiB) is known by its shape, the area at 0x54000000 has not that shape: nothing closed behind it. */
static void the_heap_is_where_blocks_were_seen_and_in_arenas(void **state)
{
    (void)state;
    map("10000000-10100000 rw-p 00000000 00:00 0 \n"
        "11000000-11100000 rw-p 00000000 00:00 0 \n"
        "44000000-44021000 rw-p 00000000 00:00 0 \n"
        "44021000-48000000 ---p 00000000 00:00 0 \n"
        "54000000-54021000 rw-p 00000000 00:00 0 \n",
        "");
    own(0x10000000, 20);
    own(0x11000000, 5);
    own(0x44000000, 9);
    own(0x54000000, 3);
    gs_account_survey_settle_claims(&survey);
    gs_account_survey_block(&survey, 0x10000ff0);
    gs_account_survey_block(&survey, 0x20000000); // long gone: in no area
    sum(0, 37, 37);
    assert_pages(0, 20 + 9, 0, 0, 0, 5 + 3, 0);
}

/* One area of 8 MiB, which the kernel has joined out of the heap's (2 pages before and 4 after), 3 MiB of the program's own (16
 * pages) and 1 MiB of the agent's (32 pages). A block in the program's own memory would make that the heap's. */
static void an_area_is_cut_by_who_claims_what(void **state)
{
    (void)state;
    map("20000000-20800000 rw-p 00000000 00:00 0 \n", "");
    own(0x200fe000, 2);
    own(0x20100000, 8);
    own(0x203f8000, 8);
    own(0x20400000, 4);
    own(0x20700000, 32);
    claim(GS_CLAIM_MAPPED, 0x20100000, 0x20400000);
    claim(GS_CLAIM_AGENT, 0x20700000, 0x20800000);
    gs_account_survey_settle_claims(&survey);
    gs_account_survey_block(&survey, 0x20000010);
    gs_account_survey_block(&survey, 0x20700010); // where the agent is now there was heap once
    sum(0, 54, 54);
    assert_pages(0, 2 + 4, 0, 0, 0, 16, 32);
    assert_int_equal(survey.claims[GS_CLAIM_MAPPED].claim[0].pages, 16);
    assert_int_equal(survey.claims[GS_CLAIM_MAPPED].claim[0].stack, 7);
}

static void memory_that_an_allocator_mapped_is_the_heap_s(void **state)
{
    (void)state;
    map("20000000-20800000 rw-p 00000000 00:00 0 \n", "");
    own(0x20000000, 8);
    own(0x20400000, 16);
    claim(GS_CLAIM_MAPPED, 0x20000000, 0x20400000);
    claim(GS_CLAIM_MAPPED, 0x20400000, 0x20800000);
    gs_account_survey_settle_claims(&survey);
    gs_account_survey_block(&survey, 0x20400040);
    sum(4096, 24, 24);
    assert_pages(1, 15, 0, 0, 0, 8, 0);
}

/* The library's text and data are files, and its .bss follows: all of it is the agent's. A claim of mmap's over a file, which
 * came to lie there later, is void. */
static void the_library_itself_is_the_agent_s(void **state)
{
    (void)state;
    map("61000000-61100000 r-xp 00000000 08:01 100        /usr/lib/libgumshoe.so.1\n"
        "61100000-61110000 rw-p 00100000 08:01 100        /usr/lib/libgumshoe.so.1\n"
        "61110000-61200000 rw-p 00000000 00:00 0 \n"
        "62000000-62100000 r--p 00000000 08:01 101        /usr/lib/libz.so.1\n",
        "");
    of_file(0x61000000, 5);
    of_file(0x61100000, 1);
    own(0x61101000, 2);
    own(0x61110000, 8);
    of_file(0x62000000, 3);
    claim(GS_CLAIM_AGENT, 0x61000000, 0x61200000);
    claim(GS_CLAIM_MAPPED, 0x62000000, 0x62100000);
    gs_account_survey_settle_claims(&survey);
    sum(0, 19, 10);
    assert_pages(0, 0, 0, 3, 0, 0, 16);
}

/* Three threads. The first's stack is known by its top and fills the area below it; behind it, joined to the same area, is
 * heap. The second was given a stack of 64 KiB out of a block of the heap. Of the third only sp is known: 8 MiB below it and 1
 * above are its, of an area of 32. */
static void stacks_are_found_by_their_top_their_size_or_sp(void **state)
{
    (void)state;
    map("40000000-40001000 ---p 00000000 00:00 0 \n"
        "40001000-40900000 rw-p 00000000 00:00 0 \n"
        "41000000-41100000 rw-p 00000000 00:00 0 \n"
        "42000000-44000000 rw-p 00000000 00:00 0 \n",
        "");
    own(0x407f0000, 6);
    own(0x40800000, 3);
    own(0x41000000, 2);
    own(0x41010000, 16);
    own(0x41020000, 4);
    own(0x42000000, 5); // 16 MiB below sp
    own(0x42fff000, 8); // around it
    own(0x43fff000, 1); // 15 MiB above
    thread_at(0x40800000, 0, 0);
    thread_at(0x41020000, 0x10000, 0);
    thread_at(0, 0, 0x43000000);
    thread_at(0, 0, 0x90000000); // in no area: it has ended
    gs_account_survey_settle_claims(&survey);
    gs_account_survey_block(&survey, 0x40800100);
    gs_account_survey_block(&survey, 0x41000100);
    sum(0, 45, 45);
    assert_pages(0, 3 + 2 + 4, 6 + 16 + 8, 0, 0, 5 + 1, 0);
}

/* What was read at different moments may overlap: no page counts twice, and the agent comes first. */
static void overlapping_claims_count_once(void **state)
{
    (void)state;
    map("20000000-20800000 rw-p 00000000 00:00 0 \n", "");
    own(0x20000000, 512);
    claim(GS_CLAIM_MAPPED, 0x20000000, 0x20180000);
    claim(GS_CLAIM_MAPPED, 0x20100000, 0x20200000);
    claim(GS_CLAIM_AGENT, 0x200f0000, 0x20110000);
    gs_account_survey_settle_claims(&survey);
    sum(0, 512, 512);
    assert_pages(0, 0, 0, 0, 0, 512 - 32, 32);
    assert_int_equal(survey.claims[GS_CLAIM_MAPPED].claim[0].pages, 256 - 16);
    assert_int_equal(survey.claims[GS_CLAIM_MAPPED].claim[1].pages, 256 - 16);
}

/* 100 pages of zeros that were only read, and 20 real ones: the pagemap shows 120, the kernel counts 20. */
static void pages_of_zeros_are_not_resident(void **state)
{
    (void)state;
    map("01000000-01100000 rw-p 00000000 00:00 0          [heap]\n"
        "20000000-20800000 rw-p 00000000 00:00 0 \n",
        "");
    own(0x1000000, 12);
    own(0x20000000, 8);
    pages(0x20100000, 100, PRESENT);
    claim(GS_CLAIM_MAPPED, 0x20000000, 0x20800000);
    gs_account_survey_settle_claims(&survey);
    sum(0, 20, 20);
    assert_pages(0, 12, 0, 0, 0, 8, 0);
    assert_int_equal(survey.claims[GS_CLAIM_MAPPED].claim[0].pages, 8);
}

/* After a fork every page is mapped twice, and is resident all the same. */
static void pages_shared_with_a_child_are_resident(void **state)
{
    (void)state;
    map("01000000-01100000 rw-p 00000000 00:00 0          [heap]\n", "");
    pages(0x1000000, 100, PRESENT);
    gs_account_survey_settle_claims(&survey);
    sum(0, 100, 100);
    assert_pages(0, 100, 0, 0, 0, 0, 0);
}

/* 300 pages lie in memory that was closed after it was written to. They are looked for once the kernel counts more than was
 * found elsewhere; until then what is closed is not read: it may be a reservation of a terabyte. */
static void closed_memory_is_read_when_something_is_missing(void **state)
{
    (void)state;
    const char maps[] = "01000000-01100000 rw-p 00000000 00:00 0          [heap]\n"
                        "20000000-20800000 ---p 00000000 00:00 0 \n";
    map(maps, "");
    own(0x1000000, 10);
    own(0x20000000, 300);
    gs_account_survey_settle_claims(&survey);
    sum(0, 10, 10);
    assert_pages(0, 10, 0, 0, 0, 0, 0);
    gs_account_survey_fini(&survey);
    survey.source = (struct gs_pages){.fd = pagemap, .until_ns = INT64_MAX};
    map(maps, "");
    gs_account_survey_settle_claims(&survey);
    sum(0, 310, 310);
    assert_pages(0, 10, 0, 0, 0, 300, 0);
}

/* The time is up: what is small was read, what is large was not, and it says so. */
static void it_ends_when_its_time_is_up(void **state)
{
    (void)state;
    map("20000000-90000000 rw-p 00000000 00:00 0 \n"
        "a0000000-a0100000 rw-p 00000000 00:00 0          [heap]\n",
        "");
    own(0x20000000, 10);
    own(0xa0000000, 5);
    gs_account_survey_settle_claims(&survey);
    survey.source.until_ns = gs_clock_monotonic_ns() - 1;
    sum(0, 15, 15);
    assert_true(survey.source.cut);
    assert_pages(0, 0, 0, 0, 0, 0, 0);
}

/* 3.5 TiB take seconds; the heap, which lies behind, a millisecond. */
static void small_areas_are_read_first(void **state)
{
    (void)state;
    map("20000000-38020000000 rw-p 00000000 00:00 0 \n"
        "3a000000000-3a000100000 rw-p 00000000 00:00 0          [heap]\n",
        "");
    own(0x20000000, 1);
    own(0x3a000000000, 5);
    gs_account_survey_settle_claims(&survey);
    survey.source.until_ns = gs_clock_monotonic_ns() + 100 * GS_NS_PER_MS;
    sum(0, 6, 6);
    assert_true(survey.source.cut);
    assert_pages(0, 5, 0, 0, 0, 1, 0);
}

static void a_pagemap_that_cannot_be_read_is_told(void **state)
{
    (void)state;
    map("01000000-01100000 rw-p 00000000 00:00 0          [heap]\n", "");
    survey.source.fd = -1;
    gs_account_survey_settle_claims(&survey);
    sum(0, 10, 10);
    assert_int_equal(survey.source.error, -EBADF);
}

static void what_the_kernel_counts_is_read(void **state)
{
    (void)state;
    struct gs_resident r = gs_account_resident_read(
        "Name:\ta VmRSS: 7 kB\nVmSize:\t  999 kB\nVmRSS:\t    2820 kB\nRssAnon:\t     504 kB\n"
        "RssFile:\t    2316 kB\nRssShmem:\t       0 kB\n");
    assert_int_equal(r.all, 2820 << 10);
    assert_int_equal(r.anonymous, 504 << 10);
    assert_int_equal(r.file, 2316 << 10);
    assert_int_equal(r.shared, 0);
    assert_int_equal(gs_account_resident_read("").all, 0);
    assert_int_equal(gs_account_resident_read("x\nVmRSS:\t").all, 0);
}

/* Lines that are none, and a map without an end. */
static void odd_maps_are_passed_over(void **state)
{
    (void)state;
    map("\n\nrubbish\n01000000-01100000 rw 00000000 00:00 0 [heap]\n01000000-01100000 rw-p 00000000 00:00 0  "
        "        [heap]",
        "x\n - tmpfs\n1 2 3 - tmpfs");
    assert_int_equal(survey.areas, 1);
    assert_int_equal(survey.area[0].kind, GS_AREA_HEAP);
    assert_null(gs_account_survey_area(&survey, 0x1100000));
    assert_non_null(gs_account_survey_area(&survey, 0x10fffff));
}

/* ---- areas without a stack ---------------------------------------------------------------------------------------------- */

static struct gs_areas_then then;
static struct gs_account account;

/* The process as it is now is the base of what follows: other MAPS come next. */
static void is_the_base(void)
{
    gs_account_survey_settle_claims(&survey);
    sum(0, 0, 1 << 20);
    assert_int_equal(gs_account_areas_keep(&survey, &then), 0);
    int fd = survey.source.fd;
    gs_account_survey_fini(&survey);
    survey = (struct gs_survey){.source = {.fd = fd, .until_ns = INT64_MAX}};
}

/* The areas now, those that grew most first: "NAME BYTES +GROWTH" in pages. */
static const char *areas(void)
{
    static char text[1000];
    size_t length = 0;
    text[0] = 0;
    gs_account_survey_settle_claims(&survey);
    sum(0, 0, 1 << 20);
    account.mappings = gs_account_mappings_new();
    assert_int_equal(gs_account_areas_list(&survey, &then, NULL, &account), 0);
    for (size_t i = 0; i < account.areas; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "%s%s %d %+d", i ? ", " : "",
                                   account.area[i].name, (int)(account.area[i].bytes / 4096),
                                   (int)(account.area[i].growth / 4096));
    return text;
}

static int forget_areas(void **state)
{
    gs_account_fini(&account);
    gs_free(then.area);
    then = (struct gs_areas_then){0};
    return forget(state);
}

static const char two_areas[] = "10000000-10100000 rw-p 00000000 00:00 0 \n"
                                "10200000-10300000 rw-p 00000000 00:00 0 \n";

/* 100 pages in each of two areas. Then one of them has 50 more; it was cut in two, and the other grew into the gap. Nothing else
 * moved: what was there is where it was. */
static void growth_is_found_where_areas_are_cut_and_joined(void **state)
{
    (void)state;
    own(0x10000000, 100);
    own(0x10200000, 100);
    map(two_areas, "");
    is_the_base();
    own(0x10200000 + 100 * 4096, 50);
    map("10000000-10032000 rw-p 00000000 00:00 0 \n" // 50 pages
        "10032000-10100000 r--p 00000000 00:00 0 \n"
        "10180000-10300000 rw-p 00000000 00:00 0 \n",
        "");
    // areas below 64 pages are added up: of the cut one, 50 and 50
    assert_string_equal(areas(), "[anonymous mapping] 150 +50, [small private areas] 100 +0");
}

static void a_cut_area_has_not_grown(void **state)
{
    (void)state;
    own(0x10000000, 200);
    map(two_areas, "");
    is_the_base();
    map("10000000-10064000 rw-p 00000000 00:00 0 \n" // 100 pages
        "10064000-10100000 r--p 00000000 00:00 0 \n",
        "");
    assert_string_equal(areas(), "[anonymous mapping] 100 +0, [anonymous mapping] 100 +0");
}

/* Who is known to have mapped its memory is not among them. */
static void areas_have_the_names_of_what_they_are(void **state)
{
    (void)state;
    map("00400000-00500000 rw-p 00000000 08:01 100        /usr/bin/a host\n"
        "00500000-00600000 rw-p 00000000 00:00 0 \n"
        "10000000-10100000 rw-p 00000000 00:00 0 \n"
        "20000000-20100000 rw-s 00000000 00:01 5          /dev/zero (deleted)\n"
        "30000000-30100000 r--s 00000000 08:01 101        /var/lib/a/data.mdb\n"
        "40000000-40100000 rw-p 00000000 00:00 0          [anon:cache]\n",
        "");
    claim(GS_CLAIM_MAPPED, 0x10000000, 0x10080000);
    is_the_base();
    map("00400000-00500000 rw-p 00000000 08:01 100        /usr/bin/a host\n"
        "00500000-00600000 rw-p 00000000 00:00 0 \n"
        "10000000-10100000 rw-p 00000000 00:00 0 \n"
        "20000000-20100000 rw-s 00000000 00:01 5          /dev/zero (deleted)\n"
        "30000000-30100000 r--s 00000000 08:01 101        /var/lib/a/data.mdb\n"
        "40000000-40100000 rw-p 00000000 00:00 0          [anon:cache]\n",
        "");
    claim(GS_CLAIM_MAPPED, 0x10000000, 0x10080000);
    own(0x400000, 65);
    own(0x500000, 66);
    own(0x10000000, 128 + 70); // 70 beyond the claim
    of_file(0x20000000, 80);
    of_file(0x30000000, 90);
    own(0x40000000, 100);
    assert_string_equal(
        areas(),
        "[anon:cache] 100 +100, /var/lib/a/data.mdb 90 +90, /dev/zero 80 +80, [anonymous mapping] 70 +70, "
        "[.bss of a host] 66 +66, [written data of a host] 65 +65");
}

/* A and B are sampled in an area that also has blocks of malloc: A stands for 8 mappings of 4 pages, B for 4 of 2. Of the area's 100 other
 * pages, 28 and 6 are theirs. A lone mapping, C, whose 3 fellows are areas of their own, has their pages. */
static void a_sampled_mapping_stands_for_its_fellows(void **state)
{
    (void)state;
    map("10000000-10100000 rw-p 00000000 00:00 0 \n"
        "20000000-20004000 rw-p 00000000 00:00 0 \n"
        "20005000-20009000 rw-p 00000000 00:00 0 \n"
        "2000a000-2000e000 rw-p 00000000 00:00 0 \n",
        "");
    assert_int_equal(gs_account_survey_claim_sampled(&survey, 0x10000000, 0x10004000, 1, 8), 0);
    assert_int_equal(gs_account_survey_claim_sampled(&survey, 0x10008000, 0x1000a000, 2, 4), 0);
    assert_int_equal(gs_account_survey_claim_sampled(&survey, 0x20005000, 0x20009000, 3, 4), 0);
    gs_account_survey_settle_claims(&survey);
    own(0x10000000, 4);
    own(0x10008000, 2);
    own(0x10010000, 100);
    own(0x20000000, 4);
    own(0x20005000, 4);
    own(0x2000a000, 4);
    gs_account_survey_block(&survey, 0x10020000);
    sum(50 * 4096, 118, 118);
    gs_account_sampled_share(&survey, part);
    const struct gs_claim *claim = survey.claims[GS_CLAIM_MAPPED].claim;
    assert_int_equal(claim[0].pages + claim[0].more, 4 + 28);
    assert_int_equal(claim[1].pages + claim[1].more, 2 + 6);
    assert_int_equal(claim[2].pages + claim[2].more, 4 + 8); // 12 are sought, 8 are there
    assert_pages(50, 100 - 34 - 50, 0, 0, 0, 6 + 34 + 12, 0);
}

/* More is sought than is there: both get the same share. */
static void fellows_are_no_more_than_what_is_there(void **state)
{
    (void)state;
    map("10000000-10100000 rw-p 00000000 00:00 0 \n", "");
    assert_int_equal(gs_account_survey_claim_sampled(&survey, 0x10000000, 0x10004000, 1, 8), 0);
    assert_int_equal(gs_account_survey_claim_sampled(&survey, 0x10008000, 0x1000c000, 2, 4), 0);
    gs_account_survey_settle_claims(&survey);
    own(0x10000000, 4);
    own(0x10008000, 4);
    own(0x10010000, 20);
    sum(0, 28, 28);
    gs_account_sampled_share(&survey, part);
    const struct gs_claim *claim = survey.claims[GS_CLAIM_MAPPED].claim;
    assert_int_equal(claim[0].more, 14); // of 28
    assert_int_equal(claim[1].more, 6);  // of 12
    assert_pages(0, 0, 0, 0, 0, 28, 0);
}

#define AREAS(function) cmocka_unit_test_setup_teardown(function, nothing_resident, forget_areas)
#define STORY(function) cmocka_unit_test_setup_teardown(function, nothing_resident, forget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_plain_program),
        STORY(live_blocks_are_bounded_by_the_heap),
        STORY(shared_memory_is_told_by_its_name_or_device),
        STORY(who_maps_shared_memory_is_known),
        STORY(the_heap_is_where_blocks_were_seen_and_in_arenas),
        STORY(an_area_is_cut_by_who_claims_what),
        STORY(memory_that_an_allocator_mapped_is_the_heap_s),
        STORY(the_library_itself_is_the_agent_s),
        STORY(stacks_are_found_by_their_top_their_size_or_sp),
        STORY(overlapping_claims_count_once),
        STORY(pages_of_zeros_are_not_resident),
        STORY(pages_shared_with_a_child_are_resident),
        STORY(closed_memory_is_read_when_something_is_missing),
        STORY(it_ends_when_its_time_is_up),
        STORY(small_areas_are_read_first),
        STORY(a_pagemap_that_cannot_be_read_is_told),
        STORY(what_the_kernel_counts_is_read),
        STORY(odd_maps_are_passed_over),
        STORY(a_sampled_mapping_stands_for_its_fellows),
        STORY(fellows_are_no_more_than_what_is_there),
        AREAS(growth_is_found_where_areas_are_cut_and_joined),
        AREAS(a_cut_area_has_not_grown),
        AREAS(areas_have_the_names_of_what_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
