/* numbers.h - arithmetic that would be libm's, or takes a table in order. Context: any (pure). */
#pragma once
#include <stddef.h>

/* fmax and fmin are libm's, which we do without. */
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
