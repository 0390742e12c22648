/* on_incident.h - "on_incident": the program that is run after each incident. One at a time, in the order of the incidents,
 * on a thread of its own; what comes of it is written into incident.json. Context: watcher, where nothing else is said. */
#pragma once
#include "rules/rules.h"

/* RULES are in force: if they name a program, create the thread for it now, while threads can be had. */
void gs_on_incident_expect(const struct gs_rules *rules);
/* The incident in folder PATH is complete: let RULES' program run. */
void gs_on_incident_run(const struct gs_rules *rules, const char *path);
/* Write down what came of those that have ended. */
void gs_on_incident_continue(void);
/* Credentials have changed: have the thread take them over. */
void gs_on_incident_wake(void);
/* The watch ends: wait a moment for what runs. What waits is not run, and incident.json says so; what still runs goes on by
 * itself. */
void gs_on_incident_stop(void);
/* In the child of a fork: the jobs are the parent's, and the thread is not here. Context: as gs_watch_after_fork. */
void gs_on_incident_after_fork(void);
