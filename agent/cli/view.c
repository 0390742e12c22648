/* view.c - reads a profile as the options of a reading command want it.
 *
 *   file ──▶ minus the base ──▶ lines, if it has none ──▶ drop_frames ──▶ the total, for shares ──▶ filters   pprof's order
 */
#include "cli/view.h"
#include "base/memory.h"
#include "base/numbers.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { SYMBOLIZE_SECONDS = 20 };

/* ---- reading ----------------------------------------------------------------------------------------------------- */

const char *const gs_cli_profile_names[] = {
    "heap.pb.gz",      "cpu.pb.gz",        "threads.pb.gz", "threadcreate.pb.gz", "fds.pb.gz",
    "heap.peak.pb.gz", "heap.pages.pb.gz", "waste.pb.gz",   "lifetimes.pb.gz",    NULL};

/* Find the profile that PATH means: the file itself, or of an incident's folder the first of NAMES that it has. Returns
 * false if the folder has none. */
static bool locate(const char *path, char out[PATH_MAX])
{
    const char *const *names = gs_cli_profile_names;
    struct stat status;
    snprintf(out, PATH_MAX, "%s", path);
    if (stat(path, &status) != 0 || !S_ISDIR(status.st_mode))
        return true;
    for (size_t i = 0; names[i]; i++)
        if (snprintf(out, PATH_MAX, "%s/%s", path, names[i]) < PATH_MAX && stat(out, &status) == 0)
            return true;
    return false;
}

struct gs_profile *gs_cli_read_profile(const char *given)
{
    char path[PATH_MAX], why[160], *bytes = NULL;
    size_t length;
    struct gs_profile *packed;
    if (gs_cli_read_bundle_profile(given, &packed))
        return packed;
    if (!locate(given, path)) {
        gs_cli_complain(GS_EXIT_IO, "%s: there is no profile in this folder", given);
        return NULL;
    }
    int error = gs_file_read(AT_FDCWD, path, GS_PROFILE_BYTES_MAX, &bytes, &length);
    if (error) {
        gs_cli_complain(GS_EXIT_IO, "%s: %s", path,
                        error == -EINVAL ? "it is not a file" : strerrordesc_np(-error));
        return NULL;
    }
    struct gs_profile *profile = gs_reader_profile(bytes, length, why, sizeof why);
    gs_free(bytes);
    if (!profile)
        gs_cli_complain(GS_EXIT_IO, "%s: %s", path, why);
    return profile;
}

static int no_memory(void)
{
    return gs_cli_complain(GS_EXIT_IO, "there is not enough memory");
}

static int unknown_type(const struct gs_profile *profile, const char *name)
{
    struct gs_text known = {0};
    for (unsigned i = 0; i < profile->sample_type_count; i++)
        gs_text_add(&known, " %s", profile->sample_type[i].type);
    gs_cli_complain(GS_EXIT_USAGE, "there is no sample type \"%s\" in this profile; it has%s", name,
                    known.bytes ? known.bytes : " none");
    gs_text_fini(&known);
    return GS_EXIT_USAGE;
}

int64_t gs_cli_view_total(const struct gs_profile *profile, int type)
{
    int64_t total = 0;
    for (size_t i = 0; i < profile->sample_count; i++)
        total = gs_sum(total, (int64_t)gs_magnitude(profile->sample[i].value[type]));
    return total;
}

/* Subtract the base that OPTIONS name. */
static int subtract_base(struct gs_view *view, int64_t *base_total)
{
    const char *path = view->options->diff_base ? view->options->diff_base : view->options->base;
    struct gs_profile *base = path ? gs_cli_read_profile(path) : NULL;
    if (!path)
        return GS_EXIT_OK;
    if (!base)
        return GS_EXIT_IO;
    const char *type = view->profile->sample_type[view->type].type;
    gs_profile_keep_common_types(view->profile, base);
    int at = gs_profile_sample_type(view->profile, type), base_at = gs_profile_sample_type(base, type);
    *base_total = base_at >= 0 ? gs_cli_view_total(base, base_at) : 0;
    int error = at < 0 ? -EINVAL : gs_profile_subtract(view->profile, base);
    view->type = at;
    gs_profile_free(base);
    if (error == -EINVAL)
        return gs_cli_complain(GS_EXIT_NEGATIVE, "%s: its sample types are not those of the profile", path);
    return error ? no_memory() : GS_EXIT_OK;
}

/* Fill in lines and inlined functions as `gumshoe symbolize` does, but give up soon. */
static void fill_lines(struct gs_view *view)
{
    const struct gs_symbolize_options options = {.seconds = SYMBOLIZE_SECONDS, .only_failures = true};
    struct gs_text notes = {0};
    if (view->options->no_symbolize || !gs_reader_lacks_lines(view->profile))
        return;
    struct gs_profile *filled = gs_reader_symbolize_apart(view->profile, &options, &notes);
    if (notes.length)
        fputs(notes.bytes, stderr);
    gs_text_fini(&notes);
    if (!filled)
        return;
    gs_profile_free(view->profile);
    view->profile = filled;
}

/* ---- filters ----------------------------------------------------------------------------------------------------- */

static int filter(struct gs_view *view)
{
    struct gs_text warnings = {0};
    struct gs_filter filter = view->options->filter;
    char why[400];
    filter.plumbing = view->options->plumbing_list.item;
    filter.plumbing_count = view->options->plumbing_list.count;
    int error = gs_reader_filter(view->profile, &filter, &warnings, why, sizeof why);
    if (warnings.length)
        fputs(warnings.bytes, stderr);
    gs_text_fini(&warnings);
    return error == -EINVAL ? gs_cli_complain(GS_EXIT_USAGE, "%s", why) : error ? no_memory() : GS_EXIT_OK;
}

static int prepare(struct gs_view *view)
{
    const char *sample = view->options->sample;
    int64_t base_total = 0;
    view->type = gs_profile_sample_type(view->profile, sample);
    if (view->type < 0)
        return unknown_type(view->profile, sample ? sample : "");
    int status = subtract_base(view, &base_total);
    if (status != GS_EXIT_OK)
        return status;
    fill_lines(view);
    if (gs_profile_apply_drop_frames(view->profile))
        return no_memory();
    view->total =
        view->options->diff_base && base_total ? base_total : gs_cli_view_total(view->profile, view->type);
    return filter(view);
}

bool gs_cli_view_open(const char *path, const struct gs_view_options *options, struct gs_view *out,
                      int *status)
{
    *out = (struct gs_view){.profile = gs_cli_read_profile(path), .options = options};
    *status = out->profile ? prepare(out) : GS_EXIT_IO;
    if (*status == GS_EXIT_OK)
        return true;
    gs_cli_view_close(out);
    return false;
}

void gs_cli_view_close(struct gs_view *view)
{
    gs_profile_free(view->profile);
    view->profile = NULL;
}

const char *gs_cli_view_operand(const struct gs_arguments *arguments)
{
    if (arguments->operand_count == 1)
        return arguments->operand[0];
    gs_cli_usage(arguments->command, arguments->operand_count ? "one profile at a time" : "which profile?");
    return NULL;
}

const char *gs_cli_view_function_operand(const struct gs_arguments *arguments, regex_t *function)
{
    const char *text = arguments->operand[0];
    if (arguments->operand_count != 2) {
        gs_cli_usage(arguments->command, "which function, and which profile?");
        return NULL;
    }
    if (regcomp(function, text, REG_EXTENDED | REG_NOSUB) == 0)
        return arguments->operand[1];
    gs_cli_usage(arguments->command, "\"%s\" is not a regular expression", text);
    return NULL;
}

int gs_cli_view_run(const struct gs_arguments *arguments, const struct gs_view_options *options,
                    int show(const struct gs_view *view))
{
    struct gs_view view;
    const char *path = gs_cli_view_operand(arguments);
    int status = GS_EXIT_USAGE;
    if (!path || !gs_cli_view_open(path, options, &view, &status))
        return status;
    status = show(&view);
    gs_cli_view_close(&view);
    return status;
}
