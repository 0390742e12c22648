/* after_fork.h - the child of a fork has a copy of the agent's memory, but none of its threads. */
#pragma once

/* Reset the state of every module: locks that the parent's threads held, and what they were doing. Takes no lock.
 * Context: host thread, in the child, in the atfork handler. */
void gs_watch_after_fork(void);
