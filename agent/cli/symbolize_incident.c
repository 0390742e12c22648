/* symbolize_incident.c - `gumshoe symbolize INCIDENT`: gives the profiles of an incident lines, and names its culprit anew.
 *
 *   heap.orig.pb.gz, or heap.pb.gz ──▶ gs_reader_symbolize ──▶ heap.pb.gz          (as captured: heap.orig.pb.gz)
 *   incident.json, all profiles    ──▶ gs_incident_read_back, before and after ──▶ summary.txt, incident.json
 *
 * Each file is replaced as a whole: summary.txt first, incident.json last. After a crash in between the incident is complete
 * and readable; a later run replaces the rest. A run that finds nothing new changes nothing. */
#include "base/clock.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "incident/incident.h"
#include "reader/reader.h"
#include "store/store.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_BYTES_MAX = 16 << 20, FILES_MAX = 32 };

struct profile_file {
    const char *name; // "heap.pb.gz"; borrowed
    const struct gs_profile **before, **original,
        **after;                               // where the evidence has it; NULL: it is no part of that
    struct gs_profile *now, *captured, *named; // as it is, as captured, with lines; two may be the same
};

struct work {
    const char *path;
    struct gs_owned_fd folder;
    json_t *json; // incident.json, as it was at the start
    struct gs_rules *rules;
    struct profile_file file[FILES_MAX];
    size_t file_count;
    struct gs_incident_evidence before, original, after;
    struct gs_text summary, notes;
    size_t locations, with_lines;
};

/* ---- reading -------------------------------------------------------------------------------------------------------- */

static int read_file(const struct work *work, const char *name, size_t max, char **bytes, size_t *length)
{
    int fd = gs_store_open_regular(work->folder.fd, name);
    if (fd < 0)
        return fd;
    int error = gs_file_read_all(fd, max, bytes, length);
    close(fd);
    return error;
}

/* Read profile NAME of the incident. NULL: it is missing (*STATUS stays), or an error was printed. */
static struct gs_profile *read_profile(const struct work *work, const char *name, int *status)
{
    char why[160], *bytes = NULL;
    size_t length;
    int error = read_file(work, name, GS_PROFILE_BYTES_MAX, &bytes, &length);
    if (error == -ENOENT)
        return NULL;
    struct gs_profile *profile = error ? NULL : gs_reader_profile(bytes, length, why, sizeof why);
    gs_free(bytes);
    if (!profile)
        *status =
            gs_cli_complain(GS_EXIT_IO, "%s/%s: %s", work->path, name, error ? strerrordesc_np(-error) : why);
    return profile;
}

/* Read file NAME as it is and as it was captured, unless it is missing. */
static int add_file(struct work *work, const char *name)
{
    char original[GS_STORE_FILE_NAME];
    int status = GS_EXIT_OK;
    struct profile_file *file = &work->file[work->file_count];
    if (work->file_count == FILES_MAX || !gs_store_original_name(name, original))
        return GS_EXIT_OK;
    *file = (struct profile_file){.name = name};
    if (!(file->now = read_profile(work, name, &status)))
        return status;
    work->file_count++;
    file->captured = read_profile(work, original, &status);
    if (!file->captured)
        file->captured = file->now;
    return status;
}

/* Read file NAME of kind number KIND, which the findings are made of. */
static int add_evidence(struct work *work, const char *name, size_t kind, bool is_base)
{
    size_t count = work->file_count;
    int status = name ? add_file(work, name) : GS_EXIT_OK;
    if (work->file_count == count)
        return status;
    struct profile_file *file = &work->file[count];
    file->before = is_base ? &work->before.base[kind] : &work->before.profile[kind];
    file->original = is_base ? &work->original.base[kind] : &work->original.profile[kind];
    file->after = is_base ? &work->after.base[kind] : &work->after.profile[kind];
    *file->before = file->now;
    *file->original = file->captured;
    return status;
}

static bool is_read(const struct work *work, const char *name)
{
    for (size_t i = 0; i < work->file_count; i++)
        if (strcmp(work->file[i].name, name) == 0)
            return true;
    return false;
}

/* Read the profiles that incident.json lists and this version does not know: they get lines, too. */
static int add_others(struct work *work)
{
    size_t i;
    const json_t *entry;
    int status = GS_EXIT_OK;
    json_array_foreach(json_object_get(work->json, "files"), i, entry)
    {
        const char *name = gs_cli_json_text(entry, "name", "");
        if (status == GS_EXIT_OK && !strchr(name, '/') && !gs_reader_is_original(name) &&
            !is_read(work, name))
            status = add_file(work, name);
    }
    return status;
}

static int read_profiles(struct work *work)
{
    int status = GS_EXIT_OK;
    for (size_t i = 0; gs_kinds[i].name && i < GS_INCIDENT_KINDS_MAX && status == GS_EXIT_OK; i++) {
        status = add_evidence(work, gs_kinds[i].file, i, false);
        if (status == GS_EXIT_OK)
            status = add_evidence(work, gs_kinds[i].base_file, i, true);
    }
    if (status == GS_EXIT_OK)
        status = add_others(work);
    if (status == GS_EXIT_OK && work->file_count == 0)
        status = gs_cli_complain(GS_EXIT_NEGATIVE, "%s: there is no profile in this incident", work->path);
    return status;
}

/* Read summary.txt and rules.json; without rules, the incident is described without what they say. */
static int read_texts(struct work *work)
{
    char *summary = NULL, *rules = NULL;
    size_t length, rules_length;
    int error = read_file(work, "summary.txt", TEXT_BYTES_MAX, &summary, &length);
    if (error && error != -ENOENT)
        return gs_cli_complain(GS_EXIT_IO, "%s/summary.txt: %s", work->path, strerrordesc_np(-error));
    if (!error)
        gs_text_add_bytes(&work->summary, summary, length);
    gs_free(summary);
    if (read_file(work, "rules.json", GS_RULES_TEXT_MAX, &rules, &rules_length) == 0) {
        struct gs_errors errors = {0};
        work->rules = gs_rules_read(rules, rules_length, "rules.json", &errors);
        gs_errors_fini(&errors);
        gs_free(rules);
    }
    return GS_EXIT_OK;
}

static int read_incident(struct work *work)
{
    char why[160];
    work->json = gs_store_read_incident(work->folder.fd, why, sizeof why);
    if (!work->json)
        return gs_cli_complain(GS_EXIT_IO, "%s: %s", work->path, why);
    int status = read_texts(work);
    if (status == GS_EXIT_OK)
        status = read_profiles(work);
    struct gs_incident_evidence *evidence[] = {&work->before, &work->original, &work->after};
    for (size_t i = 0; i < sizeof evidence / sizeof *evidence; i++) {
        evidence[i]->json = work->json;
        evidence[i]->rules = work->rules;
        evidence[i]->path = work->path;
    }
    return status;
}

/* ---- lines ----------------------------------------------------------------------------------------------------------- */

static size_t lines_of(const struct gs_profile *profile)
{
    size_t count = 0;
    for (size_t i = 0; i < profile->location_count; i++)
        count += profile->location[i].line_count && profile->location[i].line[0].line > 0;
    return count;
}

/* Add lines to every profile, within the time that OPTIONS allow for all. A profile that has more lines from an earlier run,
 * when there were more symbols, stays as it is. */
static void add_lines(struct work *work, const struct gs_symbolize_options *options)
{
    enum { SECONDS = 100 };
    int64_t began_ns = gs_clock_monotonic_ns(), all_s = options->seconds ? options->seconds : SECONDS;
    for (size_t i = 0; i < work->file_count; i++) {
        struct profile_file *file = &work->file[i];
        int64_t left_s = all_s - (gs_clock_monotonic_ns() - began_ns) / GS_NS_PER_S;
        struct gs_symbolize_options within = *options;
        within.seconds = left_s > 1 ? (unsigned)left_s : 1;
        file->named = gs_reader_symbolize_apart(file->captured, &within, &work->notes);
        if (file->named && lines_of(file->named) < lines_of(file->now)) {
            gs_profile_free(file->named);
            file->named = NULL;
        }
        const struct gs_profile *after = file->named ? file->named : file->now;
        if (file->after)
            *file->after = after;
        work->locations += after->location_count;
        work->with_lines += lines_of(after);
    }
}

/* ---- writing --------------------------------------------------------------------------------------------------------- */

/* Does file NAME hold what FD holds? */
static bool is_same(const struct work *work, const char *name, int fd)
{
    char *old = NULL, *new = NULL;
    size_t old_length, new_length;
    bool same = lseek(fd, 0, SEEK_SET) == 0 &&
                gs_file_read_all(fd, GS_PROFILE_BYTES_MAX, &new, &new_length) == 0 &&
                read_file(work, name, GS_PROFILE_BYTES_MAX, &old, &old_length) == 0 &&
                old_length == new_length && memcmp(old, new, old_length) == 0;
    gs_free(old);
    gs_free(new);
    return same;
}

static int write_profile(const struct work *work, const struct profile_file *file)
{
    int fd = gs_store_replace_begin(&work->folder, file->name), error = fd < 0 ? fd : 0;
    if (!error)
        error = gs_profile_write(file->named, fd);
    bool unchanged = !error && is_same(work, file->name, fd);
    if (!error && !unchanged)
        error = gs_store_keep_original(&work->folder, file->name);
    if (fd >= 0) {
        int end = gs_store_replace_end(&work->folder, file->name, fd, unchanged ? -ECANCELED : error);
        error = unchanged ? 0 : end;
    }
    return error;
}

static int write_profiles(const struct work *work)
{
    int error = 0;
    for (size_t i = 0; i < work->file_count && !error; i++)
        if (work->file[i].named)
            error = write_profile(work, &work->file[i]);
    return error;
}

/* List the files of the folder in JSON's "files" as they are now, and the originals. 0 or -errno. */
static int list_file(const struct work *work, json_t *files, const char *name)
{
    size_t i;
    json_t *entry = NULL, *listed;
    int error = gs_store_file_entry(work->folder.fd, name, &entry);
    if (error)
        return error == -ENOENT ? 0 : error;
    json_array_foreach(files, i, listed)
    {
        if (strcmp(gs_cli_json_text(listed, "name", ""), name) != 0)
            continue;
        error = json_object_update(listed, entry) == 0 ? 0 : -ENOMEM;
        json_decref(entry);
        return error;
    }
    return json_array_append_new(files, entry) == 0 ? 0 : -ENOMEM;
}

static int list_files(const struct work *work, json_t *json)
{
    char original[GS_STORE_FILE_NAME];
    json_t *files = json_object_get(json, "files");
    int error = json_is_array(files) ? list_file(work, files, "summary.txt") : 0;
    for (size_t i = 0; i < work->file_count && json_is_array(files) && !error; i++) {
        error = list_file(work, files, work->file[i].name);
        if (!error && gs_store_original_name(work->file[i].name, original))
            error = list_file(work, files, original);
    }
    return error;
}

/* Replace the note of an earlier run, or add one. */
static int add_note(const struct work *work, json_t *json)
{
    static const char prefix[] = "symbolize: ";
    char note[200];
    size_t i;
    json_t *notes = json_object_get(json, "notes"), *item;
    snprintf(note, sizeof note, "%ssource lines for %zu of %zu addresses", prefix, work->with_lines,
             work->locations);
    if (!json_is_array(notes))
        return json_object_set_new(json, "notes", json_pack("[s]", note)) == 0 ? 0 : -ENOMEM;
    json_array_foreach(notes, i, item)
    {
        const char *text = json_string_value(item);
        if (text && strncmp(text, prefix, sizeof prefix - 1) == 0)
            return json_array_set_new(notes, i, json_string(note)) == 0 ? 0 : -ENOMEM;
    }
    return json_array_append_new(notes, json_string(note)) == 0 ? 0 : -ENOMEM;
}

/* The words of the three states of the evidence; gs_incident_words_fini each. */
struct states {
    struct gs_incident_words before, original, after;
};

/* Change incident.json, read again: the agent may have added a note meanwhile. */
static int write_json(const struct work *work, const struct states *states)
{
    char why[160];
    int lock = gs_store_lock_incident_json(&work->folder);
    if (lock < 0)
        return lock;
    json_t *json = gs_store_read_incident(work->folder.fd, why, sizeof why);
    json_t *old = json_deep_copy(json);
    int error = json && old ? gs_incident_rename_json(&states->before, &states->after, json) : -EINVAL;
    if (!error)
        error = gs_incident_rename_json(&states->original, &states->after, json);
    if (!error)
        error = list_files(work, json);
    if (!error)
        error = add_note(work, json);
    if (!error && !json_equal(old, json))
        error = gs_store_replace_incident_json(&work->folder, json);
    json_decref(old);
    json_decref(json);
    gs_store_unlock_incident_json(lock);
    return error ? error : fsync(work->folder.fd) != 0 ? -errno : 0;
}

static int write_summary(struct work *work, const struct states *states)
{
    struct gs_text stored = {0};
    if (work->summary.length == 0)
        return 0;
    gs_text_add_bytes(&stored, work->summary.bytes, work->summary.length);
    gs_incident_rename_summary(&states->before, &states->after, &work->summary);
    gs_incident_rename_summary(&states->original, &states->after, &work->summary);
    bool changed = stored.failed || stored.length != work->summary.length ||
                   memcmp(stored.bytes, work->summary.bytes, stored.length) != 0;
    gs_text_fini(&stored);
    return changed ? gs_store_replace_file(&work->folder, "summary.txt", &work->summary) : 0;
}

static int write_all(struct work *work)
{
    struct states states = {0};
    int error = gs_incident_read_back(&work->before, &states.before);
    if (!error)
        error = gs_incident_read_back(&work->original, &states.original);
    if (!error)
        error = gs_incident_read_back(&work->after, &states.after);
    if (!error)
        error = write_summary(work, &states);
    if (!error)
        error = write_profiles(work);
    if (!error)
        error = write_json(work, &states);
    gs_incident_words_fini(&states.before);
    gs_incident_words_fini(&states.original);
    gs_incident_words_fini(&states.after);
    return error ? gs_cli_complain(GS_EXIT_IO, "%s: %s", work->path, strerrordesc_np(-error)) : GS_EXIT_OK;
}

/* ---- the command ------------------------------------------------------------------------------------------------------ */

static void work_fini(struct work *work)
{
    for (size_t i = 0; i < work->file_count; i++) {
        struct profile_file *file = &work->file[i];
        if (file->captured != file->now)
            gs_profile_free(file->captured);
        gs_profile_free(file->now);
        if (file->named)
            gs_profile_free(file->named);
    }
    gs_text_fini(&work->summary);
    gs_text_fini(&work->notes);
    if (work->rules)
        gs_rules_free(work->rules);
    json_decref(work->json);
    gs_store_rewrite_close(&work->folder);
    gs_free(work);
}

/* Print which files gave no lines, and why: each line once. */
static void print_notes(const struct work *work)
{
    const char *all = work->notes.bytes;
    for (const char *at = all; at && *at;) {
        int length = (int)strcspn(at, "\n");
        const char *first = memmem(all, work->notes.length, at, (size_t)length);
        if (first == at)
            fprintf(stderr, "gumshoe: %s: %.*s\n", work->path, length, at);
        at += length + (at[length] == '\n');
    }
}

int gs_cli_symbolize_incident(const char *path, const struct gs_symbolize_options *options)
{
    char why[200];
    struct work *work = gs_alloc(sizeof *work);
    if (!work)
        return gs_cli_complain(GS_EXIT_IO, "there is not enough memory");
    work->path = path;
    int error = gs_store_rewrite_open(path, &work->folder, why, sizeof why);
    if (error) {
        gs_free(work);
        return gs_cli_complain(error == -EINVAL || error == -EBUSY ? GS_EXIT_NEGATIVE : GS_EXIT_IO, "%s: %s",
                               path, why);
    }
    int status = read_incident(work);
    if (status == GS_EXIT_OK) {
        add_lines(work, options);
        status = write_all(work);
    }
    print_notes(work);
    if (status == GS_EXIT_OK && work->with_lines == 0)
        status = gs_cli_complain(GS_EXIT_NEGATIVE, "%s: no lines were found", path);
    work_fini(work);
    return status;
}
