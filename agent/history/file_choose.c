/* file_choose.c - which records stay when a history file has become too large.
 *
 *   by process:   STEPS ─────────────▶|           what the STEPS of a process cover
 *                 TICKS TICKS TICKS …|TICKS       the last ones are not covered: the minutes before its end
 *                       └ fine        └ coarse
 *   from the newest to the oldest:   coarse, up to half of the file ▶ fine, up to three quarters with the coarse
 *
 * So a file has weeks of steps, hours or days of ticks, and the last minutes before each end tick by tick.
 * Who: the watcher, once in days. Pure. */
#include "base/sort.h"
#include "history/inside.h"

int gs_history_entry_by_process(const void *a, const void *b)
{
    const struct gs_history_entry *x = a, *y = b;
    if (x->process != y->process)
        return x->process < y->process ? -1 : 1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

int gs_history_entry_by_offset(const void *a, const void *b)
{
    const struct gs_history_entry *x = a, *y = b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static bool has_rows(const struct gs_history_entry *entry)
{
    return entry->type == GS_HISTORY_TICKS || entry->type == GS_HISTORY_STEPS;
}

/* Of one process: find what no STEPS cover, and charge its newest rows with its PROCESS, which they need. */
static void prepare_process(struct gs_history_entry *entry, size_t count)
{
    int64_t covered_ms = INT64_MIN;
    uint32_t process_size = 0;
    struct gs_history_entry *newest = NULL;
    for (size_t i = 0; i < count; i++) {
        if (entry[i].type == GS_HISTORY_STEPS && entry[i].to_ms > covered_ms)
            covered_ms = entry[i].to_ms;
        if (entry[i].type == GS_HISTORY_PROCESS)
            process_size = entry[i].size;
        newest = has_rows(&entry[i]) ? &entry[i] : newest;
    }
    for (size_t i = 0; i < count; i++) {
        entry[i].coarse = entry[i].type == GS_HISTORY_STEPS ||
                          (entry[i].type == GS_HISTORY_TICKS && entry[i].to_ms > covered_ms);
        entry[i].keep = false;
        entry[i].charge = entry[i].size;
    }
    if (newest) {
        newest->coarse = true; // so that it is the last of its process to go
        newest->charge += process_size;
    }
}

/* Keep the newest of those that are COARSE, or of those that are not, up to MOST bytes. Returns the bytes of these. */
static uint64_t keep_newest(struct gs_history_entry *entry, size_t count, bool coarse, uint64_t most)
{
    uint64_t kept = 0;
    for (size_t i = count; i-- > 0;) {
        if (!has_rows(&entry[i]) || entry[i].coarse != coarse)
            continue;
        if (kept + entry[i].charge > most)
            break;
        kept += entry[i].charge;
        entry[i].keep = true;
    }
    return kept;
}

/* Of one process: keep the newest copy of its PROCESS, if any of its rows stay. */
static void keep_process(struct gs_history_entry *entry, size_t count)
{
    bool any = false;
    struct gs_history_entry *process = NULL;
    for (size_t i = 0; i < count; i++) {
        any |= entry[i].keep;
        process = entry[i].type == GS_HISTORY_PROCESS ? &entry[i] : process;
    }
    if (any && process)
        process->keep = true;
}

/* ENTRY is sorted by process. */
static void for_each_process(struct gs_history_entry *entry, size_t count,
                             void (*visit)(struct gs_history_entry *entry, size_t count))
{
    for (size_t first = 0, end; first < count; first = end) {
        for (end = first; end < count && entry[end].process == entry[first].process; end++)
            ;
        visit(entry + first, end - first);
    }
}

void gs_history_file_choose(struct gs_history_entry *entry, size_t count, uint64_t max_bytes)
{
    gs_sort(entry, count, sizeof *entry, gs_history_entry_by_process);
    for_each_process(entry, count, prepare_process);
    gs_sort(entry, count, sizeof *entry, gs_history_entry_by_offset);
    uint64_t coarse = keep_newest(entry, count, true, max_bytes / 2);
    (void)keep_newest(entry, count, false, max_bytes / 4 * 3 - coarse);
    gs_sort(entry, count, sizeof *entry, gs_history_entry_by_process);
    for_each_process(entry, count, keep_process);
    gs_sort(entry, count, sizeof *entry, gs_history_entry_by_offset);
}
