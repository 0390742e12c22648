/* limit.c - the memory limit and the control groups of the process may change while it runs: a container is resized, systemd
 * moves a service.
 *
 *   figure of /proc/self/cgroup and all limits on the way up ──differs──▶ limit ─▶ judge, incidents, box
 *                                                                      └▶ readers of the new group's files
 * Who: the watcher, every few seconds. */
#include "watch/limit.h"
#include "base/units.h"
#include "sys/log.h"
#include "watch/inside.h"
#include <stdio.h>
#include <string.h>

static struct gs_limit_files *files;
static uint64_t seen; // the figure that the settings are of; 0: not known

static void take_limit(struct gs_settings *settings, uint64_t limit, const char *from)
{
    char now[GS_UNIT_TEXT], before[GS_UNIT_TEXT];
    gs_log(GS_LOG_INFO, "the memory limit is %s now (%s); it was %s", gs_units_print_size((double)limit, now),
           from, gs_units_print_size((double)settings->context->limit_bytes, before));
    snprintf(settings->limit_from, sizeof settings->limit_from, "%s", from);
    settings->context->limit_bytes = limit;
    gs_rules_judge_set_limit(settings->judge, GS_OF_MEMORY_LIMIT, limit);
    gs_box_request_rewrite(gs_watcher.box);
}

bool gs_watch_limit_follow(struct gs_settings *settings)
{
    char from[sizeof settings->limit_from];
    uint64_t now = gs_metrics_limit_fingerprint(&files, "");
    if (!now || now == seen)
        return false;
    bool first = !seen;
    seen = now;
    uint64_t limit = gs_metrics_memory_limit("", from, sizeof from);
    bool differs = limit && limit != settings->context->limit_bytes;
    if (differs)
        take_limit(settings, limit, from);
    if (!first && gs_watch_record_renew(settings))
        gs_box_request_rewrite(gs_watcher.box);
    return differs || !first;
}

void gs_watch_limit_after_fork(void)
{
    files = NULL; // leaked: the parent's watcher may have been changing them during the fork
    seen = 0;
}
