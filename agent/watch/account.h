/* account.h - gives the black box a memory account from time to time, so that a post-mortem says what RSS was made of. */
#pragma once
#include "box/box.h"

/* Take an account and give it to BOX, if one is due at NOW_NS (CLOCK_MONOTONIC). Returns the CPU time that this took, in ns.
 * Context: watcher, once a tick. */
uint64_t gs_watch_account_tick(struct gs_box *box, int64_t now_ns);
/* The last account that was taken; time_ns 0: none yet. Borrowed until the next tick. Context: watcher. */
const struct gs_account_parts *gs_watch_account_last(void);
