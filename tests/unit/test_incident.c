/* The store and what is in it: hostile directories, rotation, folders that a death left half made, the culprit, and
 * what reading back makes of damaged and hostile incidents. */
#include "incident/inside.h"
#include "profile/profile.h"
#include "store/inside.h"
#include "base/clock.h"
#include "sys/owned_fd.h"
#include "base/memory.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[64];
static const struct gs_store_limits no_limits;

static int in_a_fresh_directory(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/gumshoe-test-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_directory(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "chmod -R u+rwx %s; rm -rf %s", dir, dir);
    return system(command);
}

static const char *path(const char *name)
{
    static char room[4][256];
    static unsigned at;
    char *out = room[at++ % 4];
    snprintf(out, 256, "%s/%s", dir, name);
    return out;
}

static bool there(const char *name)
{
    struct stat status;
    return lstat(path(name), &status) == 0;
}

static void put(const char *name, const char *text)
{
    FILE *file = fopen(path(name), "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static struct gs_store *open_store(const struct gs_store_limits *limits)
{
    char why[256];
    struct gs_store *store = gs_store_open(dir, limits, why, sizeof why);
    if (!store)
        fail_msg("%s", why);
    gs_store_sweep(store);
    return store;
}

/* An incident as some process made it: rule RULE at second SECOND with VALUE, and BYTES of evidence. */
static void incident(const char *rule, int second, double value, size_t bytes)
{
    char name[128], file[192], json[512];
    snprintf(name, sizeof name, "20261124T0305%02d.000Z-%s-77", second, rule);
    assert_int_equal(mkdir(path(name), 0700), 0);
    snprintf(json, sizeof json, "{\"version\":1,\"complete\":true,\"rule\":\"%s\",\"reason\":\"r\",\"triggered\":\"2026-11-24T03:05:%02d.000Z\",\"value\":%f}", rule, second, value);
    snprintf(file, sizeof file, "%s/incident.json", name);
    put(file, json);
    snprintf(file, sizeof file, "%s/maps.txt", name);
    put(file, "");
    assert_int_equal(truncate(path(file), (off_t)bytes), 0);
}

static size_t incidents(void)
{
    struct gs_store_list list;
    assert_int_equal(gs_store_list(dir, &list), 0);
    size_t count = list.count;
    gs_store_list_fini(&list);
    return count;
}

/* ---- names ------------------------------------------------------------------------------------------------------------ */

static void names_are_taken_apart(void **state)
{
    struct gs_folder_name name;
    (void)state;
    assert_true(gs_store_folder_name_read("20261124T030509.123Z-heap-high-4711", &name));
    assert_string_equal(name.rule, "heap-high");
    assert_int_equal(name.pid, 4711);
    assert_int_equal(name.time_ns, 1795489509123 * GS_NS_PER_MS); // date -u -d 2026-11-24T03:05:09 +%s
    assert_true(gs_store_folder_name_read("20261124T030509.123Z-a-1-2", &name)); // the second of its name
    const char *others[] = {"lost+found", "20261124T030509.123Z", "20261124T030509.123Z-", "20261124T030509.123Z-a-b",
                            "20261324T030509.123Z-a-1", "20261124T030509.123Z-../../x-1", "20261124T030509.123Z-A-1",
                            ".20261124T030509.123Z-a-1", "20261124T030509.123Z--1"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (gs_store_folder_name_read(others[i], &name))
            fail_msg("%s passes for an incident", others[i]);
}

/* ---- hostile directories -------------------------------------------------------------------------------------------------- */

static void refused(const char *name, int error)
{
    char why[256] = "";
    struct gs_store *store = gs_store_open(name, &no_limits, why, sizeof why);
    assert_null(store);
    assert_int_equal(errno, error);
    assert_true(strlen(why) > 20);
}

static void directories_that_cannot_be_trusted_are_refused(void **state)
{
    (void)state;
    put("file", "");
    assert_int_equal(symlink("/tmp", path("link")), 0);
    assert_int_equal(mkdir(path("open"), 0777), 0);
    chmod(path("open"), 0777);
    refused(path("file"), ENOTDIR);
    refused(path("link"), ENOTDIR);
    refused(path("open"), EPERM);
    refused("/proc/nowhere", ENOENT);
    refused("", ENOENT);
    if (geteuid() == 0) {
        assert_int_equal(mkdir(path("theirs"), 0700), 0);
        assert_int_equal(chown(path("theirs"), 65534, 65534), 0);
        refused(path("theirs"), EPERM);
    }
    chmod(path("open"), 01777); // with the sticky bit others cannot remove what is ours
    char why[256];
    struct gs_store *store = gs_store_open(path("open"), &no_limits, why, sizeof why);
    assert_non_null(store);
    gs_store_close(store);
}

static void missing_directories_are_made_private(void **state)
{
    struct stat status;
    char why[256];
    (void)state;
    struct gs_store *store = gs_store_open(path("a/b/c"), &no_limits, why, sizeof why);
    assert_non_null(store);
    assert_int_equal(stat(path("a/b/c"), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    gs_store_close(store);
}

/* The thread that had the store open has ended, and its table of descriptors with it. In the next one the number is of something
 * else, which is not touched. */
static void a_descriptor_of_another_table_is_not_used(void **state)
{
    (void)state;
    struct gs_store *store = open_store(&no_limits);
    int number = store->directory.fd, other = open("/dev/null", O_WRONLY | O_CLOEXEC);
    gs_owned_fd_new_table();
    assert_int_equal(dup2(other, number), number);
    int fd = gs_store_fd(store);
    assert_true(fd >= 0 && fd != number); // opened anew
    assert_int_equal(fcntl(number, F_GETFD), 0);
    gs_store_close(store);
    assert_int_equal(fcntl(number, F_GETFD), 0); // the other file is still open
    close(number);
    close(other);
}

static void a_directory_that_was_removed_is_made_again(void **state)
{
    (void)state;
    struct gs_store *store = open_store(&no_limits);
    assert_int_equal(rmdir(dir), 0);
    assert_true(gs_store_fd(store) >= 0);
    assert_true(there("."));
    gs_store_close(store);
}

/* Make a folder in STORE, and see that it comes to stand in WHERE; the next, made while one stands open, does as well. */
static void goes_to(struct gs_store *store, const char *where)
{
    struct gs_folder folder;
    char name[PATH_MAX], made[PATH_MAX] = "";
    assert_int_equal(gs_store_folder_make(store, "heap", getpid(), 0, &folder), 0);
    assert_int_equal(gs_store_folder_publish(&folder), 0);
    gs_store_folder_path(&folder, made);
    gs_store_folder_close(&folder);
    snprintf(name, sizeof name, "%s/%s", where, folder.name);
    assert_true(there(name));
    assert_string_equal(made, path(name));
    assert_int_equal(rmdir(path(name)), 0);
}

static void evidence_goes_where_the_directory_went(void **state)
{
    struct gs_folder folder;
    char name[PATH_MAX], why[160];
    (void)state;
    struct gs_store *store = gs_store_open(path("store"), &no_limits, why, sizeof why);
    assert_int_equal(rename(path("store"), path("moved")), 0);
    goes_to(store, "moved");
    assert_int_equal(mkdir(path("elsewhere"), 0700), 0);
    assert_int_equal(symlink(path("elsewhere"), path("store")), 0); // a link in its place is not followed
    goes_to(store, "moved");
    assert_int_equal(unlink(path("store")), 0);
    assert_int_equal(mkdir(path("store"), 0700), 0);
    assert_int_equal(chmod(path("store"), 0777), 0); // nor a directory that anybody may write
    goes_to(store, "moved");
    assert_int_equal(gs_store_folder_make(store, "heap", getpid(), 0, &folder), 0);
    assert_int_equal(chmod(path("store"), 0700), 0); // one that can be trusted is taken
    goes_to(store, "store");
    assert_int_equal(gs_store_folder_publish(&folder), 0); // and what was begun before ends where it began
    gs_store_folder_close(&folder);
    snprintf(name, sizeof name, "moved/%s", folder.name);
    assert_true(there(name));
    gs_store_close(store);
}

/* ---- making a folder --------------------------------------------------------------------------------------------------------- */

static void a_folder_has_its_name_only_when_it_is_whole(void **state)
{
    struct gs_folder folder;
    struct stat status;
    char dot[GS_FOLDER_NAME_MAX + 1];
    (void)state;
    struct gs_store *store = open_store(&no_limits);
    assert_int_equal(gs_store_folder_make(store, "heap", getpid(), 1795489509123 * GS_NS_PER_MS, &folder), 0);
    snprintf(dot, sizeof dot, ".%s", folder.name);
    assert_true(there(dot) && !there(folder.name));
    assert_int_equal(gs_store_folder_write(&folder, "maps.txt", "123456789", 9), 0);
    assert_int_equal(gs_store_folder_publish(&folder), 0);
    assert_true(!there(dot) && there(folder.name));
    assert_int_equal(stat(path(folder.name), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    const json_t *entry = json_array_get(folder.files, 0);
    assert_string_equal(json_string_value(json_object_get(entry, "crc32")), "cbf43926"); // the CRC's check value
    assert_int_equal(json_integer_value(json_object_get(entry, "size")), 9);
    gs_store_folder_close(&folder);
    gs_store_close(store);
}

/* Two containers are both pid 1, and their rules fire in the same millisecond. */
static void a_name_that_is_taken_gets_a_number(void **state)
{
    struct gs_folder first, second;
    struct gs_folder_name name;
    (void)state;
    struct gs_store *store = open_store(&no_limits);
    assert_int_equal(gs_store_folder_make(store, "heap", getpid(), 1795489509123 * GS_NS_PER_MS, &first), 0);
    assert_int_equal(gs_store_folder_make(store, "heap", getpid(), 1795489509123 * GS_NS_PER_MS, &second), 0);
    assert_int_equal(strcmp(second.name + strlen(first.name), "-2"), 0);
    assert_true(gs_store_folder_name_read(second.name, &name));
    assert_int_equal(gs_store_folder_publish(&first), 0);
    gs_store_folder_close(&first);
    gs_store_folder_close(&second); // nothing was in it: the name is free again
    assert_int_equal(gs_store_folder_make(store, "heap", getpid(), 1795489509123 * GS_NS_PER_MS, &second), 0);
    assert_int_equal(strcmp(second.name + strlen(first.name), "-2"), 0); // the first has lost its dot by now
    assert_false(there(".20261124T030509.123Z-heap"));
    gs_store_folder_close(&second);
    gs_store_close(store);
}

/* Somebody planted a link where a file of ours is to be: nothing is written through it. */
static void planted_links_are_not_followed(void **state)
{
    struct gs_folder folder;
    struct stat status;
    char planted[256];
    (void)state;
    struct gs_store *store = open_store(&no_limits);
    put("victim", "precious");
    assert_int_equal(gs_store_folder_make(store, "heap", getpid(), 0, &folder), 0);
    snprintf(planted, sizeof planted, ".%s/maps.txt", folder.name);
    assert_int_equal(symlink(path("victim"), path(planted)), 0);
    assert_int_equal(gs_store_folder_write(&folder, "maps.txt", "overwritten", 11), -EEXIST);
    assert_int_equal(stat(path("victim"), &status), 0);
    assert_int_equal(status.st_size, 8);
    gs_store_folder_close(&folder);
    gs_store_close(store);
}

/* ---- after a death ------------------------------------------------------------------------------------------------------------ */

static void a_capture_that_was_cut_short_is_shown_as_not_complete(void **state)
{
    char why[200];
    (void)state;
    assert_int_equal(mkdir(path(".20200101T000000.000Z-heap-high-999999"), 0700), 0);
    put(".20200101T000000.000Z-heap-high-999999/threads.txt", "evidence");
    gs_store_close(open_store(&no_limits));
    json_t *json = gs_store_load_incident(path("20200101T000000.000Z-heap-high-999999"), why, sizeof why);
    assert_non_null(json);
    assert_false(json_boolean_value(json_object_get(json, "complete")));
    assert_string_equal(json_string_value(json_object_get(json, "rule")), "heap-high");
    assert_int_equal(json_array_size(json_object_get(json, "files")), 1);
    json_decref(json);
}

static void empty_left_overs_and_half_removed_ones_go(void **state)
{
    (void)state;
    assert_int_equal(mkdir(path(".20200101T000000.000Z-heap-999999"), 0700), 0);
    assert_int_equal(mkdir(path(".gone-20200101T000001.000Z-heap-999999"), 0700), 0);
    put(".gone-20200101T000001.000Z-heap-999999/maps.txt", "x");
    assert_int_equal(mkdir(path(".somebody-elses"), 0700), 0);
    gs_store_close(open_store(&no_limits));
    assert_false(there(".20200101T000000.000Z-heap-999999"));
    assert_false(there(".gone-20200101T000001.000Z-heap-999999"));
    assert_true(there(".somebody-elses"));
}

/* A capture is under way in another container: there its process is pid 7, here nobody is. It is at work in there, and the
 * lock on its folder says so. When it is gone, the lock is. */
static void whoever_works_in_a_folder_keeps_it(void **state)
{
    struct gs_folder folder;
    char dot[GS_FOLDER_NAME_MAX + 1], why[160];
    (void)state;
    struct gs_store *theirs = open_store(&no_limits);
    assert_int_equal(gs_store_folder_make(theirs, "heap", 999999, 1577836800000 * GS_NS_PER_MS, &folder), 0);
    snprintf(dot, sizeof dot, ".%s", folder.name);
    gs_store_close(open_store(&no_limits));
    assert_true(there(dot)); // empty as it is
    assert_int_equal(gs_store_folder_write(&folder, "maps.txt", "123456789", 9), 0);
    gs_store_close(open_store(&no_limits));
    assert_true(there(dot) && !there(folder.name));
    gs_owned_fd_close(&folder.directory); // as the kernel does for the dead
    gs_store_close(open_store(&no_limits));
    json_t *json = gs_store_load_incident(path(folder.name), why, sizeof why);
    assert_non_null(json);
    assert_false(json_boolean_value(json_object_get(json, "complete")));
    json_decref(json);
    json_decref(folder.files);
    gs_store_close(theirs);
}

/* The same pid, and alive: but it gave this capture up (the disk was full, say). */
static void a_folder_that_was_given_up_is_completed_while_its_maker_lives(void **state)
{
    struct gs_folder folder;
    (void)state;
    struct gs_store *store = open_store(&no_limits);
    assert_int_equal(gs_store_folder_make(store, "heap", getpid(), gs_clock_realtime_ns(), &folder), 0);
    assert_int_equal(gs_store_folder_write(&folder, "maps.txt", "123456789", 9), 0);
    gs_store_folder_close(&folder);
    assert_false(there(folder.name));
    gs_store_sweep(store);
    assert_true(there(folder.name));
    gs_store_close(store);
}

static void an_empty_folder_that_was_not_published_goes(void **state)
{
    struct gs_folder folder;
    char dot[GS_FOLDER_NAME_MAX + 1];
    (void)state;
    struct gs_store *store = open_store(&no_limits);
    assert_int_equal(gs_store_folder_make(store, "heap", getpid(), 0, &folder), 0);
    snprintf(dot, sizeof dot, ".%s", folder.name);
    assert_true(there(dot));
    gs_store_folder_close(&folder);
    assert_false(there(dot));
    gs_store_close(store);
}

/* In /tmp anybody may make folders. Those of another user look like ours, and are not. */
static void folders_of_other_users_are_neither_swept_nor_counted_nor_removed(void **state)
{
    static const char *const planted[] = {".20200101T000000.000Z-heap-999999", ".gone-20200101T000001.000Z-heap-9",
                                          "20261124T030508.000Z-a-77", "20261124T030509.000Z-a-77"};
    char file[128];
    (void)state;
    if (geteuid() != 0)
        skip();
    incident("a", 1, 5, 10);
    incident("a", 2, 1, 10);
    incident("a", 3, 1, 10);
    for (size_t i = 0; i < sizeof planted / sizeof *planted; i++) {
        assert_int_equal(mkdir(path(planted[i]), 0700), 0);
        snprintf(file, sizeof file, "%s/incident.json", planted[i]);
        put(file, "{\"version\":1,\"complete\":true,\"rule\":\"a\",\"reason\":\"r\",\"triggered\":\"2026-11-24T03:05:09.000Z\",\"value\":9}");
        assert_int_equal(chown(path(planted[i]), 65534, 65534), 0);
    }
    struct gs_store *store = open_store(&(struct gs_store_limits){.keep = 1});
    assert_int_equal(gs_store_rotate(store), 1); // the second; the first is our highest, the third our newest
    gs_store_close(store);
    for (size_t i = 0; i < sizeof planted / sizeof *planted; i++) {
        snprintf(file, sizeof file, "%s/incident.json", planted[i]);
        assert_true(there(planted[i]) && there(file));
    }
    assert_false(there("20261124T030502.000Z-a-77"));
    assert_true(there("20261124T030501.000Z-a-77") && there("20261124T030503.000Z-a-77"));
}

/* What they can still do is to take the lock's name. Rotation goes on without it. */
static void a_planted_lock_holds_nobody_up(void **state)
{
    (void)state;
    assert_int_equal(mkfifo(path(".lock"), 0666), 0);
    incident("a", 1, 1, 10);
    incident("a", 2, 1, 10);
    incident("a", 3, 1, 10);
    struct gs_store *store = open_store(&(struct gs_store_limits){.keep = 1});
    assert_int_equal(gs_store_rotate(store), 1);
    gs_store_close(store);
}

/* A lock that another process of ours holds is waited for, and then rotation is left to it; a stranger's is not. */
static void one_rotates_at_a_time(void **state)
{
    int ready[2];
    char byte;
    (void)state;
    put(".lock", "");
    incident("a", 1, 1, 10);
    incident("a", 2, 1, 10);
    incident("a", 3, 1, 10);
    assert_int_equal(pipe(ready), 0);
    pid_t holder = fork();
    if (holder == 0) {
        struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        int lock = open(path(".lock"), O_RDWR);
        alarm(300); // whatever becomes of the test
        if (fcntl(lock, F_SETLK, &whole) == 0 && write(ready[1], "x", 1) == 1)
            pause();
        _exit(1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    struct gs_store *store = open_store(&(struct gs_store_limits){.keep = 1});
    assert_int_equal(gs_store_rotate(store), 0);
    if (geteuid() == 0) {
        assert_int_equal(chown(path(".lock"), 65534, 65534), 0);
        assert_int_equal(gs_store_rotate(store), 1);
    }
    kill(holder, SIGKILL);
    waitpid(holder, NULL, 0);
    gs_store_close(store);
}

/* ---- rotation --------------------------------------------------------------------------------------------------------------------- */

static void rotate_to(struct gs_store_limits limits)
{
    struct gs_store *store = open_store(&limits);
    gs_store_rotate(store);
    gs_store_close(store);
}

static void the_oldest_go_first(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        incident("a", i, i, 10); // the newest is the highest, too
    rotate_to((struct gs_store_limits){.keep = 3});
    assert_int_equal(incidents(), 3);
    assert_false(there("20261124T030506.000Z-a-77"));
    assert_true(there("20261124T030507.000Z-a-77") && there("20261124T030509.000Z-a-77"));
}

static void the_newest_and_the_highest_of_each_rule_stay(void **state)
{
    (void)state;
    incident("a", 1, 900, 10); // a's highest
    incident("a", 2, 100, 10);
    incident("b", 3, 1, 10); // b's only one
    incident("a", 4, 100, 10);
    incident("a", 5, 200, 10); // a's newest
    rotate_to((struct gs_store_limits){.keep = 1});
    assert_int_equal(incidents(), 3);
    assert_true(there("20261124T030501.000Z-a-77") && there("20261124T030503.000Z-b-77") &&
                there("20261124T030505.000Z-a-77"));
}

static void bytes_are_counted(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++)
        incident("a", i, i, 1000000);
    rotate_to((struct gs_store_limits){.max_bytes = 2500000});
    assert_int_equal(incidents(), 2);
}

static void old_age_is_a_reason(void **state)
{
    (void)state;
    incident("a", 1, 1, 10);
    incident("a", 2, 2, 10);
    incident("a", 3, 3, 10);
    rotate_to((struct gs_store_limits){.max_age_ns = 1}); // all of 2026 is older
    assert_int_equal(incidents(), 1);                     // the newest and highest stays
}

/* Everything that a capture may leave in a folder is known to be ours: a folder with it can go. */
static void every_file_of_an_incident_can_go(void **state)
{
    static const char *const files[] = {"summary.txt", "metrics.json", "rules.json", "maps.txt", "memory.json", "fds.txt",
                                        "incident.json.new", "heap.pb.gz", "heap.base.pb.gz", "cpu.pb.gz", "threads.pb.gz",
                                        "threads.txt", "threadcreate.pb.gz", "report.html"};
    char file[128];
    (void)state;
    for (int i = 0; i < 3; i++)
        incident("a", i, i, 10);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(file, sizeof file, "20261124T030500.000Z-a-77/%s", files[i]);
        put(file, "x");
    }
    rotate_to((struct gs_store_limits){.keep = 2});
    assert_false(there("20261124T030500.000Z-a-77"));
    assert_true(there("20261124T030501.000Z-a-77"));
}

static void what_is_not_ours_is_never_touched(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        incident("a", i, i, 10);
    put("20261124T030500.000Z-a-77/my-notes.txt", "do not remove");
    put("README", "mine");
    assert_int_equal(mkdir(path("backup"), 0700), 0);
    rotate_to((struct gs_store_limits){.keep = 1});
    assert_true(there("20261124T030500.000Z-a-77/my-notes.txt") && there("20261124T030500.000Z-a-77/incident.json"));
    assert_true(there("README") && there("backup"));
    assert_false(there("20261124T030501.000Z-a-77"));
}

/* ---- reading back ------------------------------------------------------------------------------------------------------------------- */

static void damaged_incidents_are_counted_and_not_shown(void **state)
{
    static const char *const bad[] = {
        "", "{", "[]", "{\"version\":2}", "{\"version\":1,\"complete\":true}",
        "{\"version\":1,\"complete\":true,\"rule\":7,\"reason\":\"\",\"triggered\":\"2026-11-24T03:05:00.000Z\"}",
        "{\"version\":1,\"complete\":true,\"rule\":\"a\",\"reason\":\"\",\"triggered\":\"yesterday\"}",
        "{\"version\":1,\"complete\":true,\"rule\":\"a\",\"rule\":\"b\",\"reason\":\"\",\"triggered\":\"2026-11-24T03:05:00.000Z\"}",
    };
    struct gs_store_list list;
    char name[64], file[96];
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(name, sizeof name, "20261124T0306%02zu.000Z-x-1", i);
        assert_int_equal(mkdir(path(name), 0700), 0);
        snprintf(file, sizeof file, "%s/incident.json", name);
        put(file, bad[i]);
    }
    assert_int_equal(symlink("/etc", path("20261124T030700.000Z-link-1")), 0);
    incident("good", 1, 1, 10);
    assert_int_equal(gs_store_list(dir, &list), 0);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.unreadable, 9);
    gs_store_list_fini(&list);
}

/* ---- the culprit ---------------------------------------------------------------------------------------------------------------------- */

static void stack(struct gs_profile *profile, int64_t value, const char *const *names, uint32_t depth)
{
    uint32_t location[8];
    for (uint32_t i = 0; i < depth; i++) {
        struct gs_line line = {gs_profile_add_function(profile, names[i], names[i], "", 0), 0};
        location[i] = gs_profile_add_location(profile, &(struct gs_location){.line_count = 1, .line = &line});
    }
    gs_profile_append_sample(profile, &(struct gs_sample){.location = location, .value = &value, .depth = depth});
}

/* One cache is filled over two paths, 60 each; another place holds 100 at once. The cache is to blame. */
static void stacks_are_charged_to_the_programs_own_code(void **state)
{
    struct gs_culprit culprit;
    (void)state;
    struct gs_profile *profile = gs_profile_new();
    gs_profile_add_sample_type(profile, "inuse_space", "bytes");
    stack(profile, 60, (const char *[]){"operator new", "std::vector<int>::push_back", "cache_put", "get", "main"}, 5);
    stack(profile, 60, (const char *[]){"malloc", "cache_put", "set", "main"}, 4);
    stack(profile, 100, (const char *[]){"load_table", "main"}, 2);
    stack(profile, -500, (const char *[]){"shrank", "main"}, 2);
    assert_true(gs_incident_culprit_find(profile, 0, "growth", &culprit));
    assert_string_equal(culprit.function, "cache_put");
    assert_int_equal(culprit.value, 120);
    assert_true(culprit.share > 0.545 && culprit.share < 0.546); // 120 of 220
    assert_int_equal(strlen(culprit.fingerprint), 16);
    gs_profile_free(profile);
}

static void nothing_grown_is_nobodys_fault(void **state)
{
    struct gs_culprit culprit;
    (void)state;
    struct gs_profile *profile = gs_profile_new();
    gs_profile_add_sample_type(profile, "inuse_space", "bytes");
    stack(profile, -5, (const char *[]){"f", "main"}, 2);
    assert_false(gs_incident_culprit_find(profile, 0, "growth", &culprit));
    assert_null(culprit.function);
    gs_profile_free(profile);
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, in_a_fresh_directory, remove_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_taken_apart),
        IN_DIRECTORY(directories_that_cannot_be_trusted_are_refused),
        IN_DIRECTORY(missing_directories_are_made_private),
        IN_DIRECTORY(a_descriptor_of_another_table_is_not_used),
        IN_DIRECTORY(a_directory_that_was_removed_is_made_again),
        IN_DIRECTORY(evidence_goes_where_the_directory_went),
        IN_DIRECTORY(a_folder_has_its_name_only_when_it_is_whole),
        IN_DIRECTORY(a_name_that_is_taken_gets_a_number),
        IN_DIRECTORY(planted_links_are_not_followed),
        IN_DIRECTORY(a_capture_that_was_cut_short_is_shown_as_not_complete),
        IN_DIRECTORY(empty_left_overs_and_half_removed_ones_go),
        IN_DIRECTORY(whoever_works_in_a_folder_keeps_it),
        IN_DIRECTORY(a_folder_that_was_given_up_is_completed_while_its_maker_lives),
        IN_DIRECTORY(an_empty_folder_that_was_not_published_goes),
        IN_DIRECTORY(folders_of_other_users_are_neither_swept_nor_counted_nor_removed),
        IN_DIRECTORY(a_planted_lock_holds_nobody_up),
        IN_DIRECTORY(one_rotates_at_a_time),
        IN_DIRECTORY(the_oldest_go_first),
        IN_DIRECTORY(the_newest_and_the_highest_of_each_rule_stay),
        IN_DIRECTORY(bytes_are_counted),
        IN_DIRECTORY(old_age_is_a_reason),
        IN_DIRECTORY(every_file_of_an_incident_can_go),
        IN_DIRECTORY(what_is_not_ours_is_never_touched),
        IN_DIRECTORY(damaged_incidents_are_counted_and_not_shown),
        cmocka_unit_test(stacks_are_charged_to_the_programs_own_code),
        cmocka_unit_test(nothing_grown_is_nobodys_fault),
    };
    gs_json_use_our_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
