/* active_captures.h - the incidents that are being captured, from the verdict to the complete folder.
 * An incident that samples CPU time takes seconds. Meanwhile the loop runs on, and other incidents may begin.
 * Context: watcher, except the lock. */
#pragma once
#include "incident/incident.h"
#include "watch/requests.h"
#include "watch/settings.h"

enum { GS_ACTIVE_CAPTURES_MAX = 4 };

/* Begin the incident of rule number RULE, or, if RULE is SIZE_MAX, the one that REQUEST asks for. If it needs no CPU
 * samples, also end it. Failure: logged, and reported to the judge or to REQUEST. */
void gs_watch_captures_begin(struct gs_settings *settings, const struct gs_incident_trigger *trigger, size_t rule,
                             struct gs_request *request);
/* Read the CPU samples and end the captures that are ready. ALL: end all captures, ready or not. */
void gs_watch_captures_continue(struct gs_settings *settings, bool all);
unsigned gs_watch_captures_count(void);
/* Make the incident of one dead process whose black box lies in the store. */
enum gs_recovered {
    GS_RECOVERED_ALL, // no box of a dead process is left
    GS_RECOVERED_ONE, // one incident was made; there may be more
    GS_RECOVERED_BUSY // another process is making incidents of dead processes
};
enum gs_recovered gs_watch_captures_recover(struct gs_settings *settings);
/* True: an active capture still reads CONTEXT, with its rules and its history. */
bool gs_watch_captures_needs(const struct gs_incident_context *context);
/* NEW rules replace OLD: active captures report to the rules with the same names. */
void gs_watch_captures_renumber(const struct gs_rules *old, const struct gs_rules *new);
uint64_t gs_watch_captures_cpu_ns(void); // CPU time of the watcher's thread in captures so far
void gs_watch_captures_after_fork(void);     // in a forked child: drop all slots; the captures are the parent's

/* Only one thread gathers at a time, because host threads are asked through shared slots. Context: the agent's threads. */
void gs_watch_gathering_lock(void);
void gs_watch_gathering_unlock(void);
