/* kinds.c - the kinds of evidence that this build can capture. gather/captures.c gathers them. */
#include "base/kinds.h"

// clang-format off
const struct gs_kind_entry gs_kinds[] = {
    // first: stacks change within microseconds
    {"threads",      GS_THREADS,      "threads.pb.gz",      NULL,              "threads.txt"},
    {"threadcreate", GS_THREADCREATE, "threadcreate.pb.gz", NULL,              NULL},
    {"fds",          GS_FDS,          "fds.pb.gz",          NULL,              "fds.txt"},
    {"heap",         GS_HEAP,         "heap.pb.gz",         "heap.base.pb.gz", NULL},
    {"peak",         GS_PEAK,         "heap.peak.pb.gz",    NULL,              NULL}, // comes with heap
    {"pages",        GS_PAGES,        "heap.pages.pb.gz",   NULL,              NULL},
    {"waste",        GS_WASTE,        "waste.pb.gz",        NULL,              NULL}, // comes with heap
    {"lifetimes",    GS_LIFETIMES,    "lifetimes.pb.gz",    NULL,              NULL}, // comes with heap
    {"cpu",          GS_CPU,          "cpu.pb.gz",          NULL,              NULL}, // last: it takes seconds
    {NULL,           0,               NULL,                 NULL,              NULL},
};
// clang-format on

size_t gs_kinds_count(void)
{
    return sizeof gs_kinds / sizeof gs_kinds[0] - 1;
}
