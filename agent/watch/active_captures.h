/* active_captures.h - the incidents that are being captured, from the verdict to the folder.
 * An incident that samples CPU time stays under way for seconds: the watch goes on meanwhile, and others may begin.
 * Context: watcher, but for the lock. */
#pragma once
#include "incident/incident.h"
#include "watch/requests.h"
#include "watch/settings.h"

enum { GS_UNDER_WAY_MAX = 4 };

/* Begin the incident of rule number RULE, or (SIZE_MAX) the one that CALL asks for; one that is ready at once is ended at once. */
void gs_under_way_begin(struct gs_parts *parts, const struct gs_incident_facts *facts, size_t rule,
                        struct gs_call *call);
/* See to those under way; ALL: end them all, ready or not. */
void gs_under_way_go_on(struct gs_parts *parts, bool all);
unsigned gs_under_way_count(void);
/* The incident of one process that died in the store and has left its black box. */
enum gs_recovered {
    GS_RECOVERED_ALL, // there is none
    GS_RECOVERED_ONE, // there may be another
    GS_RECOVERED_BUSY // another process is at it
};
enum gs_recovered gs_under_way_recover(struct gs_parts *parts);
/* One of them still reads SCENE, and the rules and the history in it. */
bool gs_under_way_needs(const struct gs_incident_scene *scene);
/* NEW rules are in force instead of OLD: verdicts on those under way go to the rules of the same names. */
void gs_under_way_renumber(const struct gs_rules *old, const struct gs_rules *new);
uint64_t gs_under_way_cpu_ns(void); // CPU time of this thread that captures have taken so far
void gs_under_way_after_fork(void);     // in a forked child: they are the parent's

/* One gatherer at a time: threads are asked through shared slots. Context: threads of ours. */
void gs_gathering_lock(void);
void gs_gathering_unlock(void);
