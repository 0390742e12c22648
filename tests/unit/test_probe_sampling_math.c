/* The draw: gaps are exponential, a sample's weight undoes the size's bias, and both are right to many digits although
 * no libm is used. */
#include "probe/heap/inside.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void assert_close(double got, double wanted, double relative)
{
    if (fabs(got - wanted) > relative * fabs(wanted))
        fail_msg("%.15g is not within %g of %.15g", got, relative, wanted);
}

/* 1 / (1 - e^(-size/distance)) from libm, over every size class that matters, around the places where our code
 * changes its method (x = 1/4, x = 40), and far out. */
static void weights_are_those_of_the_formula(void **state)
{
    (void)state;
    const uint64_t distances[] = {1, 512, 65536, 524288, 1 << 30};
    for (size_t d = 0; d < sizeof distances / sizeof *distances; d++)
        for (double x = 1e-9; x < 100; x *= 1.07) {
            uint64_t size = (uint64_t)(x * (double)distances[d]);
            if (size == 0)
                continue;
            double exact = -1.0 / expm1(-(double)size / (double)distances[d]);
            assert_close(gs_heap_sample_weight(size, distances[d]), exact, 1e-8);
        }
    assert_true(gs_heap_sample_weight(1ull << 40, 512) == 1.0);
}

/* By hand: 512 KiB sampled every 512 KiB stands for 1/(1 - 1/e) = 1.5819767 allocations. */
static void a_block_of_the_distance_stands_for_1_58_blocks(void **state)
{
    (void)state;
    assert_close(gs_heap_sample_weight(524288, 524288), 1.5819767068693265, 1e-9);
}

/* The inverse of the distribution: bits of all ones are u = 1, so the gap is the least there is; half of all draws lie
 * below distance * ln 2. */
static void gaps_are_exponential(void **state)
{
    (void)state;
    enum { DRAWS = 200000, DISTANCE = 1 << 20 };
    uint64_t random = 42;
    double sum = 0;
    int below_median = 0, above_three = 0;
    assert_int_equal(gs_heap_draw_gap(UINT64_MAX, DISTANCE), 1);
    for (int i = 0; i < DRAWS; i++) {
        double gap = (double)gs_heap_draw_gap(gs_heap_random(&random), DISTANCE);
        assert_true(gap >= 1);
        sum += gap;
        below_median += gap < DISTANCE * 0.693147;
        above_three += gap > 3.0 * DISTANCE;
    }
    assert_close(sum / DRAWS, DISTANCE, 0.01);                   // standard error: 0.22 %
    assert_close((double)below_median / DRAWS, 0.5, 0.01);       // 0.22 %
    assert_close((double)above_three / DRAWS, 0.0497871, 0.05);  // e^-3; 1 %
}

/* Bits of zero are the smallest u there is, 2^-53: -ln u = 53 ln 2 = 36.7368006, times 2^20 is 38521327.7. */
static void the_longest_gap_is_finite(void **state)
{
    (void)state;
    assert_int_equal(gs_heap_draw_gap(0, 1 << 20), 38521328);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_are_those_of_the_formula),
        cmocka_unit_test(a_block_of_the_distance_stands_for_1_58_blocks),
        cmocka_unit_test(gaps_are_exponential),
        cmocka_unit_test(the_longest_gap_is_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
