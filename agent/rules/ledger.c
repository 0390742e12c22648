/* ledger.c - the past incidents, and whether max_per_hour allows another.
 *
 *   incident   rule  owner      began   ended   value          oldest first
 *              leak  812-99301  10:00   10:00   4e8
 *              leak  977-99877  10:12   -       4.1e8          still being captured, or the process died then
 *
 * Who: store/ledger.c, and tests. Bounds: GS_LEDGER_MAX incidents. Pure. */
#include "base/clock.h"
#include "base/memory.h"
#include "rules/inside.h"
#include <errno.h>
#include <string.h>

#define HOUR_NS (3600 * GS_NS_PER_S)
enum { KEPT_OF_A_RULE = 4 }; // however old: a cooldown may be longer than an hour

void gs_rules_ledger_fini(struct gs_ledger *ledger)
{
    gs_free(ledger->incident);
    gs_free(ledger->due);
    *ledger = (struct gs_ledger){0};
}

static bool in_the_last_hour(const struct gs_ledger_incident *incident, int64_t now_ns)
{
    return now_ns - incident->began_ns < HOUR_NS;
}

/* After the clock was set back, times may lie in the future: treat them as now. */
static void clamp_to_now(struct gs_ledger_incident *incident, int64_t now_ns)
{
    if (incident->began_ns > now_ns)
        incident->began_ns = now_ns;
    if (incident->ended_ns > now_ns)
        incident->ended_ns = now_ns;
    if (incident->ended_ns && incident->ended_ns < incident->began_ns)
        incident->ended_ns = incident->began_ns;
}

/* Is incident AT one of the last few of its rule? */
static bool is_recent_of_its_rule(const struct gs_ledger *ledger, size_t at)
{
    unsigned later = 0;
    for (size_t i = at + 1; i < ledger->count && later < KEPT_OF_A_RULE; i++)
        later += strcmp(ledger->incident[i].rule, ledger->incident[at].rule) == 0;
    return later < KEPT_OF_A_RULE;
}

void gs_rules_ledger_tidy(struct gs_ledger *ledger, int64_t now_ns)
{
    size_t kept_count = 0;
    for (size_t i = 0; i < ledger->count; i++) {
        clamp_to_now(&ledger->incident[i], now_ns);
        if (in_the_last_hour(&ledger->incident[i], now_ns) || is_recent_of_its_rule(ledger, i))
            ledger->incident[kept_count++] = ledger->incident[i];
    }
    size_t too_many = kept_count > GS_LEDGER_MAX ? kept_count - GS_LEDGER_MAX : 0;
    ledger->count = kept_count - too_many;
    if (too_many)
        memmove(ledger->incident, ledger->incident + too_many, ledger->count * sizeof *ledger->incident);
}

int gs_rules_ledger_add(struct gs_ledger *ledger, const struct gs_ledger_incident *incident)
{
    if (gs_grow(&ledger->incident, &ledger->capacity, ledger->count + 1, sizeof *ledger->incident))
        return -ENOMEM;
    ledger->incident[ledger->count++] = *incident;
    return 0;
}

/* Are there fewer than LIMIT incidents of RULE (NULL: of all rules) in the last hour? If not, *UNTIL_NS is when the
 * oldest of them will be an hour old. */
static bool has_room(const struct gs_ledger *ledger, const char *rule, uint64_t limit, int64_t now_ns,
                     int64_t *until_ns)
{
    uint64_t count = 0;
    int64_t oldest_ns = now_ns;
    for (size_t i = 0; i < ledger->count; i++) {
        const struct gs_ledger_incident *incident = &ledger->incident[i];
        if (!in_the_last_hour(incident, now_ns) || (rule && strcmp(rule, incident->rule) != 0))
            continue;
        count++;
        if (incident->began_ns < oldest_ns)
            oldest_ns = incident->began_ns;
    }
    if (limit == 0 || count < limit)
        return true;
    *until_ns = oldest_ns + HOUR_NS;
    return false;
}

enum gs_hour_room gs_rules_ledger_room(const struct gs_ledger *ledger, const char *rule,
                                       struct gs_hour_limits limits, int64_t now_ns, int64_t *until_ns)
{
    if (!has_room(ledger, rule, limits.of_rule, now_ns, until_ns))
        return GS_HOUR_OF_RULE_FULL;
    if (!has_room(ledger, NULL, limits.of_all, now_ns, until_ns))
        return GS_HOUR_OF_ALL_FULL;
    return GS_HOUR_HAS_ROOM;
}
