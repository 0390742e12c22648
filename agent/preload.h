/* preload.h - the preload as a forked child finds it. */
#pragma once

/* Take our library out of LD_PRELOAD, so that a program that this child execs is spared it. Context: host thread, in the child of
 * a fork: no lock, no allocation. */
void gs_preload_forget(void);
