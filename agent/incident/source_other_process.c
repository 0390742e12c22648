/* source_other_process.c - evidence of another process that runs without an agent: its threads, which the caller has read by
 * ptrace (cli/foreign.c), and its memory map. Its heap, its CPU time and its rules are not known. Context: CLI. */
#include "gather/gather.h"
#include "incident/source.h"
#include "symbol/symbol.h"

static void describe(const struct gs_incident_trigger *trigger, const struct gs_incident_context *context,
                     struct gs_incident_process *out)
{
    (void)context; // it has our rules: the other process has none
    gs_incident_describe_living(trigger->given->pid, out);
    out->kinds = GS_THREADS;
}

static const struct gs_maps *read_maps(const struct gs_incident_trigger *trigger, struct gs_maps **owned)
{
    return *owned = gs_symbol_maps_read(trigger->given->pid);
}

/* KIND is GS_THREADS: `describe` names no other. */
static int gather(const struct gs_incident_trigger *trigger, enum gs_kind kind, const struct gs_gather *how,
                  struct gs_gathered *out)
{
    (void)kind;
    return gs_gather_given(how, trigger->given, out);
}

const struct gs_incident_source gs_incident_source_other_process = {
    .describe = describe,
    .read_maps = read_maps,
    .gather = gather,
};
