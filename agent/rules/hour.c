/* hour.c - "max_per_hour": a ring with the times of the last ROOM incidents. Another one is allowed when the oldest is an
 * hour old. The hour slides, so there is no burst at the start of a clock hour. */
#include "base/memory.h"
#include "rules/inside.h"
#include <errno.h>

static const int64_t hour_ns = 3600 * 1000000000LL;

int gs_rules_hour_init(struct gs_hour *hour, uint64_t room)
{
    *hour = (struct gs_hour){.room = room, .full_until_ns = INT64_MIN};
    if (room == 0)
        return 0;
    hour->time_ns = gs_alloc(room * sizeof *hour->time_ns);
    return hour->time_ns ? 0 : -ENOMEM;
}

void gs_rules_hour_fini(struct gs_hour *hour)
{
    gs_free(hour->time_ns);
    *hour = (struct gs_hour){0};
}

bool gs_rules_hour_has_room(const struct gs_hour *hour, int64_t now_ns)
{
    if (hour->room == 0)
        return true;
    if (now_ns < hour->full_until_ns)
        return false;
    return hour->count < hour->room || now_ns - hour->time_ns[hour->next] >= hour_ns;
}

void gs_rules_hour_add(struct gs_hour *hour, int64_t now_ns)
{
    if (hour->room == 0)
        return;
    hour->time_ns[hour->next] = now_ns;
    hour->next = (hour->next + 1) % hour->room;
    hour->count += hour->count < hour->room;
}

void gs_rules_hour_take_back(struct gs_hour *hour)
{
    if (hour->count == 0)
        return;
    hour->next = (hour->next + hour->room - 1) % hour->room;
    hour->count--;
}

/* full_until_ns is not copied: the ledger is asked again, with the new limit. */
void gs_rules_hour_adopt(struct gs_hour *hour, const struct gs_hour *old)
{
    hour->count = hour->next = 0;
    for (size_t i = 0; i < old->count; i++)
        gs_rules_hour_add(hour, old->time_ns[(old->next + old->room - old->count + i) % old->room]);
}
