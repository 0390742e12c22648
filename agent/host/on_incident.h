/* on_incident.h - runs programs after each incident: first `gumshoe symbolize` ("symbolize"), then the program of
 * "on_incident". One at a time, in the order of the incidents, started by a thread of their own. The result is written to
 * incident.json. Context: watcher, unless noted. */
#pragma once
#include "rules/rules.h"

/* RULES are in force: if they name a program, create the thread now, because later it may fail. Failure: logged. To
 * symbolize, it is created at the first incident. */
void gs_on_incident_expect(const struct gs_rules *rules);
/* Queue what RULES want for the complete incident in folder PATH. Failure: in the log and in incident.json. */
void gs_on_incident_run(const struct gs_rules *rules, const char *path);
/* Record the results of programs that have ended, in the log and in incident.json. */
void gs_on_incident_continue(void);
/* Wake the thread, so that it takes over changed credentials. */
void gs_on_incident_wake(void);
/* The watcher ends: stop symbolizing, and wait up to 300 ms for programs to end. Queued programs are not run, and incident.json says so. A program
 * that still runs is left running. */
void gs_on_incident_stop(void);
/* In the child of a fork: forget the parent's jobs and its thread. Context: as gs_watch_after_fork. */
void gs_on_incident_after_fork(void);
