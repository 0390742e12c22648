/* callback.h - gumshoe_on_incident: calls the program's function, on an ordinary pthread.
 *
 * The function is host code: it may call malloc, open files for the host, or throw. So it runs on a thread that the C
 * library knows and that shares the host's descriptors, not on one of own_thread.h. That thread exists only while a function
 * is set. */
#pragma once

/* gumshoe_on_incident. Context: host thread. */
void gs_callback_set(void (*function)(const char *dir, void *user), void *user);
/* Have the function called for the complete incident in folder PATH. Does not wait for that. Context: watcher. */
void gs_callback_tell(const char *path);
/* Wait until the function has returned for every queued incident, 5 s at most. Returns at once if the function itself calls
 * it.
 * Context: host thread. */
void gs_callback_wait(void);
/* Before and after host calls that change credentials or namespaces (step_aside.h): end the thread, unless the function
 * runs, and start it again. Context: host thread. */
void gs_callback_stop_thread(void);
void gs_callback_restart_thread(void);
/* No host thread is left: end the thread, without waiting, so that the process can end. Context: watcher. */
void gs_callback_end(void);
/* In the child of a fork: no function is set, and the thread does not exist. */
void gs_callback_after_fork(void);
