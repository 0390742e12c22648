/* The signal that is borrowed from the host: whoever borrows it at the same time, it is given back once and as it was; and what
 * the host sets for itself, at whatever moment, stays. */
#include "probe/threads/inside.h"
#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

/* ---- the host sets its handler before our n-th sigaction --------------------------------------------------------- */

static int calls_left = -1;   // until the host comes; -1: it does not
static int raise_before = -1; // the same, for a signal that is sent to the process
static _Atomic int received;

static void on_urgent(int signal)
{
    (void)signal;
    received++;
}

int sigaction(int number, const struct sigaction *action, struct sigaction *old)
{
    static int (*real)(int, const struct sigaction *, struct sigaction *);
    if (!real) {
        void *found = dlsym(RTLD_NEXT, "sigaction");
        memcpy(&real, &found, sizeof found);
    }
    struct sigaction hosts_own = {.sa_handler = on_urgent};
    if (calls_left >= 0 && calls_left-- == 0)
        real(SIGURG, &hosts_own, NULL);
    if (raise_before >= 0 && raise_before-- == 0)
        kill(getpid(), SIGURG);
    return real(number, action, old);
}

static void (*handler_of(int number))(int)
{
    struct sigaction now;
    assert_int_equal(sigaction(number, NULL, &now), 0);
    return now.sa_handler;
}

static void set_default(int number)
{
    struct sigaction defaults = {.sa_handler = SIG_DFL};
    assert_int_equal(sigaction(number, &defaults, NULL), 0);
}

static void the_hosts_handler_stays_whenever_it_comes(void **state)
{
    (void)state;
    int late = 0;
    for (int n = 0; !late; n++) {
        calls_left = n;
        if (gs_threads_signal_borrow())
            gs_threads_signal_give_back();
        late = calls_left >= 0; // it never came: every moment was tried
        calls_left = -1;
        if (late)
            break;
        assert_true(handler_of(SIGURG) == on_urgent);
        assert_true(handler_of(SIGWINCH) == SIG_DFL);
        set_default(SIGURG);
        assert_true(n < 100);
    }
    assert_true(handler_of(SIGURG) == SIG_DFL);
}

/* It comes between our look and our sigaction, and its first signal in the moment after: to us. It is passed on. */
static void the_hosts_signal_is_passed_on(void **state)
{
    (void)state;
    calls_left = 1;
    raise_before = 2;
    received = 0;
    gs_threads_signal_borrow();
    assert_true(calls_left < 0 && raise_before < 0);
    assert_int_equal(received, 1);
    gs_threads_signal_give_back();
    assert_true(handler_of(SIGURG) == on_urgent);
    set_default(SIGURG);
}

/* ---- two who borrow ---------------------------------------------------------------------------------------------- */

static _Atomic long refused;
static _Atomic bool over;

static void *borrow_for_ever(void *unused)
{
    while (!over) {
        if (!gs_threads_signal_borrow())
            refused++;
        else
            gs_threads_signal_give_back();
    }
    return unused;
}

static void two_who_borrow_at_once_both_get_it(void **state)
{
    (void)state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, borrow_for_ever, NULL), 0);
    for (int i = 0; i < 200000; i++) {
        if (!gs_threads_signal_borrow())
            refused++;
        else
            gs_threads_signal_give_back();
    }
    over = true;
    pthread_join(thread, NULL);
    assert_int_equal(refused, 0);
    assert_true(handler_of(SIGURG) == SIG_DFL);
    assert_true(handler_of(SIGWINCH) == SIG_DFL);
    assert_int_equal(gs_threads_signal_borrow(), SIGURG);
    gs_threads_signal_give_back();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_who_borrow_at_once_both_get_it),
        cmocka_unit_test(the_hosts_handler_stays_whenever_it_comes),
        cmocka_unit_test(the_hosts_signal_is_passed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
