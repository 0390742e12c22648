/* credentials.h - keeps the credentials of the agent's threads equal to the program's.
 *
 * To the kernel, users, groups and capabilities belong to a thread. setuid(3) of the C library changes all threads that it
 * knows, but it does not know the agent's, so these follow by themselves. A thread that kept the privileges that the program
 * has dropped would give them to an attacker who controls the program. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Record that the host thread TID has changed its credentials. Context: host thread; a signal handler; watcher. */
void gs_credentials_changed(int tid);
/* Record a change if the main thread's credentials are others than at the last call: the program may have made the system
 * call itself. Now and then without one: a thread of ours may have failed to follow. Context: watcher. */
void gs_credentials_look(void);
/* Take over the program's credentials, if they have changed since the last call on this thread. Each agent thread calls it
 * when it wakes. True: they differed. Failure: logged. Context: the agent's threads. */
bool gs_credentials_follow(void);
/* The same. If the program has become another user for good, BEFORE_USER is called while this thread still has its old
 * user, and has the new user's groups. */
bool gs_credentials_follow_and_tell(void (*before_user)(uid_t uid, gid_t gid));
/* Number of recorded changes. Context: any. */
uint32_t gs_credentials_changes(void);
