/* children.h - forked children that run on without an exec: each is watched as a process of its own. */
#pragma once
#include "rules/rules.h"
#include <stdbool.h>

/* The age at which a child gets a watcher. A child that only calls exec, or writes to a pipe and calls _exit, is gone by
 * then. */
#define GS_CHILD_GROWN_NS (100 * INT64_C(1000000))

/* Map the counters that parent and children share. Once, before the first fork. Context: host thread, in gumshoe_start. */
void gs_children_prepare(void);
/* In the thread that forks, before the fork: find the call site. */
void gs_children_before_fork(void);
/* In the child, in the atfork handler. True: start a thread, because the child may run on without an exec. */
bool gs_children_may_work(void);
/* Count this child as one that has lived GS_CHILD_GROWN_NS. Context: its watcher. */
void gs_children_grown(void);

/* True: "only" in RULES names this program, or is not given. Context: watcher. */
bool gs_children_selected_by(const struct gs_rules *rules);
