/* collect_boxes.c - makes incidents of the black boxes that dead processes left in a directory, from outside.
 *
 *   DIR/.live/….box ──▶ gs_incident_recover_quiet: one incident, one lock ──▶ DIR/<incident> ──▶ rotation, by its own rules
 *
 * Other collectors, `gumshoe run` and agents that start do the same: one of them makes the incident. */
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/collect.h"
#include "incident/incident.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Print "DIR: WHY", unless the collector has complained already. */
static void complain(struct gs_collector *collector, const char *why)
{
    if (!collector->complained)
        gs_cli_complain(GS_EXIT_IO, "%s: %s", collector->dir, why);
    collector->complained = collector->failed = true;
}

void gs_cli_collect_in(struct gs_collector *collector, struct gs_store *store)
{
    int status;
    struct gs_rules *rules = gs_cli_load_rules(NULL, &status); // until an incident says what its rules are
    collector->store = store;
    collector->max_per_hour = rules ? rules->incidents.max_per_hour : 0;
    gs_rules_free(rules);
    gs_store_sweep(store);
}

/* Open the store, if an agent has used the directory: else it is the agent's to make, with its own user and mode. */
static bool open_store(struct gs_collector *collector)
{
    char live[PATH_MAX], why[256];
    if (collector->store)
        return true;
    if (snprintf(live, sizeof live, "%s/.live", collector->dir) >= (int)sizeof live ||
        access(live, F_OK) != 0)
        return false;
    struct gs_store *store = gs_store_open(collector->dir, &(struct gs_store_limits){0}, why, sizeof why);
    if (!store) {
        complain(collector, why);
        return false;
    }
    gs_cli_collect_in(collector, store);
    return true;
}

/* Apply the limits of the rules that the process of incident PATH was watched by. */
static void apply_limits(struct gs_collector *collector, const char *path)
{
    char *text = NULL;
    size_t length = 0;
    struct gs_errors errors = {0};
    if (gs_store_read_incident_file(path, "rules.json", GS_RULES_TEXT_MAX, &text, &length))
        return;
    struct gs_rules *rules = gs_rules_read(text, length, "rules.json", &errors);
    if (rules) {
        struct gs_store_limits limits = gs_store_limits_of(rules);
        gs_store_limit(collector->store, &limits);
        collector->max_per_hour = rules->incidents.max_per_hour;
        gs_store_rotate(collector->store);
    }
    gs_rules_free(rules);
    gs_errors_fini(&errors);
    gs_free(text);
}

static void report(struct gs_collector *collector, const char *path)
{
    apply_limits(collector, path);
    collector->complained = false;
    puts(path);
    fflush(stdout);
}

unsigned gs_cli_collect(struct gs_collector *collector, int64_t quiet_ns, bool wait, char path[PATH_MAX])
{
    unsigned count = 0;
    if (!open_store(collector))
        return 0;
    struct gs_cli_recover_wait waiting = {.store = collector->store, .dir = collector->dir};
    for (;;) {
        int made = gs_incident_recover_quiet(collector->store, quiet_ns, collector->max_per_hour, path);
        if (made == 1) {
            report(collector, path);
            count++;
        } else if (made == -EWOULDBLOCK) {
            if (!wait)
                return count; // later
            if (gs_cli_recover_wait(&waiting))
                continue;
            collector->failed = true;
            return count;
        } else {
            if (made < 0)
                complain(collector, strerrordesc_np(-made));
            return count;
        }
    }
}

void gs_cli_collect_close(struct gs_collector *collector)
{
    if (collector->store)
        gs_store_close(collector->store);
    collector->store = NULL;
}
