/* Unwind data that are damaged, at random: an answer for every address all the same, and walks that stay in bounds. The
 * C library's own tables are used, being the richest at hand; they are put right again after each round. */
#include "probe/unwind/inside.h"
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum { PAGE = 4096, WORDS = 512 };

/* The C library: its table's header, all of its unwind data (to the end of their segment), its code. */
static struct {
    uint8_t *hdr, *end;
    uintptr_t code, code_end;
} tables;

static int find_tables(struct dl_phdr_info *object, size_t size, void *unused)
{
    (void)size, (void)unused;
    if (!strstr(object->dlpi_name, "/libc.so.6"))
        return 0;
    for (int i = 0; i < object->dlpi_phnum; i++)
        if (object->dlpi_phdr[i].p_type == PT_GNU_EH_FRAME)
            tables.hdr = (uint8_t *)object->dlpi_addr + object->dlpi_phdr[i].p_vaddr;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        uintptr_t start = object->dlpi_addr + segment->p_vaddr, end = start + segment->p_filesz;
        if (segment->p_type == PT_LOAD && (uintptr_t)tables.hdr - start < segment->p_filesz)
            tables.end = (uint8_t *)end;
        if (segment->p_type == PT_LOAD && segment->p_flags & PF_X) {
            tables.code = start;
            tables.code_end = end;
        }
    }
    return 1;
}

static int open_tables(void **state)
{
    (void)state;
    dl_iterate_phdr(find_tables, NULL);
    uintptr_t start = (uintptr_t)tables.hdr & -(uintptr_t)PAGE;
    return !tables.end || mprotect((void *)start, (uintptr_t)tables.end - start, PROT_READ | PROT_WRITE);
}

/* A walk of rubbish that begins at PC: what the damaged row leads to must stay inside the stack. */
static void walk_from(uintptr_t pc, unsigned *seed)
{
    uintptr_t words[WORDS], frames[GS_DEPTH_MAX];
    for (int i = 0; i < WORDS; i++)
        words[i] = i % 2 ? (uintptr_t)&words[rand_r(seed) % WORDS] : pc + (unsigned)rand_r(seed) % 256;
    struct gs_reach reach = {.low = (uintptr_t)words, .high = (uintptr_t)(words + WORDS)};
    struct gs_registers registers = {.pc = pc,
                                     .sp = (uintptr_t)words,
                                     .bp = (uintptr_t)&words[rand_r(seed) % WORDS],
                                     .bx = (uintptr_t)&words[rand_r(seed) % WORDS],
                                     .bp_known = true,
                                     .bx_known = true};
    bool cut;
    assert_in_range(gs_unwind_walk(&registers, &reach, frames, GS_DEPTH_MAX, &cut), 1, GS_DEPTH_MAX);
}

enum { DAMAGE_MAX = 64 };
struct damage {
    uint8_t *at, was;
};

static uint8_t bad_byte(unsigned *seed)
{
    static const uint8_t liked[] = {0,    1,    0x7f, 0x80, 0xff,
                                    0x0f, 0x10, 0x16, 0x0a, 0x0b}; // lengths, and awkward opcodes
    return rand_r(seed) % 2 ? liked[(unsigned)rand_r(seed) % sizeof liked] : (uint8_t)rand_r(seed);
}

static void put_right(const struct damage *damage, int count)
{
    while (count-- > 0)
        *damage[count].at = damage[count].was;
}

/* Damage COUNT bytes from FROM on, ask for rows of the code from PC on, put the bytes right. */
static void round_of(uint8_t *from, size_t length, int count, uintptr_t pc, unsigned code, unsigned *seed)
{
    struct damage damage[DAMAGE_MAX];
    for (int i = 0; i < count; i++) {
        damage[i].at = from + (size_t)rand_r(seed) % length;
        damage[i].was = *damage[i].at;
        *damage[i].at = bad_byte(seed);
    }
    gs_unwind_walk_close_cache();
    gs_unwind_walk_open_cache(); // nothing of the round before
    for (int i = 0; i < 64; i++) {
        uintptr_t at = pc + (unsigned)rand_r(seed) % code;
        struct gs_row row = gs_unwind_row_compile(at);
        assert_in_range(row.kind, GS_ROW_NONE, GS_ROW_UNSUPPORTED);
        if (i % 8 == 0)
            walk_from(at, seed);
    }
    put_right(damage, count);
}

/* The header and its sorted table: the search goes astray. */
static void a_damaged_table(void **state)
{
    (void)state;
    unsigned seed = 11;
    size_t length = 12 + 8 * (size_t) * (uint32_t *)(tables.hdr + 8);
    for (int round = 0; round < 4000; round++)
        round_of(tables.hdr, round % 2 ? 16 : length, 1 + rand_r(&seed) % DAMAGE_MAX, tables.code,
                 (unsigned)(tables.code_end - tables.code), &seed);
}

/* Single entries, and what they share: programs and lengths that are nonsense. */
static void damaged_entries(void **state)
{
    (void)state;
    unsigned seed = 12;
    uint32_t entries = *(uint32_t *)(tables.hdr + 8);
    for (int round = 0; round < 20000; round++) {
        int32_t entry[2];
        memcpy(entry, tables.hdr + 12 + 8 * ((unsigned)rand_r(&seed) % entries), 8);
        uint8_t *fde = tables.hdr + entry[1];
        size_t length = 4 + (size_t) * (uint32_t *)fde;
        if (round % 4 == 0) { // its CIE instead
            fde = fde + 4 - *(uint32_t *)(fde + 4);
            length = 4 + (size_t) * (uint32_t *)fde;
        }
        round_of(fde, length, 1 + rand_r(&seed) % 4, (uintptr_t)tables.hdr + (uintptr_t)(intptr_t)entry[0],
                 64, &seed);
    }
}

/* The damage is real: the same code has other rows under it, and its own again afterwards. */
static void damage_is_seen(void **state)
{
    (void)state;
    uintptr_t pc = (uintptr_t)qsort + 1;
    struct gs_row before = gs_unwind_row_compile(pc);
    assert_int_not_equal(before.kind, GS_ROW_NONE);
    uint8_t was = *tables.hdr;
    *tables.hdr = 0; // a version that we do not know
    assert_int_equal(gs_unwind_row_compile(pc).kind, GS_ROW_NONE);
    *tables.hdr = was;
    struct gs_row after = gs_unwind_row_compile(pc);
    assert_memory_equal(&before, &after, sizeof before);
}

/* Where an object may go away, its tables are read in copies: what they say is the same. A program that is longer than its
 * copy is followed as far as it was copied, so it says the same, or nothing. */
static void a_copy_says_the_same(void **state)
{
    (void)state;
    unsigned asked = 0, said_nothing = 0;
    for (uintptr_t pc = tables.code; pc < tables.code_end; pc += 61) {
        struct gs_row in_place = gs_unwind_row_compile(pc), copied = gs_unwind_row_compile_unsure(pc);
        asked++;
        if (copied.kind == GS_ROW_UNSUPPORTED && in_place.kind != GS_ROW_UNSUPPORTED)
            said_nothing++;
        else
            assert_memory_equal(&in_place, &copied, sizeof copied);
    }
    assert_true(said_nothing < asked / 50);
}

/* ---- the cache --------------------------------------------------------------------------------------------------- */

__attribute__((noinline)) static bool walks_to_the_end(void)
{
    struct gs_caller caller = {(uintptr_t)__builtin_return_address(0),
                               (uintptr_t)__builtin_frame_address(0) + 16,
                               *(uintptr_t *)__builtin_frame_address(0)};
    struct gs_registers registers = {.pc = caller.pc, .sp = caller.sp, .bp = caller.bp, .bp_known = true};
    struct gs_reach reach;
    uintptr_t frames[GS_DEPTH_MAX];
    bool cut;
    gs_unwind_reach_own_stack(&reach, caller.sp);
    gs_unwind_walk(&registers, &reach, frames, GS_DEPTH_MAX, &cut);
    return !cut;
}

static bool found, found_again;

__attribute__((noinline)) static int walk_while_comparing(const void *a, const void *b)
{
    (void)a, (void)b;
    for (int i = 0; i < 2; i++) { // from one place, so that it is the same walk
        bool *whole = i ? &found_again : &found;
        uint8_t was = *tables.hdr;
        *tables.hdr = i ? 0 : was;
        *whole = walks_to_the_end();
        *tables.hdr = was;
    }
    return 0;
}

/* A walk through the C library is made twice; the second time its tables are out of order. Is it whole all the same? */
static bool rows_are_kept(void)
{
    int two[2] = {1, 2};
    qsort(two, 2, sizeof *two, walk_while_comparing);
    assert_true(found);
    return found_again;
}

static _Atomic bool is_closing, may_open;

static void *close_slowly(void *unused)
{
    gs_unwind_walk_close_cache();
    is_closing = true;
    while (!may_open)
        sched_yield();
    gs_unwind_walk_open_cache();
    return unused;
}

/* The child of a fork: EXPECTED is what it finds of its cache before and after it has done its own closing to the end. */
static int in_a_child(bool expected, bool closes_itself)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        gs_probe_after_fork();
        bool right = rows_are_kept() == expected;
        if (closes_itself)
            gs_unwind_walk_open_cache();
        _exit(right && rows_are_kept() ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/* A thread of the parent's is in dlclose: in the child nobody is, and rows are kept. A destructor that forks is still in it. */
static void a_child_keeps_rows_whatever_its_parent_was_closing(void **state)
{
    (void)state;
    pthread_t thread;
    assert_true(rows_are_kept());
    assert_int_equal(pthread_create(&thread, NULL, close_slowly, NULL), 0);
    while (!is_closing)
        sched_yield();
    assert_false(rows_are_kept());
    assert_int_equal(in_a_child(true, false), 0);
    may_open = true;
    pthread_join(thread, NULL);
    assert_true(rows_are_kept());
    gs_unwind_walk_close_cache();
    assert_int_equal(in_a_child(false, true), 0);
    gs_unwind_walk_open_cache();
    assert_true(rows_are_kept());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_says_the_same),
        cmocka_unit_test(a_child_keeps_rows_whatever_its_parent_was_closing),
        cmocka_unit_test(damage_is_seen),
        cmocka_unit_test(a_damaged_table),
        cmocka_unit_test(damaged_entries),
    };
    return cmocka_run_group_tests_name("rows", tests, open_tables, NULL);
}
