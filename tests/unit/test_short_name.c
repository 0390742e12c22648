/* Names of functions without their arguments, and in little room: the function's own name is the last that goes. */
#include "reader/page.h"
#include "reader/reader.h"
#include "base/memory.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

static void compact_is(const char *name, const char *wanted, const char *own)
{
    struct gs_text out = {0};
    size_t at = gs_reader_compact_name(name, &out);
    assert_string_equal(out.bytes, wanted);
    assert_string_equal(out.bytes + at, own);
    gs_text_fini(&out);
}

static void fits_as(const char *name, size_t room, const char *wanted)
{
    struct gs_text out = {0};
    gs_reader_fit_name(name, room, &out);
    assert_string_equal(out.bytes ? out.bytes : "", wanted);
    gs_text_fini(&out);
}

static void arguments_are_left_out(void **state)
{
    (void)state;
    compact_is("main", "main", "main");
    compact_is("f(int)", "f(…)", "f(…)");
    compact_is("f()", "f()", "f()");
    compact_is("std::map<int, std::vector<int>>::insert(std::pair<int, int> const&)",
               "std::map<…>::insert(…)", "insert(…)");
    compact_is("void shop::each<int>(int) const", "void shop::each<…>(…) const", "each<…>(…) const");
    compact_is("(anonymous namespace)::grow(long)", "(anonymous namespace)::grow(…)", "grow(…)");
    compact_is("cache::Pool::~Pool()", "cache::Pool::~Pool()", "~Pool()");
}

static void operators_are_no_brackets(void **state)
{
    (void)state;
    compact_is("operator<<(std::ostream&, int)", "operator<<(…)", "operator<<(…)");
    compact_is("T<int>::operator()(int) const", "T<…>::operator()(…) const", "operator()(…) const");
    compact_is("T<int>::operator->()", "T<…>::operator->()", "operator->()");
    compact_is("operator new(unsigned long)", "operator new(…)", "operator new(…)");
    compact_is("my_operator<int>(int)", "my_operator<…>(…)", "my_operator<…>(…)");
}

static void other_languages_have_names_of_their_own(void **state)
{
    (void)state;
    compact_is("strings.(*Builder).Grow", "strings.(*Builder).Grow", "Grow");
    compact_is("<alloc::vec::Vec<T> as Drop>::drop", "<alloc::vec::Vec<T> as Drop>::drop", "drop");
    compact_is("server::run::{closure#0}", "server::run::{closure#0}", "run::{closure#0}");
}

static void what_is_not_closed_stays(void **state)
{
    (void)state;
    compact_is("a<b", "a<b", "a<b");
    compact_is(")>a(", ")>a(", ")>a(");
}

static void the_own_name_is_the_last_that_goes(void **state)
{
    static const char name[] = "std::map<int, std::vector<int>>::insert(std::pair<int, int> const&)";
    (void)state;
    fits_as(name, 100, name);
    fits_as(name, 22, "std::map<…>::insert(…)");
    fits_as(name, 21, "…map<…>::insert(…)");
    fits_as(name, 17, "…insert(…)");
    fits_as(name, 9, "insert");
    fits_as(name, 5, "inse…");
    fits_as(name, 2, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments_are_left_out),
        cmocka_unit_test(operators_are_no_brackets),
        cmocka_unit_test(other_languages_have_names_of_their_own),
        cmocka_unit_test(what_is_not_closed_stays),
        cmocka_unit_test(the_own_name_is_the_last_that_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
