/* lifetimes.c - a line of summary.txt: who allocates most of the memory that is freed again at once.
 *
 *   lifetimes.pb.gz ──▶ "12.3 GiB (81 %) of all freed memory lived less than 1 s, most of it from parse_request: 9 GiB, …"
 *
 * Context: watcher, CLI. */
#include "incident/inside.h"
#include "profile/profile.h"
#include "symbol/symbol.h"
#include <errno.h>

/* Worth a line if HEAPS times what is in use has been freed within 1 s, and one function allocated at least a quarter of it. */
enum { HEAPS = 4, PART = 4 };

static const struct gs_lifetime_row *find_churn(const struct gs_lifetimes *lifetimes)
{
    const struct gs_lifetime_row *found = NULL;
    for (size_t i = 0; i < lifetimes->count; i++)
        if (!found || lifetimes->row[i].short_space > found->short_space)
            found = &lifetimes->row[i];
    bool notable = found && found->short_space > 0 &&
                   found->short_space / HEAPS >= lifetimes->alive_space / PART &&
                   lifetimes->short_space / HEAPS >= lifetimes->alive_space &&
                   found->short_space >= lifetimes->short_space / PART;
    return notable ? found : NULL;
}

void gs_incident_add_lifetimes(struct gs_text *out, const struct gs_incident_findings *findings)
{
    struct gs_lifetimes lifetimes;
    char all[GS_UNIT_TEXT], part[GS_UNIT_TEXT], share[GS_UNIT_TEXT], median[GS_UNIT_TEXT];
    int error = findings->lifetimes ? gs_profile_lifetimes(findings->lifetimes, &lifetimes) : -1;
    out->failed |= error == -ENOMEM;
    if (error)
        return;
    const struct gs_lifetime_row *row = find_churn(&lifetimes);
    if (row) {
        double exact = (double)lifetimes.short_space / (double)lifetimes.freed_space;
        gs_text_add(out, "\nFreed within 1 s: %s, %s of all that was freed; most of it allocated by ",
                    gs_units_print_size((double)lifetimes.short_space, all),
                    gs_units_print_percent((double)(int64_t)(exact * 1000 + 0.5) / 1000, share));
        gs_symbol_add_short_name(out, row->function);
        gs_text_add(out, " (%s, half of its blocks within %s)\n",
                    gs_units_print_size((double)row->short_space, part),
                    gs_profile_print_lifetime(row->median_ns, median));
    }
    gs_profile_lifetimes_fini(&lifetimes);
}
