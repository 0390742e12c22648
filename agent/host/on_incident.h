/* on_incident.h - "on_incident": the program that is run after each incident. One at a time, in the order of the incidents,
 * on a thread of its own; what comes of it is written into incident.json. Context: watcher, where nothing else is said. */
#pragma once
#include "rules/rules.h"

/* Keep the environment that programs will get: the host's as it is now, without LD_PRELOAD and GUMSHOE_*.
 * Context: host thread, in gumshoe_start. */
void gs_after_incident_prepare(void);
/* Be ready for what RULES ask: the thread is made before it is needed, for then there may be none to be had. */
void gs_after_incident_expect(const struct gs_rules *rules);
/* The incident in folder PATH is complete: let RULES' program run. */
void gs_after_incident_begin(const struct gs_rules *rules, const char *path);
/* Write down what came of those that have ended. */
void gs_after_incident_go_on(void);
/* Have its thread look at the credentials. */
void gs_after_incident_wake(void);
/* The watch ends: what waits is not run; what runs goes on by itself. */
void gs_after_incident_stop(void);
void gs_after_incident_after_fork(void);
