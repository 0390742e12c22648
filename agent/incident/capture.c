/* capture.c - one incident, from the trigger to the folder.
 *
 *   begin   choose the source ▶ make folder ▶ maps ▶ incident.json (not complete) ▶ CPU samples begin
 *           ▶ threads ▶ heap ▶ descriptors ▶ memory account
 *     …     gs_gather_cpu_poll, while the watch goes on
 *   end     CPU ▶ metrics, rules, maps ▶ findings ▶ summary ▶ incident.json ▶ publish ▶ rotate
 *
 * The evidence is that of this process, of another one, or of one that died: the source knows which (source.h), and nothing here
 * asks. Evidence first: what changes fastest is taken first, and each file is safe on disk before the next begins. A part
 * that fails is said in "errors", and the incident is not complete; only the folder itself and incident.json can fail it.
 * Who: the watcher, the command. Memory: the profiles of this incident, given back at its end. */
#include "base/clock.h"
#include "base/memory.h"
#include "gather/gather.h"
#include "history/history.h"
#include "incident/source.h"
#include "profile/profile.h"
#include "rules/rules.h"
#include "store/store.h"
#include "symbol/symbol.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct gs_incident {
    struct gs_store *store;
    struct gs_incident_trigger trigger; // its texts are kept in `texts`
    char *texts;
    const struct gs_incident_source *source;
    struct gs_incident_process process; // as the source describes it
    struct gs_folder folder;
    struct gs_report report;
    struct gs_cpu_session *cpu;
    const struct gs_maps *maps; // NULL: they could not be read
    struct gs_maps *owned_maps; // the same if we free them; NULL if they are the source's
    struct gs_gathered gathered[GS_INCIDENT_KINDS_MAX]; // in the order of gs_kinds
    struct gs_account account;
    char build_id[2 * GS_BUILD_ID_MAX + 1], path[PATH_MAX];
};

/* ---- the steps --------------------------------------------------------------------------------------------------------- */

/* The memory map as it is now; that of before goes. On failure, which errno tells, that of before stays. */
static void read_maps(struct gs_incident *c)
{
    struct gs_maps *owned = NULL;
    const struct gs_maps *maps = c->source->read_maps(&c->trigger, &owned);
    if (!maps)
        return;
    gs_symbol_maps_free(c->owned_maps);
    c->owned_maps = owned;
    c->maps = maps;
}

static void identify(struct gs_incident *c)
{
    read_maps(c);
    gs_incident_add_error(&c->report, "the memory map", c->maps ? 0 : -errno);
    if (c->maps && c->maps->main != SIZE_MAX)
        gs_symbol_build_id_hex(&c->maps->mapping[c->maps->main], c->build_id);
}

static int begin(struct gs_incident *c, struct gs_store *store)
{
    gs_incident_begin_step(&c->report);
    int error =
        gs_store_folder_make(store, c->trigger.rule, c->process.pid, c->trigger.triggered_ns, &c->folder);
    if (error)
        return error;
    snprintf(c->path, sizeof c->path, "%s/%s", gs_store_path(store), c->folder.name);
    identify(c);
    json_t *json = gs_incident_json(&c->report, c->folder.files, false);
    error = gs_store_folder_write_json(&c->folder, json);
    json_decref(json);
    return error;
}

static void put_profile(struct gs_incident *c, const char *name, const struct gs_profile *profile)
{
    int fd = gs_store_folder_create(&c->folder, name), error = fd;
    if (fd >= 0) {
        error = gs_profile_write(profile, fd);
        if (error)
            gs_store_folder_discard(&c->folder, name, fd);
        else
            error = gs_store_folder_record(&c->folder, name, fd);
    }
    gs_incident_add_error(&c->report, name, error < 0 ? error : 0);
}

static void put_text(struct gs_incident *c, const char *name, const struct gs_text *text)
{
    gs_incident_add_error(
        &c->report, name,
        text->failed ? -ENOMEM
                     : gs_store_folder_write(&c->folder, name, text->bytes ? text->bytes : "", text->length));
}

static struct gs_gather gathering(const struct gs_incident *c)
{
    const struct gs_incident_context *context = c->report.context;
    return (struct gs_gather){
        .maps = c->maps,
        .baselines = context->baselines,
        .now_ns = gs_clock_monotonic_ns(),
        .start_ns = context->start_ns,
        .window_ns = c->report.trigger->window_ns,
        .cpu = c->cpu,
        .reason = c->report.trigger->reason,
    };
}

static void gather(struct gs_incident *c, const struct gs_kind_entry *kind, struct gs_gathered *out)
{
    struct gs_gather how = gathering(c);
    int error = c->source->gather(&c->trigger, kind->kind, &how, out);
    gs_incident_add_notes(&c->report, &out->notes);
    gs_incident_add_error(&c->report, kind->name, error);
    if (error == -ENOMEM) // it was cut anywhere: nothing is made of it
        gs_gather_fini(out);
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
    for (size_t i = 0; c->maps && gs_kinds[i].name && i < GS_INCIDENT_KINDS_MAX; i++)
        if (c->report.trigger->capture & gs_kinds[i].kind && (gs_kinds[i].kind == GS_CPU) == over_time) {
            gather(c, &gs_kinds[i], &c->gathered[i]);
            gs_incident_end_step(&c->report, gs_kinds[i].name);
        }
}

/* By the memory map as it is now: libraries may have come since the trigger. */
static void gather_cpu(struct gs_incident *c)
{
    read_maps(c);
    gather_all(c, true);
    if (c->maps)
        c->cpu = NULL; // gathered, which has closed it
}

/* Before all else is gathered, so that the profile begins with the trigger. Only this process has CPU time to sample: other
 * sources do not name it among their kinds. */
static void start_cpu(struct gs_incident *c)
{
    char why[160];
    if (!(c->trigger.capture & GS_CPU))
        return;
    int64_t duration_ns = c->trigger.cpu_ns ? c->trigger.cpu_ns : c->report.context->rules->cpu.duration_ns;
    c->cpu = gs_gather_cpu_open(duration_ns, why, sizeof why);
    if (c->cpu)
        return;
    gs_incident_add_failure(&c->report, "cpu", why);
    c->trigger.capture &= ~(unsigned)GS_CPU;
}

static void put_descriptors(struct gs_incident *c)
{
    struct gs_text text = {0};
    if (!c->source->write_descriptors || !c->trigger.metric || strcmp(c->trigger.metric, "fds") != 0)
        return;
    c->source->write_descriptors(&text);
    put_text(c, "fds.txt", &text);
    gs_text_fini(&text);
    gs_incident_end_step(&c->report, "descriptors");
}

/* What the resident memory is for: where the heap was captured, or memory is what it is about. */
static void put_account(struct gs_incident *c)
{
    bool wanted = c->trigger.capture & GS_HEAP || gs_incident_is_about_resident(&c->trigger);
    if (!c->source->take_account || !c->maps || !wanted)
        return;
    struct gs_gather how = gathering(c);
    struct gs_text text = {0};
    int error = c->source->take_account(&how, &c->account);
    gs_incident_add_notes(&c->report, &c->account.notes);
    gs_incident_add_error(&c->report, "memory.json", error);
    if (!error) {
        c->report.findings.account = &c->account;
        gs_incident_write_memory(&c->account, &text);
        put_text(c, "memory.json", &text);
    }
    gs_text_fini(&text);
    gs_incident_end_step(&c->report, "account");
}

static void put_history(struct gs_incident *c)
{
    const struct gs_incident_context *context = c->report.context;
    struct gs_text metrics = {0};
    if (!context->history)
        return;
    const struct gs_history_about about = {.pid = c->process.pid,
                                           .limit_bytes = context->limit_bytes,
                                           .triggered_ns = c->report.trigger->triggered_ns};
    gs_history_write_json(context->history, &about, &metrics);
    put_text(c, "metrics.json", &metrics);
    gs_text_fini(&metrics);
}

static void put_rules(struct gs_incident *c)
{
    if (c->process.rules)
        gs_incident_add_error(
            &c->report, "rules.json",
            gs_store_folder_write(&c->folder, "rules.json", c->process.rules, c->process.rules_length));
}

static void put_context(struct gs_incident *c)
{
    const struct gs_incident_context *context = c->report.context;
    put_history(c);
    put_rules(c);
    if (c->maps)
        gs_incident_add_error(
            &c->report, "maps.txt",
            gs_store_folder_write(&c->folder, "maps.txt", c->maps->text, c->maps->text_length));
    for (size_t i = 0; i < context->unavailable_count; i++)
        gs_incident_add_note(&c->report, "metric not available: %s", context->unavailable[i]);
    for (size_t i = 0; i < c->process.note_count; i++)
        gs_incident_add_note(&c->report, "%s", c->process.note[i]);
    if (context->rules_refused)
        gs_incident_add_note(
            &c->report, "the rules file has changed and was refused, the rules of before are in force: %s",
            context->rules_refused);
    gs_incident_end_step(&c->report, "context");
}

static void summarise(struct gs_incident *c)
{
    struct gs_text summary = {0};
    gs_incident_find(&c->report, c->gathered);
    gs_incident_write_summary(&c->report, &summary);
    put_text(c, "summary.txt", &summary);
    gs_text_fini(&summary);
    gs_incident_end_step(&c->report, "summary");
}

/* It is complete if nothing failed. */
static int put_report(struct gs_incident *c)
{
    bool complete = !c->report.errors.failed && json_array_size(c->report.errors.json) == 0;
    json_t *json = gs_incident_json(&c->report, c->folder.files, complete);
    int error = gs_store_folder_write_json(&c->folder, json);
    json_decref(json);
    return error;
}

static int finish(struct gs_incident *c)
{
    if (c->report.steps.failed || c->report.notes.failed || c->report.errors.failed)
        gs_incident_add_error(&c->report, "what was to be said here", -ENOMEM);
    int error = put_report(c);
    if (error == -ENOMEM) { // perhaps there is some again
        gs_incident_add_error(&c->report, "incident.json", error);
        error = put_report(c);
    }
    return error ? error : gs_store_folder_publish(&c->folder);
}

/* ---- the two halves ---------------------------------------------------------------------------------------------------- */

static void incident_free(struct gs_incident *c)
{
    gs_gather_cpu_abandon(c->cpu);
    for (size_t i = 0; i < GS_INCIDENT_KINDS_MAX; i++)
        gs_gather_fini(&c->gathered[i]);
    gs_account_fini(&c->account);
    gs_symbol_maps_free(c->owned_maps);
    gs_store_folder_close(&c->folder);
    json_decref(c->report.steps.json);
    json_decref(c->report.notes.json);
    json_decref(c->report.errors.json);
    gs_free(c->texts);
    gs_free(c);
}

/* Copy TRIGGER, the texts in it one behind the other. */
static bool keep_facts(struct gs_incident *c, const struct gs_incident_trigger *trigger)
{
    const char **text[] = {&c->trigger.rule, &c->trigger.why, &c->trigger.metric, &c->trigger.condition,
                           &c->trigger.reason};
    size_t length = 0;
    c->trigger = *trigger;
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

/* What is asked for that the source does not have is not captured. */
static void choose_source(struct gs_incident *c)
{
    c->source = gs_incident_choose_source(&c->trigger);
    c->source->describe(&c->trigger, c->report.context, &c->process);
    c->trigger.capture &= c->process.kinds;
}

static struct gs_incident *new_incident(struct gs_store *store, const struct gs_incident_trigger *trigger,
                                        const struct gs_incident_context *context)
{
    struct gs_incident *c = gs_alloc(sizeof *c);
    if (!c)
        return NULL;
    c->store = store;
    c->folder.directory.fd = -1;
    c->report = (struct gs_report){
        .trigger = &c->trigger,
        .context = context,
        .process = &c->process,
        .build_id = c->build_id,
        .folder = c->path,
        .steps = gs_json_array(),
        .notes = gs_json_array(),
        .errors = gs_json_array(),
    };
    if (keep_facts(c, trigger) && c->report.steps.json && c->report.notes.json && c->report.errors.json) {
        choose_source(c);
        return c;
    }
    incident_free(c);
    return NULL;
}

int gs_incident_begin(struct gs_store *store, const struct gs_incident_trigger *trigger,
                      const struct gs_incident_context *context, struct gs_incident **out)
{
    struct gs_incident *c = new_incident(store, trigger, context);
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
    return !c->cpu || gs_gather_cpu_is_over(c->cpu, now_ns);
}

int gs_incident_end(struct gs_incident *c, char path[PATH_MAX])
{
    if (!gs_incident_is_ready(c, gs_clock_monotonic_ns()))
        gs_incident_add_note(&c->report,
                             "CPU: ended early: the watch was stopped, or too many captures were under way");
    if (c->cpu)
        gather_cpu(c);
    put_context(c);
    summarise(c);
    int error = finish(c);
    snprintf(path, PATH_MAX, "%s", c->path);
    gs_store_folder_path(&c->folder, path); // which may have moved
    struct gs_store *store = c->store;
    incident_free(c);
    if (!error)
        gs_store_sweep(store);
    gs_store_rotate(store);
    return error;
}
