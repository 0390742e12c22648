/* history/inside.h - what the files of history/ share. */
#pragma once
#include "history/history.h"

/* The row of the first tick that was added after SERIAL (the length: none was added); SIZE_MAX: these ticks are no longer
 * stored one by one, or SERIAL is not from this history. */
size_t gs_history_since(const struct gs_history *history, uint64_t serial);
