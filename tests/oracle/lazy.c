/* lazy.c - a library whose calls are bound when they are first made: through its PLT and the dynamic linker. */
#include "victims.h"
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

static volatile long sink;

void call_lazily(void)
{
    sink += labs(-3) + (long)wcslen(L"wide") + atol("12");
    char *copy = strdup("a string");
    sink += (long)strlen(copy);
    free(copy);
    sink += labs(-4); // bound by now
}
