/* test_history_pack.c - a history packed for the black box, and what comes out of packs from anywhere. */
#include "base/clock.h"
#include "history/history.h"
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h> // wants the others before it

#define T0 (1763953509 * GS_NS_PER_S)
enum { ROOM = 1 << 18 };
static const char *const rss_and_queue[] = {"rss", "gauge:queue"};
static unsigned char packed[ROOM];
static char why[128];

static void tick(struct gs_history *history, int64_t ms, double rss, double queue)
{
    gs_history_add(history, T0 + ms * GS_NS_PER_MS, (double[]){rss, queue});
}

static bool same(double a, double b)
{
    return isnan(a) ? isnan(b) : memcmp(&a, &b, sizeof a) == 0;
}

/* Packs have milliseconds. */
static int64_t whole_ms(int64_t ns)
{
    return ns - ns % GS_NS_PER_MS;
}

/* UNPACKED has the rows of HISTORY from FIRST on. */
static void assert_same_rows(const struct gs_history *unpacked, const struct gs_history *history,
                             size_t first)
{
    size_t length = gs_history_length(history), count = gs_history_metric_count(history);
    assert_int_equal(gs_history_length(unpacked), length - first);
    assert_int_equal(gs_history_interval_ns(unpacked), gs_history_interval_ns(history));
    assert_int_equal(gs_history_metric_count(unpacked), count);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(gs_history_metric_name(unpacked, i), gs_history_metric_name(history, i));
    for (size_t at = first; at < length; at++) {
        assert_int_equal(gs_history_time(unpacked, at - first), whole_ms(gs_history_time(history, at)));
        assert_int_equal(gs_history_step_ns(unpacked, at - first), gs_history_step_ns(history, at));
        for (size_t i = 0; i < count; i++)
            assert_true(same(gs_history_value(unpacked, at - first, i), gs_history_value(history, at, i)));
    }
}

static void assert_unpacks_to(size_t size, const struct gs_history *history, size_t first)
{
    struct gs_history *unpacked = gs_history_unpack(packed, size, why, sizeof why);
    if (!unpacked)
        fail_msg("%s", why);
    assert_same_rows(unpacked, history, first);
    gs_history_free(unpacked);
}

/* Every kind of number and of gap; times before 1970 and a clock that goes back. */
static struct gs_history *motley(void)
{
    static const double value[] = {0,       1,       -1,         NAN,   0.5,      -0.0,
                                   0x1p53,  -0x1p53, 0x1p53 + 2, 1e300, INFINITY, -INFINITY,
                                   DBL_MIN, 4096,    NAN,        NAN,   1.0 / 3,  137363456};
    enum { VALUES = sizeof value / sizeof *value };
    struct gs_history *history =
        gs_history_shaped(rss_and_queue, 2, &(struct gs_history_shape){{{400, 1500000000}}});
    for (int i = 0; i < VALUES; i++)
        for (int k = 0; k < VALUES; k++)
            tick(history, (i * VALUES + k) * (k % 5 ? 1500 : -77777), value[i], value[k]);
    gs_history_add(history, -1500 * GS_NS_PER_MS, (double[]){1, 2});
    return history;
}

static void what_is_packed_comes_out_again(void **state)
{
    (void)state;
    struct gs_history *history = motley();
    assert_unpacks_to(gs_history_pack(history, 0, packed, ROOM), history, 0);
    gs_history_free(history);
}

/* Ticks, minutes, ten minutes; and no metrics at all. */
static void steps_come_out_as_steps(void **state)
{
    (void)state;
    struct gs_history *history = gs_history_new(rss_and_queue, 2, GS_NS_PER_S);
    for (int second = 0; second < 100000; second++)
        tick(history, second * 1000LL + second % 3, second * 4096, second / 7);
    size_t size = gs_history_pack(history, 0, packed, ROOM);
    assert_true(gs_history_step_ns(history, 0) == 300 * GS_NS_PER_S);
    assert_true(size < 7 * gs_history_length(history)); // bytes a row
    assert_unpacks_to(size, history, 0);
    gs_history_free(history);

    struct gs_history *none = gs_history_new(NULL, 0, GS_NS_PER_S);
    gs_history_add(none, T0, NULL);
    gs_history_add(none, T0 + GS_NS_PER_S, NULL);
    assert_unpacks_to(gs_history_pack(none, 0, packed, ROOM), none, 0);
    gs_history_free(none);
}

/* A tick in time with metrics that stand still is three bytes more: one for itself, one for each of them. */
static void ticks_without_news_are_small(void **state)
{
    (void)state;
    struct gs_history *history = gs_history_new(rss_and_queue, 2, GS_NS_PER_S);
    tick(history, 0, 4096, NAN);
    size_t one = gs_history_pack(history, 0, packed, ROOM);
    for (int second = 1; second <= 100; second++)
        tick(history, second * 1000LL, 4096, NAN);
    assert_int_equal(gs_history_pack(history, 0, packed, ROOM), one + 300);
    gs_history_free(history);
}

/* As the box writes: everything, then tick by tick behind it. Nothing new is nothing to write. */
static void packs_follow_upon_each_other(void **state)
{
    (void)state;
    struct gs_history *history = gs_history_new(rss_and_queue, 2, GS_NS_PER_S);
    tick(history, 0, 1, 2);
    size_t size = gs_history_pack(history, 0, packed, ROOM);
    uint64_t mark = gs_history_serial(history);
    assert_int_equal(gs_history_pack(history, mark, packed + size, ROOM - size), 0);
    for (int second = 1; second <= 50; second++) {
        tick(history, second * 1000LL, second * 4096, NAN);
        if (second % 7 == 0)
            continue; // one write missed: the next brings two
        size_t more = gs_history_pack(history, mark, packed + size, ROOM - size);
        assert_in_range(more, 1, 60);
        size += more;
        mark = gs_history_serial(history);
    }
    assert_unpacks_to(size, history, 0);
    gs_history_free(history);
}

/* The mark is so old that its ticks have become steps; or is another history's: everything is packed anew, and what
 * stood before in the box is forgotten. */
static void an_unknown_mark_begins_anew(void **state)
{
    (void)state;
    struct gs_history *history = gs_history_new(rss_and_queue, 2, GS_NS_PER_S);
    tick(history, 0, 1, 2);
    size_t size = gs_history_pack(history, 0, packed, ROOM);
    uint64_t mark = gs_history_serial(history);
    for (int second = 1; second <= 7300; second++)
        tick(history, second * 1000LL, 1, 2);
    size += gs_history_pack(history, mark, packed + size, ROOM - size);
    assert_unpacks_to(size, history, 0);

    mark = gs_history_serial(history);
    struct gs_history *reloaded = gs_history_new((const char *const[]){"threads", "rss"}, 2, GS_NS_PER_S);
    gs_history_adopt(reloaded, history);
    assert_true(gs_history_serial(reloaded) > mark);
    size += gs_history_pack(reloaded, mark, packed + size, ROOM - size);
    assert_unpacks_to(size, reloaded, 0);
    mark = gs_history_serial(reloaded);
    size_t rows = gs_history_length(reloaded);
    tick(reloaded, 7301000, 5, 6);
    size_t more = gs_history_pack(reloaded, mark, packed + size, ROOM - size);
    assert_in_range(more, 1, 60); // of its own ticks it goes on; the oldest are still ticks in the box
    struct gs_history *unpacked = gs_history_unpack(packed, size + more, why, sizeof why);
    assert_int_equal(gs_history_length(unpacked), rows + 1);
    assert_true(gs_history_value(unpacked, rows, 0) == 5 && gs_history_value(unpacked, rows, 1) == 6);
    gs_history_free(unpacked);
    assert_unpacks_to(gs_history_pack(reloaded, 999999, packed, ROOM), reloaded, 0); // a mark of the future
    gs_history_free(reloaded);
    gs_history_free(history);
}

/* In whatever room: what is written stays within it, and is the youngest rows; one byte more never gives fewer. */
static void short_room_drops_the_oldest(void **state)
{
    (void)state;
    struct gs_history *history = motley();
    size_t whole = gs_history_pack(history, 0, packed, ROOM), length = gs_history_length(history), before = 0;
    for (size_t room = 0; room <= whole; room++) {
        memset(packed, 0xee, whole + 1);
        size_t size = gs_history_pack(history, 0, packed, room);
        assert_true(size <= room);
        assert_int_equal(packed[room], 0xee);
        if (size == 0)
            continue;
        struct gs_history *unpacked = gs_history_unpack(packed, size, why, sizeof why);
        assert_non_null(unpacked);
        assert_true(gs_history_length(unpacked) >= before);
        before = gs_history_length(unpacked);
        if (room % 97 == 0 || room == whole)
            assert_same_rows(unpacked, history, length - before);
        gs_history_free(unpacked);
    }
    assert_int_equal(before, length);
    gs_history_free(history);
}

/* ---- hostile bytes ------------------------------------------------------------------------------------------- */

/* The bytes in a block of their own, so that the sanitizer sees a step beyond them. */
static struct gs_history *unpack_copy(size_t size)
{
    unsigned char *copy = malloc(size ? size : 1);
    memcpy(copy, packed, size);
    why[0] = 0;
    struct gs_history *history = gs_history_unpack(copy, size, why, sizeof why);
    free(copy);
    assert_true((history == NULL) == (why[0] != 0));
    return history;
}

static size_t two_packs(void)
{
    struct gs_history *history = motley();
    size_t size = gs_history_pack(history, 0, packed, 700);
    uint64_t mark = gs_history_serial(history);
    tick(history, 1000000000, 0.25, 7);
    tick(history, 1000001500, 0.25, 8);
    size += gs_history_pack(history, mark, packed + size, ROOM - size);
    gs_history_free(history);
    return size;
}

/* Cut anywhere: refused, unless the cut is between two packs. */
static void what_is_cut_is_refused(void **state)
{
    (void)state;
    size_t size = two_packs(), whole = 0;
    for (size_t length = 0; length <= size; length++) {
        struct gs_history *history = unpack_copy(length);
        whole += history != NULL;
        gs_history_free(history);
    }
    assert_int_equal(whole, 2);
}

/* Any byte another: refused or taken for other figures, but never a crash, and never rows without end. */
static void flipped_bytes_do_no_harm(void **state)
{
    (void)state;
    size_t size = two_packs(), refused = 0;
    for (size_t at = 0; at < size; at++)
        for (int bit = 0; bit < 8; bit++) {
            packed[at] ^= (unsigned char)(1 << bit);
            struct gs_history *history = unpack_copy(size);
            refused += history == NULL;
            for (size_t row = 0; history && row < gs_history_length(history); row++)
                (void)gs_history_time(history, row);
            assert_true(!history || gs_history_length(history) < size);
            gs_history_free(history);
            packed[at] ^= (unsigned char)(1 << bit);
        }
    assert_true(refused > size);
}

/* Four thousand million rows in a few bytes; a name that ends before it should; numbers that run over. */
static void impossible_claims_are_refused(void **state)
{
    (void)state;
    static const unsigned char bad[][20] = {
        {'g', 's', 'h', 1, 0, 19, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 1, 3, 'r', 's', 's'},
        {'g', 's', 'h', 1, 0, 19, 0, 0, 0, 0, 0, 0, 0, 1, 1, 3, 'r', 0, 's'},      // NUL in a name
        {'g', 's', 'h', 1, 0, 19, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0x30, 'r', 's', 's'}, // a name beyond the end
        {'g', 's', 'h', 1, 0, 19, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 'r', 's', 's'},    // no interval
        {'g', 's', 'h', 3, 0, 19, 0, 0, 0, 0, 0, 0, 0, 1, 1, 3, 'r', 's', 's'},    // another version
        {'g', 's', 'h', 1, 1, 19, 0, 0, 0, 0, 0, 0, 0, 1, 1, 3, 'r', 's', 's'},    // goes on from nothing
        {'g', 's', 'h', 1, 2, 19, 0, 0, 0, 0, 0, 0, 0, 1, 1, 3, 'r', 's', 's'},    // a kind that is none
        {'g', 's', 'h', 1, 0, 19, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
        {'g', 's', 'h', 1, 0, 12, 0, 0, 0, 0, 0, 0, 0, 1, 1, 3, 'r', 's', 's'}, // shorter than a header
        {'g', 's', 'h', 1, 0, 19, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 'r', 's', 's'}, // a byte too many
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        memcpy(packed, bad[i], 19);
        assert_null(unpack_copy(19));
    }
    const unsigned char many[] = {'g', 's', 'h', 1, 0, 19, 0, 0, 0, 0, 0, 1, 0, 1, 1, 3, 'r', 's', 's'};
    memcpy(packed, many, sizeof many); // 65536 rows in no bytes: refused before there is room made for them
    assert_null(unpack_copy(sizeof many));
    assert_string_equal(why, "the packed history's metrics cannot be read, or there is not enough memory");
    static const unsigned char good[] = {'g', 's', 'h', 1, 0, 19, 0,   0,   0,  0,
                                         0,   0,   0,   1, 1, 3,  'r', 's', 's'};
    memcpy(packed, good, sizeof good);
    struct gs_history *history = unpack_copy(sizeof good);
    assert_non_null(history);
    assert_int_equal(gs_history_length(history), 0);
    gs_history_free(history);
    assert_null(unpack_copy(0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_packed_comes_out_again), cmocka_unit_test(steps_come_out_as_steps),
        cmocka_unit_test(ticks_without_news_are_small),   cmocka_unit_test(packs_follow_upon_each_other),
        cmocka_unit_test(an_unknown_mark_begins_anew),    cmocka_unit_test(short_room_drops_the_oldest),
        cmocka_unit_test(what_is_cut_is_refused),         cmocka_unit_test(flipped_bytes_do_no_harm),
        cmocka_unit_test(impossible_claims_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
