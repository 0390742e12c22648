/* What the memory account says to people and machines: which part grew, whether that is a leak, and who is to blame. */
#include "base/clock.h"
#include "base/memory.h"
#include "account/account.h"
#include "incident/inside.h"
#include "profile/profile.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define MIB(n) ((int64_t)(n) << 20)

static struct gs_account account;
static struct gs_text text;
static struct gs_climb climb; // before the trigger

enum how { PRIVATE, SHARED };

/* FUNCTION, called by main, has mapped NOW MiB, THEN of them before the baseline. */
static void mapped_as(enum how how, const char *function, int now, int then)
{
    const char *names[] = {function, "main"};
    uint32_t location[2];
    int64_t private[GS_MAPPED_COLUMNS] = {MIB(now), MIB(now - then)},
            shared[GS_MAPPED_COLUMNS] = {0, 0, MIB(now), MIB(now - then)};
    for (int i = 0; i < 2; i++) {
        struct gs_line line = {gs_profile_add_function(account.mappings, names[i], names[i], "", 0), 0};
        location[i] =
            gs_profile_add_location(account.mappings, &(struct gs_location){.line_count = 1, .line = &line});
    }
    gs_profile_append_sample(
        account.mappings,
        &(struct gs_sample){.location = location, .depth = 2, .value = how == SHARED ? shared : private});
}

static void mapped(const char *function, int now, int then)
{
    mapped_as(PRIVATE, function, now, then);
}

/* MiB of live heap, kept, stacks, files, shared, anonymous, agent: now. */
static void holds(const int mib[GS_PARTS])
{
    for (int i = 0; i < GS_PARTS; i++)
        account.rss += account.part[i] = (uint64_t)MIB(mib[i]);
    account.counted = account.rss;
}

/* And ten minutes ago. */
static void held(const int mib[GS_PARTS])
{
    for (int i = 0; i < GS_PARTS; i++)
        account.base[i] = (uint64_t)MIB(mib[i]);
    account.has_base = true;
    account.base_age_ns = 600 * GS_NS_PER_S;
}

#define PARTS(...)        \
    (const int[GS_PARTS]) \
    {                     \
        __VA_ARGS__       \
    }

static int an_account(void **state)
{
    (void)state;
    gs_json_use_our_memory();
    account.mappings = gs_account_mappings_new();
    return !account.mappings;
}

static int forget(void **state)
{
    (void)state;
    gs_account_fini(&account);
    gs_text_fini(&text);
    return 0;
}

static void assert_words(const char *sum, const char *gain)
{
    char wanted[400];
    gs_incident_summarise_memory(&account, &climb, &text);
    snprintf(wanted, sizeof wanted, "\n%s\n%s\n", sum, gain);
    assert_string_equal(text.bytes, wanted);
}

/* 1.4 GiB, of which the allocator keeps most: it grew by 1229 MiB, 80 of them live. */
static void a_fragmented_heap_is_no_leak(void **state)
{
    (void)state;
    holds(PARTS(100, 1249, 1, 30, 0, 12, 2));
    held(PARTS(20, 100, 1, 30, 0, 12, 2));
    assert_words("Memory: RSS 1.4 GiB = live heap 100 MiB + kept by the allocator 1.2 GiB + thread stacks 1 "
                 "MiB + files 30 MiB + "
                 "other anonymous 12 MiB + gumshoe 2 MiB",
                 "  heap grew 1.2 GiB in 10 min, of it live 80 MiB: fragmentation or memory kept by the "
                 "allocator, not a leak of "
                 "live blocks");
}

/* At half and more, live blocks explain it; what was kept before and is live now makes no growth beyond the whole. */
static void a_leak_is_one(void **state)
{
    (void)state;
    holds(PARTS(150, 50, 0, 0, 0, 0, 0));
    held(PARTS(40, 60, 0, 0, 0, 0, 0));
    assert_words("Memory: RSS 200 MiB = live heap 150 MiB + kept by the allocator 50 MiB",
                 "  heap grew 100 MiB in 10 min, of it live 100 MiB: live blocks explain it");
}

static void who_mapped_what_grew_is_named(void **state)
{
    struct gs_culprit culprit;
    (void)state;
    mapped("map_index", 60, 50);
    mapped("map_table", 40, 0);
    holds(PARTS(10, 0, 0, 0, 0, 105, 0));
    held(PARTS(5, 0, 0, 0, 0, 54, 0));
    assert_words("Memory: RSS 115 MiB = live heap 10 MiB + other anonymous 105 MiB",
                 "  anonymous memory outside the heap grew 51 MiB in 10 min, of it 40 MiB mapped outside "
                 "malloc by map_table");
    assert_true(gs_incident_culprit_of_mappings(&account, &climb, &culprit));
    assert_string_equal(culprit.function, "map_table");
    assert_string_equal(culprit.kind, "growth");
    assert_int_equal(culprit.value, MIB(40));
    assert_string_equal(culprit.mapped, "what is mapped outside malloc");
    assert_true(culprit.share == 0.8); // 40 of 50
}

/* Shared memory has its mapper too. */
static void who_mapped_shared_memory_is_named(void **state)
{
    struct gs_culprit culprit;
    (void)state;
    mapped("map_index", 60, 50);
    mapped_as(SHARED, "map_ring", 40, 0);
    holds(PARTS(10, 0, 0, 0, 41, 64, 0));
    held(PARTS(5, 0, 0, 0, 1, 54, 0));
    assert_words("Memory: RSS 115 MiB = live heap 10 MiB + shared memory 41 MiB + other anonymous 64 MiB",
                 "  shared memory grew 40 MiB in 10 min, of it 40 MiB mapped by map_ring: possibly shared "
                 "with other processes");
    assert_true(gs_incident_culprit_of_mappings(&account, &climb, &culprit));
    assert_string_equal(culprit.function, "map_ring");
    assert_string_equal(culprit.mapped, "the shared memory");
    gs_text_fini(&text);
    gs_incident_write_memory(&account, NULL, &text);
    json_t *json = json_loads(text.bytes, 0, NULL), *list = json_object_get(json, "shared_by_stack");
    assert_int_equal(json_array_size(list), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "function")), "map_ring");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 0), "bytes")), MIB(40));
    json_decref(json);
}

static void the_waste_stands_beside_the_parts(void **state)
{
    (void)state;
    const struct gs_waste_facts waste = {.heap = MIB(60),
                                         .waste = MIB(50),
                                         .pinned = MIB(40),
                                         .trimmable = MIB(8),
                                         .walked = MIB(30),
                                         .samples = 90,
                                         .arenas = 3};
    holds(PARTS(10, 50, 0, 0, 0, 0, 0));
    gs_text_fini(&text);
    gs_incident_write_memory(&account, &waste, &text);
    json_t *json = json_loads(text.bytes, 0, NULL);
    struct gs_waste_facts read = gs_incident_read_waste(json_object_get(json, "waste"));
    assert_int_equal(read.heap, waste.heap);
    assert_int_equal(read.waste, waste.waste);
    assert_int_equal(read.pinned, waste.pinned);
    assert_int_equal(read.trimmable, waste.trimmable);
    assert_int_equal(read.walked, waste.walked);
    assert_int_equal(read.samples, waste.samples);
    assert_int_equal(read.arenas, waste.arenas);
    json_decref(json);
    gs_text_fini(&text);
    gs_incident_write_memory(&account, NULL, &text);
    json = json_loads(text.bytes, 0, NULL);
    assert_true(json_is_null(json_object_get(json, "waste")));
    json_decref(json);
}

/* Without a baseline: what holds most. */
static void the_largest_part_is_told_where_nothing_is_known_of_before(void **state)
{
    struct gs_culprit culprit;
    (void)state;
    mapped("map_index", 60, 60);
    mapped("map_table", 40, 40);
    holds(PARTS(50, 0, 0, 0, 0, 101, 0));
    assert_words("Memory: RSS 151 MiB = live heap 50 MiB + other anonymous 101 MiB",
                 "  anonymous memory outside the heap: 101 MiB, the largest part, of it 60 MiB mapped "
                 "outside malloc by map_index");
    assert_true(gs_incident_culprit_of_mappings(&account, &climb, &culprit));
    assert_string_equal(culprit.function, "map_index");
    assert_string_equal(culprit.kind, "in_use");
}

/* Nothing grew: then who holds most is to blame, unless live blocks are more. */
static void the_heap_is_to_blame_when_it_grew_more_or_holds_more(void **state)
{
    struct gs_culprit culprit;
    (void)state;
    mapped("map_table", 40, 40);
    holds(PARTS(41, 0, 0, 0, 0, 40, 0));
    held(PARTS(41, 0, 0, 0, 0, 40, 0));
    assert_words("Memory: RSS 81 MiB = live heap 41 MiB + other anonymous 40 MiB",
                 "  no part of it grew by 1 MiB in the last 10 min\n"
                 "  heap: 41 MiB, the largest part, of it live 41 MiB: live blocks explain it");
    assert_false(gs_incident_culprit_of_mappings(&account, &climb, &culprit));
    assert_null(culprit.function);
    account.part[GS_HEAP_LIVE] = (uint64_t)MIB(39);
    assert_true(gs_incident_culprit_of_mappings(&account, &climb, &culprit));
    assert_string_equal(culprit.kind, "in_use");
    account.base[GS_HEAP_LIVE] = 0; // 39 MiB more live
    assert_false(gs_incident_culprit_of_mappings(&account, &climb, &culprit));
}

/* The baseline is of the last 2 s of a climb of 235 MiB. It shows none of it, so what is held is told. */
static void a_baseline_that_missed_the_climb_is_not_held_against_it(void **state)
{
    struct gs_culprit culprit;
    (void)state;
    climb = (struct gs_climb){60 * GS_NS_PER_S, (double)MIB(235)};
    mapped("map_table", 40, 38);
    holds(PARTS(300, 20, 0, 0, 0, 40, 0));
    held(PARTS(300, 20, 0, 0, 0, 38, 0));
    account.base_age_ns = 2 * GS_NS_PER_S;
    assert_words(
        "Memory: RSS 360 MiB = live heap 300 MiB + kept by the allocator 20 MiB + other anonymous 40 MiB",
        "  heap: 320 MiB, the largest part, of it live 300 MiB: live blocks explain it");
    assert_false(gs_incident_culprit_of_mappings(&account, &climb, &culprit));
    climb = (struct gs_climb){0};
}

/* What is not known is not said: no live heap of 0 B, no fragmentation, no leak. */
static void an_allocator_that_is_not_seen_is_not_judged(void **state)
{
    struct gs_culprit culprit;
    (void)state;
    account.heap_unseen = "no allocation was seen";
    mapped("map_table", 20, 0);
    holds(PARTS(0, 200, 0, 0, 0, 20, 0));
    held(PARTS(0, 50, 0, 0, 0, 0, 0));
    assert_words("Memory: RSS 220 MiB = heap, live or kept 200 MiB + other anonymous 20 MiB",
                 "  heap grew 150 MiB in 10 min\n"
                 "  gumshoe does not see this program's allocator: live blocks are not known (no allocation "
                 "was seen)");
    assert_false(gs_incident_culprit_of_mappings(&account, &climb, &culprit)); // the heap grew by more
    gs_text_fini(&text);
    gs_incident_write_memory(&account, NULL, &text);
    json_t *json = json_loads(text.bytes, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(json, "heap_unseen")), "no allocation was seen");
    json_decref(json);
}

/* Its pools are mapped by itself: who maps them is told, but not that this is outside of its malloc. */
static void what_an_unseen_allocator_maps_is_not_called_outside_of_it(void **state)
{
    (void)state;
    account.heap_unseen = "no allocation was seen";
    mapped("map_pool", 200, 0);
    holds(PARTS(0, 1, 0, 0, 0, 200, 0));
    held(PARTS(0, 1, 0, 0, 0, 0, 0));
    assert_words(
        "Memory: RSS 201 MiB = heap, live or kept 1 MiB + other anonymous 200 MiB",
        "  anonymous memory outside the heap grew 200 MiB in 10 min, of it 200 MiB mapped by map_pool\n"
        "  gumshoe does not see this program's allocator: live blocks are not known (no allocation was "
        "seen)");
}

static void every_other_part_has_its_words(void **state)
{
    (void)state;
    holds(PARTS(0, 0, 9, 0, 0, 0, 0));
    held(PARTS(0, 0, 1, 0, 0, 0, 0));
    assert_words("Memory: RSS 9 MiB = thread stacks 9 MiB",
                 "  thread stacks grew 8 MiB in 10 min: more threads, or deeper calls");
}

static void machines_read_the_same(void **state)
{
    (void)state;
    mapped("map_table", 40, 0);
    holds(PARTS(1, 2, 3, 4, 5, 46, 7));
    held(PARTS(1, 2, 3, 4, 5, 6, 7));
    gs_incident_write_memory(&account, NULL, &text);
    json_t *json = json_loads(text.bytes, 0, NULL);
    json_int_t version, rss, kept, agent, bytes, base;
    const char *function, *leaf, *caller;
    assert_int_equal(json_unpack(json, "{s:I, s:I, s:{s:I, s:I}, s:[{s:I, s:s, s:[s, s]}], s:{s:{s:I}}}",
                                 "version", &version, "rss", &rss, "parts", "heap_kept", &kept, "agent",
                                 &agent, "anonymous_by_stack", "bytes", &bytes, "function", &function,
                                 "stack", &leaf, &caller, "baseline", "parts", "anonymous", &base),
                     0);
    assert_int_equal(version, 1);
    assert_int_equal(rss, MIB(68));
    assert_int_equal(kept, MIB(2));
    assert_int_equal(agent, MIB(7));
    assert_int_equal(bytes, MIB(40));
    assert_int_equal(base, MIB(6));
    assert_string_equal(function, "map_table");
    assert_string_equal(leaf, "map_table");
    assert_string_equal(caller, "main");
    json_decref(json);
}

#define STORY(function) cmocka_unit_test_setup_teardown(function, an_account, forget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_fragmented_heap_is_no_leak),
        STORY(a_leak_is_one),
        STORY(who_mapped_what_grew_is_named),
        STORY(who_mapped_shared_memory_is_named),
        STORY(the_waste_stands_beside_the_parts),
        STORY(the_largest_part_is_told_where_nothing_is_known_of_before),
        STORY(the_heap_is_to_blame_when_it_grew_more_or_holds_more),
        STORY(a_baseline_that_missed_the_climb_is_not_held_against_it),
        STORY(an_allocator_that_is_not_seen_is_not_judged),
        STORY(what_an_unseen_allocator_maps_is_not_called_outside_of_it),
        STORY(every_other_part_has_its_words),
        STORY(machines_read_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
