/* source.c - chooses the source of an incident's evidence. Context: any (pure). */
#include "incident/source.h"

const struct gs_incident_source *gs_incident_choose_source(const struct gs_incident_trigger *trigger)
{
    if (trigger->post_mortem)
        return &gs_incident_source_post_mortem;
    return trigger->given ? &gs_incident_source_other_process : &gs_incident_source_self;
}
