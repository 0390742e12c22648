/* account/account.h - the door of account/: what the resident memory of this process is for, part by part.
 * Opened by: incident, watch, tests.  Opens: base, sys, probe, symbol, profile, gather. */
#pragma once
#include "base/attributes.h"
#include "base/text.h"
#include "gather/gather.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The memory account: resident memory by what it is for. */
enum gs_account_part { GS_HEAP_LIVE, GS_HEAP_KEPT, GS_STACKS, GS_FILES, GS_SHARED, GS_ANONYMOUS, GS_AGENT, GS_PARTS };
extern const char *const gs_part_names[GS_PARTS]; // "heap_live", …
struct gs_account {               // bytes; all zero before; gs_account_fini after
    uint64_t rss, part[GS_PARTS]; // which add up to rss
    uint64_t counted;             // what the kernel counts as resident, a moment later
    bool has_base;                // the parts as of the baseline are known, and how old they are
    uint64_t base[GS_PARTS];
    int64_t base_age_ns;
    struct gs_profile *mappings;  // what is anonymous because the host mapped it outside malloc: "anonymous" by stack, and
                                  // "growth" since the base
    struct gs_text notes;         // what it lacks, a line each
};
/* Take it of this process: 7 ms a GiB, a second at most. 0 or -errno. Context: watcher. */
int gs_account_take(const struct gs_gather *how, struct gs_account *out) GS_CHECK_RESULT;
void gs_account_fini(struct gs_account *account);

/* What the account is to remember with each baseline: for gs_gather_baselines_new. */
extern const struct gs_attachment gs_account_attachment;
