/* Text for terminals: what it may contain, how wide it is, and names and paths that fit. Widths are counted by hand. */
#include "base/text.h"
#include "reader/reader.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static char shown[1024];

static const char *take(struct gs_text *text)
{
    snprintf(shown, sizeof shown, "%s", text->bytes ? text->bytes : "");
    gs_text_fini(text);
    return shown;
}

static const char *printable(const char *words)
{
    struct gs_text text = {0};
    gs_text_add_printable(&text, words);
    assert_true(gs_text_is_printable(text.bytes ? text.bytes : ""));
    assert_int_equal(gs_text_is_printable(words), !text.bytes || strcmp(text.bytes, words) == 0);
    return take(&text);
}

static void text_that_moves_other_text_is_escaped(void **state)
{
    (void)state;
    assert_string_equal(printable("plain ümlaut 中文 ← 🙂"), "plain ümlaut 中文 ← 🙂");
    assert_string_equal(printable("\033[2J"), "\\x1b[2J");
    assert_string_equal(printable("\302\233"), "\\xc2\\x9b");              // CSI in one character
    assert_string_equal(printable("a\342\200\256b"), "a\\xe2\\x80\\xaeb"); // right-to-left override
    assert_string_equal(printable("\342\201\246x"), "\\xe2\\x81\\xa6x");   // left-to-right isolate
    assert_string_equal(printable("\330\234"), "\\xd8\\x9c");              // Arabic letter mark
    assert_string_equal(printable("\342\200\250"), "\\xe2\\x80\\xa8");     // line separator
    assert_string_equal(printable("\355\240\200"), "\\xed\\xa0\\x80");     // half of a surrogate pair
    assert_string_equal(printable("cut \342\200"), "cut \\xe2\\x80");
    assert_string_equal(printable("\300\200\377"), "\\xc0\\x80\\xff");
}

static void width_is_that_of_a_terminal(void **state)
{
    (void)state;
    assert_int_equal(gs_text_columns(""), 0);
    assert_int_equal(gs_text_columns("plain"), 5);
    assert_int_equal(gs_text_columns("ümlaut"), 6);
    assert_int_equal(gs_text_columns("u\314\210mlaut"), 6); // u and a combining diaeresis
    assert_int_equal(gs_text_columns("中文"), 4);
    assert_int_equal(gs_text_columns("한글"), 4);
    assert_int_equal(gs_text_columns("← … ×"), 5);
    assert_int_equal(gs_text_columns("🙂"), 2);
    assert_int_equal(gs_text_columns("\377\302"), 2); // not UTF-8: a byte is a column
}

static const char *fitted(const char *function, size_t columns)
{
    struct gs_text text = {0};
    gs_reader_add_fitted_function(&text, function, columns);
    return take(&text);
}

static void a_function_keeps_its_own_name(void **state)
{
    (void)state;
    static const char put[] =
        "std::pair<int, bool> net::pool::Cache<std::string, Session>::put(std::string const&, Session*)";
    assert_string_equal(fitted(put, 0),
                        "net::pool::Cache<std::string, Session>::put(std::string const&, Session*)");
    assert_string_equal(fitted(put, 74),
                        "net::pool::Cache<std::string, Session>::put(std::string const&, Session*)");
    assert_string_equal(fitted(put, 50), "net::pool::Cache<std::string, Session>::put(…)");
    assert_string_equal(fitted(put, 30), "net::pool::Cache<…>::put(…)");
    assert_string_equal(fitted(put, 26), "…::pool::Cache<…>::put(…)");
    assert_string_equal(fitted(put, 24), "…::Cache<…>::put(…)");
    assert_string_equal(fitted(put, 18), "…::put(…)");
    assert_string_equal(fitted(put, 4), "put");
    assert_string_equal(fitted(put, 1), "put");
    assert_string_equal(fitted("cache_insert_with_a_name_that_is_long", 10),
                        "cache_insert_with_a_name_that_is_long");
    assert_string_equal(fitted("a::Matrix<3, 3>::operator()(int, int) const", 20), "…::operator()(…)");
    assert_string_equal(fitted("<server::Cache as core::ops::drop::Drop>::drop", 12), "…::drop");
    assert_string_equal(fitted("server::run()::{lambda(int)#1}::operator()(int) const", 30),
                        "run()::{lambda(int)#1}::operator()(int) const");
}

static void names_that_are_not_balanced_do_no_harm(void **state)
{
    (void)state;
    static const char *const names[] = {"<",         "f(",          "a<b",    "::", "a::",   "operator",
                                        "operator<", "a::operator", "x<y>::", ")(", "<>::(", "a<<<<<<b>"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (size_t columns = 0; columns < 12; columns++)
            (void)fitted(names[i], columns);
    assert_string_equal(fitted("evil\033[2J", 40), "evil\\x1b[2J");
}

static const char *pattern(const char *function)
{
    struct gs_text text = {0};
    gs_reader_add_function_pattern(&text, function);
    return take(&text);
}

static void a_pattern_finds_the_function(void **state)
{
    (void)state;
    assert_string_equal(pattern("cache_insert"), "cache_insert");
    assert_string_equal(pattern("void net::Cache<std::string, Session>::put(std::string const&)"),
                        "net::Cache<.*>::put");
    assert_string_equal(pattern("a::Matrix<3>::operator()(int, int) const"), "a::Matrix<.*>::operator\\(\\)");
    assert_string_equal(pattern("std::operator+(int)"), "std::operator\\+");
    assert_string_equal(pattern("(anonymous namespace)::fill(int)"), "\\(anonymous namespace\\)::fill");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_that_moves_other_text_is_escaped),
        cmocka_unit_test(width_is_that_of_a_terminal),
        cmocka_unit_test(a_function_keeps_its_own_name),
        cmocka_unit_test(names_that_are_not_balanced_do_no_harm),
        cmocka_unit_test(a_pattern_finds_the_function),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
