/* numbers.c - the median of many values, without sorting them all: quickselect. It reorders its values. */
#include "base/numbers.h"
#include "base/sort.h"
#include <math.h>

enum { ROUNDS_MAX = 64 }; // 2^12 values need about 24; an order that defeats the pivots is sorted instead

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void swap(double *a, double *b)
{
    double kept = *a;
    *a = *b;
    *b = kept;
}

/* Of three values the middle one: a sorted or a reversed window stays cheap. */
static double pivot(const double *value, size_t low, size_t high)
{
    double a = value[low], b = value[low + (high - low) / 2], c = value[high];
    return gs_larger(gs_smaller(a, b), gs_smaller(gs_larger(a, b), c));
}

/* Bring the value of rank RANK to its place, what is less before it, what is more behind it. */
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
            return; // between the two stand values equal to the pivot
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
