/* thread.c - each thread's own state (probe/inside.h). It starts zeroed, which means: not ready, next allocation due.
 * Who: each thread its own, in malloc, in free and in the signal handler. */
#include "probe/threads/inside.h"

_Thread_local struct gs_thread gs_thread;
