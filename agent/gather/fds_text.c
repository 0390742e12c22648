/* fds_text.c - writes fds.txt and its part of summary.txt: what the descriptors refer to, and who opened them.
 *
 *   descriptors ──▶ grouped by equal text, the largest group first ──▶ the function that opened most of each
 *
 * Who: a thread of the agent. Bounds: GS_FD_GROUPS groups; descriptors of further groups are counted together; SHOWN groups are
 * written, and SUMMARISED of them to the summary. */
#include "base/sort.h"
#include "base/units.h"
#include "gather/inside.h"
#include "symbol/symbol.h"
#include <stdio.h>
#include <string.h>

enum { SHOWN = 200, SUMMARISED = 5 };

uint32_t gs_gather_group_fd(struct gs_fds *fds, const char *what, int number)
{
    uint32_t at = 0;
    while (at < fds->group_count && strcmp(fds->group[at].what, what) != 0)
        at++;
    if (at == GS_FD_GROUPS) {
        fds->ungrouped++;
        return at;
    }
    if (at == fds->group_count) {
        snprintf(fds->group[at].what, GS_FD_TARGET, "%s", what);
        fds->group[at].example = number;
        fds->group_count++;
    }
    fds->group[at].count++;
    return at;
}

/* ---- who opened most of each group ------------------------------------------------------------------------------------ */

static int by_opener(const void *a, const void *b)
{
    const struct gs_open_fd *x = a, *y = b;
    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    return ((uintptr_t)x->opener > (uintptr_t)y->opener) - ((uintptr_t)x->opener < (uintptr_t)y->opener);
}

static void find_openers(struct gs_fds *fds)
{
    gs_sort(fds->fd, fds->count, sizeof *fds->fd, by_opener);
    for (size_t i = 0; i < fds->count;) {
        const struct gs_open_fd *first = &fds->fd[i];
        size_t count = 0;
        for (; i < fds->count && by_opener(first, &fds->fd[i]) == 0; i++)
            count++;
        struct gs_fd_group *group = first->group < GS_FD_GROUPS ? &fds->group[first->group] : NULL;
        if (group && first->opener && count > group->opened) {
            group->opener = first->opener;
            group->opened = count;
        }
    }
}

/* ", opened by accept_peer", ", 60 of them opened by log_open"; nothing where it is not known. */
static void add_opener(const struct gs_fd_group *group, struct gs_text *out)
{
    if (!group->opener)
        return;
    if (group->opened < group->count)
        gs_text_add(out, ", %zu of them", group->opened);
    else
        gs_text_add(out, ",");
    gs_text_add(out, " opened by ");
    gs_symbol_add_short_name(out, group->opener);
}

/* ---- writing ---------------------------------------------------------------------------------------------------------- */

static int by_count(const void *a, const void *b)
{
    const struct gs_fd_group *x = a, *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return strcmp(x->what, y->what);
}

static size_t count_of(const struct gs_fds *fds)
{
    return fds->count + fds->beyond;
}

static void write_groups(const struct gs_fds *fds, struct gs_text *out)
{
    gs_text_add(out, "descriptors: %zu, of which %zu were seen to be opened\n\n", count_of(fds),
                fds->count - fds->not_seen);
    for (size_t i = 0; i < fds->group_count && i < SHOWN; i++) {
        const struct gs_fd_group *group = &fds->group[i];
        gs_text_add(out, "%8zu  ", group->count);
        gs_text_add_printable(out, group->what);
        gs_text_add(out, "  (descriptor %d%s)", group->example, group->count > 1 ? " and others" : "");
        add_opener(group, out);
        gs_text_add(out, "\n");
    }
    if (fds->group_count > SHOWN || fds->ungrouped || fds->beyond)
        gs_text_add(out, "         and more, of %zu other kinds%s\n",
                    fds->group_count > SHOWN ? fds->group_count - SHOWN : 0,
                    fds->ungrouped || fds->beyond ? " or more" : "");
}

/* "512 sockets, 300 files, 12 others": by the first word of each group. */
static void summarise_kinds(const struct gs_fds *fds, struct gs_text *out)
{
    static const struct {
        const char *word, *one, *many;
    } kinds[] = {{"socket", "socket", "sockets"}, {"file ", "file", "files"}, {"pipe", "pipe", "pipes"}};
    enum { KINDS = sizeof kinds / sizeof *kinds };
    size_t others = count_of(fds);
    const char *separator = ": ";
    for (size_t kind = 0; kind < KINDS; kind++) {
        size_t count = 0;
        for (size_t i = 0; i < fds->group_count; i++)
            if (strncmp(fds->group[i].what, kinds[kind].word, strlen(kinds[kind].word)) == 0)
                count += fds->group[i].count;
        if (count)
            gs_text_add(out, "%s%zu %s", separator, count, count == 1 ? kinds[kind].one : kinds[kind].many);
        separator = count ? ", " : separator;
        others -= count;
    }
    if (others)
        gs_text_add(out, "%s%zu %s", separator, others, others == 1 ? "other" : "others");
}

static void summarise(const struct gs_fds *fds, struct gs_text *out)
{
    gs_text_add(out, "\nOpen descriptors, %zu in all", count_of(fds));
    summarise_kinds(fds, out);
    gs_text_add(out, "\n");
    for (size_t i = 0; i < fds->group_count && i < SUMMARISED; i++) {
        const struct gs_fd_group *group = &fds->group[i];
        char share[GS_UNIT_TEXT];
        gs_units_print_percent((double)(group->count * 1000 / count_of(fds)) / 1000, share);
        gs_text_add(out, "  %8zu %7s  ", group->count, share);
        gs_text_add_printable(out, group->what);
        add_opener(group, out);
        gs_text_add(out, "\n");
    }
}

void gs_gather_fds_text(struct gs_fds *fds, struct gs_text *text, struct gs_text *summary)
{
    find_openers(fds);
    gs_sort(fds->group, fds->group_count, sizeof *fds->group, by_count);
    write_groups(fds, text);
    summarise(fds, summary);
}
