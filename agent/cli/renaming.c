/* renaming.c - reads an incident that is to be named anew, and describes it in its old and its new names. Context: CLI. */
#include "cli/renaming.h"
#include "base/memory.h"
#include "sys/file.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_BYTES_MAX = 16 << 20, MAPPINGS_MAX = 4096 };

int gs_cli_renaming_file(const struct gs_renaming *renaming, const char *name, size_t max, char **bytes,
                         size_t *length)
{
    int fd = gs_store_open_regular(renaming->folder.fd, name);
    if (fd < 0)
        return fd;
    int error = gs_file_read_all(fd, max, bytes, length);
    close(fd);
    return error;
}

/* ---- profiles -------------------------------------------------------------------------------------------------------- */

/* Read profile NAME of the incident. NULL: it is missing (*STATUS stays), or an error was printed. */
static struct gs_profile *read_profile(const struct gs_renaming *renaming, const char *name, int *status)
{
    char why[160], *bytes = NULL;
    size_t length;
    int error = gs_cli_renaming_file(renaming, name, GS_PROFILE_BYTES_MAX, &bytes, &length);
    if (error == -ENOENT)
        return NULL;
    struct gs_profile *profile = error ? NULL : gs_reader_profile(bytes, length, why, sizeof why);
    gs_free(bytes);
    if (!profile)
        *status = gs_cli_complain(GS_EXIT_IO, "%s/%s: %s", renaming->path, name,
                                  error ? strerrordesc_np(-error) : why);
    return profile;
}

/* Read file NAME as it is and as it was captured, unless it is missing. */
static int add_file(struct gs_renaming *renaming, const char *name)
{
    char original[GS_STORE_FILE_NAME];
    int status = GS_EXIT_OK;
    struct gs_renamed_profile *file = &renaming->file[renaming->file_count];
    if (renaming->file_count == GS_RENAMING_FILES_MAX || !gs_store_original_name(name, original))
        return GS_EXIT_OK;
    *file = (struct gs_renamed_profile){.name = name};
    if (!(file->now = read_profile(renaming, name, &status)))
        return status;
    renaming->file_count++;
    file->captured = read_profile(renaming, original, &status);
    if (!file->captured)
        file->captured = file->now;
    return status;
}

/* Read file NAME of kind number KIND, which the findings are made of. */
static int add_evidence(struct gs_renaming *renaming, const char *name, size_t kind, bool is_base)
{
    size_t count = renaming->file_count;
    int status = name ? add_file(renaming, name) : GS_EXIT_OK;
    if (renaming->file_count == count)
        return status;
    struct gs_renamed_profile *file = &renaming->file[count];
    file->before = is_base ? &renaming->before.base[kind] : &renaming->before.profile[kind];
    file->original = is_base ? &renaming->original.base[kind] : &renaming->original.profile[kind];
    file->after = is_base ? &renaming->after.base[kind] : &renaming->after.profile[kind];
    *file->before = *file->after = file->now;
    *file->original = file->captured;
    return status;
}

static bool is_read(const struct gs_renaming *renaming, const char *name)
{
    for (size_t i = 0; i < renaming->file_count; i++)
        if (strcmp(renaming->file[i].name, name) == 0)
            return true;
    return false;
}

static bool is_profile(const char *name)
{
    size_t length = strlen(name);
    return length > 6 && strcmp(name + length - 6, ".pb.gz") == 0 && !strchr(name, '/') &&
           !gs_reader_is_original(name);
}

/* Read the profiles that incident.json lists and this version does not know: they get lines, too. */
static int add_others(struct gs_renaming *renaming)
{
    size_t i;
    const json_t *entry;
    int status = GS_EXIT_OK;
    json_array_foreach(json_object_get(renaming->json, "files"), i, entry)
    {
        const char *name = gs_cli_json_text(entry, "name", "");
        if (status == GS_EXIT_OK && is_profile(name) && !is_read(renaming, name))
            status = add_file(renaming, name);
    }
    return status;
}

static int read_profiles(struct gs_renaming *renaming)
{
    int status = GS_EXIT_OK;
    for (size_t i = 0; gs_kinds[i].name && i < GS_INCIDENT_KINDS_MAX && status == GS_EXIT_OK; i++) {
        status = add_evidence(renaming, gs_kinds[i].file, i, false);
        if (status == GS_EXIT_OK)
            status = add_evidence(renaming, gs_kinds[i].base_file, i, true);
    }
    if (status == GS_EXIT_OK)
        status = add_others(renaming);
    if (status == GS_EXIT_OK && renaming->file_count == 0)
        status =
            gs_cli_complain(GS_EXIT_NEGATIVE, "%s: there is no profile in this incident", renaming->path);
    return status;
}

/* ---- memory.json ----------------------------------------------------------------------------------------------------- */

/* The mappings of all profiles, each once, into MAPPING. Returns how many. The first file's come first: its first is the main
 * program. */
static size_t collect_mappings(const struct gs_renaming *renaming, struct gs_profile_mapping *mapping)
{
    size_t count = 0;
    for (size_t i = 0; i < renaming->file_count; i++) {
        const struct gs_profile *profile = renaming->file[i].captured;
        for (size_t m = 0; m < profile->mapping_count; m++) {
            bool known = count == MAPPINGS_MAX;
            for (size_t other = 0; other < count && !known; other++)
                known = mapping[other].start == profile->mapping[m].start;
            if (!known)
                mapping[count++] = profile->mapping[m];
        }
    }
    return count;
}

/* Read memory.json as it was captured. One that is damaged stays as it is. False: no memory. */
static bool read_memory(struct gs_renaming *renaming)
{
    char *text = NULL;
    size_t length;
    json_error_t error;
    struct gs_profile_mapping *mapping = gs_alloc(MAPPINGS_MAX * sizeof *mapping);
    if (mapping && (gs_cli_renaming_file(renaming, "memory.orig.json", TEXT_BYTES_MAX, &text, &length) == 0 ||
                    gs_cli_renaming_file(renaming, "memory.json", TEXT_BYTES_MAX, &text, &length) == 0))
        renaming->memory_json = gs_json_read(text, length, 0, &error);
    gs_free(text);
    if (renaming->memory_json)
        renaming->memory =
            gs_incident_memory_profile(renaming->memory_json, mapping, collect_mappings(renaming, mapping));
    gs_free(mapping);
    return mapping && (renaming->memory || !renaming->memory_json);
}

/* ---- texts ----------------------------------------------------------------------------------------------------------- */

/* Read text file NAME, unless it is missing. 0 or -errno. */
static int read_text(const struct gs_renaming *renaming, const char *name, struct gs_text *out)
{
    char *text = NULL;
    size_t length;
    int error = gs_cli_renaming_file(renaming, name, TEXT_BYTES_MAX, &text, &length);
    if (!error)
        gs_text_add_bytes(out, text, length);
    gs_free(text);
    return error == -ENOENT ? 0 : error;
}

/* Read summary.txt, threads.txt as captured, and rules.json; without rules, the incident is described without what they say. */
static int read_texts(struct gs_renaming *renaming)
{
    char *rules = NULL;
    size_t length;
    int error = read_text(renaming, "summary.txt", &renaming->summary);
    if (error)
        return gs_cli_complain(GS_EXIT_IO, "%s/summary.txt: %s", renaming->path, strerrordesc_np(-error));
    error = read_text(renaming, "threads.orig.txt", &renaming->threads);
    if (!error && renaming->threads.length == 0)
        error = read_text(renaming, "threads.txt", &renaming->threads);
    if (error)
        return gs_cli_complain(GS_EXIT_IO, "%s/threads.txt: %s", renaming->path, strerrordesc_np(-error));
    if (gs_cli_renaming_file(renaming, "rules.json", GS_RULES_TEXT_MAX, &rules, &length) == 0) {
        struct gs_errors errors = {0};
        renaming->rules = gs_rules_read(rules, length, "rules.json", &errors);
        gs_errors_fini(&errors);
        gs_free(rules);
    }
    return GS_EXIT_OK;
}

/* ---- plumbing -------------------------------------------------------------------------------------------------------- */

static void read_plumbing(struct gs_renaming *renaming)
{
    size_t i;
    const json_t *item;
    json_array_foreach(json_object_get(renaming->json, "plumbing"), i, item)
    {
        const char *pattern = json_string_value(item);
        if (pattern && renaming->plumbing_count < GS_CLI_PLUMBING_MAX)
            renaming->plumbing[renaming->plumbing_count++] = pattern;
    }
    renaming->stored_plumbing = renaming->plumbing_count;
}

static void set_evidence(struct gs_renaming *renaming)
{
    struct gs_incident_evidence *evidence[] = {&renaming->before, &renaming->original, &renaming->after};
    for (size_t i = 0; i < sizeof evidence / sizeof *evidence; i++) {
        evidence[i]->json = renaming->json;
        evidence[i]->rules = renaming->rules;
        evidence[i]->path = renaming->path;
        evidence[i]->plumbing = renaming->plumbing;
        evidence[i]->plumbing_count = renaming->stored_plumbing;
    }
}

int gs_cli_renaming_add_plumbing(struct gs_renaming *renaming, const struct gs_option_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        bool known = false;
        for (size_t at = 0; at < renaming->plumbing_count; at++)
            known |= strcmp(renaming->plumbing[at], list->item[i]) == 0;
        if (!known && renaming->plumbing_count == GS_CLI_PLUMBING_MAX)
            return gs_cli_complain(GS_EXIT_USAGE, "%s: it has %d patterns of --plumbing already",
                                   renaming->path, GS_CLI_PLUMBING_MAX);
        if (!known)
            renaming->plumbing[renaming->plumbing_count++] = list->item[i];
    }
    renaming->after.plumbing_count = renaming->plumbing_count;
    return GS_EXIT_OK;
}

/* ---- all of it ------------------------------------------------------------------------------------------------------- */

int gs_cli_renaming_read(struct gs_renaming *renaming)
{
    char why[160];
    renaming->json = gs_store_read_incident(renaming->folder.fd, why, sizeof why);
    if (!renaming->json)
        return gs_cli_complain(GS_EXIT_IO, "%s: %s", renaming->path, why);
    int status = read_texts(renaming);
    if (status == GS_EXIT_OK)
        status = read_profiles(renaming);
    if (status == GS_EXIT_OK && !read_memory(renaming))
        status = gs_cli_complain(GS_EXIT_IO, "there is not enough memory");
    read_plumbing(renaming);
    set_evidence(renaming);
    return status;
}

void gs_cli_renaming_fini(struct gs_renaming *renaming)
{
    for (size_t i = 0; i < renaming->file_count; i++) {
        struct gs_renamed_profile *file = &renaming->file[i];
        if (file->captured != file->now)
            gs_profile_free(file->captured);
        gs_profile_free(file->now);
        gs_profile_free(file->named);
    }
    gs_profile_free(renaming->memory);
    gs_profile_free(renaming->named_memory);
    gs_incident_words_fini(&renaming->words_before);
    gs_incident_words_fini(&renaming->words_original);
    gs_incident_words_fini(&renaming->words_after);
    gs_text_fini(&renaming->summary);
    gs_text_fini(&renaming->threads);
    gs_text_fini(&renaming->notes);
    if (renaming->rules)
        gs_rules_free(renaming->rules);
    json_decref(renaming->memory_json);
    json_decref(renaming->json);
}

int gs_cli_renaming_words(struct gs_renaming *renaming)
{
    int error = gs_incident_read_back(&renaming->before, &renaming->words_before);
    if (!error)
        error = gs_incident_read_back(&renaming->original, &renaming->words_original);
    if (!error)
        error = gs_incident_read_back(&renaming->after, &renaming->words_after);
    if (error)
        return error;
    if (renaming->summary.length) {
        gs_incident_rename_summary(&renaming->words_before, &renaming->words_after, &renaming->summary);
        gs_incident_rename_summary(&renaming->words_original, &renaming->words_after, &renaming->summary);
        if (gs_incident_has_culprit_of(renaming->json, &renaming->words_original))
            gs_incident_rename_blocks(&renaming->words_after, &renaming->summary);
    }
    return renaming->summary.failed ? -ENOMEM : 0;
}

/* Set "plumbing", if there is more of it than before. */
static int set_plumbing(const struct gs_renaming *renaming, json_t *json)
{
    struct gs_json list = gs_json_array();
    if (renaming->plumbing_count == renaming->stored_plumbing) {
        json_decref(list.json);
        return 0;
    }
    for (size_t i = 0; i < renaming->plumbing_count; i++)
        gs_json_add(&list, gs_json_printable(renaming->plumbing[i]));
    return json_object_set_new(json, "plumbing", gs_json_take(&list)) == 0 ? 0 : -ENOMEM;
}

int gs_cli_renaming_json(const struct gs_renaming *renaming, json_t *json)
{
    int error = gs_incident_rename_json(&renaming->words_before, &renaming->words_after, json);
    if (!error)
        error = gs_incident_rename_json(&renaming->words_original, &renaming->words_after, json);
    if (!error && gs_incident_has_culprit_of(json, &renaming->words_original))
        error = gs_incident_rename_culprit(&renaming->words_after, json);
    return error ? error : set_plumbing(renaming, json);
}
