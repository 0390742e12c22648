/* own_thread.h - a thread of the agent's own in the host's process. */
#pragma once
#include "base/attributes.h"
#include <pthread.h>
#include <stddef.h>

/* Start one that runs ROUTINE with ARGUMENT on a stack of STACK_BYTES, with every signal blocked, so that none meant for the host ends there; the
 * host's dumps and counts leave it out. 0 or -errno. Context: any thread but the host's in a hook; uses the host's malloc. */
int gs_own_thread_start(pthread_t *thread, void *(*routine)(void *), void *argument,
                        size_t stack_bytes) GS_CHECK_RESULT;
