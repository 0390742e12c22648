/* Who opened a descriptor: the last that opened its number, until it is closed. Descriptors are made up. */
#include "probe/inside.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static __attribute__((noinline)) uintptr_t open_as(int fd, enum gs_descriptor_kind kind)
{
    struct gs_caller caller = GS_CALLER();
    gs_probe_descriptor_opened(fd, kind, caller);
    return caller.pc;
}

static bool is_known(unsigned fd)
{
    struct gs_descriptor seen;
    return gs_probe_descriptor(fd, &seen);
}

static int begin(void **state)
{
    (void)state;
    gs_probe_descriptors_hook();
    return 0;
}

static void an_opener_is_known_until_the_number_is_closed(void **state)
{
    struct gs_descriptor seen;
    uint32_t depth;
    bool cut;
    (void)state;
    assert_false(is_known(5));
    uintptr_t pc = open_as(5, GS_DESCRIPTOR_SOCKET);
    assert_true(gs_probe_descriptor(5, &seen));
    assert_int_equal(seen.kind, GS_DESCRIPTOR_SOCKET);
    assert_int_equal(gs_probe_descriptor_kind(5), GS_DESCRIPTOR_SOCKET);
    assert_int_equal(gs_probe_stack_frames(seen.stack, &depth, &cut)[0], pc);
    assert_true(depth > 1 && !seen.caller_only);
    open_as(5, GS_DESCRIPTOR_FILE);
    assert_int_equal(gs_probe_descriptor_kind(5), GS_DESCRIPTOR_FILE);
    gs_probe_descriptors_closing(5, 5);
    assert_false(is_known(5));
    assert_int_equal(gs_probe_descriptor_kind(5), GS_DESCRIPTOR_ANY);
    assert_int_equal(gs_probe_descriptor_kind(-1), GS_DESCRIPTOR_ANY);
}

static void ranges_are_closed_as_a_whole(void **state)
{
    (void)state;
    for (int fd = 10; fd < 20; fd++)
        open_as(fd, GS_DESCRIPTOR_FILE);
    gs_probe_descriptors_closing(20, ~0u);
    gs_probe_descriptors_closing(13, 12);
    gs_probe_descriptors_closing(12, 17);
    for (unsigned fd = 10; fd < 20; fd++)
        assert_int_equal(is_known(fd), fd < 12 || fd > 17);
    gs_probe_descriptors_closing(0, ~0u);
    for (unsigned fd = 10; fd < 20; fd++)
        assert_false(is_known(fd));
}

static void numbers_beyond_the_table_are_not_known(void **state)
{
    (void)state;
    open_as(GS_DESCRIPTORS_MAX - 1, GS_DESCRIPTOR_FILE);
    open_as(GS_DESCRIPTORS_MAX, GS_DESCRIPTOR_FILE);
    open_as(-1, GS_DESCRIPTOR_FILE);
    assert_true(is_known(GS_DESCRIPTORS_MAX - 1));
    assert_false(is_known(GS_DESCRIPTORS_MAX));
    assert_false(is_known(~0u));
    gs_probe_descriptors_closing(GS_DESCRIPTORS_MAX - 1, ~0u);
    assert_false(is_known(GS_DESCRIPTORS_MAX - 1));
}

/* However many are opened at once, each has its caller. */
static void a_storm_has_callers_without_stacks(void **state)
{
    enum { MANY = 20000 };
    (void)state;
    uintptr_t pc = 0;
    size_t without = 0;
    for (int fd = 0; fd < MANY; fd++)
        pc = open_as(fd, GS_DESCRIPTOR_EVENTS);
    for (unsigned fd = 0; fd < MANY; fd++) {
        struct gs_descriptor seen;
        uint32_t depth;
        bool cut;
        assert_true(gs_probe_descriptor(fd, &seen));
        assert_int_equal(gs_probe_stack_frames(seen.stack, &depth, &cut)[0], pc);
        assert_int_equal(depth == 1, seen.caller_only);
        without += seen.caller_only;
    }
    assert_in_range(without, 0, MANY - 200); // the walks of one period
}

static void nothing_is_known_while_sampling_is_off(void **state)
{
    (void)state;
    open_as(7, GS_DESCRIPTOR_FILE);
    gs_probe_stop();
    open_as(7, GS_DESCRIPTOR_FILE);
    assert_false(is_known(7));
    gs_probe_start(&(struct gs_probe_settings){.sample_bytes = 1 << 19, .depth = 64});
    open_as(7, GS_DESCRIPTOR_FILE);
    assert_true(is_known(7));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_opener_is_known_until_the_number_is_closed),
        cmocka_unit_test(ranges_are_closed_as_a_whole),
        cmocka_unit_test(numbers_beyond_the_table_are_not_known),
        cmocka_unit_test(nothing_is_known_while_sampling_is_off),
        cmocka_unit_test(a_storm_has_callers_without_stacks),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}
