/* kinds.h - the kinds of evidence, with their names in rules, incidents and the public header. */
#pragma once
#include <stddef.h>

enum gs_kind { GS_HEAP = 1 << 0, GS_CPU = 1 << 1, GS_THREADS = 1 << 2, GS_THREADCREATE = 1 << 3, GS_PEAK = 1 << 4,
               GS_PAGES = 1 << 5, GS_FDS = 1 << 6, GS_WASTE = 1 << 7, GS_LIFETIMES = 1 << 8 };

struct gs_kind_entry {
    const char *name;
    enum gs_kind kind;
    const char *file, *base_file, *text_file; // files in the incident folder; NULL: none
};
/* The kinds that this build can capture, in the order of capture: what changes fastest comes first. Ends with a NULL
 * name. */
extern const struct gs_kind_entry gs_kinds[];
size_t gs_kinds_count(void);
