/* numbers.c - the median by quickselect, which does not sort all values. Reorders them. */
#include "base/numbers.h"
#include "base/sort.h"
#include <math.h>

enum { ROUNDS_MAX = 64 }; // 2^12 values need about 24 rounds; if the pivots are bad, the values are sorted

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void swap(double *a, double *b)
{
    double old_a = *a;
    *a = *b;
    *b = old_a;
}

/* The median of the first, middle and last value: a good pivot also for sorted and reversed values. */
static double pivot(const double *value, size_t low, size_t high)
{
    double a = value[low], b = value[low + (high - low) / 2], c = value[high];
    return gs_larger(gs_smaller(a, b), gs_smaller(gs_larger(a, b), c));
}

/* Move the value of rank RANK to index RANK, smaller values before it, larger values behind it. */
static void select_rank(double *value, size_t count, size_t rank)
{
    size_t low = 0, high = count - 1;
    for (unsigned round = 0; low < high; round++) {
        if (round == ROUNDS_MAX) {
            gs_sort(value, count, sizeof *value, compare);
            return;
        }
        double middle = pivot(value, low, high);
        size_t less = low, more = high;
        while (less <= more) {
            while (value[less] < middle)
                less++;
            while (value[more] > middle)
                more--;
            if (less > more)
                break;
            swap(&value[less++], &value[more]);
            if (more == 0)
                break;
            more--;
        }
        if (rank <= more)
            high = more;
        else if (rank >= less)
            low = less;
        else
            return; // all values between `more` and `less` equal the pivot
    }
}

double gs_median(double *value, size_t count)
{
    size_t half = count / 2;
    select_rank(value, count, half);
    if (count % 2)
        return value[half];
    double below = value[0];
    for (size_t i = 1; i < half; i++)
        below = gs_larger(below, value[i]);
    return (below + value[half]) / 2;
}
