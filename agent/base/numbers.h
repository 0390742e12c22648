/* numbers.h - minimum, maximum and median; sums and magnitudes of untrusted integers. Context: any (pure). */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Instead of fmax and fmin: the library does not link libm. */
static inline double gs_larger(double a, double b)
{
    return a > b ? a : b;
}
static inline double gs_smaller(double a, double b)
{
    return a < b ? a : b;
}
/* The median of COUNT values, which it reorders; count > 0. */
double gs_median(double *value, size_t count);

/* A + B. Values of a hostile profile may overflow; the sum then wraps around, as in Go. */
static inline int64_t gs_sum(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}
static inline uint64_t gs_magnitude(int64_t value)
{
    return value < 0 ? -(uint64_t)value : (uint64_t)value;
}
