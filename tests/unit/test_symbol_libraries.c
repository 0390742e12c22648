/* A recorded frame, and what is mapped at its address by the time of the capture. */
#include "symbol/inside.h"
#include "base/memory.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define FRAME     (0x7f0000001000 + 0x10)
#define NUMBER(n) ((uint64_t)(n) << GS_LIBRARY_SHIFT)

static struct gs_mapping in_use(const char *path, unsigned char id, bool unloaded, uint32_t number)
{
    struct gs_mapping library = {.start = 0x7f0000001000,
                                 .end = 0x7f0000002000,
                                 .offset = 0x1000,
                                 .has_bias = true,
                                 .bias = 0x7f0000000000,
                                 .path = (char *)(uintptr_t)path,
                                 .unloaded = unloaded};
    if (id) {
        memset(library.build_id, id, sizeof library.build_id);
        library.build_id_length = GS_BUILD_ID_MAX;
    }
    gs_symbol_library_place(&library, number);
    return library;
}

/* The maps of a process with PATH at the code's address, build id ID (0: none); NULL: with nothing there. */
static struct gs_maps *maps_with(const char *path, unsigned char id)
{
    char text[200] = "7e0000000000-7e0000001000 r-xp 00000000 fe:00 1 /srv/app\n";
    if (path)
        strcat(strcat(strcat(text, "7f0000001000-7f0000002000 r-xp 00001000 fe:00 2 "), path), "\n");
    struct gs_maps *maps = gs_symbol_maps_parse(text, strlen(text), "/srv/app");
    assert_int_equal(maps->count, path ? 2 : 1);
    if (path) {
        maps->mapping[1].has_bias = true;
        maps->mapping[1].bias = 0x7f0000000000;
        maps->mapping[1].build_id_length = id ? GS_BUILD_ID_MAX : 0;
        memset(maps->mapping[1].build_id, id, GS_BUILD_ID_MAX);
    }
    return maps;
}

/* FRAME resolves to WANTED where PATH with ID is mapped now, and LIBRARY[0..COUNT) were seen. */
static void resolves(uint64_t frame, const char *path, unsigned char id, struct gs_mapping *library,
                     size_t count, uint64_t wanted)
{
    struct gs_maps *maps = maps_with(path, id);
    maps->library = library;
    maps->library_count = count;
    assert_int_equal(gs_symbol_maps_resolve(maps, frame), wanted);
    const struct gs_mapping *found = gs_symbol_maps_find(maps, wanted);
    uint64_t number = wanted >> GS_LIBRARY_SHIFT;
    if (number && found)
        assert_ptr_equal(found, &library[number - 1]);
    else if (number)
        assert_true(number > count || !library[number - 1].path || wanted >= library[number - 1].end);
    else if (path)
        assert_string_equal(found->path, path);
    maps->library = NULL;
    maps->library_count = 0;
    gs_symbol_maps_free(maps);
}

static void what_is_still_mapped_is_named_as_ever(void **state)
{
    struct gs_mapping a = in_use("/srv/a.so", 'a', false, 1), plain = in_use("/srv/a.so", 0, false, 1);
    (void)state;
    resolves(FRAME, "/srv/a.so", 'a', &a, 1, FRAME);
    resolves(FRAME, "/usr/lib/a.so", 'a', &a, 1, FRAME); // a symbolic link: the build id says it
    resolves(FRAME, "/srv/a.so", 0, &plain, 1, FRAME);
    resolves(FRAME, "/srv/a.so", 'a', NULL, 0, FRAME);
    resolves(NUMBER(1) | FRAME, "/srv/a.so", 'a', &a, 1, FRAME);
}

static void what_lies_there_now_gives_no_name(void **state)
{
    struct gs_mapping a = in_use("/srv/a.so", 'a', true, 1), plain = in_use("/srv/a.so", 0, true, 1);
    (void)state;
    resolves(FRAME, "/srv/b.so", 'b', &a, 1, NUMBER(1) | FRAME);
    resolves(FRAME, "/srv/a.so", 'b', &a, 1, NUMBER(1) | FRAME); // the file was built anew
    resolves(FRAME, "/srv/a.so", 0, &a, 1, NUMBER(1) | FRAME);
    resolves(FRAME, "/srv/b.so", 0, &plain, 1, NUMBER(1) | FRAME);
    resolves(FRAME, NULL, 0, &a, 1, NUMBER(1) | FRAME);
}

/* The same library, but moved by a page: its code at this address is other code. */
static void the_same_file_at_another_bias_is_another_library(void **state)
{
    struct gs_mapping a = in_use("/srv/a.so", 'a', true, 1);
    (void)state;
    a.bias -= 0x1000;
    resolves(FRAME, "/srv/a.so", 'a', &a, 1, NUMBER(1) | FRAME);
}

static void several_at_one_place_are_told_apart(void **state)
{
    struct gs_mapping all[] = {
        in_use("/srv/a.so", 'a', true, 1), in_use("/srv/b.so", 'b', false, 2), {.path = NULL}};
    (void)state;
    resolves(FRAME, "/srv/b.so", 'b', all, 3, NUMBER(1) | FRAME);
    resolves(NUMBER(2) | FRAME, "/srv/b.so", 'b', all, 3, FRAME);
    resolves(NUMBER(2) | FRAME, "/srv/a.so", 'a', all, 3, NUMBER(2) | FRAME);
    resolves(NUMBER(1) | FRAME, "/srv/a.so", 'a', all, 3, FRAME);
    resolves(FRAME, "/srv/a.so", 'a', all, 3, FRAME);
}

static void numbers_of_no_library_are_left_alone(void **state)
{
    struct gs_mapping all[] = {in_use("/srv/a.so", 'a', true, 1), {.path = NULL}};
    (void)state;
    resolves(NUMBER(3) | FRAME, NULL, 0, all, 2, NUMBER(3) | FRAME);
    resolves(NUMBER(2) | FRAME, NULL, 0, all, 2, NUMBER(2) | FRAME);
    resolves(NUMBER(1) | 0x7f0000002000, NULL, 0, all, 1, NUMBER(1) | 0x7f0000002000); // behind its end
    resolves(NUMBER(GS_NO_LIBRARY) | FRAME, "/srv/b.so", 'b', all, 1, FRAME);
    resolves(0xffffffffff600010, NULL, 0, all, 1, 0xffffffffff600010); // vsyscall
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_still_mapped_is_named_as_ever),
        cmocka_unit_test(what_lies_there_now_gives_no_name),
        cmocka_unit_test(the_same_file_at_another_bias_is_another_library),
        cmocka_unit_test(several_at_one_place_are_told_apart),
        cmocka_unit_test(numbers_of_no_library_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
