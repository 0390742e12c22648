/* Directories of users below a store: their names, who may make what, and what readers take from them. */
#include "base/memory.h"
#include "fresh_store.h"
#include "store/inside.h"
#include "store/store.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

enum { A_USER = 4711 };

static struct gs_store *store;
static char dir[FRESH_DIR];

static int begin(void **state)
{
    (void)state;
    store = fresh_store(dir);
    return store ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    return remove_store_at(store, dir);
}

static const char *in_dir(const char *format, ...) GS_PRINTF(1, 2);

static const char *in_dir(const char *format, ...)
{
    static char path[2][PATH_MAX];
    static int turn;
    va_list args;
    char *out = path[turn++ % 2];
    int length = snprintf(out, PATH_MAX, "%s/", dir);
    va_start(args, format);
    vsnprintf(out + length, PATH_MAX - (size_t)length, format, args);
    va_end(args);
    return out;
}

/* ---- names ------------------------------------------------------------------------------------------------------------ */

static void a_name_is_two_numbers_and_has_one_form(void **state)
{
    static const char *const others[] = {
        "",        "33",   "33-",          "-33",          "033-33",   "33-033", "33-33x",
        "33-33-1", "+3-3", "4294967295-1", "1-4294967296", "33-33/..", " 33-33", "3 -3"};
    struct gs_store_user user;
    (void)state;
    assert_true(gs_store_user_read("33-34", &user));
    assert_int_equal(user.uid, 33);
    assert_int_equal(user.gid, 34);
    assert_true(gs_store_user_read("4294967294-0", &user));
    assert_string_equal(user.name, "4294967294-0");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (gs_store_user_read(others[i], &user))
            fail_msg("\"%s\" is read as %s", others[i], user.name);
}

static void a_key_has_no_slash_and_leads_to_the_folder(void **state)
{
    struct gs_store_user user;
    char key[GS_FOLDER_NAME_MAX], path[GS_STORE_KEY_PATH];
    (void)state;
    assert_true(gs_store_user_read("33-34", &user));
    gs_store_key_print(&user, "folder", key);
    assert_string_equal(key, "33-34@folder");
    gs_store_key_path(key, path);
    assert_string_equal(path, ".users/33-34/folder");
    gs_store_key_print(NULL, "folder", key);
    assert_string_equal(key, "folder");
    gs_store_key_path(key, path);
    assert_string_equal(path, "folder");
    gs_store_key_path("..@folder", path); // a name that a person gave a folder
    assert_string_equal(path, "..@folder");
    assert_null(gs_store_key_split("4294967294-42949672940@folder", &user));
}

static void a_path_tells_whose_directory_it_is_in(void **state)
{
    static const char *const others[] = {"",
                                         "f",
                                         "33-34/f",
                                         ".users/33-34",
                                         ".users/f",
                                         "x/.users/x/f",
                                         "x/.users/33-34/y/f",
                                         ".usersx/33-34/f"};
    struct gs_store_user user;
    (void)state;
    assert_true(gs_store_user_of_path("/d/.users/33-34/f", &user));
    assert_string_equal(user.name, "33-34");
    assert_true(gs_store_user_of_path(".users/33-34/f", &user));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (gs_store_user_of_path(others[i], &user))
            fail_msg("\"%s\" is in the directory of %s", others[i], user.name);
}

/* ---- making ------------------------------------------------------------------------------------------------------------- */

static void it_is_made_for_the_group_and_opened_again(void **state)
{
    struct stat status;
    (void)state;
    for (int i = 0; i < 2; i++) {
        int fd = gs_store_user_make(store, A_USER, getegid());
        assert_true(fd >= 0);
        assert_int_equal(fstat(fd, &status), 0);
        assert_int_equal(status.st_mode & 07777, 0770);
        assert_int_equal(status.st_uid, geteuid());
        assert_int_equal(status.st_gid, getegid());
        close(fd);
    }
    assert_int_equal(stat(in_dir(".users"), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
}

static void it_is_not_made_where_others_have_a_say(void **state)
{
    (void)state;
    assert_int_equal(gs_store_user_make(store, A_USER, getegid() + 1), -EPERM); // a group that we do not have
    assert_int_equal(chmod(in_dir(".users"), 0750), 0);
    assert_int_equal(gs_store_user_make(store, A_USER, getegid()), -EPERM);
    assert_int_equal(rename(in_dir(".users"), in_dir("elsewhere")), 0);
    assert_int_equal(symlink("elsewhere", in_dir(".users")), 0);
    assert_int_equal(chmod(in_dir("elsewhere"), 0700), 0);
    int error = gs_store_user_make(store, A_USER, getegid());
    assert_true(error == -ELOOP || error == -ENOTDIR);
}

static void there_are_not_more_than_a_number_of_them(void **state)
{
    (void)state;
    for (unsigned i = 0; i < GS_STORE_USERS_MAX; i++) {
        int fd = gs_store_user_make(store, A_USER + i, getegid());
        assert_true(fd >= 0);
        close(fd);
    }
    assert_int_equal(gs_store_user_make(store, A_USER - 1, getegid()), -EDQUOT);
    int fd = gs_store_user_make(store, A_USER, getegid());
    assert_true(fd >= 0);
    close(fd);
}

static void an_empty_one_stays_while_it_may_be_in_use(void **state)
{
    (void)state;
    int fd = gs_store_user_make(store, A_USER, getegid());
    gs_store_sweep(store);
    assert_int_equal(access(in_dir(".users/%d-%u", A_USER, getegid()), F_OK), 0);
    close(fd);
}

/* ---- using -------------------------------------------------------------------------------------------------------------- */

/* An incident of our own process that is complete, in STORE; NAME gets its folder's name. */
static void make_incident(int64_t time_ns, char name[GS_FOLDER_NAME_MAX])
{
    struct gs_folder folder;
    assert_int_equal(gs_store_folder_make(store, "rule", 7, time_ns, &folder), 0);
    json_t *json = json_pack("{s:i, s:b, s:s, s:s, s:s}", "version", 1, "complete", 1, "rule", "rule",
                             "reason", "r", "triggered", "2026-11-27T00:00:00.000Z");
    assert_int_equal(gs_store_folder_write(&folder, "summary.txt", "text", 4), 0);
    assert_int_equal(gs_store_folder_write_json(&folder, json), 0);
    assert_int_equal(gs_store_folder_publish(&folder), 0);
    strcpy(name, folder.name);
    gs_store_folder_close(&folder);
    json_decref(json);
}

static void use_users_directory(void)
{
    int fd = gs_store_user_make(store, A_USER, getegid());
    assert_true(fd >= 0);
    assert_int_equal(gs_store_use_user(store, fd), 0);
}

static void a_store_goes_on_in_it_without_a_path(void **state)
{
    char name[GS_FOLDER_NAME_MAX], live[GS_LIVE_NAME], why[160];
    (void)state;
    use_users_directory();
    assert_int_equal(rename(dir, in_dir("../%s.moved", strrchr(dir, '/') + 1)), 0); // as good as closed to us
    make_incident(1, name);
    int listener = gs_store_live_listen(store, live);
    assert_true(listener >= 0);
    close(listener);
    gs_store_live_remove(store, live);
    assert_int_equal(gs_store_open_again(store, why, sizeof why), 0);
    strcat(dir, ".moved");
    assert_int_equal(access(in_dir(".users/%d-%u/%s/incident.json", A_USER, getegid(), name), F_OK), 0);
    assert_int_equal(gs_store_user_make(store, A_USER + 1, getegid()), -EPERM); // it holds no others
}

static void a_store_in_it_ends_with_it(void **state)
{
    (void)state;
    use_users_directory();
    assert_int_equal(rmdir(in_dir(".users/%d-%u", A_USER, getegid())), 0);
    assert_int_equal(gs_store_fd(store), -ENOENT);
}

/* ---- reading ------------------------------------------------------------------------------------------------------------ */

static void a_list_has_them_all_by_time(void **state)
{
    char first[GS_FOLDER_NAME_MAX], second[GS_FOLDER_NAME_MAX], third[GS_FOLDER_NAME_MAX], wanted[PATH_MAX];
    struct gs_store_list list;
    (void)state;
    make_incident(1000000000, first);
    make_incident(3000000000, third);
    use_users_directory();
    make_incident(2000000000, second);
    assert_int_equal(gs_store_list(dir, &list), 0);
    assert_int_equal(list.count, 3);
    assert_int_equal(list.unreadable, 0);
    snprintf(wanted, sizeof wanted, ".users/%d-%u/%s", A_USER, getegid(), second);
    assert_string_equal(list.entry[0].name, first);
    assert_string_equal(list.entry[1].name, wanted);
    assert_string_equal(list.entry[2].name, third);
    gs_store_list_fini(&list);
}

static void a_list_has_no_link_and_nothing_of_others(void **state)
{
    char name[GS_FOLDER_NAME_MAX], theirs[GS_FOLDER_NAME_MAX];
    struct gs_store_list list;
    (void)state;
    make_incident(1000000000, name);
    use_users_directory();
    make_incident(2000000000, theirs);
    assert_int_equal(
        symlink(in_dir("%s", name), in_dir(".users/%d-%u/20261127T000000.000Z-link-1", A_USER, getegid())),
        0);
    if (geteuid() == 0)
        assert_int_equal(chown(in_dir(".users/%d-%u/%s", A_USER, getegid(), theirs), A_USER + 1, getegid()),
                         0);
    assert_int_equal(gs_store_list(dir, &list), 0);
    assert_int_equal(list.count, geteuid() == 0 ? 1 : 2);
    assert_int_equal(list.unreadable, geteuid() == 0 ? 2 : 1);
    gs_store_list_fini(&list);
    assert_int_equal(chmod(in_dir(".users/%d-%u", A_USER, getegid()), 0772), 0); // others may write there
    assert_int_equal(gs_store_list(dir, &list), 0);
    assert_int_equal(list.count, 1);
    gs_store_list_fini(&list);
}

static void a_file_in_anothers_folder_is_that_users(void **state)
{
    char name[GS_FOLDER_NAME_MAX];
    (void)state;
    if (geteuid() != 0)
        skip();
    make_incident(1000000000, name);
    int folder = open(in_dir("%s", name), O_RDONLY | O_DIRECTORY);
    int fd = gs_store_open_regular(folder, "summary.txt");
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(fchown(folder, A_USER, A_USER), 0);
    assert_int_equal(gs_store_open_regular(folder, "summary.txt"),
                     -EINVAL); // it may be a hard link to a file of ours
    assert_int_equal(fchownat(folder, "summary.txt", A_USER, A_USER, 0), 0);
    fd = gs_store_open_regular(folder, "summary.txt");
    assert_true(fd >= 0);
    close(fd);
    close(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_two_numbers_and_has_one_form),
        cmocka_unit_test(a_key_has_no_slash_and_leads_to_the_folder),
        cmocka_unit_test(a_path_tells_whose_directory_it_is_in),
        cmocka_unit_test_setup_teardown(it_is_made_for_the_group_and_opened_again, begin, end),
        cmocka_unit_test_setup_teardown(it_is_not_made_where_others_have_a_say, begin, end),
        cmocka_unit_test_setup_teardown(there_are_not_more_than_a_number_of_them, begin, end),
        cmocka_unit_test_setup_teardown(an_empty_one_stays_while_it_may_be_in_use, begin, end),
        cmocka_unit_test_setup_teardown(a_store_goes_on_in_it_without_a_path, begin, end),
        cmocka_unit_test_setup_teardown(a_store_in_it_ends_with_it, begin, end),
        cmocka_unit_test_setup_teardown(a_list_has_them_all_by_time, begin, end),
        cmocka_unit_test_setup_teardown(a_list_has_no_link_and_nothing_of_others, begin, end),
        cmocka_unit_test_setup_teardown(a_file_in_anothers_folder_is_that_users, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
