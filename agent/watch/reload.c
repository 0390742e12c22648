/* reload.c - new rules take the old ones' place.
 *
 *   rules_file.c: changed ──▶ good? ──▶ gs_parts_renew: judge, watch, history of the new rules, with the old ones' memory
 *                               │                └─▶ the old: kept while an incident that began with them is under way
 *                               └─▶ no: the log, `gumshoe status` and every incident say so; the old stay in force
 *
 * Bounds: each incident under way keeps one set of old rules at most. */
#include "watch/reload.h"
#include "base/clock.h"
#include "sys/log.h"
#include "watch/active_captures.h"
#include <stdio.h>
#include <string.h>

/* Sets of old rules. Each incident that is under way may need one, and those that were just retired take one more place. */
enum { PLACES = GS_UNDER_WAY_MAX + 1 };
static struct gs_parts retired[PLACES];

static void drop_unneeded(void)
{
    for (size_t i = 0; i < PLACES; i++)
        if (retired[i].rules && !gs_under_way_needs(retired[i].scene))
            gs_parts_drop(&retired[i]);
}

static struct gs_parts *free_place(void)
{
    struct gs_parts *place = retired;
    while (place->rules) // one is free: drop_unneeded sees to it
        place++;
    return place;
}

/* What incidents say of rules that were refused. */
static void note_refusal(struct gs_parts *parts)
{
    const struct gs_rules_file *file = &parts->file;
    parts->scene->rules_refused = file->refused_ns ? file->refused : NULL;
}

const char *gs_reload_other_dir(const struct gs_parts *parts)
{
    const char *dir = parts->rules->incidents.dir;
    return parts->rules_dir && strcmp(parts->rules_dir, dir) != 0 ? dir : NULL;
}

static void tell(const struct gs_parts *parts)
{
    const char *other = gs_reload_other_dir(parts);
    gs_log(GS_LOG_INFO, "the changed rules are in force: %zu rules from %s", parts->rules->rule_count,
           parts->rules->file);
    if (other)
        gs_log(GS_LOG_WARNING,
               "incidents.dir is %s now, but incidents go on into %s: restart the program to change that",
               other, gs_store_path(parts->store));
}

static bool take(struct gs_parts *parts, struct gs_rules *rules)
{
    const struct gs_rules *before = parts->rules;
    if (gs_parts_renew(parts, rules, free_place())) {
        snprintf(parts->file.refused, sizeof parts->file.refused, "no memory for the changed rules");
        parts->file.refused_ns = gs_realtime_ns();
        parts->file.refused_errors = 1;
        gs_log(GS_LOG_ERROR, "%s: the old ones stay in force", parts->file.refused);
        gs_rules_free(rules);
        return false;
    }
    gs_under_way_renumber(before, parts->rules);
    gs_rules_file_taken(&parts->file);
    tell(parts);
    drop_unneeded();
    return true;
}

bool gs_reload_look(struct gs_parts *parts, int64_t now_ns)
{
    drop_unneeded();
    if (!gs_rules_file_look(&parts->file, now_ns))
        return false;
    struct gs_rules *rules = gs_rules_file_take(&parts->file, parts->rules);
    bool taken = rules && take(parts, rules);
    note_refusal(parts);
    return taken;
}

void gs_reload_drop(void)
{
    for (size_t i = 0; i < PLACES; i++)
        gs_parts_drop(&retired[i]);
}

void gs_reload_after_fork(void)
{
    memset(retired, 0, sizeof retired);
}
