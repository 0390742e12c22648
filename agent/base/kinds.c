/* kinds.c - the kinds of evidence that this build can capture. profile/captures.c says how each is taken. */
#include "base/kinds.h"

const struct gs_kind_name gs_kinds[] = {
    {"threads", GS_THREADS}, // first: where everybody stands changes within microseconds
    {"threadcreate", GS_THREADCREATE},
    {"heap", GS_HEAP},
    {"cpu", GS_CPU}, // last: it takes its time
    {NULL, 0},
};

size_t gs_kind_count(void)
{
    return sizeof gs_kinds / sizeof gs_kinds[0] - 1;
}
