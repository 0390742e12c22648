/* A process without a free descriptor: what was put by opens one file after the other, and nothing comes free in between. */
#include "base/held.h"
#include "base/spare.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

enum { LIMIT = 128 }; // of which a sixteenth, 8, are put by; 4 of those are for files alone

static int set_up(void **state)
{
    struct rlimit limit = {LIMIT, LIMIT};
    (void)state;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        return -1;
    gs_spare_put_by();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    gs_spare_give_all();
    for (int fd = 3; fd < LIMIT; fd++)
        close(fd);
    return 0;
}

static void use_up(void)
{
    while (open("/dev/null", O_RDONLY) >= 0)
        ;
    assert_int_equal(errno, EMFILE);
}

static void nothing_is_free(void)
{
    assert_int_equal(open("/dev/null", O_RDONLY), -1);
    assert_int_equal(errno, EMFILE);
}

static void files_are_opened_one_after_the_other(void **state)
{
    (void)state;
    use_up();
    for (int i = 0; i < 1000; i++) {
        int fd = gs_openat(AT_FDCWD, "/dev/zero", O_RDONLY, 0);
        assert_true(fd > 2);
        nothing_is_free();
        gs_close(fd);
        nothing_is_free(); // the host gets none of ours
    }
}

static void as_many_as_were_put_by_at_once(void **state)
{
    int fd[9];
    (void)state;
    use_up();
    for (int i = 0; i < 8; i++)
        assert_true((fd[i] = gs_openat(AT_FDCWD, "/dev/zero", O_RDONLY, 0)) > 2);
    assert_int_equal(gs_openat(AT_FDCWD, "/dev/zero", O_RDONLY, 0), -EMFILE);
    for (int i = 0; i < 8; i++)
        gs_close(fd[i]); // the last that is lent leaves none to copy: a number comes free, and is taken back
    gs_spare_put_by();
    nothing_is_free();
}

static void what_there_is_a_lot_of_leaves_half_to_the_files(void **state)
{
    (void)state;
    use_up();
    for (int i = 0; i < 4; i++)
        assert_true(gs_open_one_of_many(AT_FDCWD, "/dev/zero", O_RDONLY) > 2);
    assert_int_equal(gs_open_one_of_many(AT_FDCWD, "/dev/zero", O_RDONLY), -EMFILE);
    assert_true(gs_openat(AT_FDCWD, "/dev/zero", O_RDONLY, 0) > 2);
}

/* The host closes everything that it does not know, and opens files of its own: they get our numbers. */
static void what_the_host_put_in_their_place_is_not_touched(void **state)
{
    (void)state;
    for (int fd = 3; fd < LIMIT; fd++)
        close(fd);
    use_up();
    assert_int_equal(gs_openat(AT_FDCWD, "/dev/zero", O_RDONLY, 0), -EMFILE);
    gs_spare_give_all();
    for (int fd = 3; fd < LIMIT; fd++)
        assert_true(fcntl(fd, F_GETFD) >= 0);
}

static void another_error_costs_none(void **state)
{
    (void)state;
    use_up();
    for (int i = 0; i < 20; i++) {
        assert_int_equal(gs_openat(AT_FDCWD, "/nowhere", O_RDONLY, 0), -ENOENT);
        nothing_is_free();
    }
}

static void a_held_descriptor_is_known_again(void **state)
{
    struct gs_held held;
    (void)state;
    assert_int_equal(gs_hold(&held, open("/dev/null", O_RDONLY)), 0);
    int number = held.fd;
    assert_true(gs_is_held(&held, NULL));
    int other = open("/dev/zero", O_RDONLY);
    assert_int_equal(dup2(other, number), number); // the host's from here on
    assert_false(gs_is_held(&held, NULL));
    gs_release(&held);
    assert_int_equal(held.fd, -1);
    assert_true(fcntl(number, F_GETFD) >= 0); // not closed
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_are_opened_one_after_the_other, set_up, tear_down),
        cmocka_unit_test_setup_teardown(as_many_as_were_put_by_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_there_is_a_lot_of_leaves_half_to_the_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_the_host_put_in_their_place_is_not_touched, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_error_costs_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_held_descriptor_is_known_again, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
