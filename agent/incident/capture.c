/* capture.c - makes one incident, from the trigger to the folder.
 *
 *   begin   choose the source ▶ make folder ▶ maps ▶ incident.json (not complete) ▶ CPU samples begin
 *           ▶ threads ▶ descriptors ▶ heap, its peak ▶ the allocation that fired ▶ memory account ▶ who pins free memory
 *     …     gs_gather_cpu_poll, while the watch goes on
 *   end     CPU ▶ metrics, rules, maps ▶ findings ▶ summary ▶ incident.json ▶ publish ▶ rotate
 *
 * The evidence is of this process, of another one, or of one that died; only the source (source.h) knows which. What changes
 * fastest is gathered first, and each file is synced to disk before the next begins. If a part fails, "errors" says so and
 * the incident is not complete; the incident as a whole fails only if the folder or incident.json cannot be written.
 * Who: the watcher, the command. Memory: the profiles of this incident, freed at its end. */
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
    struct gs_incident_trigger trigger; // its texts are copied to `texts`
    char *texts;
    const struct gs_incident_source *source;
    struct gs_incident_process process; // as the source describes it
    struct gs_folder folder;
    struct gs_report report;
    struct gs_cpu_session *cpu;
    bool waste_asked;           // else it comes with the heap, if there is any
    bool peak_if_higher;        // nobody asked for the heap's peak: it comes with the heap, if it says more
    const struct gs_maps *maps; // NULL: they could not be read
    struct gs_maps *owned_maps; // equals `maps` if we free them; NULL if the source owns them
    struct gs_gathered gathered[GS_INCIDENT_KINDS_MAX]; // in the order of gs_kinds
    struct gs_account account;
    char build_id[2 * GS_BUILD_ID_MAX + 1], path[PATH_MAX];
};

/* ---- the steps ------------------------------------------------------------------------------------------------------ */

/* Read the current memory map; the previous one is freed. On failure (errno) the previous one stays. */
static void read_maps(struct gs_incident *incident)
{
    struct gs_maps *owned = NULL;
    const struct gs_maps *maps = incident->source->read_maps(&incident->trigger, &owned);
    if (!maps)
        return;
    gs_symbol_maps_free(incident->owned_maps);
    incident->owned_maps = owned;
    incident->maps = maps;
}

static void identify(struct gs_incident *incident)
{
    read_maps(incident);
    gs_incident_add_error(&incident->report, "the memory map", incident->maps ? 0 : -errno);
    if (incident->maps && incident->maps->main != SIZE_MAX)
        gs_symbol_build_id_hex(&incident->maps->mapping[incident->maps->main], incident->build_id);
}

static int make_folder(struct gs_incident *incident, struct gs_store *store)
{
    gs_incident_begin_step(&incident->report);
    int error = gs_store_folder_make(store, incident->trigger.rule, incident->process.pid,
                                     incident->trigger.triggered_ns, &incident->folder);
    if (error)
        return error;
    snprintf(incident->path, sizeof incident->path, "%s/%s", gs_store_path(store), incident->folder.name);
    identify(incident);
    json_t *json = gs_incident_json(&incident->report, incident->folder.files, false);
    error = gs_store_folder_write_json(&incident->folder, json);
    json_decref(json);
    return error;
}

static void put_profile(struct gs_incident *incident, const char *name, const struct gs_profile *profile)
{
    int fd = gs_store_folder_create(&incident->folder, name), error = fd;
    if (fd >= 0) {
        error = gs_profile_write(profile, fd);
        if (error)
            gs_store_folder_discard(&incident->folder, name, fd);
        else
            error = gs_store_folder_record(&incident->folder, name, fd);
    }
    gs_incident_add_error(&incident->report, name, error < 0 ? error : 0);
}

static void put_text(struct gs_incident *incident, const char *name, const struct gs_text *text)
{
    gs_incident_add_error(&incident->report, name,
                          text->failed ? -ENOMEM
                                       : gs_store_folder_write(&incident->folder, name,
                                                               text->bytes ? text->bytes : "", text->length));
}

/* The age that a baseline must have: the condition's window, and not younger than the climb that led to the incident. */
static int64_t baseline_window_ns(const struct gs_incident *incident)
{
    const struct gs_climb *climb = &incident->report.findings.climb;
    int64_t window_ns = incident->trigger.window_ns,
            since_ns = gs_clock_realtime_ns() - incident->trigger.triggered_ns,
            climb_ns = climb->age_ns ? climb->age_ns + (since_ns > 0 ? since_ns : 0) : 0;
    return window_ns > climb_ns ? window_ns : climb_ns;
}

static struct gs_gather gathering(const struct gs_incident *incident)
{
    const struct gs_incident_context *context = incident->report.context;
    return (struct gs_gather){
        .maps = incident->maps,
        .baselines = context->baselines,
        .now_ns = gs_clock_monotonic_ns(),
        .start_ns = context->start_ns,
        .window_ns = baseline_window_ns(incident),
        .cpu = incident->cpu,
        .heap_pages = incident->account.heap,
        .waste_asked = incident->waste_asked,
        .peak_if_higher = incident->peak_if_higher,
        .reason = incident->report.trigger->reason,
    };
}

/* Gather KIND into OUT, and write its files. False: there is no such evidence, which is no failure. */
static bool gather(struct gs_incident *incident, const struct gs_kind_entry *kind, struct gs_gathered *out)
{
    struct gs_gather how = gathering(incident);
    int error = incident->source->gather(&incident->trigger, kind->kind, &how, out);
    gs_incident_add_notes(&incident->report, &out->notes);
    if (error == -ENODATA) {
        bool came_along = kind->kind == GS_WASTE ? !incident->waste_asked
                                                 : kind->kind == GS_PEAK && incident->peak_if_higher;
        if (out->notes.length == 0 && !came_along)
            gs_incident_add_note(&incident->report, "%s: nothing was recorded", kind->name);
        return false;
    }
    gs_incident_add_error(&incident->report, kind->name, error);
    if (error == -ENOMEM) // incomplete at an unknown place: do not use it
        gs_gather_fini(out);
    if (error && !out->profile)
        return true;
    put_profile(incident, kind->file, out->profile);
    if (out->base)
        put_profile(incident, kind->base_file, out->base);
    if (kind->text_file)
        put_text(incident, kind->text_file, &out->text);
    return true;
}

/* Gather those of KINDS that the trigger asks for. */
static void gather_all(struct gs_incident *incident, unsigned kinds)
{
    for (size_t i = 0; incident->maps && gs_kinds[i].name && i < GS_INCIDENT_KINDS_MAX; i++)
        if (incident->report.trigger->capture & kinds & gs_kinds[i].kind &&
            gather(incident, &gs_kinds[i], &incident->gathered[i]))
            gs_incident_end_step(&incident->report, gs_kinds[i].name);
}

/* Gather with a new memory map: libraries may have been loaded since the trigger. */
static void gather_cpu(struct gs_incident *incident)
{
    read_maps(incident);
    gather_all(incident, GS_CPU);
    if (incident->maps)
        incident->cpu = NULL; // gathering has closed it
}

/* Start sampling CPU time before anything else is gathered, so that the profile begins at the trigger. Only source_self has
 * GS_CPU among its kinds. */
static void start_cpu(struct gs_incident *incident)
{
    char why[160];
    if (!(incident->trigger.capture & GS_CPU))
        return;
    int64_t duration_ns = incident->trigger.cpu_ns ? incident->trigger.cpu_ns
                                                   : incident->report.context->rules->cpu.duration_ns;
    incident->cpu = gs_gather_cpu_open(duration_ns, why, sizeof why);
    if (incident->cpu)
        return;
    gs_incident_add_failure(&incident->report, "cpu", why);
    incident->trigger.capture &= ~(unsigned)GS_CPU;
}

/* The call that the rule fired for, if it fired for one. */
static void put_allocation(struct gs_incident *incident)
{
    const struct gs_allocation *allocation = &incident->trigger.allocation;
    if (!allocation->bytes || !incident->maps)
        return;
    struct gs_gather how = gathering(incident);
    struct gs_profile *profile = gs_gather_allocation(&how, allocation);
    incident->report.findings.allocation = profile;
    if (profile)
        put_profile(incident, "allocation.pb.gz", profile);
    else
        gs_incident_add_error(&incident->report, "allocation.pb.gz", -ENOMEM);
    gs_incident_end_step(&incident->report, "allocation");
}

/* The facts of the waste; NULL: it was not gathered. */
static const struct gs_waste_facts *waste_of(const struct gs_incident *incident)
{
    for (size_t i = 0; gs_kinds[i].name && i < GS_INCIDENT_KINDS_MAX; i++)
        if (gs_kinds[i].kind == GS_WASTE && incident->gathered[i].profile)
            return &incident->gathered[i].waste;
    return NULL;
}

/* The account of the resident memory, if the heap was captured or the rule is about resident memory; then who pins what is free of
 * the heap, by the same reading. */
static void put_account(struct gs_incident *incident)
{
    bool wanted =
        incident->trigger.capture & (GS_HEAP | GS_WASTE) || gs_incident_is_about_resident(&incident->trigger);
    if (!incident->source->take_account || !incident->maps || !wanted)
        return;
    struct gs_gather how = gathering(incident);
    struct gs_text text = {0};
    int error = incident->source->take_account(&incident->trigger, &how, &incident->account);
    if (error == -ENODATA)
        return;
    gs_incident_add_notes(&incident->report, &incident->account.notes);
    gs_incident_add_error(&incident->report, "memory.json", error);
    incident->account.heap_unseen = incident->report.findings.heap_unseen;
    gs_incident_end_step(&incident->report, "account");
    gather_all(incident, GS_WASTE);
    if (!error) {
        incident->report.findings.account = &incident->account;
        if (incident->account.mappings)
            incident->account.mappings->plumbing = &incident->report.findings.plumbing;
        gs_incident_write_memory(&incident->account, waste_of(incident), &text);
        put_text(incident, "memory.json", &text);
    }
    gs_text_fini(&text);
    gs_incident_end_step(&incident->report, "memory");
}

static void put_history(struct gs_incident *incident)
{
    const struct gs_incident_context *context = incident->report.context;
    struct gs_text metrics = {0};
    if (!context->history)
        return;
    const struct gs_history_about about = {.pid = incident->process.pid,
                                           .limit_bytes = context->limit_bytes,
                                           .triggered_ns = incident->report.trigger->triggered_ns};
    gs_history_write_json(context->history, &about, &metrics);
    put_text(incident, "metrics.json", &metrics);
    gs_text_fini(&metrics);
}

static void put_rules(struct gs_incident *incident)
{
    if (incident->process.rules)
        gs_incident_add_error(&incident->report, "rules.json",
                              gs_store_folder_write(&incident->folder, "rules.json", incident->process.rules,
                                                    incident->process.rules_length));
}

/* Is LINE of the maps a mapping of a black box (box/leave.c)? Its path would tell where this machine has its incidents. */
static bool is_of_box(const struct gs_maps_line *line)
{
    return line->shared && memmem(line->path, line->path_length, "/.live/", strlen("/.live/")) &&
           memmem(line->path, line->path_length, ".box", strlen(".box"));
}

static void put_maps(struct gs_incident *incident)
{
    const struct gs_maps *maps = incident->maps;
    struct gs_text kept = {0};
    struct gs_maps_line line;
    for (size_t at = 0, start = 0; gs_symbol_maps_next_line(maps->text, maps->text_length, &at, &line);
         start = at)
        if (!is_of_box(&line))
            gs_text_add_bytes(&kept, maps->text + start,
                              (at < maps->text_length ? at : maps->text_length) - start);
    int error = kept.failed ? -ENOMEM
                            : gs_store_folder_write(&incident->folder, "maps.txt",
                                                    kept.bytes ? kept.bytes : "", kept.length);
    gs_incident_add_error(&incident->report, "maps.txt", error);
    gs_text_fini(&kept);
}

static void put_context(struct gs_incident *incident)
{
    const struct gs_incident_context *context = incident->report.context;
    put_history(incident);
    put_rules(incident);
    if (incident->maps)
        put_maps(incident);
    for (size_t i = 0; i < context->unavailable_of_rules; i++) // incident.json has the others, too
        gs_incident_add_note(&incident->report, "metric not available: %s", context->unavailable[i]);
    for (size_t i = 0; i < incident->process.note_count; i++)
        gs_incident_add_note(&incident->report, "%s", incident->process.note[i]);
    if (incident->process.host_is_readers)
        gs_incident_add_note(&incident->report,
                             "the process's host is not known: %s is the machine that read this",
                             incident->process.host);
    if (context->rules_refused)
        gs_incident_add_note(
            &incident->report,
            "the rules file has changed and was refused, the previous rules are in force: %s",
            context->rules_refused);
    gs_incident_end_step(&incident->report, "context");
}

static void summarise(struct gs_incident *incident)
{
    struct gs_text summary = {0};
    gs_incident_find(&incident->report, incident->gathered);
    gs_incident_write_summary(&incident->report, &summary);
    put_text(incident, "summary.txt", &summary);
    gs_text_fini(&summary);
    gs_incident_end_step(&incident->report, "summary");
}

/* Write the final incident.json; the incident is complete if nothing failed. */
static int put_report(struct gs_incident *incident)
{
    bool complete = !incident->report.errors.failed && json_array_size(incident->report.errors.json) == 0;
    json_t *json = gs_incident_json(&incident->report, incident->folder.files, complete);
    int error = gs_store_folder_write_json(&incident->folder, json);
    json_decref(json);
    return error;
}

static int finish(struct gs_incident *incident)
{
    if (incident->report.steps.failed || incident->report.notes.failed || incident->report.errors.failed)
        gs_incident_add_error(&incident->report, "some steps, notes or errors are missing here", -ENOMEM);
    int error = put_report(incident);
    if (error == -ENOMEM) { // memory may be available again
        gs_incident_add_error(&incident->report, "incident.json", error);
        error = put_report(incident);
    }
    return error ? error : gs_store_folder_publish(&incident->folder);
}

/* ---- begin and end -------------------------------------------------------------------------------------------------- */

static void incident_free(struct gs_incident *incident)
{
    gs_gather_cpu_abandon(incident->cpu);
    for (size_t i = 0; i < GS_INCIDENT_KINDS_MAX; i++)
        gs_gather_fini(&incident->gathered[i]);
    gs_profile_free(incident->report.findings.allocation);
    gs_account_fini(&incident->account);
    gs_symbol_maps_free(incident->owned_maps);
    gs_store_folder_close(&incident->folder);
    json_decref(incident->report.steps.json);
    json_decref(incident->report.notes.json);
    json_decref(incident->report.errors.json);
    gs_free(incident->texts);
    gs_free(incident);
}

/* Copy TRIGGER; its texts are copied to one allocation. False: no memory. */
static bool copy_trigger(struct gs_incident *incident, const struct gs_incident_trigger *trigger)
{
    const char **text[] = {&incident->trigger.rule, &incident->trigger.why, &incident->trigger.metric,
                           &incident->trigger.condition, &incident->trigger.reason};
    size_t length = 0;
    incident->trigger = *trigger;
    for (size_t i = 0; i < sizeof text / sizeof *text; i++)
        length += *text[i] ? strlen(*text[i]) + 1 : 0;
    char *at = incident->texts = gs_alloc(length + 1);
    for (size_t i = 0; at && i < sizeof text / sizeof *text; i++)
        if (*text[i]) {
            char *end = stpcpy(at, *text[i]);
            *text[i] = at;
            at = end + 1;
        }
    return at != NULL;
}

/* The functions that the rules and the caller of this capture call plumbing. */
static void take_plumbing(struct gs_incident *incident)
{
    struct gs_plumbing *plumbing = &incident->report.findings.plumbing;
    *plumbing = gs_incident_plumbing_of(incident->report.context->rules);
    plumbing->user[GS_PLUMBING_OPTIONS].pattern = incident->trigger.plumbing;
    plumbing->user[GS_PLUMBING_OPTIONS].count = incident->trigger.plumbing_count;
}

/* Choose the source; kinds that it does not have are not captured. */
static void choose_source(struct gs_incident *incident)
{
    incident->peak_if_higher = !(incident->trigger.capture & GS_PEAK);
    incident->waste_asked = incident->trigger.capture & GS_WASTE;
    if (incident->trigger.capture & GS_HEAP)
        incident->trigger.capture |= GS_PEAK | GS_WASTE | GS_LIFETIMES;
    if (gs_incident_is_about_descriptors(&incident->trigger))
        incident->trigger.capture |= GS_FDS;
    incident->source = gs_incident_choose_source(&incident->trigger);
    incident->source->describe(&incident->trigger, incident->report.context, &incident->process);
    incident->trigger.capture &= incident->process.kinds;
}

static struct gs_incident *new_incident(struct gs_store *store, const struct gs_incident_trigger *trigger,
                                        const struct gs_incident_context *context)
{
    struct gs_incident *incident = gs_alloc(sizeof *incident);
    if (!incident)
        return NULL;
    incident->store = store;
    incident->folder.directory.fd = -1;
    incident->report = (struct gs_report){
        .trigger = &incident->trigger,
        .context = context,
        .process = &incident->process,
        .build_id = incident->build_id,
        .folder = incident->path,
        .steps = gs_json_array(),
        .notes = gs_json_array(),
        .errors = gs_json_array(),
    };
    if (copy_trigger(incident, trigger) && incident->report.steps.json && incident->report.notes.json &&
        incident->report.errors.json) {
        choose_source(incident);
        incident->report.findings.heap_unseen = gs_incident_heap_unseen(context);
        incident->report.findings.climb = gs_incident_find_climb(&incident->trigger, context->history);
        take_plumbing(incident);
        return incident;
    }
    incident_free(incident);
    return NULL;
}

int gs_incident_begin(struct gs_store *store, const struct gs_incident_trigger *trigger,
                      const struct gs_incident_context *context, struct gs_incident **out)
{
    struct gs_incident *incident = new_incident(store, trigger, context);
    int error = incident ? make_folder(incident, store) : -ENOMEM;
    *out = error ? NULL : incident;
    if (error) {
        if (incident)
            incident_free(incident);
        return error;
    }
    start_cpu(incident);
    gather_all(incident, ~(unsigned)(GS_CPU | GS_WASTE));
    put_allocation(incident);
    put_account(incident);
    return 0;
}

bool gs_incident_is_ready(const struct gs_incident *incident, int64_t now_ns)
{
    return !incident->cpu || gs_gather_cpu_is_over(incident->cpu, now_ns);
}

int gs_incident_end(struct gs_incident *incident, char path[PATH_MAX])
{
    if (!gs_incident_is_ready(incident, gs_clock_monotonic_ns()))
        gs_incident_add_note(
            &incident->report,
            "CPU: sampling ended early: the watch was stopped, or too many captures were active");
    if (incident->cpu)
        gather_cpu(incident);
    put_context(incident);
    summarise(incident);
    int error = finish(incident);
    snprintf(path, PATH_MAX, "%s", incident->path);
    gs_store_folder_path(&incident->folder, path); // the store may have been moved
    struct gs_store *store = incident->store;
    incident_free(incident);
    if (!error)
        gs_store_sweep(store);
    gs_store_rotate(store);
    return error;
}
