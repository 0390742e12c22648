/* Directories of users below a store: their names, who may make what, and what readers take from them. */
#include "base/clock.h"
#include "base/memory.h"
#include "fresh_store.h"
#include "store/inside.h"
#include "store/store.h"
#include <dirent.h>
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

/* ---- limits ------------------------------------------------------------------------------------------------------------- */

/* COMMAND of a shell, run in the directory of user A_USER, as that user if we are root. */
static void as_user(const char *command)
{
    char whole[2048];
    const char *there = in_dir(".users/%d-%u", A_USER, getegid());
    snprintf(whole, sizeof whole, "cd %s && chmod 777 . && %s sh -c '%s'; s=$?; chmod 770 %s; exit $s", there,
             geteuid() == 0 ? "setpriv --reuid=4711 --clear-groups" : "", command, there);
    assert_int_equal(system(whole), 0);
}

static void begin_limits(uint64_t keep, uint64_t max_bytes, int64_t max_age_ns)
{
    int fd = gs_store_user_make(store, A_USER, getegid());
    assert_true(fd >= 0);
    close(fd);
    gs_store_limit(store, &(struct gs_store_limits){keep, max_bytes, max_age_ns});
}

/* Let the store hold its limits until nothing is left to do. The user's incidents then, as a line: their rule and pid. */
static const char *after_limits(void)
{
    static char left[512];
    char command[256];
    int looks = 0;
    while (gs_store_limit_users(store))
        assert_true(++looks < 1000);
    snprintf(command, sizeof command, "cd %s; ls | grep ^2 | cut -c22- | tr '\\n' ' '",
             in_dir(".users/%d-%u", A_USER, getegid()));
    FILE *list = popen(command, "r");
    left[fread(left, 1, sizeof left - 1, list)] = 0;
    pclose(list);
    return left;
}

static void the_oldest_go_but_for_the_newest_of_each_rule(void **state)
{
    (void)state;
    begin_limits(3, 0, 0);
    as_user("mkdir 20261101T000000.000Z-a-1 20261102T000000.000Z-b-2 20261103T000000.000Z-b-3 "
            "20261104T000000.000Z-b-4");
    assert_string_equal(after_limits(), "a-1 b-3 b-4 ");
    as_user("mkdir 20261105T000000.000Z-c-5 20261106T000000.000Z-d-6"); // more rules than `keep`
    assert_string_equal(after_limits(), "b-4 c-5 d-6 ");
}

static void what_is_too_large_goes(void **state)
{
    (void)state;
    begin_limits(0, 4 << 20, 0);
    as_user("mkdir 20261101T000000.000Z-a-1 20261102T000000.000Z-a-2 20261103T000000.000Z-a-3; "
            "truncate -s 1M 20261101T000000.000Z-a-1/x; truncate -s 3M 20261102T000000.000Z-a-2/x; "
            "truncate -s 2M 20261103T000000.000Z-a-3/x");
    assert_string_equal(after_limits(), "a-3 ");
    as_user("truncate -s 5M 20261103T000000.000Z-a-3/x"); // the newest of its rule, too large alone
    assert_string_equal(after_limits(), "");
    as_user("d=20261104T000000.000Z-a-4; mkdir $d; touch $d/x; fallocate -n -l 5M $d/x || head -c 5M /dev/zero > $d/x");
    assert_string_equal(after_limits(), ""); // blocks without length count, too
}

static void what_is_too_old_goes(void **state)
{
    (void)state;
    begin_limits(0, 0, 3600 * GS_NS_PER_S);
    as_user("mkdir 20200101T000000.000Z-a-1 20200102T000000.000Z-a-2 20991231T000000.000Z-b-3");
    assert_string_equal(after_limits(), "a-2 b-3 ");
}

static void a_flood_of_other_files_goes_and_no_link_is_followed(void **state)
{
    (void)state;
    begin_limits(50, 0, 0);
    assert_int_equal(mkdir(in_dir("precious"), 0755), 0);
    assert_int_equal(mkdir(in_dir("precious/inner"), 0777), 0);
    assert_int_equal(close(open(in_dir("precious/file"), O_CREAT | O_WRONLY, 0644)), 0);
    as_user("mkdir 20261101T000000.000Z-good-1; echo > 20261101T000000.000Z-good-1/summary.txt");
    as_user(
        "mkdir .live junk deep; mkfifo fifo; ln -s ../../precious link; ln -s ../../../precious junk/link; "
        "d=deep; for i in $(seq 40); do d=$d/d; mkdir $d; done; echo > $d/file; seq 17000 | sed s:^:junk/: | "
        "xargs touch");
    assert_int_equal(chmod(in_dir(".users/%d-%u", A_USER, getegid()), 0770), 0);
    assert_string_equal(after_limits(), "good-1 ");
    assert_int_equal(access(in_dir("precious/file"), F_OK), 0);
    assert_int_equal(access(in_dir("precious/inner"), F_OK), 0);
    DIR *left = opendir(in_dir(".users/%d-%u", A_USER, getegid()));
    for (struct dirent *entry; (entry = readdir(left));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            assert_string_equal(entry->d_name, "20261101T000000.000Z-good-1");
    closedir(left);
}

/* What an agent of the user writes stays: a few boxes and ledgers. An incident with hundreds of files, or a tree in it, is none. */
static void a_few_other_files_stay_and_no_agent_writes_trees(void **state)
{
    (void)state;
    begin_limits(50, 1 << 20, 0);
    as_user(
        "a=20261101T000000.000Z-a-1 d=20261102T000000.000Z-a-2; mkdir .live $a $d 20261103T000000.000Z-a-3; "
        "truncate -s 200M .live/box; seq 300 | sed s:^:$a/: | xargs touch; for i in $(seq 20); do d=$d/d; "
        "mkdir $d; done");
    assert_string_equal(after_limits(), "a-3 ");
    assert_int_equal(access(in_dir(".users/%d-%u/.live/box", A_USER, getegid()), F_OK), 0);
}

static void directories_of_others_are_not_entered(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    begin_limits(1, 0, 0);
    as_user("mkdir 20261101T000000.000Z-a-1 20261102T000000.000Z-a-2");
    assert_int_equal(mkdir(in_dir(".users/%d-%u/20261101T000000.000Z-a-1/roots", A_USER, getegid()), 0700),
                     0);
    assert_int_equal(close(open(in_dir(".users/%d-%u/20261101T000000.000Z-a-1/roots/file", A_USER, getegid()),
                                O_CREAT | O_WRONLY, 0600)),
                     0);
    (void)gs_store_limit_users(store);
    assert_int_equal(
        access(in_dir(".users/%d-%u/.gone-20261101T000000.000Z-a-1/roots/file", A_USER, getegid()), F_OK), 0);
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
        cmocka_unit_test_setup_teardown(the_oldest_go_but_for_the_newest_of_each_rule, begin, end),
        cmocka_unit_test_setup_teardown(what_is_too_large_goes, begin, end),
        cmocka_unit_test_setup_teardown(what_is_too_old_goes, begin, end),
        cmocka_unit_test_setup_teardown(a_flood_of_other_files_goes_and_no_link_is_followed, begin, end),
        cmocka_unit_test_setup_teardown(a_few_other_files_stay_and_no_agent_writes_trees, begin, end),
        cmocka_unit_test_setup_teardown(directories_of_others_are_not_entered, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
