/* How the watcher is woken: nothing that somebody asked for is lost, however much comes at once. */
#include "probe/inside.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum { SECOND = 1000000000 };

/* The heap crosses a rule's line while somebody calls gumshoe_capture. The alarm is one shot: if it were lost, the rule
 * would wait for its tick. */
static void an_alarm_and_a_call_at_once_are_both_told(void **state)
{
    (void)state;
    for (int call_first = 0; call_first < 2; call_first++) {
        if (call_first)
            gs_probe_wake();
        gs_probe_alarm_at(0); // crossed already
        gs_probe_notify();    // and the kernel says that memory becomes scarce
        if (!call_first)
            gs_probe_wake();
        assert_int_equal(gs_probe_wait(0), GS_WAKE_ALARM);
        assert_int_equal(gs_probe_wait(0), GS_WAKE_NOTICE);
        assert_int_equal(gs_probe_wait(0), GS_WAKE_CALL);
        assert_int_equal(gs_probe_wait(0), GS_WAKE_TIMEOUT);
    }
}

/* Who waits is woken by either, and is not kept from the other by having been woken. */
static void *call(void *unused)
{
    gs_probe_wake();
    return unused;
}

static void a_call_wakes_who_sleeps_also_after_an_alarm(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, call, NULL), 0);
        gs_probe_alarm_at(0);
        assert_int_equal(gs_probe_wait(60 * (int64_t)SECOND), GS_WAKE_ALARM);
        assert_int_equal(gs_probe_wait(60 * (int64_t)SECOND), GS_WAKE_CALL);
        pthread_join(thread, NULL);
    }
    assert_int_equal(gs_probe_wait(0), GS_WAKE_TIMEOUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_alarm_and_a_call_at_once_are_both_told),
        cmocka_unit_test(a_call_wakes_who_sleeps_also_after_an_alarm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
