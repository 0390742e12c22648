/* reload.h - reloads a changed rules file while the watcher runs. Context: watcher. */
#pragma once
#include "watch/settings.h"

/* Check the rules file, once a second. True: SETTINGS have the new rules now, with the old windows, holds, cooldowns,
 * history and baselines. Old rules are kept as long as an active capture uses them. Failure: logged; the old rules stay in
 * force. */
bool gs_watch_reload_look(struct gs_settings *settings, int64_t now_ns);
/* incidents.dir of the rules in force, if it has changed since the start (which has no effect before a restart); else
 * NULL. */
const char *gs_watch_reload_other_dir(const struct gs_settings *settings);
void gs_watch_reload_drop(void);       // free all old rules; no capture may be active
void gs_watch_reload_after_fork(void); // in the child: forget the parent's old rules
