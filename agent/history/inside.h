/* history/inside.h - what the files of history/ share. */
#pragma once
#include "history/history.h"

/* The first of the ticks that were added after SERIAL (the length when there are none); SIZE_MAX when they are no longer
 * there one by one, or SERIAL is none of this history's. */
size_t gs_history_since(const struct gs_history *history, uint64_t serial);
