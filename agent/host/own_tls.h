/* own_tls.h - thread-local storage for threads that the C library does not know. */
#pragma once
#include "base/attributes.h"
#include <stddef.h>

/* Read the TLS layout of this process. Once, before the first thread; a later call does nothing. 0 or -errno; -ENOTSUP:
 * unknown layout. Context: host thread, in gumshoe_start, because dl_iterate_phdr takes a lock. */
int gs_own_tls_learn(void) GS_CHECK_RESULT;
/* Bytes needed for one thread, including alignment. */
size_t gs_own_tls_size(void);
/* Initialise the gs_own_tls_size() bytes at AT. Returns the thread pointer for clone(2). Context: any thread. */
void *gs_own_tls_make(void *at);
/* Set the locale. The new thread calls this before anything else. */
void gs_own_tls_begin(void);
