/* What `gumshoe ship` remembers of what has gone, and how it reads a destination. */
#include "base/json.h"
#include "ship/inside.h"
#include "ship/ship.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- SHA-256: the examples of FIPS 180-4, and of a million letters ------------------------------------------------------ */

static void hash_is(const char *text, size_t times, const char *wanted)
{
    struct gs_ship_sha256 hash;
    char hex[GS_SHIP_SHA256_HEX];
    gs_ship_sha256_begin(&hash);
    for (size_t i = 0; i < times; i++)
        gs_ship_sha256_add(&hash, text, strlen(text));
    gs_ship_sha256_end(&hash, hex);
    assert_string_equal(hex, wanted);
}

static void hashes_as_published(void **state)
{
    (void)state;
    hash_is("", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    hash_is("abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    hash_is("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    hash_is("a", 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    hash_is("aaaaaaaaaa", 100000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* ---- the journal --------------------------------------------------------------------------------------------------------- */

static const struct gs_ship_gone rows[] = {
    {1, 100, "20261127T030501.000Z-leak-7"},
    {2, 100, "20261127T030501.000Z-leak-7"},
    {1, 200, "20261127T030502.000Z-leak-7"},
    {1, 150, "20261127T030501.000Z-leak-7"},
};
enum { ROWS = sizeof rows / sizeof *rows };

static void new_directory(char path[64])
{
    snprintf(path, 64, "/tmp/gumshoe-test-ship-XXXXXX");
    assert_non_null(mkdtemp(path));
}

static void remove_directory(const char *path)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    assert_int_equal(system(command), 0);
}

static int64_t version_in(const char *path, uint64_t destination, const char *folder)
{
    struct gs_ship_journal journal;
    assert_int_equal(gs_ship_journal_read(path, &journal), 0);
    const struct gs_ship_gone *gone = gs_ship_journal_find(&journal, destination, folder);
    int64_t version = gone ? gone->version : -1;
    gs_ship_journal_fini(&journal);
    return version;
}

static void remembers_what_has_gone_where(void **state)
{
    (void)state;
    char dir[64], path[128];
    new_directory(dir);
    snprintf(path, sizeof path, "%s/" GS_SHIP_JOURNAL, dir);
    assert_int_equal(version_in(path, 1, rows[0].folder), -1);
    for (size_t i = 0; i < ROWS; i++)
        assert_int_equal(gs_ship_journal_add(path, dir, &rows[i]), 0);
    assert_int_equal(version_in(path, 1, rows[0].folder), 150); // the later line counts
    assert_int_equal(version_in(path, 2, rows[0].folder), 100);
    assert_int_equal(version_in(path, 1, rows[2].folder), 200);
    assert_int_equal(version_in(path, 2, rows[2].folder), -1);
    remove_directory(dir);
}

/* A kill leaves any beginning of the file. What was whole is still known, and the next line is as well. */
static void survives_a_kill_at_any_byte(void **state)
{
    (void)state;
    char dir[64], path[128], whole[ROWS * GS_SHIP_LINE_MAX] = "", line[GS_SHIP_LINE_MAX];
    const struct gs_ship_gone next = {3, 300, "20261127T030503.000Z-leak-7"};
    size_t end[ROWS];
    new_directory(dir);
    snprintf(path, sizeof path, "%s/" GS_SHIP_JOURNAL, dir);
    for (size_t i = 0; i < ROWS; i++) {
        gs_ship_journal_print(&rows[i], line);
        strcat(whole, line);
        end[i] = strlen(whole);
    }
    for (size_t length = 0; length <= end[ROWS - 1]; length++) {
        size_t lines = 0;
        while (lines < ROWS && end[lines] - 1 <= length) // one that lacks its newline alone is whole
            lines++;
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        assert_int_equal(write(fd, whole, length), length);
        close(fd);
        assert_int_equal(gs_ship_journal_add(path, dir, &next), 0);
        assert_int_equal(version_in(path, 3, next.folder), 300);
        assert_int_equal(version_in(path, 1, rows[0].folder), lines < 1 ? -1 : lines < ROWS ? 100 : 150);
        assert_int_equal(version_in(path, 2, rows[1].folder), lines < 2 ? -1 : 100);
        assert_int_equal(version_in(path, 1, rows[2].folder), lines < 3 ? -1 : 200);
    }
    remove_directory(dir);
}

/* Write the lines of incidents FIRST to END to PATH at once. */
static void write_lines(const char *path, int first, int end)
{
    char line[GS_SHIP_LINE_MAX];
    FILE *out = fopen(path, "a");
    assert_non_null(out);
    for (int i = first; i < end; i++) {
        struct gs_ship_gone gone = {1, 100000 + i, ""};
        snprintf(gone.folder, sizeof gone.folder, "20261127T030501.000Z-leak-%05d", i);
        gs_ship_journal_print(&gone, line);
        fputs(line, out);
    }
    assert_int_equal(fclose(out), 0);
}

/* Tens of thousands of incidents came and went; 100 are left on disk. As the file passes a multiple of 256 KiB beyond 1 MiB, only those
 * stay in it. */
static void stays_small(void **state)
{
    (void)state;
    enum { LEFT = 100, LIMIT = 5 * (256 << 10) };
    char dir[64], path[128], folder[400];
    const struct gs_ship_gone last[] = {{1, 1, "20261127T030501.000Z-last-1"},
                                        {1, 2, "20261127T030501.000Z-last-2"}};
    struct stat status;
    new_directory(dir);
    snprintf(path, sizeof path, "%s/" GS_SHIP_JOURNAL, dir);
    write_lines(path, 0, 1);
    assert_int_equal(stat(path, &status), 0);
    int all = LIMIT / (int)status.st_size; // lines of one length: one more would pass the limit
    write_lines(path, 1, all);
    for (int i = 0; i < LEFT; i++) {
        snprintf(folder, sizeof folder, "%s/20261127T030501.000Z-leak-%05d", dir, i * 7);
        assert_int_equal(mkdir(folder, 0700), 0);
    }
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(gs_ship_journal_add(path, dir, &last[i]), 0);
    struct gs_ship_journal journal;
    assert_int_equal(gs_ship_journal_read(path, &journal), 0);
    assert_in_range(journal.count, LEFT + 1,
                    LEFT + 2); // which of the two passed the limit depends on the length of a line
    gs_ship_journal_fini(&journal);
    for (int i = 0; i < LEFT; i++) {
        snprintf(folder, sizeof folder, "20261127T030501.000Z-leak-%05d", i * 7);
        assert_int_equal(version_in(path, 1, folder), 100000 + i * 7);
    }
    assert_int_equal(version_in(path, 1, last[1].folder), 2);
    remove_directory(dir);
}

static void is_no_link_and_no_device(void **state)
{
    (void)state;
    char dir[64], path[128], other[128];
    struct gs_ship_journal journal;
    new_directory(dir);
    snprintf(path, sizeof path, "%s/" GS_SHIP_JOURNAL, dir);
    snprintf(other, sizeof other, "%s/other", dir);
    assert_int_equal(symlink(other, path), 0);
    assert_true(gs_ship_journal_add(path, dir, &rows[0]) < 0);
    assert_int_equal(access(other, F_OK), -1);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_true(gs_ship_journal_add(path, dir, &rows[0]) < 0);
    assert_true(gs_ship_journal_read(path, &journal) < 0);
    remove_directory(dir);
}

/* ---- destinations --------------------------------------------------------------------------------------------------------- */

/* The URL that DEST begins incidents' addresses with; "": it is refused. */
static const char *base_of(const char *dest, char out[1200])
{
    const struct gs_ship_options how = {.silence_s = 1};
    char why[400] = "";
    assert_true(gs_ship_load(why, sizeof why));
    struct gs_ship_destination *destination = gs_ship_destination_open(dest, &how, why, sizeof why);
    snprintf(out, 1200, "%s", destination ? destination->base : "");
    assert_int_equal(destination == NULL, *why != 0);
    gs_ship_destination_close(destination);
    return out;
}

static void makes_the_url_of_a_destination(void **state)
{
    (void)state;
    char out[1200];
    setenv("AWS_ACCESS_KEY_ID", "id", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    unsetenv("AWS_ENDPOINT_URL");
    unsetenv("AWS_ENDPOINT_URL_S3");
    unsetenv("AWS_DEFAULT_REGION");
    setenv("AWS_REGION", "eu-west-3", 1);
    assert_string_equal(base_of("s3://fleet/a b/c=1/", out),
                        "https://fleet.s3.eu-west-3.amazonaws.com/a%20b/c%3D1");
    assert_string_equal(base_of("s3://fleet.example", out),
                        "https://s3.eu-west-3.amazonaws.com/fleet.example");
    setenv("AWS_REGION", "cn-north-1", 1);
    assert_string_equal(base_of("s3://fleet/x", out), "https://fleet.s3.cn-north-1.amazonaws.com.cn/x");
    unsetenv("AWS_REGION");
    assert_string_equal(base_of("s3://fleet/", out), "https://fleet.s3.us-east-1.amazonaws.com");
    setenv("AWS_ENDPOINT_URL", "http://minio:9000/", 1);
    assert_string_equal(base_of("s3://fleet/x", out), "http://minio:9000/fleet/x");
    setenv("AWS_ENDPOINT_URL_S3", "https://[::1]:9000/s3", 1);
    assert_string_equal(base_of("s3://fleet/x", out), "https://[::1]:9000/s3/fleet/x");
    assert_string_equal(base_of("https://host:8443/a/b//", out), "https://host:8443/a/b");
    assert_string_equal(base_of("pyroscope+http://h:4040", out), "http://h:4040/ingest");
    assert_string_equal(base_of("otlp+https://h:4318/x/", out), "https://h:4318/x/v1development/profiles");
}

static void refuses_what_is_no_destination(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "s3://",
        "s3:///x",
        "s3://a b",
        "s3://b//x",
        "s3://b/../x",
        "s3://b/./x",
        "s3://b/x?y",
        "s3://b/\nx",
        "host",
        "https://",
        "https:///x",
        "https://h:port/",
        "https://h:123456/",
        "https://u:p@h/",
        "https://h/a b",
        "https://h/x#y",
        "https://-h-/\x01",
        "https://[::1",
        "https://h/../x",
        "ftp://h/",
        "pyroscope://h",
        "otlp+s3://b",
        "HTTPS://h/",
    };
    char out[1200];
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_string_equal(base_of(wrong[i], out), "");
}

/* Two incidents of one name, of two machines, have two ids; a copy that was symbolized has the same. */
static void an_incident_has_one_identity(void **state)
{
    (void)state;
    char dir[64], path[200], file[256], why[200], ids[3][200];
    static const char *const parts[] = {"\"host\":\"a\"", "\"host\":\"b\"",
                                        "\"host\":\"a\",\"culprit\":{\"line_number\":7}"};
    new_directory(dir);
    snprintf(path, sizeof path, "%s/20261127T030501.000Z-leak-7", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(file, sizeof file, "%s/incident.json", path);
    for (int i = 0; i < 3; i++) {
        struct gs_ship_incident incident;
        FILE *out = fopen(file, "w");
        assert_non_null(out);
        fprintf(out,
                "{\"version\":1,\"complete\":true,\"rule\":\"leak\",\"reason\":\"r\",\"triggered\":\"2026-11-"
                "27T03:05:01.000Z\",%s}",
                parts[i]);
        fclose(out);
        assert_int_equal(gs_ship_incident_open(path, &incident, why, sizeof why), 0);
        snprintf(ids[i], sizeof ids[i], "%s", incident.id);
        assert_string_equal(incident.date, "2026-11-27");
        gs_ship_incident_close(&incident);
    }
    assert_string_not_equal(ids[0], ids[1]);
    assert_string_equal(ids[0], ids[2]);
    remove_directory(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_as_published),
        cmocka_unit_test(remembers_what_has_gone_where),
        cmocka_unit_test(survives_a_kill_at_any_byte),
        cmocka_unit_test(stays_small),
        cmocka_unit_test(is_no_link_and_no_device),
        cmocka_unit_test(makes_the_url_of_a_destination),
        cmocka_unit_test(refuses_what_is_no_destination),
        cmocka_unit_test(an_incident_has_one_identity),
    };
    gs_json_use_our_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
