/* symbolize_incident.c - `gumshoe symbolize INCIDENT`: gives the profiles of an incident lines, and names its culprit anew.
 *
 *   heap.orig.pb.gz, or heap.pb.gz ──▶ gs_reader_symbolize ──▶ heap.pb.gz          (as captured: heap.orig.pb.gz)
 *   threads.txt, memory.json       ──▶ the names of their addresses ──▶ the same   (as captured: threads.orig.txt, …)
 *   incident.json, all profiles    ──▶ gs_incident_read_back, before and after ──▶ summary.txt, incident.json
 *   all of it, if the rules say so ──▶ gs_reader_page_incident ──▶ report.html     (symbolize_page.c)
 *
 * Each file is replaced as a whole: summary.txt first, incident.json last. After a crash in between the incident is complete
 * and readable; a later run replaces the rest. A run that finds nothing new changes nothing. */
#include "base/clock.h"
#include "base/memory.h"
#include "cli/renaming.h"
#include "sys/file.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- lines ----------------------------------------------------------------------------------------------------------- */

static size_t lines_of(const struct gs_profile *profile)
{
    size_t count = 0;
    for (size_t i = 0; i < profile->location_count; i++)
        count += profile->location[i].line_count && profile->location[i].line[0].line > 0;
    return count;
}

static size_t names_of(const struct gs_profile *profile)
{
    size_t count = 0;
    for (size_t i = 0; i < profile->location_count; i++)
        count += profile->location[i].line_count > 0;
    return count;
}

/* Has A less to say than B? */
static bool knows_less(const struct gs_profile *a, const struct gs_profile *b)
{
    return lines_of(a) < lines_of(b) || (lines_of(a) == lines_of(b) && names_of(a) < names_of(b));
}

/* What is left of the time that OPTIONS allow for all, of which the use began at BEGAN_NS. */
static struct gs_symbolize_options within(const struct gs_symbolize_options *options, int64_t began_ns)
{
    enum { SECONDS = 100 };
    struct gs_symbolize_options left = *options;
    int64_t all_s = options->seconds ? options->seconds : SECONDS,
            left_s = all_s - (gs_clock_monotonic_ns() - began_ns) / GS_NS_PER_S;
    left.seconds = left_s > 1 ? (unsigned)left_s : 1;
    return left;
}

/* Add lines to every profile, within the time that OPTIONS allow for all. A profile that has more lines, or names, from an earlier run,
 * when there were more symbols, stays as it is. */
static void add_lines(struct gs_renaming *work, const struct gs_symbolize_options *options)
{
    int64_t began_ns = gs_clock_monotonic_ns();
    struct gs_symbolize_options left;
    for (size_t i = 0; i < work->file_count; i++) {
        struct gs_renamed_profile *file = &work->file[i];
        left = within(options, began_ns);
        file->named = gs_reader_symbolize_apart(file->captured, &left, &work->notes);
        if (file->named && knows_less(file->named, file->now)) {
            gs_profile_free(file->named);
            file->named = NULL;
        }
        const struct gs_profile *after = file->named ? file->named : file->now;
        if (file->after)
            *file->after = after;
        work->locations += after->location_count;
        work->with_lines += lines_of(after);
    }
    if (!work->memory || !work->memory->sample_count)
        return;
    left = within(options, began_ns);
    work->named_memory = gs_reader_symbolize_apart(work->memory, &left, &work->notes);
}

/* ---- writing --------------------------------------------------------------------------------------------------------- */

/* Does file NAME hold what FD holds? */
static bool is_same(const struct gs_renaming *work, const char *name, int fd)
{
    char *old = NULL, *new = NULL;
    size_t old_length, new_length;
    bool same = lseek(fd, 0, SEEK_SET) == 0 &&
                gs_file_read_all(fd, GS_PROFILE_BYTES_MAX, &new, &new_length) == 0 &&
                gs_cli_renaming_file(work, name, GS_PROFILE_BYTES_MAX, &old, &old_length) == 0 &&
                old_length == new_length && memcmp(old, new, old_length) == 0;
    gs_free(old);
    gs_free(new);
    return same;
}

static int write_profile(const struct gs_renaming *work, const struct gs_renamed_profile *file)
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

static int write_profiles(const struct gs_renaming *work)
{
    int error = 0;
    for (size_t i = 0; i < work->file_count && !error; i++)
        if (work->file[i].named)
            error = write_profile(work, &work->file[i]);
    return error;
}

/* List the files of the folder in JSON's "files" as they are now, and the originals. 0 or -errno. */
static int list_files(const struct gs_renaming *work, json_t *json)
{
    char original[GS_STORE_FILE_NAME];
    json_t *files = json_object_get(json, "files");
    static const char *const texts[] = {"summary.txt", "threads.txt", "threads.orig.txt", "memory.json",
                                        "memory.orig.json"};
    int error = 0;
    for (size_t i = 0; i < sizeof texts / sizeof *texts && json_is_array(files) && !error; i++)
        error = gs_cli_list_incident_file(&work->folder, files, texts[i]);
    for (size_t i = 0; i < work->file_count && json_is_array(files) && !error; i++) {
        error = gs_cli_list_incident_file(&work->folder, files, work->file[i].name);
        if (!error && gs_store_original_name(work->file[i].name, original))
            error = gs_cli_list_incident_file(&work->folder, files, original);
    }
    return error;
}

/* Replace the note of an earlier run, or add one. */
static int add_note(const struct gs_renaming *work, json_t *json)
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

/* Change incident.json, read again: the agent may have added a note meanwhile. */
static int write_json(const struct gs_renaming *work)
{
    char why[160];
    int lock = gs_store_lock_incident_json(&work->folder);
    if (lock < 0)
        return lock;
    json_t *json = gs_store_read_incident(work->folder.fd, why, sizeof why);
    json_t *old = json_deep_copy(json);
    int error = json && old ? gs_cli_renaming_json(work, json) : -EINVAL;
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

/* Replace file NAME by TEXT, if it holds something else; with KEEP the original is kept. 0 or -errno. */
static int write_text(const struct gs_renaming *work, const char *name, const struct gs_text *text, bool keep)
{
    char *old = NULL;
    size_t length = 0;
    int error = text->failed ? -ENOMEM : gs_cli_renaming_file(work, name, SIZE_MAX / 4, &old, &length);
    bool same = !error && length == text->length && memcmp(old, text->bytes, length) == 0;
    gs_free(old);
    if (error || same)
        return error;
    if (keep)
        error = gs_store_keep_original(&work->folder, name);
    return error ? error : gs_store_replace_file(&work->folder, name, text);
}

/* threads.txt, in the names that the threads' profile has now. */
static int write_threads(struct gs_renaming *work)
{
    for (size_t i = 0; gs_kinds[i].name && i < GS_INCIDENT_KINDS_MAX; i++)
        if (gs_kinds[i].kind == GS_THREADS && work->after.profile[i] && work->threads.length) {
            gs_incident_rename_threads(&work->words_original, &work->words_after, work->after.profile[i],
                                       &work->threads);
            return write_text(work, gs_kinds[i].text_file, &work->threads, true);
        }
    return 0;
}

/* Has memory.json more names from an earlier run, when there were more symbols? */
static bool memory_has_more_names(const struct gs_renaming *work)
{
    char *text = NULL;
    size_t length;
    json_error_t error;
    json_t *now = gs_cli_renaming_file(work, "memory.json", SIZE_MAX / 4, &text, &length) == 0
                      ? gs_json_read(text, length, 0, &error)
                      : NULL;
    bool more = now && gs_incident_memory_has_more_names(now, work->memory_json);
    json_decref(now);
    gs_free(text);
    return more;
}

static int write_memory(struct gs_renaming *work)
{
    struct gs_text text = {0};
    if (!work->named_memory)
        return 0;
    int error = gs_incident_rename_memory(&work->after, work->named_memory, work->memory_json);
    if (!error && !memory_has_more_names(work)) {
        gs_json_print(work->memory_json, JSON_INDENT(2), &text);
        error = write_text(work, "memory.json", &text, true);
    }
    gs_text_fini(&text);
    return error;
}

static int write_all(struct gs_renaming *work)
{
    int error = gs_cli_renaming_words(work);
    if (!error && work->summary.length)
        error = write_text(work, "summary.txt", &work->summary, false);
    if (!error)
        error = write_profiles(work);
    if (!error)
        error = write_threads(work);
    if (!error)
        error = write_memory(work);
    if (!error)
        error = write_json(work);
    return error ? gs_cli_complain(GS_EXIT_IO, "%s: %s", work->path, strerrordesc_np(-error)) : GS_EXIT_OK;
}

/* ---- the command ------------------------------------------------------------------------------------------------------ */

/* Print which files gave no lines, and why: each line once. */
static void print_notes(const struct gs_renaming *work)
{
    const char *all = work->notes.bytes;
    for (const char *at = all; at && *at;) {
        int length = (int)strcspn(at, "\n");
        const char *first = memmem(all, work->notes.length, at, (size_t)length);
        if (first == at)
            gs_cli_complain(GS_EXIT_OK, "%s: %.*s", work->path, length, at);
        at += length + (at[length] == '\n');
    }
}

int gs_cli_symbolize_incident(const char *path, const struct gs_symbolize_options *options,
                              const struct gs_option_list *plumbing)
{
    char why[200];
    struct gs_renaming *work = gs_alloc(sizeof *work);
    if (!work)
        return gs_cli_complain(GS_EXIT_IO, "there is not enough memory");
    work->path = path;
    int error = gs_store_rewrite_open(path, &work->folder, why, sizeof why);
    if (error) {
        gs_free(work);
        return gs_cli_complain(error == -EINVAL || error == -EBUSY ? GS_EXIT_NEGATIVE : GS_EXIT_IO, "%s: %s",
                               path, why);
    }
    int status = gs_cli_renaming_read(work);
    if (status == GS_EXIT_OK)
        status = gs_cli_renaming_add_plumbing(work, plumbing);
    if (status == GS_EXIT_OK) {
        add_lines(work, options);
        status = write_all(work);
    }
    print_notes(work);
    if (status == GS_EXIT_OK && work->with_lines == 0 && plumbing->count == 0)
        status = gs_cli_complain(GS_EXIT_NEGATIVE, "%s: no lines were found", path);
    if (work->rules && work->rules->incidents.report) {
        int page = gs_cli_write_incident_page(path, &work->folder);
        status = page == GS_EXIT_OK ? status : page;
    }
    gs_cli_renaming_fini(work);
    gs_store_rewrite_close(&work->folder);
    gs_free(work);
    return status;
}
