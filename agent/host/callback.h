/* callback.h - gumshoe_on_incident: the program's function, on a thread of the program's kind.
 *
 * The function is code of the host's: it may call malloc, open files for the host, or throw. So it runs on a thread that the
 * C library knows and that shares the host's descriptors. That thread exists only while a function is set. */
#pragma once

/* As gumshoe_on_incident. Context: host thread. */
void gs_callback_set(void (*function)(const char *dir, void *user), void *user);
/* The incident in folder PATH is complete. Context: watcher; does not wait for the function. */
void gs_callback_tell(const char *path);
/* Wait until the function has been called for every incident that it was told of, 5 s at most. Returns at once in the function itself.
 * Context: host thread. */
void gs_callback_wait(void);
/* Around calls of the host's that change what a thread is: the thread ends, unless it is in the function, and comes back.
 * Context: host thread. */
void gs_callback_leave(void);
void gs_callback_return(void);
/* No thread of the host's is left: the thread ends, and with it the process. Context: watcher. */
void gs_callback_end(void);
/* In the child of a fork: no function is set there. */
void gs_callback_after_fork(void);
