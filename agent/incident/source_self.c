/* source_self.c - evidence of this process: the library watches the process that it is loaded into.
 * It is the only source that has every kind of evidence. Context: watcher. */
#include "gather/gather.h"
#include "incident/source.h"
#include "metrics/metrics.h"
#include "rules/rules.h"
#include "symbol/symbol.h"
#include <unistd.h>

/* The rules are those in force; CONTEXT has their text. */
static void describe(const struct gs_incident_trigger *trigger, const struct gs_incident_context *context,
                     struct gs_incident_process *out)
{
    (void)trigger;
    gs_incident_describe_living((int)getpid(), out);
    out->kinds = ~0u; // all kinds
    out->rules = context->rules->text;
    out->rules_length = context->rules->text_length;
}

static const struct gs_maps *read_maps(const struct gs_incident_trigger *trigger, struct gs_maps **owned)
{
    (void)trigger;
    return *owned = gs_symbol_maps_read(0);
}

static int gather(const struct gs_incident_trigger *trigger, enum gs_kind kind, const struct gs_gather *how,
                  struct gs_gathered *out)
{
    struct gs_gather all = *how;
    (void)trigger;
    all.open_descriptors = gs_metrics_open_descriptors;
    return gs_account_gather(kind, &all, out);
}

static int take_account(const struct gs_incident_trigger *trigger, const struct gs_gather *how,
                        struct gs_account *out)
{
    (void)trigger;
    return gs_account_take(how, out);
}

const struct gs_incident_source gs_incident_source_self = {
    .describe = describe,
    .read_maps = read_maps,
    .gather = gather,
    .take_account = take_account,
};
