/* waits_json.c - what threads wait for, in incident.json: one item of "waits". Context: watcher. */
#include "incident/inside.h"
#include "profile/profile.h"
#include <stdio.h>

static json_t *stack_json(const struct gs_profile *threads, const struct gs_sample *sample)
{
    struct gs_json stack = gs_json_array();
    char room[300];
    for (uint32_t i = 0; i < sample->depth && i < GS_CULPRIT_STACK_MAX; i++)
        gs_json_add(&stack, gs_json_printable(
                                gs_profile_frame_name(threads, sample->location[i], room, sizeof room)));
    return gs_json_take(&stack);
}

static json_t *holder_json(struct gs_profile *threads, const struct gs_waited *wait)
{
    struct gs_json holder = gs_json_object();
    bool has_stack = wait->held == GS_HOLDER_THREAD && wait->holder_sample != SIZE_MAX;
    if (wait->held != GS_HOLDER_THREAD && wait->held != GS_HOLDER_GONE)
        return json_null();
    gs_json_set(&holder, "tid", json_integer(wait->holder));
    gs_json_set(&holder, "exists", json_boolean(wait->held == GS_HOLDER_THREAD));
    gs_json_set(&holder, "name", gs_json_printable(wait->holder_name));
    if (has_stack) {
        const struct gs_sample *sample = &threads->sample[wait->holder_sample];
        char room[300];
        uint32_t own = gs_profile_own_frame(threads, sample->location, sample->depth);
        gs_json_set(
            &holder, "function",
            gs_json_printable(gs_profile_frame_name(threads, sample->location[own], room, sizeof room)));
        gs_json_set(&holder, "stack", stack_json(threads, sample));
    } else {
        gs_json_set(&holder, "function", json_null());
        gs_json_set(&holder, "stack", json_array());
    }
    return gs_json_take(&holder);
}

json_t *gs_incident_wait_json(struct gs_profile *threads, const struct gs_waited *wait)
{
    char address[24] = "";
    if (wait->address)
        snprintf(address, sizeof address, "%#llx", (unsigned long long)wait->address);
    struct gs_json json = gs_json_object();
    gs_json_set(&json, "what", json_string(gs_gather_wait_key(wait->kind)));
    gs_json_set(&json, "name", gs_json_printable(wait->name));
    gs_json_set(&json, "address", gs_json_text(address));
    gs_json_set(&json, "threads", json_integer((json_int_t)wait->threads));
    gs_json_set(&json, "held_by", holder_json(threads, wait));
    gs_json_set(&json, "readers",
                wait->held == GS_HOLDER_READERS ? json_integer((json_int_t)wait->readers) : json_null());
    return gs_json_take(&json);
}
