/* kinds.h - the kinds of evidence, as rules, incidents and the public header name them. */
#pragma once
#include <stddef.h>

enum gs_kind { GS_HEAP = 1 << 0, GS_CPU = 1 << 1, GS_THREADS = 1 << 2, GS_THREADCREATE = 1 << 3 };

struct gs_kind_entry {
    const char *name;
    enum gs_kind kind;
    const char *file, *base_file, *text_file; // that an incident has of it; NULL: there is none
};
/* Those that this build can capture, in the order in which an incident takes them (what changes fastest
 * first). Ends with a NULL name. */
extern const struct gs_kind_entry gs_kinds[];
size_t gs_kinds_count(void);
