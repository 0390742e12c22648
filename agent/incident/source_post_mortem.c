/* source_post_mortem.c - evidence of a process that died: what its black box or its core file holds (struct gs_remains).
 *
 *   heap      of a box; of a core file, if the process had our probe
 *   threads   of a core file
 *   rules     of a box, as they were in force: their text may be of another version than ours, and is kept as it is
 *
 * Context: watcher, of boxes that it finds; CLI, of boxes and core files. */
#include "box/box.h"
#include "gather/gather.h"
#include "incident/source.h"
#include <stdio.h>

static void describe(const struct gs_incident_facts *facts, const struct gs_incident_scene *scene,
                     struct gs_incident_process *out)
{
    const struct gs_remains *remains = facts->remains;
    (void)scene;
    out->pid = remains->pid;
    out->kinds = (remains->heap ? GS_HEAP : 0u) | (remains->threads ? GS_THREADS : 0u);
    snprintf(out->exe, sizeof out->exe, "%s", remains->exe);
    snprintf(out->host, sizeof out->host, "%s", remains->host);
    out->rules = remains->rules;
    out->rules_length = remains->rules_length;
    out->note = remains->note;
    out->note_count = remains->note_count;
    out->died_tid = remains->threads ? remains->threads->died : 0;
    out->death = remains;
}

static const struct gs_maps *read_maps(const struct gs_incident_facts *facts, struct gs_maps **owned)
{
    *owned = NULL;
    return facts->remains->maps;
}

/* KIND is one of those that `describe` found to be there. */
static int gather(const struct gs_incident_facts *facts, enum gs_kind kind, const struct gs_gather *how,
                  struct gs_gathered *out)
{
    return kind == GS_HEAP ? gs_gather_given_heap(how, facts->remains->heap, out)
                           : gs_gather_given(how, facts->remains->threads, out);
}

const struct gs_incident_source gs_incident_source_post_mortem = {
    .describe = describe,
    .read_maps = read_maps,
    .gather = gather,
};
