/* captures.c - which function gathers each kind of evidence from this process. A new kind is a row here, a row in
 * base/kinds.c with its files, and a file that gathers it. */
#include "gather/inside.h"
#include <errno.h>

// clang-format off
static const struct {
    enum gs_kind kind;
    int (*gather)(const struct gs_gather *how, struct gs_gathered *out);
} gatherers[] = {
    {GS_THREADS,      gs_gather_threads},
    {GS_THREADCREATE, gs_gather_threadcreate},
    {GS_FDS,          gs_gather_fds},
    {GS_HEAP,         gs_gather_heap},
    {GS_PEAK,         gs_gather_peak},
    {GS_PAGES,        gs_gather_pages},
    {GS_LIFETIMES,    gs_gather_lifetimes},
    {GS_CPU,          gs_gather_cpu},
};
// clang-format on

int gs_gather(enum gs_kind kind, const struct gs_gather *how, struct gs_gathered *out)
{
    for (size_t i = 0; i < sizeof gatherers / sizeof *gatherers; i++)
        if (gatherers[i].kind == kind)
            return gatherers[i].gather(how, out);
    return -EINVAL;
}

void gs_gather_fini(struct gs_gathered *gathered)
{
    gs_profile_free(gathered->profile);
    gs_profile_free(gathered->base);
    gs_text_fini(&gathered->text);
    gs_text_fini(&gathered->summary);
    gs_text_fini(&gathered->notes);
    *gathered = (struct gs_gathered){0};
}
