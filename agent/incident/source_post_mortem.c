/* source_post_mortem.c - evidence of a process that died, from its black box or core file (struct gs_post_mortem).
 *
 *   heap      of a box; of a core file, if the process had our probe; now, and at its peak
 *   threads   of a core file; of a box, the thread that crashed
 *   account   of a box: the last one that was taken
 *   rules     of a box: the rules that were in force; their text may be of another version and is stored unchanged
 *
 * Context: watcher, for boxes that it finds; CLI, for boxes and core files. */
#include "box/box.h"
#include "gather/gather.h"
#include "incident/source.h"
#include "profile/profile.h"
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static void describe(const struct gs_incident_trigger *trigger, const struct gs_incident_context *context,
                     struct gs_incident_process *out)
{
    const struct gs_post_mortem *post_mortem = trigger->post_mortem;
    (void)context;
    out->pid = post_mortem->pid;
    out->kinds = (post_mortem->heap ? GS_HEAP | GS_PEAK : 0u) | (post_mortem->threads ? GS_THREADS : 0u);
    snprintf(out->exe, sizeof out->exe, "%s", post_mortem->exe);
    snprintf(out->host, sizeof out->host, "%s", post_mortem->host);
    if (!*out->host) {
        out->host_is_readers = true;
        (void)gethostname(out->host, sizeof out->host - 1);
    }
    if (post_mortem->identity)
        out->identity = *post_mortem->identity;
    out->rules = post_mortem->rules;
    out->rules_length = post_mortem->rules_length;
    out->note = post_mortem->note;
    out->note_count = post_mortem->note_count;
    out->death = post_mortem;
}

static const struct gs_maps *read_maps(const struct gs_incident_trigger *trigger, struct gs_maps **owned)
{
    *owned = NULL;
    return trigger->post_mortem->maps;
}

/* KIND is one of those that `describe` set. */
static int gather(const struct gs_incident_trigger *trigger, enum gs_kind kind, const struct gs_gather *how,
                  struct gs_gathered *out)
{
    return kind == GS_HEAP   ? gs_gather_given_heap(how, trigger->post_mortem->heap, out)
           : kind == GS_PEAK ? gs_gather_given_peak(how, trigger->post_mortem->heap, out)
                             : gs_gather_given(how, trigger->post_mortem->threads, out);
}

/* The last account that the box has. It has no stacks. */
static int take_account(const struct gs_incident_trigger *trigger, const struct gs_gather *how,
                        struct gs_account *out)
{
    const struct gs_account_parts *parts = trigger->post_mortem->account;
    (void)how;
    if (!parts)
        return -ENODATA;
    for (int i = 0; i < GS_PARTS; i++)
        out->rss += out->part[i] = parts->part[i];
    out->counted = out->rss;
    out->of_dead = true;
    out->age_ns = trigger->post_mortem->last_seen_ns - parts->time_ns;
    out->mappings = gs_account_mappings_new();
    return !out->mappings || out->mappings->failed ? -ENOMEM : 0;
}

const struct gs_incident_source gs_incident_source_post_mortem = {
    .describe = describe,
    .read_maps = read_maps,
    .gather = gather,
    .take_account = take_account,
};
