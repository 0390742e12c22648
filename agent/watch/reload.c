/* reload.c - replaces the rules in force when the rules file has changed.
 *
 *   rules_file.c: changed ──▶ valid? ──▶ gs_watch_settings_renew: judge, metrics, history of the new rules, with the old state
 *                               │                 └─▶ old rules: kept while an active capture uses them
 *                               └─▶ no: the log, `gumshoe status` and every incident say so; the old rules stay in force
 *
 * Bounds: each active capture keeps at most one set of old rules. */
#include "watch/reload.h"
#include "base/clock.h"
#include "sys/log.h"
#include "watch/active_captures.h"
#include <stdio.h>
#include <string.h>

/* Sets of old rules: one for each active capture, and one for the rules that were just replaced. */
enum { RETIRED_MAX = GS_ACTIVE_CAPTURES_MAX + 1 };
static struct gs_settings retired[RETIRED_MAX];
static bool any_retired; // spares each wake a look at all of them, a page each

static void drop_unneeded(void)
{
    bool any = false;
    for (size_t i = 0; any_retired && i < RETIRED_MAX; i++) {
        if (retired[i].rules && !gs_watch_captures_needs(retired[i].context))
            gs_watch_settings_drop(&retired[i]);
        any |= retired[i].rules != NULL;
    }
    any_retired = any;
}

static struct gs_settings *free_slot(void)
{
    struct gs_settings *slot = retired;
    while (slot->rules) // one is free, because drop_unneeded ran before
        slot++;
    return slot;
}

/* Have incidents report the refused rules, if there are any. */
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

static void log_reload(const struct gs_settings *settings)
{
    const char *other_dir = gs_watch_reload_other_dir(settings);
    size_t count = settings->rules->rule_count;
    gs_log(GS_LOG_INFO, "the changed rules are in force: %zu rule%s from %s", count, count == 1 ? "" : "s",
           settings->rules->file);
    if (other_dir)
        gs_log(
            GS_LOG_WARNING,
            "incidents.dir is %s now, but incidents are still written to %s until the program is restarted",
            other_dir, gs_store_path(settings->store));
}

static bool put_in_force(struct gs_settings *settings, struct gs_rules *rules)
{
    const struct gs_rules *before = settings->rules;
    if (gs_watch_settings_renew(settings, rules, free_slot())) {
        snprintf(settings->file.refused, sizeof settings->file.refused, "no memory for the changed rules");
        settings->file.refused_ns = gs_clock_realtime_ns();
        settings->file.refused_errors = 1;
        gs_log(GS_LOG_ERROR, "%s: the old rules stay in force", settings->file.refused);
        gs_rules_free(rules);
        return false;
    }
    any_retired = true;
    gs_watch_captures_renumber(before, settings->rules);
    gs_watch_rules_file_taken(&settings->file);
    log_reload(settings);
    drop_unneeded();
    return true;
}

bool gs_watch_reload_look(struct gs_settings *settings, int64_t now_ns)
{
    drop_unneeded();
    if (!gs_watch_rules_file_look(&settings->file, now_ns))
        return false;
    struct gs_rules *rules = gs_watch_rules_file_take(&settings->file, settings->rules);
    bool taken = rules && put_in_force(settings, rules);
    note_refusal(settings);
    return taken;
}

void gs_watch_reload_drop(void)
{
    for (size_t i = 0; i < RETIRED_MAX; i++)
        gs_watch_settings_drop(&retired[i]);
}

void gs_watch_reload_after_fork(void)
{
    memset(retired, 0, sizeof retired);
    any_retired = false;
}
