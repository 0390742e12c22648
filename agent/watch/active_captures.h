/* active_captures.h - the incidents that are being captured, from the verdict to the folder.
 * An incident that samples CPU time stays under way for seconds: the watch goes on meanwhile, and others may begin.
 * Context: watcher, but for the lock. */
#pragma once
#include "incident/incident.h"
#include "watch/requests.h"
#include "watch/settings.h"

enum { GS_ACTIVE_CAPTURES_MAX = 4 };

/* Begin the incident of rule number RULE, or (SIZE_MAX) the one that CALL asks for; one that is ready at once is ended at once.
 * */
void gs_watch_captures_begin(struct gs_settings *settings, const struct gs_incident_trigger *trigger, size_t rule,
                        struct gs_request *call);
/* See to those under way; ALL: end them all, ready or not. */
void gs_watch_captures_continue(struct gs_settings *settings, bool all);
unsigned gs_watch_captures_count(void);
/* The incident of one process that died in the store and has left its black box. */
enum gs_recovered {
    GS_RECOVERED_ALL, // there is none
    GS_RECOVERED_ONE, // there may be another
    GS_RECOVERED_BUSY // another process is at it
};
enum gs_recovered gs_watch_captures_recover(struct gs_settings *settings);
/* One of them still reads CONTEXT, and the rules and the history in it. */
bool gs_watch_captures_needs(const struct gs_incident_context *context);
/* NEW rules are in force instead of OLD: verdicts on those under way go to the rules of the same names. */
void gs_watch_captures_renumber(const struct gs_rules *old, const struct gs_rules *new);
uint64_t gs_watch_captures_cpu_ns(void); // CPU time of this thread that captures have taken so far
void gs_watch_captures_after_fork(void);     // in a forked child: they are the parent's

/* One gatherer at a time: threads are asked through shared slots. Context: threads of ours. */
void gs_watch_gathering_lock(void);
void gs_watch_gathering_unlock(void);
