/* profile/gather.h - what the gatherers share; the model and pprof have their own inside.h. */
#pragma once
#include "profile/profile.h"
#include "probe/probe.h"

int gs_gather_heap(const struct gs_gather *how, struct gs_gathered *out);
int gs_gather_threads(const struct gs_gather *how, struct gs_gathered *out);
int gs_gather_threadcreate(const struct gs_gather *how, struct gs_gathered *out);

/* Add the probe's stack number STACK to PROFILE, with the labels that it carries. */
void gs_add_probe_stack(struct gs_profile *profile, uint32_t stack, const int64_t *values);

/* The counts that every stack had at some moment: count of them, borrowed. */
struct gs_baseline { int64_t time_ns; uint32_t count; struct gs_heap_counts *counts; };
/* The baseline for a condition that looked WINDOW_NS back: the youngest that is at least that old, and at least as
 * old as the first baseline's age; the oldest when none is. NULL when there is none at all. */
const struct gs_baseline *gs_baselines_find(const struct gs_baselines *baselines, int64_t now_ns, int64_t window_ns);
