/* children.h - forked children that go on to work: each is watched as a process of its own. */
#pragma once
#include "rules/rules.h"
#include <stdbool.h>

/* How old a child is before it counts as one that goes on to work: what it forked for (an exec, a word into a pipe and an
 * _exit) is done by then. */
#define GS_CHILD_GROWN_NS (100 * INT64_C(1000000))

/* Once, before the first fork: the memory in which children tell what became of them. Context: host thread, in gumshoe_start. */
void gs_children_prepare(void);
/* Before a fork, on the thread that forks: look where it does. In the child: may it be one that goes on to work? */
void gs_children_before_fork(void);
bool gs_children_may_work(void);
/* The child is GS_CHILD_GROWN_NS old. Context: its watcher. */
void gs_children_grown(void);

/* Is this program one of those that RULES are for ("only")? Context: host thread, in gumshoe_start. */
bool gs_children_meant(const struct gs_rules *rules);
