/* after_fork.h - the child of a fork has the agent's memory, and none of its threads. */
#pragma once

/* Forget what threads held or were doing that are not here, in every module. Context: host thread, in the child, in the handler
 * of fork: takes no lock. */
void gs_watch_after_fork(void);
