/* limit.h - follows the memory limit and the control groups of the process. */
#pragma once
#include "watch/settings.h"
#include <stdbool.h>

/* Read the memory limit again if the process was moved to other groups, or if a group's limit has changed; have the judge,
 * incidents and metrics use it. True: something has changed. Context: watcher, while no capture is active. */
bool gs_watch_limit_follow(struct gs_settings *settings);
void gs_watch_limit_after_fork(void);
