/* Labels as a host sets them, and the samples that carry them. */
#include "probe/inside.h"
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

/* The calling thread's labels as text: "a=1 b=2". */
static const char *mine(void)
{
    static _Thread_local char text[2200];
    struct gs_probe_label label[GS_LABELS_MAX];
    uint32_t count = gs_probe_labels(gs_thread.labels, label);
    char *at = text;
    *at = 0;
    for (uint32_t i = 0; i < count; i++)
        at += snprintf(at, (size_t)(text + sizeof text - at), "%s%s=%s", i ? " " : "", label[i].key, label[i].value);
    return text;
}

static int begin(void **state)
{
    (void)state;
    gs_thread.labels = 0;
    return 0;
}

static void a_label_is_set_changed_and_cleared(void **state)
{
    (void)state;
    assert_string_equal(mine(), "");
    assert_int_equal(gs_probe_label_set("tenant", "acme"), 0);
    assert_int_equal(gs_probe_label_set("route", "/search"), 0);
    assert_string_equal(mine(), "tenant=acme route=/search");
    assert_int_equal(gs_probe_label_set("tenant", "initech"), 0);
    assert_string_equal(mine(), "tenant=initech route=/search");
    gs_probe_label_clear("nobody");
    gs_probe_label_clear("tenant");
    assert_string_equal(mine(), "route=/search");
    gs_probe_label_clear("route");
    assert_int_equal(gs_thread.labels, 0);
}

/* In whatever order they were set: the same labels are one set, so that their samples add up. */
static void the_order_does_not_matter(void **state)
{
    (void)state;
    gs_probe_label_set("x", "1");
    gs_probe_label_set("y", "2");
    uint32_t set = gs_thread.labels;
    gs_thread.labels = 0;
    gs_probe_label_set("y", "2");
    gs_probe_label_set("x", "1");
    assert_int_equal(gs_thread.labels, set);
}

static void the_callers_text_is_copied(void **state)
{
    (void)state;
    char key[] = "copied", value[] = "yes";
    gs_probe_label_set(key, value);
    memset(key, '?', 6);
    memset(value, '?', 3);
    assert_string_equal(mine(), "copied=yes");
}

static void what_cannot_be_a_label_is_refused_and_counted(void **state)
{
    (void)state;
    char longest[GS_LABEL_TEXT], too_long[GS_LABEL_TEXT + 1];
    memset(longest, 'l', sizeof longest - 1), longest[sizeof longest - 1] = 0;
    memset(too_long, 'l', sizeof too_long - 1), too_long[sizeof too_long - 1] = 0;
    uint64_t before = gs_probe_labels_refused();
    assert_int_equal(gs_probe_label_set("", "v"), -EINVAL);
    assert_int_equal(gs_probe_label_set("k", ""), -EINVAL);
    assert_int_equal(gs_probe_label_set(NULL, "v"), -EINVAL);
    assert_int_equal(gs_probe_label_set("k", NULL), -EINVAL);
    assert_int_equal(gs_probe_label_set("k", too_long), -EINVAL);
    assert_int_equal(gs_probe_labels_refused() - before, 5);
    assert_int_equal(gs_probe_label_set(longest, longest), 0);
    gs_probe_label_clear(NULL);
    gs_probe_label_clear("");
    gs_probe_label_clear(too_long);
    assert_int_not_equal(gs_thread.labels, 0);
}

/* Eight keys are a thread's; the ninth is refused, and a new value for one of the eight is not. */
static void a_thread_has_eight(void **state)
{
    (void)state;
    for (char key[] = "a"; *key <= 'h'; ++*key)
        assert_int_equal(gs_probe_label_set(key, "1"), 0);
    assert_int_equal(gs_probe_label_set("i", "1"), -ENOSPC);
    assert_int_equal(gs_probe_label_set("h", "2"), 0);
    assert_string_equal(mine(), "a=1 b=1 c=1 d=1 e=1 f=1 g=1 h=2");
}

static void *another_thread(void *told)
{
    *(bool *)told = gs_thread.labels == 0 && gs_probe_label_set("thread", "two") == 0 && !strcmp(mine(), "thread=two");
    return NULL;
}

static void a_new_thread_begins_without(void **state)
{
    (void)state;
    pthread_t thread;
    bool alone = false;
    gs_probe_label_set("thread", "one");
    assert_int_equal(pthread_create(&thread, NULL, another_thread, &alone), 0);
    pthread_join(thread, NULL);
    assert_true(alone);
    assert_string_equal(mine(), "thread=one");
}

/* The same frames under two labels are two stacks, and each frees what it took. */
static void samples_carry_the_labels(void **state)
{
    (void)state;
    static char block[2][64];
    uint32_t sets[2];
    struct gs_probe_settings settings = {.sample_bytes = 1024, .depth = 16};
    gs_probe_start(&settings);
    for (int i = 0; i < 2; i++) {
        gs_probe_label_set("tenant", i ? "two" : "one");
        sets[i] = gs_thread.labels;
        for (int twice = 0; twice < 2; twice++) // the first may still have a gap drawn before
            gs_probe_note_alloc(&block[i][16 * twice], 100 << 20);
    }
    uint64_t bytes[2] = {0, 0};
    for (uint32_t s = 0; s < gs_probe_stack_count(); s++)
        for (int i = 0; i < 2; i++)
            if (gs_probe_stack_labels(s) == sets[i])
                bytes[i] += gs_probe_stack_counts(s).inuse_space;
    assert_int_equal(bytes[0], 200 << 20);
    assert_int_equal(bytes[1], 200 << 20);
    gs_probe_note_free(&block[0][0]); // by a thread that carries tenant=two: the block is still one's
    for (uint32_t s = 0; s < gs_probe_stack_count(); s++)
        if (gs_probe_stack_labels(s) == sets[0])
            bytes[0] -= gs_probe_stack_counts(s).inuse_space;
    assert_int_equal(bytes[0], 100 << 20);
}

/* A host that labels by request id: the tables fill, the labels there are stay as they were, and it is counted. */
static void too_many_are_refused(void **state)
{
    (void)state;
    int set = 0, full = 0;
    char value[32];
    gs_probe_label_set("kind", "flood");
    for (int i = 0; i < 100000; i++) {
        snprintf(value, sizeof value, "request-%d", i);
        int error = gs_probe_label_set("id", value);
        set += error == 0;
        full += error == -ENOSPC;
    }
    assert_true(set >= 1000 && full >= 1000 && set + full == 100000);
    assert_non_null(strstr(mine(), "kind=flood"));
    assert_non_null(strstr(mine(), "id=request-"));
    assert_int_equal(gs_probe_label_set("kind", "flood"), 0); // known already: still fine
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_label_is_set_changed_and_cleared, begin),
        cmocka_unit_test_setup(the_order_does_not_matter, begin),
        cmocka_unit_test_setup(the_callers_text_is_copied, begin),
        cmocka_unit_test_setup(what_cannot_be_a_label_is_refused_and_counted, begin),
        cmocka_unit_test_setup(a_thread_has_eight, begin),
        cmocka_unit_test_setup(a_new_thread_begins_without, begin),
        cmocka_unit_test_setup(samples_carry_the_labels, begin),
        cmocka_unit_test_setup(too_many_are_refused, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
