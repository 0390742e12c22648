/* thread.c - what every thread carries (probe/inside.h). Zeroed at a thread's start, which means: not ready, due at once.
 * Who: each thread its own, in malloc, in free and in the signal handler. */
#include "probe/threads/inside.h"

_Thread_local struct gs_thread gs_thread;
