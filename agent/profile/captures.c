/* captures.c - the kinds of evidence: how each is gathered and the files it goes to. A new kind is a row here, a row
 * in base/kinds.c, and a file that gathers it. */
#include "profile/gather.h"

// clang-format off
const struct gs_capture gs_captures[] = {
    {"threads",      GS_THREADS,      gs_gather_threads,      "threads.pb.gz",      NULL,              "threads.txt"},
    {"threadcreate", GS_THREADCREATE, gs_gather_threadcreate, "threadcreate.pb.gz", NULL,              NULL},
    {"heap",         GS_HEAP,         gs_gather_heap,         "heap.pb.gz",         "heap.base.pb.gz", NULL},
    {"cpu",          GS_CPU,          gs_gather_cpu,          "cpu.pb.gz",          NULL,              NULL},
    {NULL,           0,               NULL,                   NULL,                 NULL,              NULL},
};
// clang-format on

void gs_gathered_fini(struct gs_gathered *gathered)
{
    gs_profile_free(gathered->profile);
    gs_profile_free(gathered->base);
    gs_text_fini(&gathered->text);
    gs_text_fini(&gathered->notes);
    *gathered = (struct gs_gathered){0};
}
