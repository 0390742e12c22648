/* Whole numbers in few bytes: worked out by hand, at the edges of each length; and what is no number is refused. */
#include "base/varint.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

/* NUMBER is written as these LENGTH bytes, and they are read as NUMBER, no byte further; cut short they are none. */
static void is_written(uint64_t number, const char *bytes, size_t length)
{
    unsigned char out[GS_VARINT_MAX + 1] = {0};
    const unsigned char *at = out;
    uint64_t read = 1;
    assert_int_equal(gs_varint_write(number, out), length);
    assert_memory_equal(out, bytes, length);
    assert_true(gs_varint_read(&at, out + sizeof out, &read));
    assert_true(read == number && at == out + length);
    at = out;
    assert_false(gs_varint_read(&at, out + length - 1, &read));
    assert_true(read == 0 && at == out + length - 1);
}

static void numbers_take_as_many_bytes_as_they_need(void **state)
{
    (void)state;
    is_written(0, "\0", 1);
    is_written(127, "\x7f", 1);
    is_written(128, "\x80\x01", 2);
    is_written(300, "\xac\x02", 2);
    is_written(16383, "\xff\x7f", 2);
    is_written(16384, "\x80\x80\x01", 3);
    is_written(UINT64_MAX, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10);
}

static void more_than_64_bits_are_no_number(void **state)
{
    static const unsigned char bit_64[] = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", eleven[] = "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01";
    const unsigned char *at = bit_64;
    uint64_t read;
    (void)state;
    assert_false(gs_varint_read(&at, bit_64 + sizeof bit_64, &read));
    at = eleven;
    assert_false(gs_varint_read(&at, eleven + sizeof eleven, &read));
}

static void small_numbers_are_short_whatever_their_sign(void **state)
{
    static const int64_t number[] = {0, -1, 1, -2, 2, INT64_MAX, INT64_MIN};
    static const uint64_t zigzag[] = {0, 1, 2, 3, 4, UINT64_MAX - 1, UINT64_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof number / sizeof *number; i++) {
        assert_true(gs_varint_zigzag(number[i]) == zigzag[i]);
        assert_true(gs_varint_unzigzag(zigzag[i]) == number[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_take_as_many_bytes_as_they_need),
        cmocka_unit_test(more_than_64_bits_are_no_number),
        cmocka_unit_test(small_numbers_are_short_whatever_their_sign),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
