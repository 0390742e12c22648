/* own_tls.h - thread-local storage for threads that the C library does not know of. */
#pragma once
#include "base/attributes.h"
#include <stddef.h>

/* Learn what such storage looks like in this process. Once, before the first thread; a later call does nothing. 0 or -errno.
 * Context: host thread, in gumshoe_start: it asks the loader, which takes a lock. */
int gs_own_tls_learn(void) GS_CHECK_RESULT;
/* How many bytes it takes, its alignment included. */
size_t gs_own_tls_size(void);
/* Make fresh storage in the SIZE bytes at AT, of gs_own_tls_size: the thread pointer for clone(2). Context: any thread. */
void *gs_own_tls_make(void *at);
/* What is left to be done in the thread itself, before all else. */
void gs_own_tls_begin(void);
