/* serve_metrics.c - /metrics: what all agents say, as OpenMetrics or as Prometheus text, whichever the client accepts.
 *
 *   status of an agent ──▶ a line in the text of each family ──▶ the snapshot, kept for KEEP_NS ──▶ families, one after another
 *
 * One request at a time looks at the agents; the others wait and get the same snapshot, so that a crowd of clients costs the
 * agents one status a second. */
#include "base/clock.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/serve.h"
#include "cli/serve_families.h"
#include "sys/file.h"
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEEP_NS GS_NS_PER_S

static struct {
    pthread_mutex_t lock;
    int64_t taken_ns; // CLOCK_MONOTONIC; 0: never
    struct gs_families families;
    struct gs_process_row *row, *before; // before: of the last snapshot, while a new one is taken
    size_t count, before_count;
} snapshot = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- one agent ------------------------------------------------------------------------------------------------------- */

static double number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static void fill_row(struct gs_process_row *row, const json_t *status)
{
    const json_t *process = json_object_get(status, "process"), *rules = json_object_get(status, "rules"),
                 *rule;
    size_t i;
    snprintf(row->program, sizeof row->program, "%s", gs_cli_json_text(status, "program", "?"));
    snprintf(row->started, sizeof row->started, "%.40s", gs_cli_json_text(status, "started", ""));
    row->rss = number(process, "rss");
    row->threads = number(process, "threads");
    row->heap_in_use = number(status, "heap_in_use");
    row->fired = 0;
    json_array_foreach(rules, i, rule) row->fired +=
        (double)json_integer_value(json_object_get(rule, "fired"));
}

static void add_rules(struct gs_families *families, const char *labels, const json_t *status)
{
    size_t i;
    const json_t *rule;
    json_array_foreach(json_object_get(status, "rules"), i, rule)
    {
        const char *name = gs_cli_json_text(rule, "rule", "");
        gs_cli_family_add(families, GS_FAMILY_RULE_VALUE, labels, "rule", name, number(rule, "value"));
        gs_cli_family_add(families, GS_FAMILY_RULE_LINE, labels, "rule", name, number(rule, "line"));
        gs_cli_family_add(families, GS_FAMILY_RULE_ARMED, labels, "rule", name,
                          json_is_true(json_object_get(rule, "armed")));
        gs_cli_family_add(families, GS_FAMILY_INCIDENTS, labels, "rule", name, number(rule, "fired"));
    }
}

static void add_objects(struct gs_families *families, const char *labels, const json_t *status)
{
    const char *name;
    json_t *value, *gauges = json_object_get(status, "gauges"),
                   *parts = json_object_get(json_object_get(status, "memory"), "parts");
    json_object_foreach(parts, name, value)
        gs_cli_family_add(families, GS_FAMILY_MEMORY, labels, "part", name, json_number_value(value));
    json_object_foreach(gauges, name, value)
        gs_cli_family_add(families, GS_FAMILY_GAUGE, labels, "name", name,
                          json_is_number(value) ? json_number_value(value) : NAN);
}

/* process_open_fds: counted here, not in the process; or the value of its rules' metric, where its /proc is not ours to read. */
static double open_descriptors(const struct gs_agent *agent, const json_t *status)
{
    size_t i;
    const json_t *metric;
    double count = gs_store_live_is_running(&agent->id) ? gs_cli_count_descriptors(agent->id.pid) : NAN;
    json_array_foreach(json_object_get(status, "metrics"), i,
                       metric) if (isnan(count) && strcmp(gs_cli_json_text(metric, "metric", ""), "fds") == 0)
        count = number(metric, "value");
    return count;
}

static void add_process(struct gs_families *families, const char *labels, const json_t *status)
{
    const json_t *process = json_object_get(status, "process"), *agent = json_object_get(status, "agent");
    int64_t started_ns = 0;
    const struct {
        enum gs_family family;
        double value;
    } figures[] = {
        {GS_FAMILY_PROCESS_CPU, number(process, "cpu_seconds")},
        {GS_FAMILY_PROCESS_RSS, number(process, "rss")},
        {GS_FAMILY_PROCESS_VIRTUAL, number(process, "virtual")},
        {GS_FAMILY_PROCESS_THREADS, number(process, "threads")},
        {GS_FAMILY_PROCESS_MAX_FDS, number(process, "max_fds")},
        {GS_FAMILY_HEAP_IN_USE, number(status, "heap_in_use")},
        {GS_FAMILY_DROPPED, number(agent, "samples_dropped")},
        {GS_FAMILY_AGENT_CPU, number(agent, "cpu_seconds")},
    };
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        gs_cli_family_add(families, figures[i].family, labels, NULL, NULL, figures[i].value);
    if (gs_store_time_read(gs_cli_json_text(status, "started", ""), &started_ns))
        gs_cli_family_add(families, GS_FAMILY_PROCESS_START, labels, NULL, NULL, (double)started_ns / 1e9);
    gs_cli_family_add(families, GS_FAMILY_BUILD_INFO, labels, "version",
                      gs_cli_json_text(agent, "version", "?"), 1);
}

static void add_samples(const struct gs_agent *agent, const char *labels, const json_t *status)
{
    gs_cli_family_add(&snapshot.families, GS_FAMILY_UP, labels, NULL, NULL, status != NULL);
    if (!status)
        return;
    add_process(&snapshot.families, labels, status);
    gs_cli_family_add(&snapshot.families, GS_FAMILY_PROCESS_FDS, labels, NULL, NULL,
                      open_descriptors(agent, status));
    add_objects(&snapshot.families, labels, status);
    add_rules(&snapshot.families, labels, status);
}

/* The row of the same process in the snapshot before; NULL: it was not there. */
static const struct gs_process_row *find_before(const char *socket)
{
    for (size_t i = 0; i < snapshot.before_count; i++)
        if (strcmp(snapshot.before[i].agent.socket, socket) == 0)
            return &snapshot.before[i];
    return NULL;
}

/* The name of a process whose agent has never answered us, if we see it run; else it stays "". Not from its command line: to
 * read that may wait for the process. */
static void find_program(struct gs_process_row *row)
{
    char path[32], *comm = NULL;
    size_t length;
    snprintf(path, sizeof path, "/proc/%d/comm", row->agent.id.pid);
    if (!gs_store_live_is_running(&row->agent.id) || gs_file_read(AT_FDCWD, path, 4096, &comm, &length))
        return;
    snprintf(row->program, sizeof row->program, "%.*s", (int)strcspn(comm, "\n"), comm);
    gs_free(comm);
}

/* An agent that does not answer keeps the name and the labels that it had. */
static void take_answer(void *unused, size_t index, const json_t *status, const char *why)
{
    struct gs_process_row *row = &snapshot.row[index];
    const struct gs_process_row *before = status ? NULL : find_before(row->agent.socket);
    struct gs_text labels = {0};
    (void)unused;
    if (status)
        fill_row(row, status);
    else {
        snprintf(row->why, sizeof row->why, "%s", why);
        find_program(row);
    }
    if (before && before->labels) {
        memcpy(row->program, before->program, sizeof row->program);
        gs_text_add(&labels, "%s", before->labels);
    } else
        gs_cli_family_labels(row->agent.key, row->program, json_object_get(status, "labels"), &labels);
    if (labels.failed)
        return;
    add_samples(&row->agent, labels.bytes, status);
    row->labels = labels.bytes; // freed with the row
}

/* ---- the snapshot ----------------------------------------------------------------------------------------------------- */

static void count_incidents(void *served, size_t dir, const char *rule, size_t count, int64_t newest_ns)
{
    struct gs_text labels = {0};
    gs_cli_family_dir_label(((const struct gs_served *)served)->dir[dir], &labels);
    if (!labels.failed) {
        gs_cli_family_add(&snapshot.families, GS_FAMILY_STORED, labels.bytes, "rule", rule, (double)count);
        gs_cli_family_add(&snapshot.families, GS_FAMILY_NEWEST, labels.bytes, "rule", rule,
                          (double)newest_ns / 1e9);
    }
    gs_text_fini(&labels);
}

static void free_rows(struct gs_process_row *row, size_t count)
{
    for (size_t i = 0; i < count; i++)
        gs_free(row[i].labels);
    gs_free(row);
}

/* Context: the lock is held. */
static void take_snapshot(const struct gs_served *served)
{
    struct gs_agent *agent;
    size_t count = gs_cli_agents_find(served, &agent);
    snapshot.before = snapshot.row;
    snapshot.before_count = snapshot.count;
    gs_cli_families_fini(&snapshot.families);
    snapshot.row = gs_alloc((count + 1) * sizeof *snapshot.row);
    snapshot.count = snapshot.row ? count : 0;
    for (size_t i = 0; i < snapshot.count; i++)
        snapshot.row[i] = (struct gs_process_row){
            .agent = agent[i], .rss = NAN, .heap_in_use = NAN, .threads = NAN, .fired = NAN};
    gs_cli_agents_ask(served, agent, snapshot.count, take_answer, NULL);
    gs_cli_incidents_count(served, count_incidents, (void *)served);
    gs_free(agent);
    free_rows(snapshot.before, snapshot.before_count);
    snapshot.before = NULL;
    snapshot.before_count = 0;
    snapshot.taken_ns = gs_clock_monotonic_ns();
}

static void lock_snapshot(const struct gs_served *served)
{
    pthread_mutex_lock(&snapshot.lock);
    if (!snapshot.taken_ns || gs_clock_monotonic_ns() - snapshot.taken_ns > KEEP_NS)
        take_snapshot(served);
}

void gs_cli_processes_use(const struct gs_served *served,
                          void (*use)(void *argument, const struct gs_process_row *row, size_t count),
                          void *argument)
{
    lock_snapshot(served);
    use(argument, snapshot.row, snapshot.count);
    pthread_mutex_unlock(&snapshot.lock);
}

/* ---- the page ----------------------------------------------------------------------------------------------------------- */

/* The weight ("q") that ACCEPT gives to TYPE; -1: it does not name it. */
static double weight_of(const char *accept, const char *type)
{
    const char *at = accept ? strstr(accept, type) : NULL;
    if (!at)
        return -1;
    char range[200];
    snprintf(range, sizeof range, "%.*s", (int)strcspn(at, ","), at);
    const char *q = strstr(range, "q=");
    return q ? atof(q + 2) : 1;
}

void gs_cli_serve_metrics(const struct gs_web_request *request, struct gs_web_answer *answer)
{
    const char *accept = gs_cli_web_header(request, "Accept");
    double open = weight_of(accept, "application/openmetrics-text");
    bool is_open = open > 0 && open >= weight_of(accept, "text/plain");
    answer->type = is_open ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                           : "text/plain; version=0.0.4; charset=utf-8";
    lock_snapshot(request->served);
    gs_cli_families_print(&snapshot.families, is_open, &answer->body);
    pthread_mutex_unlock(&snapshot.lock);
}
