/* sampling_math.c - the distance to the next sample, and the weight of a sample. libm must not run on host threads and is
 * not among the library's dependencies, so ln and e^x are computed here, to better than 1e-9. Context: any (pure). */
#include "probe/heap/inside.h"
#include <string.h>

static const double LN2 = 0.693147180559945309417;

/* xorshift64*: one word of state, never zero. */
uint64_t gs_heap_random(uint64_t *state)
{
    uint64_t x = *state ? *state : 0x9e3779b97f4a7c15u;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * 0x2545f4914f6cdd1du;
}

/* ln(M) for M in [1/√2, √2]: 2·atanh(s) with s = (M - 1)/(M + 1), |s| ≤ 0.172; the term left out is below 1e-13. */
static double ln_near_one(double m)
{
    double s = (m - 1) / (m + 1), q = s * s, sum = 0;
    for (int odd = 15; odd >= 1; odd -= 2)
        sum = sum * q + 1.0 / odd;
    return 2 * s * sum;
}

/* -ln of a number drawn evenly from (0, 1]: the top 53 bits, plus one. */
static double minus_ln_of_uniform(uint64_t bits)
{
    uint64_t n = (bits >> 11) + 1; // u = n / 2^53
    int exponent = 63 - __builtin_clzll(n);
    double m = (double)n / (double)((uint64_t)1 << exponent); // in [1, 2)
    if (m > 1.41421356237309515) {
        m /= 2;
        exponent++;
    }
    return (53 - exponent) * LN2 - ln_near_one(m);
}

uint64_t gs_heap_draw_gap(uint64_t bits, uint64_t distance)
{
    return (uint64_t)(minus_ln_of_uniform(bits) * (double)distance) + 1;
}

/* e^-x for x in [0, 40]: 2^-k · e^-r with r = x - k·ln 2 in [-0.35, 0.35]. */
static double exp_minus(double x)
{
    int k = (int)(x / LN2 + 0.5);
    double r = x - k * LN2, sum = 1;
    for (int i = 13; i >= 1; i--)
        sum = 1 - r * sum / i;
    return sum / (double)((uint64_t)1 << k);
}

double gs_heap_sample_weight(uint64_t size, uint64_t distance)
{
    double x = (double)size / (double)distance;
    if (x > 40) // e^-40 is below the last bit of 1
        return 1;
    if (x <
        0.25) { // 1 - e^-x loses digits here: the Laurent series does not; the term left out is below 1e-9
        double q = x * x;
        return 1 / x + 0.5 + x * (1.0 / 12 - q * (1.0 / 720 - q / 30240));
    }
    return 1 / (1 - exp_minus(x));
}
