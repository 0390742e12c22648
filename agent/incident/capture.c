/* capture.c - one incident, from the trigger to the folder.
 *
 *   begin   make folder ▶ incident.json (not complete) ▶ CPU samples begin ▶ maps ▶ threads ▶ heap ▶ memory account
 *     …     gs_cpu_poll, while the watch goes on
 *   end     CPU ▶ metrics, rules, maps ▶ summary ▶ incident.json ▶ publish ▶ rotate
 *
 * Evidence first: what changes fastest is taken first, and each file is safe on disk before the next begins. A part
 * that fails is said in "errors", and the incident is not complete; only the folder itself and incident.json can fail it.
 * Who: the watcher. Memory: the profiles of this incident, given back at its end. */
#include "base/clock.h"
#include "base/memory.h"
#include "box/box.h"
#include "gather/gather.h"
#include "history/history.h"
#include "incident/inside.h"
#include "profile/profile.h"
#include "rules/rules.h"
#include "store/store.h"
#include "symbol/symbol.h"
#include "sys/log.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { KINDS_MAX = 8 };

struct gs_incident {
    struct gs_store *store;
    struct gs_incident_facts facts; // its texts are kept in `texts`
    char *texts;
    struct gs_folder folder;
    struct gs_report report;
    struct gs_cpu_session *cpu;
    const struct gs_maps *maps;
    struct gs_maps *own_maps; // the same, unless they are of what is left of a process
    struct gs_gathered gathered[KINDS_MAX];
    struct gs_account account;
    struct gs_profile *growth; // made from the heap and its base
    int64_t step_ns;           // when the present step began
    size_t failures;           // gs_memory_failures then
    char exe[PATH_MAX], build_id[2 * GS_BUILD_ID_MAX + 1], path[PATH_MAX];
    struct utsname host;
};

/* ---- what is said of the capture itself ----------------------------------------------------------------------------- */

static void say(struct gs_json *list, const char *format, ...) GS_PRINTF(2, 3);

static void say(struct gs_json *list, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    gs_json_add(list, gs_json_printable(line));
}

static void failed(struct gs_incident *c, const char *what, int error)
{
    if (!error)
        return;
    say(&c->report.errors, "%s: %s", what, strerrordesc_np(-error));
    gs_log(GS_LOG_WARNING, "incident %s: %s: %s", c->folder.name, what, strerrordesc_np(-error));
}

static void begin_step(struct gs_incident *c)
{
    c->step_ns = gs_monotonic_ns();
    c->failures = gs_memory_failures();
}

/* The step that just ended was called NAME; the next begins. */
static void end_step(struct gs_incident *c, const char *name)
{
    int64_t now_ns = gs_monotonic_ns();
    if (gs_memory_failures() != c->failures) {
        say(&c->report.errors, "%s: memory ran out: names and the like may be missing", name);
        gs_log(GS_LOG_WARNING, "incident %s: %s: memory ran out", c->folder.name, name);
    }
    gs_json_add(&c->report.steps,
                json_pack("{s:s, s:f}", "name", name, "ms", (double)((now_ns - c->step_ns) / 1000) / 1000));
    begin_step(c);
}

/* Each line of NOTES on its own. */
static void take_notes(struct gs_incident *c, const struct gs_text *notes)
{
    c->report.notes.failed |= notes->failed;
    for (const char *at = notes->bytes; at && *at;) {
        size_t length = strcspn(at, "\n");
        say(&c->report.notes, "%.*s", (int)length, at);
        at += length + (at[length] == '\n');
    }
}

/* ---- the steps --------------------------------------------------------------------------------------------------------- */

static void keep_maps(struct gs_incident *c, struct gs_maps *maps)
{
    if (!maps)
        return;
    gs_maps_free(c->own_maps);
    c->maps = c->own_maps = maps;
}

/* Which program of which machine it is of. */
static void identify(struct gs_incident *c)
{
    const struct gs_remains *remains = c->facts.remains;
    char exe[32];
    if (remains) {
        snprintf(c->exe, sizeof c->exe, "%s", remains->exe);
        snprintf(c->host.nodename, sizeof c->host.nodename, "%s", remains->host);
        c->maps = remains->maps;
    } else {
        snprintf(exe, sizeof exe, "/proc/%d/exe", c->report.pid);
        ssize_t length = readlink(exe, c->exe, sizeof c->exe - 1);
        c->exe[length > 0 ? length : 0] = 0;
        uname(&c->host);
        keep_maps(c, gs_maps_read(c->facts.given ? c->report.pid : 0));
        failed(c, "the memory map", c->maps ? 0 : -errno);
    }
    if (c->maps && c->maps->main != SIZE_MAX)
        gs_build_id_hex(&c->maps->mapping[c->maps->main], c->build_id);
}

static int begin(struct gs_incident *c, struct gs_store *store)
{
    begin_step(c);
    const struct gs_incident_facts *facts = c->report.facts;
    int error = gs_folder_make(store, facts->rule, c->report.pid, facts->triggered_ns, &c->folder);
    if (error)
        return error;
    snprintf(c->path, sizeof c->path, "%s/%s", gs_store_path(store), c->folder.name);
    identify(c);
    json_t *json = gs_incident_json(&c->report, c->folder.files, false);
    error = gs_folder_put_json(&c->folder, json);
    json_decref(json);
    return error;
}

static void put_profile(struct gs_incident *c, const char *name, const struct gs_profile *profile)
{
    int fd = gs_folder_create(&c->folder, name), error = fd;
    if (fd >= 0) {
        error = gs_profile_write(profile, fd);
        if (error)
            gs_folder_discard(&c->folder, name, fd);
        else
            error = gs_folder_keep(&c->folder, name, fd);
    }
    failed(c, name, error < 0 ? error : 0);
}

static void put_text(struct gs_incident *c, const char *name, const struct gs_text *text)
{
    failed(c, name,
           text->failed ? -ENOMEM
                        : gs_folder_put(&c->folder, name, text->bytes ? text->bytes : "", text->length));
}

/* Out of the process itself, or out of what somebody has read of it. */
static int gather_kind(const struct gs_incident *c, const struct gs_kind_entry *kind,
                       const struct gs_gather *how, struct gs_gathered *out)
{
    if (c->facts.remains && kind->kind == GS_HEAP)
        return gs_gather_given_heap(how, c->facts.remains->heap, out);
    return c->facts.given ? gs_gather_given(how, c->facts.given, out) : gs_gather(kind->kind, how, out);
}

static struct gs_gather gathering(const struct gs_incident *c)
{
    const struct gs_incident_scene *scene = c->report.scene;
    return (struct gs_gather){
        .maps = c->maps,
        .baselines = scene->baselines,
        .now_ns = gs_monotonic_ns(),
        .start_ns = scene->start_ns,
        .window_ns = c->report.facts->window_ns,
        .cpu = c->cpu,
        .reason = c->report.facts->reason,
    };
}

static void gather(struct gs_incident *c, const struct gs_kind_entry *kind, struct gs_gathered *out)
{
    struct gs_gather how = gathering(c);
    int error = gather_kind(c, kind, &how, out);
    take_notes(c, &out->notes);
    failed(c, kind->name, error);
    if (error == -ENOMEM) // it was cut anywhere: nothing is made of it
        gs_gathered_fini(out);
    if (error && !out->profile)
        return;
    put_profile(c, kind->file, out->profile);
    if (out->base)
        put_profile(c, kind->base_file, out->base);
    if (kind->text_file)
        put_text(c, kind->text_file, &out->text);
}

/* The kinds that are asked for: those that take time, or those that do not. */
static void gather_all(struct gs_incident *c, bool over_time)
{
    for (size_t i = 0; c->maps && gs_kinds[i].name && i < KINDS_MAX; i++)
        if (c->report.facts->capture & gs_kinds[i].kind && (gs_kinds[i].kind == GS_CPU) == over_time) {
            gather(c, &gs_kinds[i], &c->gathered[i]);
            end_step(c, gs_kinds[i].name);
        }
}

/* By the memory map as it is now: libraries may have come since the trigger. */
static void gather_cpu(struct gs_incident *c)
{
    keep_maps(c, gs_maps_read(0));
    gather_all(c, true);
    if (c->maps)
        c->cpu = NULL; // gathered, which has closed it
}

/* Before all else is gathered, so that the profile begins with the trigger. */
static void start_cpu(struct gs_incident *c)
{
    char why[160];
    if (!(c->facts.capture & GS_CPU))
        return;
    int64_t duration_ns = c->facts.cpu_ns ? c->facts.cpu_ns : c->report.scene->rules->cpu.duration_ns;
    c->cpu = gs_cpu_open(duration_ns, why, sizeof why);
    if (c->cpu)
        return;
    say(&c->report.errors, "cpu: %s", why);
    gs_log(GS_LOG_WARNING, "incident %s: cpu: %s", c->folder.name, why);
    c->facts.capture &= ~(unsigned)GS_CPU;
}

static void put_descriptors(struct gs_incident *c)
{
    struct gs_text text = {0};
    if (!c->facts.metric || strcmp(c->facts.metric, "fds") != 0)
        return;
    gs_descriptors_write(&text);
    put_text(c, "fds.txt", &text);
    gs_text_fini(&text);
    end_step(c, "descriptors");
}

static const char *const about_resident[] = {"rss", "memory_pressure", "major_faults", NULL}; // metrics

static bool is_about(const struct gs_incident *c, const char *const *metrics)
{
    for (; c->facts.metric && *metrics; metrics++)
        if (strcmp(c->facts.metric, *metrics) == 0)
            return true;
    return false;
}

/* What the resident memory is for: where the heap was captured, or memory is what it is about. */
static void put_account(struct gs_incident *c)
{
    bool ours = !c->facts.given && !c->facts.remains;
    if (!ours || !c->maps || !(c->facts.capture & GS_HEAP || is_about(c, about_resident)))
        return;
    struct gs_gather how = gathering(c);
    struct gs_text text = {0};
    int error = gs_account_take(&how, &c->account);
    take_notes(c, &c->account.notes);
    failed(c, "memory.json", error);
    if (!error) {
        c->report.findings.account = &c->account;
        gs_account_write(&c->account, &text);
        put_text(c, "memory.json", &text);
    }
    gs_text_fini(&text);
    end_step(c, "account");
}

static void put_history(struct gs_incident *c)
{
    const struct gs_incident_scene *scene = c->report.scene;
    struct gs_text metrics = {0};
    if (!scene->history)
        return;
    const struct gs_history_about about = {.pid = c->report.pid,
                                           .limit_bytes = scene->limit_bytes,
                                           .triggered_ns = c->report.facts->triggered_ns};
    gs_history_write_json(scene->history, &about, &metrics);
    put_text(c, "metrics.json", &metrics);
    gs_text_fini(&metrics);
}

/* As they were in force; those of a process that died may be of another version than ours. */
static void put_rules(struct gs_incident *c)
{
    const struct gs_remains *remains = c->facts.remains;
    const struct gs_rules *rules = c->report.scene->rules;
    if (remains && remains->rules)
        failed(c, "rules.json",
               gs_folder_put(&c->folder, "rules.json", remains->rules, remains->rules_length));
    else if (!remains && !c->facts.given)
        failed(c, "rules.json", gs_folder_put(&c->folder, "rules.json", rules->text, rules->text_length));
}

static void put_context(struct gs_incident *c)
{
    const struct gs_incident_scene *scene = c->report.scene;
    const struct gs_remains *remains = c->facts.remains;
    put_history(c);
    put_rules(c);
    if (c->maps)
        failed(c, "maps.txt", gs_folder_put(&c->folder, "maps.txt", c->maps->text, c->maps->text_length));
    for (size_t i = 0; i < scene->unavailable_count; i++)
        say(&c->report.notes, "metric not available: %s", scene->unavailable[i]);
    for (size_t i = 0; remains && i < remains->note_count; i++)
        say(&c->report.notes, "%s", remains->note[i]);
    if (scene->rules_refused)
        say(&c->report.notes,
            "the rules file has changed and was refused, the rules of before are in force: %s",
            scene->rules_refused);
    end_step(c, "context");
}

/* What the heap gained since its base: the base itself, turned round and the heap added. The heap stays as it is. */
static struct gs_profile *growth_of(struct gs_incident *c, struct gs_gathered *heap)
{
    struct gs_profile *growth = heap->base;
    if (!growth)
        return NULL;
    heap->base = NULL; // ours from here on; it is on disk
    c->growth = growth;
    int error = gs_profile_subtract(growth, heap->profile); // what shrank is positive: so all is turned round
    failed(c, "growth", error);
    for (size_t i = 0; i < growth->sample_count; i++)
        for (unsigned v = 0; v < growth->sample_type_count; v++)
            ((int64_t *)growth->sample[i].value)[v] = -growth->sample[i].value[v];
    return error ? NULL : growth;
}

/* The one who is to blame, by what the rule is about; else by what there is. */
static void find_culprit(struct gs_incident *c)
{
    static const char *const heap[] = {"heap_in_use", "heap_alloc_rate", NULL}, *const cpu[] = {"cpu", NULL},
                             *const threads[] = {"threads", NULL};
    struct gs_findings *f = &c->report.findings;
    bool about_memory = is_about(c, about_resident) || is_about(c, heap);
    if (f->threads && c->facts.given && c->facts.given->died &&
        gs_culprit_of_thread(f->threads, c->facts.given->died, &f->culprit))
        return;
    if (f->account && is_about(c, about_resident) && gs_culprit_of_mappings(f->account, &f->culprit))
        return;
    if (f->deadlock && f->deadlock->count && !about_memory)
        gs_culprit_of_deadlock(f->threads, f->deadlock, &f->culprit);
    else if (f->cpu && (is_about(c, cpu) || !f->heap) && gs_culprit_find(f->cpu, 1, "cpu", &f->culprit))
        return;
    else if (f->threads && (is_about(c, threads) || !f->heap))
        (void)gs_culprit_find(f->threads, 0, "threads", &f->culprit);
    else if (f->heap &&
             !(f->growth && gs_culprit_find(f->growth, gs_profile_sample_type(f->growth, "inuse_space"),
                                            "growth", &f->culprit)))
        (void)gs_culprit_find(f->heap, gs_profile_sample_type(f->heap, "inuse_space"), "in_use", &f->culprit);
}

/* Memory did, while the profiles were looked through. */
static bool ran_out(const struct gs_findings *f)
{
    const struct gs_profile *profiles[] = {f->heap, f->growth, f->threads, f->cpu,
                                           f->account ? f->account->mappings : NULL};
    for (size_t i = 0; i < sizeof profiles / sizeof *profiles; i++)
        if (profiles[i] && profiles[i]->failed)
            return true;
    return false;
}

static void summarise(struct gs_incident *c)
{
    struct gs_text summary = {0};
    for (size_t i = 0; gs_kinds[i].name && i < KINDS_MAX; i++) {
        if (gs_kinds[i].kind == GS_THREADS) {
            c->report.findings.threads = c->gathered[i].profile;
            c->report.findings.deadlock = &c->gathered[i].deadlock;
        }
        if (gs_kinds[i].kind == GS_CPU)
            c->report.findings.cpu = c->gathered[i].profile;
        if (gs_kinds[i].kind == GS_THREADCREATE)
            c->report.findings.creators = c->gathered[i].profile;
        if (gs_kinds[i].kind == GS_HEAP && c->gathered[i].profile) {
            c->report.findings.heap = c->gathered[i].profile;
            c->report.findings.base_age_ns = c->gathered[i].base_age_ns;
            c->report.findings.growth = growth_of(c, &c->gathered[i]);
        }
    }
    find_culprit(c);
    if (ran_out(&c->report.findings)) {
        c->report.findings.culprit = (struct gs_culprit){0};
        failed(c, "the culprit", -ENOMEM);
    }
    gs_summary_write(&c->report, &summary);
    put_text(c, "summary.txt", &summary);
    gs_text_fini(&summary);
    end_step(c, "summary");
}

/* It is complete if nothing failed. */
static int put_report(struct gs_incident *c)
{
    bool complete = !c->report.errors.failed && json_array_size(c->report.errors.json) == 0;
    json_t *json = gs_incident_json(&c->report, c->folder.files, complete);
    int error = gs_folder_put_json(&c->folder, json);
    json_decref(json);
    return error;
}

static int finish(struct gs_incident *c)
{
    if (c->report.steps.failed || c->report.notes.failed || c->report.errors.failed)
        failed(c, "what was to be said here", -ENOMEM);
    int error = put_report(c);
    if (error == -ENOMEM) { // perhaps there is some again
        failed(c, "incident.json", error);
        error = put_report(c);
    }
    return error ? error : gs_folder_publish(&c->folder);
}

/* ---- the two halves ---------------------------------------------------------------------------------------------------- */

static void incident_free(struct gs_incident *c)
{
    gs_cpu_abandon(c->cpu);
    for (size_t i = 0; i < KINDS_MAX; i++)
        gs_gathered_fini(&c->gathered[i]);
    gs_account_fini(&c->account);
    gs_profile_free(c->growth);
    gs_maps_free(c->own_maps);
    gs_folder_close(&c->folder);
    json_decref(c->report.steps.json);
    json_decref(c->report.notes.json);
    json_decref(c->report.errors.json);
    gs_free(c->texts);
    gs_free(c);
}

/* Copy FACTS, the texts in it one behind the other. */
static bool keep_facts(struct gs_incident *c, const struct gs_incident_facts *facts)
{
    const char **text[] = {&c->facts.rule, &c->facts.why, &c->facts.metric, &c->facts.condition, &c->facts.reason};
    size_t length = 0;
    c->facts = *facts;
    for (size_t i = 0; i < sizeof text / sizeof *text; i++)
        length += *text[i] ? strlen(*text[i]) + 1 : 0;
    char *at = c->texts = gs_alloc(length + 1);
    for (size_t i = 0; at && i < sizeof text / sizeof *text; i++)
        if (*text[i]) {
            char *end = stpcpy(at, *text[i]);
            *text[i] = at;
            at = end + 1;
        }
    return at != NULL;
}

static struct gs_incident *new_incident(struct gs_store *store, const struct gs_incident_facts *facts,
                                        const struct gs_incident_scene *scene)
{
    struct gs_incident *c = gs_alloc(sizeof *c);
    if (!c)
        return NULL;
    c->store = store;
    c->folder.held.fd = -1;
    c->report = (struct gs_report){
        .facts = &c->facts,
        .scene = scene,
        .exe = c->exe,
        .build_id = c->build_id,
        .host = c->host.nodename,
        .folder = c->path,
        .pid = facts->remains ? facts->remains->pid
               : facts->given ? facts->given->pid
                              : (int)getpid(),
        .steps = gs_json_array(),
        .notes = gs_json_array(),
        .errors = gs_json_array(),
    };
    if (keep_facts(c, facts) && c->report.steps.json && c->report.notes.json && c->report.errors.json)
        return c;
    incident_free(c);
    return NULL;
}

int gs_incident_begin(struct gs_store *store, const struct gs_incident_facts *facts,
                      const struct gs_incident_scene *scene, struct gs_incident **out)
{
    struct gs_incident *c = new_incident(store, facts, scene);
    int error = c ? begin(c, store) : -ENOMEM;
    *out = error ? NULL : c;
    if (error) {
        if (c)
            incident_free(c);
        return error;
    }
    start_cpu(c);
    gather_all(c, false);
    put_descriptors(c);
    put_account(c);
    return 0;
}

bool gs_incident_is_ready(const struct gs_incident *c, int64_t now_ns)
{
    return !c->cpu || gs_cpu_is_over(c->cpu, now_ns);
}

int gs_incident_end(struct gs_incident *c, char path[PATH_MAX])
{
    if (!gs_incident_is_ready(c, gs_monotonic_ns()))
        say(&c->report.notes, "CPU: ended early: the watch was stopped, or too many captures were under way");
    if (c->cpu)
        gather_cpu(c);
    put_context(c);
    summarise(c);
    int error = finish(c);
    snprintf(path, PATH_MAX, "%s", c->path);
    gs_folder_path(&c->folder, path); // which may have moved
    struct gs_store *store = c->store;
    incident_free(c);
    if (!error)
        gs_store_sweep(store);
    gs_store_rotate(store);
    return error;
}
