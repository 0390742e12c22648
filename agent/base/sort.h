/* sort.h - sorting in place. qsort(3) calls malloc for large arrays; this does not (heapsort).
 * Not stable: COMPARE must decide every tie. Context: any (pure). */
#pragma once
#include <stddef.h>

void gs_sort(void *items, size_t count, size_t item_size, int (*compare)(const void *a, const void *b));
