/* reload.h - a changed rules file is taken while the watch goes on. Context: watcher. */
#pragma once
#include "watch/settings.h"

/* Look whether the rules file has changed, when it is time to. True: SETTINGS go by new rules now. What they remember is kept:
 * windows, holds, cooldowns, history, baselines; and so are old rules, as long as an incident under way began with them. */
bool gs_watch_reload_look(struct gs_settings *settings, int64_t now_ns);
/* incidents.dir of the rules in force where that is not where incidents go, because it has changed since the start; else NULL. */
const char *gs_watch_reload_other_dir(const struct gs_settings *settings);
void gs_watch_reload_drop(void);       // old rules, after the last incident
void gs_watch_reload_after_fork(void); // in the child: they are the parent's
