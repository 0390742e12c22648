/* gather/inside.h - what the files of gather/ share. */
#pragma once
#include "gather/gather.h"
#include "probe/probe.h"

int gs_gather_heap(const struct gs_gather *how, struct gs_gathered *out);
int gs_gather_threads(const struct gs_gather *how, struct gs_gathered *out);
int gs_gather_cpu(const struct gs_gather *how, struct gs_gathered *out);
int gs_gather_threadcreate(const struct gs_gather *how, struct gs_gathered *out);

#define GS_TABLE_FULL "(table full)" /* stands for the stack of samples that found no room in the table of stacks */

/* The labels of the set SET, for a sample; returns how many. */
uint32_t gs_gather_label_values(uint32_t set, struct gs_label_value out[GS_LABELS_MAX]);

/* The name of system call NUMBER; NULL when there is none. */
const char *gs_gather_syscall_name(int number);

/* What a thread waits for, and who holds it. */
struct gs_wait {
    int tid, holder;
    uintptr_t lock; // 0: for the thread HOLDER to end
};
/* Fill OUT but for its tid; false when STACK's thread, of process PID, waits for nobody that can be told. */
bool gs_gather_waits_for(pid_t pid, const struct gs_thread_stack *stack, struct gs_wait *out);
/* A circle in WAIT[0..COUNT), which is sorted by tid: each of OUT's waits for the next, the last for the first. Returns its
 * length, at most MAX; 0: there is none. */
size_t gs_gather_find_deadlock(const struct gs_wait *wait, size_t count, size_t out[], size_t max);

/* Does thread TID block SIGNAL? */
bool gs_gather_task_blocks(int task, pid_t tid, int signal);
/* "sleeping", of the letter STATE that /proc has for a thread's state. */
const char *gs_gather_thread_state(char state);

/* COUNTS as a profile has them: whole objects. */
void gs_gather_heap_values(struct gs_heap_counts counts, int64_t values[GS_HEAP_VALUES]);

/* The counts that every stack had at some moment: count of them, borrowed. */
struct gs_baseline { int64_t time_ns; uint32_t count; struct gs_heap_counts *counts; void *attached; };
/* The baseline for a condition that looked WINDOW_NS back: the youngest that is at least that old, and at least as
 * old as the first baseline's age; the oldest when none is. NULL when there is none at all. */
const struct gs_baseline *gs_gather_baselines_find(const struct gs_baselines *baselines, int64_t now_ns, int64_t window_ns);
/* That for a condition without a window, out of another process's baselines at AT. OUT's counts are the caller's to free. False:
 * there is none, or it cannot be read. */
bool gs_gather_baselines_read(const struct gs_memory *memory, uint64_t at, int64_t now_ns, struct gs_baseline *out);
/* Number AT, the youngest first; NULL: there is none. */
const struct gs_baseline *gs_gather_baselines_at(const struct gs_baselines *baselines, unsigned at);
