/* crash.c - a crash as the probe's handler noted it, in the form that black boxes and core files give. Context: an agent
 * thread. */
#include "gather/inside.h"
#include <stdio.h>
#include <string.h>

void gs_gather_given_crash(const struct gs_crash *crash, struct gs_given_crash *out)
{
    *out = (struct gs_given_crash){
        .signal = crash->signal,
        .code = crash->code,
        .sender = crash->sender,
        .has_address = crash->has_address,
        .overflow = crash->overflow,
        .address = crash->address,
        .time_ns = crash->time_ns,
        .depth = crash->depth,
        .inner = crash->inner,
        .thread = {.tid = crash->tid, .call = -1, .state = '?', .cut = crash->cut},
    };
    snprintf(out->message, sizeof out->message, "%s", crash->message);
    snprintf(out->thread.name, sizeof out->thread.name, "%s", crash->thread);
    out->thread.depth = crash->inner + crash->outer;
    memcpy(out->thread.frames, crash->frames, out->thread.depth * sizeof *crash->frames);
}

static bool read_nothing(const struct gs_memory *memory, uint64_t at, void *out, size_t length)
{
    (void)memory, (void)at, (void)out, (void)length;
    return false;
}

const struct gs_memory gs_gather_no_memory = {read_nothing};
