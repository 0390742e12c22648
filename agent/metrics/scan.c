/* scan.c - numbers as the kernel writes them in /proc and /sys.
 * Who: every reader of metrics/. Pure; never reads past the NUL. */
#include "metrics/inside.h"
#include <string.h>

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

bool gs_metrics_scan_u64(const char **at, uint64_t *value)
{
    const char *next = *at;
    uint64_t sum = 0;
    for (; digit(*next); next++)
        if (__builtin_mul_overflow(sum, 10u, &sum) ||
            __builtin_add_overflow(sum, (uint64_t)(*next - '0'), &sum))
            return false;
    if (next == *at)
        return false;
    *at = next;
    *value = sum;
    return true;
}

bool gs_metrics_scan_decimal(const char **at, double *value)
{
    const char *next = *at;
    uint64_t whole;
    if (!gs_metrics_scan_u64(&next, &whole))
        return false;
    double sum = (double)whole, place = 1;
    if (*next == '.' && digit(next[1]))
        for (next++; digit(*next); next++)
            sum += (*next - '0') * (place /= 10);
    *at = next;
    *value = sum;
    return true;
}

bool gs_metrics_scan_end(const char *at)
{
    return *at == 0 || (*at == '\n' && at[1] == 0);
}

bool gs_metrics_scan_line(const char *text, const char *key, uint64_t *value)
{
    size_t length = strlen(key);
    for (const char *at = text; at; at = strchr(at, '\n'), at += at != NULL) {
        const char *number = at + length;
        if (strncmp(at, key, length) != 0 || !strchr(": \t", *number) || !*number)
            continue;
        number += strspn(number, ": \t");
        return gs_metrics_scan_u64(&number, value);
    }
    return false;
}
