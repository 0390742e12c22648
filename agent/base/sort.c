/* sort.c - heapsort: in place, no allocation, O(n log n) in the worst case. */
#include "base/sort.h"

static void swap(char *a, char *b, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char byte = a[i];
        a[i] = b[i];
        b[i] = byte;
    }
}

/* Move the item at ROOT down to its position in the heap of COUNT items. */
static void sink(char *items, size_t root, size_t count, size_t size,
                 int (*compare)(const void *, const void *))
{
    for (size_t child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && compare(items + child * size, items + (child + 1) * size) < 0)
            child++;
        if (compare(items + root * size, items + child * size) >= 0)
            return;
        swap(items + root * size, items + child * size, size);
    }
}

void gs_sort(void *items, size_t count, size_t item_size, int (*compare)(const void *a, const void *b))
{
    for (size_t root = count / 2; root-- > 0;)
        sink(items, root, count, item_size, compare);
    for (size_t end = count; end-- > 1;) {
        swap(items, (char *)items + end * item_size, item_size);
        sink(items, 0, end, item_size, compare);
    }
}
