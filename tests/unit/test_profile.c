/* The profile model: written and read back it is the same; hostile bytes get an answer; flat, cum and growth are those of
 * pprof's definitions, by hand. */
#include "profile/profile.h"
#include "reader/reader.h"
#include "sys/file.h"
#include "base/memory.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

/* A sample of functions NAMES (leaf first), VALUE as its one value. */
static void add(struct gs_profile *profile, int64_t value, const char *const *names)
{
    uint32_t location[16], depth = 0;
    for (; names[depth]; depth++) {
        struct gs_line line = {gs_profile_add_function(profile, names[depth], names[depth], "file.c", 10),
                               12};
        location[depth] = gs_profile_add_location(
            profile, &(struct gs_location){.address = 0x1000 + depth, .line_count = 1, .line = &line});
    }
    gs_profile_append_sample(profile,
                             &(struct gs_sample){.location = location, .value = &value, .depth = depth});
}
#define STACK(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct gs_profile *new_profile(void)
{
    struct gs_profile *profile = gs_profile_new();
    gs_profile_add_sample_type(profile, "inuse_space", "bytes");
    return profile;
}

static const struct gs_top_row *row(const struct gs_top *top, const char *function)
{
    for (size_t i = 0; i < top->count; i++)
        if (strcmp(top->row[i].function, function) == 0)
            return &top->row[i];
    return NULL;
}

static void assert_row(const struct gs_top *top, const char *function, int64_t flat, int64_t cum)
{
    const struct gs_top_row *found = row(top, function);
    assert_non_null(found);
    assert_int_equal(found->flat, flat);
    assert_int_equal(found->cum, cum);
}

/* ---- flat and cum --------------------------------------------------------------------------------------------------- */

/* main calls f (10 in itself) and g, g calls f (5) - and f, recursing into itself, holds 3 more. */
static void flat_is_the_leafs_and_cum_counts_a_stack_once(void **state)
{
    struct gs_top top;
    (void)state;
    struct gs_profile *profile = new_profile();
    add(profile, 10, STACK("f", "main"));
    add(profile, 5, STACK("f", "g", "main"));
    add(profile, 3, STACK("f", "f", "f", "main"));
    add(profile, 2, STACK("main"));
    assert_int_equal(gs_profile_top(profile, 0, &top), 0);
    assert_int_equal(top.total, 20);
    assert_row(&top, "f", 18, 18);
    assert_row(&top, "g", 0, 5);
    assert_row(&top, "main", 2, 20);
    assert_string_equal(top.row[0].function, "f"); // heaviest flat first
    assert_string_equal(top.row[2].function, "g");
    gs_profile_top_fini(&top);
    gs_profile_free(profile);
}

static void dropped_frames_hand_their_weight_to_the_caller(void **state)
{
    struct gs_top top;
    (void)state;
    struct gs_profile *profile = new_profile();
    profile->drop_frames = gs_profile_string(profile, "malloc|operator new.*");
    add(profile, 10, STACK("malloc", "operator new[]", "make", "main"));
    add(profile, 7, STACK("mallocator", "main"));
    add(profile, 1, STACK("malloc")); // nothing but dropped frames: kept
    assert_int_equal(gs_profile_top(profile, 0, &top), 0);
    assert_row(&top, "make", 10, 10);
    assert_row(&top, "mallocator", 7, 7);
    assert_row(&top, "malloc", 1, 1);
    assert_null(row(&top, "operator new[]"));
    gs_profile_top_fini(&top);
    gs_profile_free(profile);
}

static void stacks_of_the_same_functions_are_one(void **state)
{
    struct gs_stacks stacks;
    (void)state;
    struct gs_profile *profile = new_profile();
    add(profile, 10, STACK("f", "main"));
    add(profile, 30, STACK("g", "main"));
    add(profile, 5, STACK("f", "main"));
    assert_int_equal(gs_profile_stacks(profile, 0, &stacks), 0);
    assert_int_equal(stacks.count, 2);
    assert_int_equal(stacks.total, 45);
    assert_int_equal(stacks.row[0].value, 30);
    assert_int_equal(stacks.row[1].value, 15);
    gs_profile_stacks_fini(&stacks);
    gs_profile_free(profile);
}

/* ---- growth ------------------------------------------------------------------------------------------------------------ */

static void growth_is_what_is_more_and_what_is_less(void **state)
{
    struct gs_top top;
    (void)state;
    struct gs_profile *now = new_profile(), *base = new_profile();
    add(now, 100, STACK("cache", "main"));
    add(now, 50, STACK("steady", "main"));
    add(base, 30, STACK("cache", "main"));
    add(base, 50, STACK("steady", "main"));
    add(base, 20, STACK("gone", "main"));
    assert_int_equal(gs_profile_subtract(now, base), 0);
    assert_int_equal(gs_profile_top(now, 0, &top), 0);
    assert_row(&top, "cache", 70, 70);
    assert_row(&top, "gone", -20, -20);
    assert_null(row(&top, "steady"));
    assert_row(&top, "main", 0, 50);
    assert_int_equal(top.total, 90); // of absolute values
    gs_profile_top_fini(&top);
    gs_profile_free(now);
    gs_profile_free(base);
}

/* Go's heap profiles have "bytes" with a unit; another tool's "bytes" may be in kilobytes. */
static void labels_in_other_units_are_other_labels(void **state)
{
    (void)state;
    struct gs_profile *sum = new_profile(), *other = new_profile();
    const int64_t value = 10;
    const struct gs_label_value bytes = {.key = "size", .number = 64, .unit = "bytes"},
                                kilobytes = {.key = "size", .number = 64, .unit = "kilobytes"};
    gs_profile_add_named_sample(sum, "f", &value, &bytes, 1);
    gs_profile_add_named_sample(other, "f", &value, &kilobytes, 1);
    gs_profile_add_named_sample(other, "f", &value, &bytes, 1);
    assert_int_equal(gs_profile_add(sum, other), 0);
    assert_int_equal(sum->sample_count, 2);
    assert_int_equal(sum->sample[0].value[0], 20);
    assert_int_equal(sum->sample[1].value[0], 10);
    gs_profile_free(sum);
    gs_profile_free(other);
}

static void profiles_of_other_types_are_not_subtracted(void **state)
{
    (void)state;
    struct gs_profile *now = new_profile(), *base = gs_profile_new();
    gs_profile_add_sample_type(base, "cpu", "nanoseconds");
    assert_int_not_equal(gs_profile_subtract(now, base), 0);
    gs_profile_free(now);
    gs_profile_free(base);
}

/* ---- written and read ------------------------------------------------------------------------------------------------------ */

static char *written(const struct gs_profile *profile, size_t *length)
{
    char *bytes;
    int fd = memfd_create("profile", MFD_CLOEXEC);
    assert_int_equal(gs_profile_write(profile, fd), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(gs_file_read_all(fd, 1 << 20, &bytes, length), 0);
    close(fd);
    return bytes;
}

static struct gs_profile *rich_profile(void)
{
    struct gs_profile *profile = new_profile();
    gs_profile_add_sample_type(profile, "objects", "count");
    profile->default_sample_type = 1;
    profile->period_type =
        (struct gs_value_type){gs_profile_string(profile, "space"), gs_profile_string(profile, "bytes")};
    profile->period = 524288;
    profile->time_ns = 1795489509123456789;
    profile->duration_ns = 77;
    profile->drop_frames = gs_profile_string(profile, "malloc");
    gs_profile_add_comment(profile, "rss 412 MiB is above 400 MiB");
    gs_profile_add_mapping(profile, &(struct gs_profile_mapping){.start = 0x400000,
                                                                 .end = 0x500000,
                                                                 .offset = 0x1000,
                                                                 .path = "/usr/bin/server",
                                                                 .build_id = "abcdef",
                                                                 .has_functions = true});
    struct gs_line lines[] = {{gs_profile_add_function(profile, "inlined", "_Z7inlinedv", "a.c", 3), 5},
                              {gs_profile_add_function(profile, "outer", "outer", "b.c", 7), 9}};
    uint32_t location = gs_profile_add_location(
        profile, &(struct gs_location){.address = 0x401234, .mapping = 1, .line_count = 2, .line = lines});
    int64_t values[] = {-5, INT64_MAX};
    struct gs_label_value labels[] = {{"tid", NULL, 42, ""}, {"name", "worker \"1\"", 0, NULL}};
    gs_profile_append_sample(profile, &(struct gs_sample){&location, values, labels, 1, 2});
    return profile;
}

static void what_is_written_is_read_back(void **state)
{
    char why[160];
    size_t length;
    (void)state;
    struct gs_profile *profile = rich_profile();
    char *bytes = written(profile, &length);
    struct gs_profile *back = gs_reader_profile(bytes, length, why, sizeof why);
    assert_non_null(back);
    assert_int_equal(back->sample_type_count, 2);
    assert_string_equal(back->sample_type[1].type, "objects");
    assert_int_equal(back->default_sample_type, 1);
    assert_int_equal(back->period, 524288);
    assert_string_equal(back->period_type.unit, "bytes");
    assert_true(back->time_ns == 1795489509123456789 && back->duration_ns == 77);
    assert_string_equal(back->comment[0], "rss 412 MiB is above 400 MiB");
    assert_string_equal(back->drop_frames, "malloc");
    assert_string_equal(back->mapping[0].path, "/usr/bin/server");
    assert_true(back->mapping[0].offset == 0x1000 && back->mapping[0].has_functions);
    assert_int_equal(back->location[0].line_count, 2);
    assert_string_equal(back->function[back->location[0].line[0].function].name, "inlined");
    assert_string_equal(back->function[back->location[0].line[1].function].file, "b.c");
    assert_true(back->sample[0].value[0] == -5 && back->sample[0].value[1] == INT64_MAX);
    assert_int_equal(back->sample[0].label[0].number, 42);
    assert_string_equal(back->sample[0].label[1].text, "worker \"1\"");
    gs_profile_free(back);
    gs_profile_free(profile);
    gs_free(bytes);
}

static void the_same_profile_is_the_same_bytes(void **state)
{
    size_t first_length, second_length;
    (void)state;
    struct gs_profile *profile = rich_profile();
    char *first = written(profile, &first_length), *second = written(profile, &second_length);
    assert_int_equal(first_length, second_length);
    assert_memory_equal(first, second, first_length);
    gs_free(first);
    gs_free(second);
    gs_profile_free(profile);
}

static void names_that_are_not_utf8_are_written_as_text(void **state)
{
    char why[160];
    size_t length;
    (void)state;
    struct gs_profile *profile = new_profile();
    add(profile, 1, STACK("\xff\x1b[2J"));
    char *bytes = written(profile, &length);
    struct gs_profile *back = gs_reader_profile(bytes, length, why, sizeof why);
    assert_string_equal(back->function[0].name, "\\xff\\x1b[2J");
    gs_profile_free(back);
    gs_profile_free(profile);
    gs_free(bytes);
}

static void a_full_disk_is_an_error(void **state)
{
    (void)state;
    struct gs_profile *profile = rich_profile();
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_int_not_equal(gs_profile_write(profile, fd), 0);
    close(fd);
    gs_profile_free(profile);
}

/* Cut anywhere, with any byte changed, or pure noise: an answer and a sentence, never a crash. */
static void hostile_bytes_get_an_answer(void **state)
{
    char why[160];
    size_t length;
    unsigned seed = 5;
    (void)state;
    struct gs_profile *profile = rich_profile();
    char *bytes = written(profile, &length);
    for (size_t cut = 0; cut < length; cut++) {
        why[0] = 0;
        assert_null(gs_reader_profile(bytes, cut, why, sizeof why));
        assert_true(strlen(why) > 5);
    }
    for (int i = 0; i < 20000; i++) {
        unsigned char raw[96];
        for (size_t b = 0; b < sizeof raw; b++) // protobuf without gzip: small numbers make messages of it
            raw[b] = (unsigned char)((unsigned)rand_r(&seed) % (i % 2 ? 256 : 64));
        gs_profile_free(gs_reader_profile(raw, sizeof raw, why, sizeof why));
    }
    gs_free(bytes);
    gs_profile_free(profile);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flat_is_the_leafs_and_cum_counts_a_stack_once),
        cmocka_unit_test(dropped_frames_hand_their_weight_to_the_caller),
        cmocka_unit_test(stacks_of_the_same_functions_are_one),
        cmocka_unit_test(growth_is_what_is_more_and_what_is_less),
        cmocka_unit_test(labels_in_other_units_are_other_labels),
        cmocka_unit_test(profiles_of_other_types_are_not_subtracted),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(the_same_profile_is_the_same_bytes),
        cmocka_unit_test(names_that_are_not_utf8_are_written_as_text),
        cmocka_unit_test(a_full_disk_is_an_error),
        cmocka_unit_test(hostile_bytes_get_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
