/* causes.h - the incidents of several directories, with those of one cause together. */
#pragma once
#include "base/attributes.h"
#include "store/store.h"
#include <stdbool.h>
#include <stddef.h>

struct gs_listed {               // one incident; borrowed from the list of its directory
    const struct gs_incident_entry *entry;
    const char *dir;
};
struct gs_cause {                // incidents with the same rule and fingerprint, oldest first
    const struct gs_listed *incident;
    size_t count;
};
struct gs_causes {
    struct gs_listed *incident;  // by cause; within a cause the oldest first
    size_t incident_count;
    struct gs_cause *cause;      // the one with the newest incident first
    size_t count;
};
/* Group the incidents of LIST[0..COUNT), each of directory DIR[i]. False: no memory. Free with gs_cli_causes_fini, before the
 * lists. */
bool gs_cli_causes_find(const struct gs_store_list *list, char *const *dir, size_t count, struct gs_causes *out) GS_CHECK_RESULT;
void gs_cli_causes_fini(struct gs_causes *causes);
/* The incident of CAUSE that is the newest. */
const struct gs_listed *gs_cli_cause_last(const struct gs_cause *cause);
