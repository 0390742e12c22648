/* history/inside.h - what the files of history/ share. */
#pragma once
#include "history/history.h"

/* The row of the first tick that was added after SERIAL (the length: none was added); SIZE_MAX: these ticks are no longer
 * stored one by one, or SERIAL is not from this history. */
size_t gs_history_since(const struct gs_history *history, uint64_t serial);

/* A full pack of HISTORY's interval and metrics, without rows, into OUT. Returns its bytes; 0: there is no room (pack.c). */
size_t gs_history_pack_names(const struct gs_history *history, void *out, size_t room);
/* A continuation pack of the rows from FROM on, into OUT, in which numbers that are not whole are rounded to 12 significant
 * bits. Returns its bytes; 0: there is no room. */
size_t gs_history_pack_rounded(const struct gs_history *history, size_t from, void *out, size_t room);
/* A record of a history file has a pack of at most so many bytes, and its deflated form is at most GS_HISTORY_RECORD_MAX. */
enum { GS_HISTORY_PACK_MAX = 256 << 10 };

/* The orders of struct gs_history_entry, for gs_sort: by process, and in it by offset; by offset (file_choose.c). */
int gs_history_entry_by_process(const void *a, const void *b);
int gs_history_entry_by_offset(const void *a, const void *b);
