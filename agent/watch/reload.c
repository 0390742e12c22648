/* reload.c - new rules take the old ones' place.
 *
 *   rules_file.c: changed ──▶ good? ──▶ gs_watch_settings_renew: judge, watch, history of the new rules, with the old ones' memory
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
enum { PLACES = GS_ACTIVE_CAPTURES_MAX + 1 };
static struct gs_settings retired[PLACES];

static void drop_unneeded(void)
{
    for (size_t i = 0; i < PLACES; i++)
        if (retired[i].rules && !gs_watch_captures_needs(retired[i].context))
            gs_watch_settings_drop(&retired[i]);
}

static struct gs_settings *free_place(void)
{
    struct gs_settings *place = retired;
    while (place->rules) // one is free: drop_unneeded sees to it
        place++;
    return place;
}

/* What incidents say of rules that were refused. */
static void note_refusal(struct gs_settings *settings)
{
    const struct gs_rules_file *file = &settings->file;
    settings->context->rules_refused = file->refused_ns ? file->refused : NULL;
}

const char *gs_watch_reload_other_dir(const struct gs_settings *settings)
{
    const char *dir = settings->rules->incidents.dir;
    return settings->rules_dir && strcmp(settings->rules_dir, dir) != 0 ? dir : NULL;
}

static void tell(const struct gs_settings *settings)
{
    const char *other = gs_watch_reload_other_dir(settings);
    gs_log(GS_LOG_INFO, "the changed rules are in force: %zu rules from %s", settings->rules->rule_count,
           settings->rules->file);
    if (other)
        gs_log(GS_LOG_WARNING,
               "incidents.dir is %s now, but incidents go on into %s: restart the program to change that",
               other, gs_store_path(settings->store));
}

static bool take(struct gs_settings *settings, struct gs_rules *rules)
{
    const struct gs_rules *before = settings->rules;
    if (gs_watch_settings_renew(settings, rules, free_place())) {
        snprintf(settings->file.refused, sizeof settings->file.refused, "no memory for the changed rules");
        settings->file.refused_ns = gs_clock_realtime_ns();
        settings->file.refused_errors = 1;
        gs_log(GS_LOG_ERROR, "%s: the old ones stay in force", settings->file.refused);
        gs_rules_free(rules);
        return false;
    }
    gs_watch_captures_renumber(before, settings->rules);
    gs_watch_rules_file_taken(&settings->file);
    tell(settings);
    drop_unneeded();
    return true;
}

bool gs_watch_reload_look(struct gs_settings *settings, int64_t now_ns)
{
    drop_unneeded();
    if (!gs_watch_rules_file_look(&settings->file, now_ns))
        return false;
    struct gs_rules *rules = gs_watch_rules_file_take(&settings->file, settings->rules);
    bool taken = rules && take(settings, rules);
    note_refusal(settings);
    return taken;
}

void gs_watch_reload_drop(void)
{
    for (size_t i = 0; i < PLACES; i++)
        gs_watch_settings_drop(&retired[i]);
}

void gs_watch_reload_after_fork(void)
{
    memset(retired, 0, sizeof retired);
}
