/* numbers.h - minimum, maximum and median. Context: any (pure). */
#pragma once
#include <stddef.h>

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
