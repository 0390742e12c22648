/* credentials.h - the agent's threads have the credentials of the program.
 *
 * Users, groups and capabilities are a thread's own. The C library has all the threads that it knows do as the one that calls
 * setuid(3); ours it does not know, so they follow by themselves: a thread that kept what the program has given up would be a
 * way back for whoever takes the program over. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* The thread TID of the program has changed its credentials: ours are to have the same. Context: host thread; a signal handler.
 * */
void gs_credentials_changed(int tid);
/* Have what the program had at its last change, if the calling thread, one of ours, has not followed since. Each calls this as
 * it wakes. True: they were others. Context: threads of ours. */
bool gs_credentials_follow(void);
/* How many changes there were, and how many of them the watcher has followed. */
uint32_t gs_credentials_changes(void);
