/* Names of variables: global, static, in a library, inside an array or structure; none for what is no variable. */
#include "base/memory.h"
#include "symbol/symbol.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

int counted_words[16] = {1}; // .data
static struct {
    char name[64];
    int lock;
} idle_cache;                           // .bss
static const char greeting[] = "hello"; // .rodata
static _Thread_local int of_thread = 1;

static void named(uintptr_t address, const char *name, uint64_t offset)
{
    struct gs_symbol_variable variable = {.address = address, .name = (char *)"not set"};
    struct gs_maps *maps = gs_symbol_maps_read(0);
    assert_non_null(maps);
    gs_symbol_name_variables(maps, &variable, 1);
    if (!name)
        assert_null(variable.name);
    else {
        assert_non_null(variable.name);
        assert_string_equal(variable.name, name);
        assert_int_equal(variable.offset, offset);
    }
    gs_free(variable.name);
    gs_symbol_maps_free(maps);
}

static void variables_have_their_names(void **state)
{
    (void)state;
    named((uintptr_t)&counted_words, "counted_words", 0);
    named((uintptr_t)&counted_words[15] + 3, "counted_words", 63);
    named((uintptr_t)&idle_cache.lock, "idle_cache", 64);
    named((uintptr_t)greeting, "greeting", 0);
}

static void a_library_variable_has_its_name(void **state)
{
    struct gs_symbol_variable variable = {
        .address = (uintptr_t)stdout}; // not the pointer: the stream that it points to
    struct gs_maps *maps = gs_symbol_maps_read(0);
    (void)state;
    gs_symbol_name_variables(maps, &variable, 1);
    assert_non_null(variable.name);
    assert_string_equal(variable.name, "_IO_2_1_stdout_");
    gs_free(variable.name);
    gs_symbol_maps_free(maps);
}

static void other_memory_has_none(void **state)
{
    int on_stack = 0;
    char *on_heap = malloc(100);
    char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    (void)state;
    named((uintptr_t)&on_stack, NULL, 0);
    named((uintptr_t)on_heap, NULL, 0);
    named((uintptr_t)page, NULL, 0);
    named((uintptr_t)&of_thread, NULL, 0);
    named((uintptr_t)sbrk(0), NULL, 0);
    named((uintptr_t)variables_have_their_names, NULL, 0); // a function
    named(0, NULL, 0);
    named(UINTPTR_MAX, NULL, 0);
    munmap(page, 4096);
    free(on_heap);
}

static void many_at_once_each_get_their_own(void **state)
{
    struct gs_symbol_variable variable[] = {{.address = (uintptr_t)&idle_cache},
                                            {.address = 1},
                                            {.address = (uintptr_t)stdout},
                                            {.address = (uintptr_t)&counted_words}};
    const char *wanted[] = {"idle_cache", NULL, "_IO_2_1_stdout_", "counted_words"};
    struct gs_maps *maps = gs_symbol_maps_read(0);
    (void)state;
    gs_symbol_name_variables(maps, variable, 4);
    for (int i = 0; i < 4; i++) {
        if (wanted[i])
            assert_string_equal(variable[i].name, wanted[i]);
        else
            assert_null(variable[i].name);
        gs_free(variable[i].name);
    }
    gs_symbol_maps_free(maps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variables_have_their_names),
        cmocka_unit_test(a_library_variable_has_its_name),
        cmocka_unit_test(other_memory_has_none),
        cmocka_unit_test(many_at_once_each_get_their_own),
    };
    return cmocka_run_group_tests_name("symbol_variables", tests, NULL, NULL);
}
