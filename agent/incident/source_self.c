/* source_self.c - evidence of this process: the library watches the process that it is loaded into.
 * It is the only source that has every kind of evidence. Context: watcher. */
#include "gather/gather.h"
#include "incident/source.h"
#include "rules/rules.h"
#include "symbol/symbol.h"
#include <unistd.h>

/* The rules are those in force: their text stands in the scene. */
static void describe(const struct gs_incident_facts *facts, const struct gs_incident_scene *scene,
                     struct gs_incident_process *out)
{
    (void)facts;
    gs_incident_describe_living((int)getpid(), out);
    out->kinds = ~0u; // all that there are
    out->rules = scene->rules->text;
    out->rules_length = scene->rules->text_length;
}

static const struct gs_maps *read_maps(const struct gs_incident_facts *facts, struct gs_maps **owned)
{
    (void)facts;
    return *owned = gs_maps_read(0);
}

static int gather(const struct gs_incident_facts *facts, enum gs_kind kind, const struct gs_gather *how,
                  struct gs_gathered *out)
{
    (void)facts;
    return gs_gather(kind, how, out);
}

const struct gs_incident_source gs_incident_source_self = {
    .describe = describe,
    .read_maps = read_maps,
    .gather = gather,
    .take_account = gs_account_take,
    .write_descriptors = gs_descriptors_write,
};
