/* Files of black boxes that are not as they were written: cut short anywhere, the last write that was whole counts; spoilt or made up
 * by somebody, they are refused or read, and nothing else. */
#include "box/box.h"
#include "box/inside.h"
#include "box_story.h"
#include "incident/incident.h"
#include "sys/file.h"
#include "base/memory.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <cmocka.h>

/* ---- killed at any moment ------------------------------------------------------------------------------------------------------ */

enum { WRITES = 6 };

/* Six writes, each of which allocates a thousand bytes more; where each ends in the file. */
static char *six_writes(uintptr_t offset, size_t end[WRITES])
{
    size_t length = 0;
    char *bytes = NULL;
    uint32_t stack = site(offset);
    for (int i = 0; i < WRITES; i++) {
        allocate(stack, 1, 1000);
        if (i == 3)
            allocate(site(offset + 1), 1, 1);
        tick(i);
        gs_free(bytes);
        bytes = file_now(&length);
        end[i] = length;
    }
    return bytes;
}

static void cut_short_anywhere_the_last_whole_write_counts(void **state)
{
    size_t end[WRITES];
    char why[200], *bytes = six_writes(30, end);
    (void)state;
    for (size_t length = 0; length <= end[WRITES - 1]; length++) {
        int writes = 0;
        while (writes < WRITES && end[writes] <= length)
            writes++;
        char *cut = malloc(length + 1); // so that a byte beyond is one too many
        memcpy(cut, bytes, length);
        cut = realloc(cut, length ? length : 1);
        struct gs_box_contents *contents = gs_box_read(cut, length, why, sizeof why);
        if (!contents != !writes)
            fail_msg("%zu bytes, %d writes: %s", length, writes, contents ? "read" : why);
        if (contents)
            assert_int_equal(found(contents, 30)->now[GS_INUSE_SPACE], 1000 * writes);
        gs_box_contents_free(contents);
        free(cut);
        if (length + 200 < end[0]) // the map's text: not each of its bytes
            length += 61;
    }
    gs_free(bytes);
}

static uint32_t seed = 1;
static uint32_t any(uint32_t below) { return (seed = seed * 1664525 + 1013904223, (uint32_t)((uint64_t)seed * below >> 32)); }

/* Whatever bytes were changed, behind or before: what is read is what some write had written. */
static void spoilt_anywhere_it_is_what_some_write_had_or_nothing(void **state)
{
    size_t end[WRITES], unread = 0;
    char why[200], *bytes = six_writes(40, end);
    (void)state;
    for (int round = 0; round < 3000; round++) {
        size_t length = end[WRITES - 1];
        char *spoilt = malloc(length);
        memcpy(spoilt, bytes, length);
        for (uint32_t i = any(4); i < 4; i++)
            spoilt[round % 2 ? any((uint32_t)length) : end[0] + any((uint32_t)(length - end[0]))] ^= (char)(1 + any(255));
        struct gs_box_contents *contents = gs_box_read(spoilt, length, why, sizeof why);
        if (contents) {
            int64_t held = found(contents, 40)->now[GS_INUSE_SPACE];
            assert_true(held % 1000 == 0 && held >= 1000 && held <= 6000);
        }
        unread += !contents;
        gs_box_contents_free(contents);
        free(spoilt);
    }
    assert_true(unread > 1000 && unread < 2000); // those that were spoilt in their first write
    gs_free(bytes);
}

/* Give every record the checksum that it should have. */
static void forge(unsigned char *bytes, size_t length)
{
    uint32_t chain = 0;
    for (size_t at = GS_BOX_HEAD; length - at >= GS_BOX_RECORD_HEAD;) {
        uint32_t payload = (uint32_t)bytes[at] | (uint32_t)bytes[at + 1] << 8 | (uint32_t)bytes[at + 2] << 16 | (uint32_t)bytes[at + 3] << 24;
        if (payload > length - at - GS_BOX_RECORD_HEAD)
            return;
        chain = (uint32_t)crc32(chain, bytes + at + 8, payload + 1);
        for (int i = 0; i < 4; i++)
            bytes[at + 4 + (size_t)i] = (unsigned char)(chain >> 8 * i);
        at += GS_BOX_RECORD_HEAD + payload;
    }
}

/* Is byte AT a length or a checksum? */
static bool is_head(const char *bytes, size_t at)
{
    size_t record = GS_BOX_HEAD;
    for (;;) {
        const unsigned char *head = (const unsigned char *)bytes + record;
        size_t next = record + GS_BOX_RECORD_HEAD + (head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16);
        if (at < next)
            return at < record + 8;
        record = next;
    }
}

static void made_up_by_somebody_it_is_refused_or_read_and_nothing_else(void **state)
{
    size_t end[WRITES], refused = 0, length;
    char why[200], *bytes = six_writes(50, end);
    (void)state;
    length = end[WRITES - 1];
    for (int round = 0; round < 4000; round++) {
        unsigned char *forged = malloc(length);
        memcpy(forged, bytes, length);
        for (uint32_t i = any(6); i < 6; i++) {
            size_t at = round % 3 ? end[0] - 600 + any((uint32_t)(length - end[0] + 600)) : GS_BOX_HEAD + any((uint32_t)length - GS_BOX_HEAD);
            if (!is_head(bytes, at))
                forged[at] = (unsigned char[]){0, 0xff, 0x80, 0x7f, (unsigned char)any(256)}[any(5)];
        }
        forge(forged, length);
        struct gs_box_contents *contents = gs_box_read(forged, length, why, sizeof why);
        refused += !contents;
        gs_box_contents_free(contents);
        free(forged);
    }
    assert_true(refused > 500 && refused < 3900);
    gs_free(bytes);
}

/* End a box that was made by hand: it was written at time WRITTEN. */
static void put_written(struct gs_box_out *out, uint64_t written)
{
    gs_box_begin(out, GS_BOX_WRITTEN);
    for (int i = 0; i < 3; i++)
        gs_box_number(out, written);
    gs_box_end(out);
}

/* Write OUT to FD, whose file is PATH, and read that as a box; NULL, with the reason in WHY: it is none. */
static struct gs_box_contents *read_made(struct gs_box_out *out, int fd, const char *path, char why[200])
{
    char *bytes;
    size_t length;
    assert_int_equal(gs_box_flush(out), 0);
    close(fd);
    assert_int_equal(gs_file_read(AT_FDCWD, path, 1 << 20, &bytes, &length), 0);
    struct gs_box_contents *contents = gs_box_read(bytes, length, why, 200);
    gs_free(bytes);
    return contents;
}

/* A box of records that were made by hand, each of which is one too much for something. */
static void extremes_are_refused(void **state)
{
    char path[200], why[200];
    struct gs_box_out *out = malloc(sizeof *out);
    (void)state;
    for (int what = 0; what < 7; what++) {
        snprintf(path, sizeof path, "%s/made-%d", box_story.dir, what);
        int fd = open(path, O_CREAT | O_RDWR, 0600);
        gs_box_out_start(out, fd, 0, 0);
        gs_box_begin(out, GS_BOX_IDENTITY);
        for (int i = 0; i < 5; i++)
            gs_box_number(out, what == 1 && i == 0 ? UINT64_MAX : 7); // a pid
        for (int i = 0; i < 5; i++)
            gs_box_text(out, "x");
        gs_box_end(out);
        gs_box_begin(out, what == 2 ? 99 : GS_BOX_STACKS); // 2: a record of a later day is passed over
        gs_box_number(out, what == 3 ? 2 * GS_BOX_STACKS_MAX + 1 : what == 4 ? 6 : 7); // 4: never seen before, and not new
        if (what != 4)
            gs_box_number(out, what == 5 ? 1000000 : 1); // a depth
        gs_box_signed(out, 0x1000);
        gs_box_number(out, what == 6 ? 9 : 0); // labels
        for (int i = 0; i < GS_HEAP_VALUES; i++)
            gs_box_signed(out, 1);
        gs_box_end(out);
        put_written(out, 1);
        struct gs_box_contents *contents = read_made(out, fd, path, why);
        bool good = what == 0 || what == 2;
        if (good != (contents != NULL))
            fail_msg("%d: %s", what, contents ? "read" : why);
        if (!good)
            assert_string_equal(why, "it is damaged: a record contains an impossible value");
        gs_box_contents_free(contents);
    }
    free(out);
}

/* VALUES of stacks 1 and up, one each for all that it counts; NEW: with their frames. */
static void put_stacks(struct gs_box_out *out, const int64_t *values, size_t count, bool new)
{
    gs_box_begin(out, GS_BOX_STACKS);
    for (size_t i = 0; i < count; i++) {
        gs_box_number(out, 2 * (i + 1) + new);
        if (new) {
            gs_box_number(out, 1);
            gs_box_signed(out, 0x1000 * (int64_t)(i + 1));
            gs_box_number(out, 0);
        }
        for (int v = 0; v < GS_HEAP_VALUES; v++)
            gs_box_signed(out, values[i]);
    }
    gs_box_end(out);
}

/* A box that somebody made up: COUNT stacks that held THEN at the baseline, and hold NOW. */
static struct gs_box_contents *made_up(const int64_t *then, const int64_t *now, size_t count)
{
    char path[200], why[200];
    struct gs_box_out *out = malloc(sizeof *out);
    snprintf(path, sizeof path, "%s/made-up", box_story.dir);
    int fd = open(path, O_CREAT | O_TRUNC | O_RDWR, 0600);
    gs_box_out_start(out, fd, 0, 0);
    gs_box_begin(out, GS_BOX_IDENTITY);
    for (int i = 0; i < 5; i++)
        gs_box_number(out, 7);
    for (int i = 0; i < 5; i++)
        gs_box_text(out, "x");
    gs_box_end(out);
    put_stacks(out, then, count, true);
    gs_box_begin(out, GS_BOX_BASELINE);
    gs_box_number(out, 50);
    gs_box_end(out);
    put_stacks(out, now, count, false);
    put_written(out, 100);
    struct gs_box_contents *contents = read_made(out, fd, path, why);
    if (!contents)
        fail_msg("%s", why);
    free(out);
    return contents;
}

/* Numbers that no process comes to make an incident like any other. They are added, subtracted and turned round on the way:
 * UBSan watches. */
static void counters_beyond_all_reason_are_divided(void **state)
{
    const int64_t then[] = {INT64_MIN, INT64_MAX, INT64_MIN, 1 << 20}, now[] = {INT64_MAX, INT64_MAX, 0, 1 << 21};
    char path[PATH_MAX], why[200];
    (void)state;
    struct gs_box_contents *contents = made_up(then, now, 4);
    const struct gs_given_stack *stack = contents->stack;
    /* 2^63 + 2 (2^63 - 1) + 2^63 + (2^63 - 1) + 3 · 2^20 is a little more than 5 · 2^63: by 8 it is less than 2^63 */
    assert_true(stack[0].then[0] == INT64_MIN / 8 && stack[0].now[0] == INT64_MAX / 8);
    assert_true(stack[3].then[GS_INUSE_SPACE] == 1 << 17 && stack[3].now[GS_INUSE_SPACE] == 1 << 18);
    assert_int_equal(contents->post_mortem.note_count, 1);
    assert_string_equal(contents->post_mortem.note[0],
                        "the sum of the box's counters exceeds 64 bits: all are shown divided by 8");
    contents->post_mortem.how = "made up";
    assert_int_equal(gs_incident_from_post_mortem(box_story.store, &contents->post_mortem, path), 0);
    json_t *json = gs_store_load_incident(path, why, sizeof why);
    assert_true(json_is_true(json_object_get(json, "complete")));
    json_decref(json);
    gs_box_contents_free(contents);

    const int64_t none = 0, most = INT64_MAX;
    contents = made_up(&none, &most, 1);
    assert_true(contents->stack[0].now[GS_ALLOC_SPACE] == INT64_MAX && contents->stack[0].then[GS_ALLOC_SPACE] == 0);
    assert_int_equal(contents->post_mortem.note_count, 0);
    gs_box_contents_free(contents);
}

static void others_files_are_no_boxes(void **state)
{
    char why[200];
    (void)state;
    assert_null(gs_box_read("", 0, why, sizeof why));
    assert_string_equal(why, "it is no black box");
    assert_null(gs_box_read("gsbox\0\0\2", 8, why, sizeof why));
    assert_string_equal(why, "it is a black box of a later version: use a newer gumshoe");
    assert_null(gs_box_read("gsbox\0\0\1", 8, why, sizeof why));
    assert_string_equal(why, "it contains no complete write");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(cut_short_anywhere_the_last_whole_write_counts),
        STORY(spoilt_anywhere_it_is_what_some_write_had_or_nothing),
        STORY(made_up_by_somebody_it_is_refused_or_read_and_nothing_else),
        STORY(extremes_are_refused),
        STORY(counters_beyond_all_reason_are_divided),
        cmocka_unit_test(others_files_are_no_boxes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
