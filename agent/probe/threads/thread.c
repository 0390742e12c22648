/* thread.c - what every thread carries. Zeroed at a thread's start, which means: not ready, due at once. */
#include "probe/threads/inside.h"

_Thread_local struct gs_thread gs_thread;
