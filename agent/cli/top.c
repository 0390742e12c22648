/* top.c - `gumshoe top`: prints flat and cum by function, in the layout of `go tool pprof -top`. */
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "profile/profile.h"
#include "reader/reader.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { PROFILE_BYTES_MAX = 512 << 20 };
static const double NODE_FRACTION =
    0.005; // as pprof: functions with a smaller share of the total are left out

struct top_options {
    long long max_rows;
    const char *sample, *base;
    bool cum, json;
};

/* ---- reading -------------------------------------------------------------------------------------------------------- */

/* Find the profile that PATH means: the file itself, or of an incident's folder its heap profile, else its threads. Returns
 * false if the folder has neither. */
static bool locate(const char *path, char out[PATH_MAX])
{
    static const char *const names[] = {"heap.pb.gz", "threads.pb.gz"};
    struct stat status;
    snprintf(out, PATH_MAX, "%s", path);
    if (stat(path, &status) != 0 || !S_ISDIR(status.st_mode))
        return true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (snprintf(out, PATH_MAX, "%s/%s", path, names[i]) < PATH_MAX && stat(out, &status) == 0)
            return true;
    return false;
}

static struct gs_profile *read_profile(const char *given)
{
    char path[PATH_MAX], why[160], *bytes = NULL;
    size_t length;
    if (!locate(given, path)) {
        gs_cli_complain(GS_EXIT_IO, "%s: there is no profile in this folder", given);
        return NULL;
    }
    int error = gs_file_read(AT_FDCWD, path, PROFILE_BYTES_MAX, &bytes, &length);
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

/* ---- choosing rows ----------------------------------------------------------------------------------------------------- */

static long long magnitude(int64_t value)
{
    return value < 0 ? -value : value;
}

static int by_cum(const void *a, const void *b)
{
    const struct gs_top_row *x = a, *y = b;
    if (magnitude(x->cum) != magnitude(y->cum))
        return magnitude(x->cum) > magnitude(y->cum) ? -1 : 1;
    int order = strcmp(x->function, y->function);
    return order ? order
                 : (magnitude(x->flat) < magnitude(y->flat)) - (magnitude(x->flat) > magnitude(y->flat));
}

struct selection {
    size_t dropped, candidates;
}; // functions below NODE_FRACTION; functions that remain, before -n is applied

/* Keep in TOP only the rows that are to be printed, in their order. */
static struct selection select_rows(struct gs_top *top, const struct top_options *options)
{
    int64_t sum = 0;
    size_t selected = 0;
    for (size_t i = 0; i < top->count; i++)
        sum += top->row[i].flat;
    long long cutoff = magnitude((int64_t)((double)sum * NODE_FRACTION));
    for (size_t i = 0; i < top->count; i++)
        if (magnitude(top->row[i].cum) >= cutoff)
            top->row[selected++] = top->row[i];
    struct selection selection = {top->count - selected, selected};
    top->count = selected;
    if (options->cum)
        qsort(top->row, top->count, sizeof *top->row, by_cum);
    if (options->max_rows > 0 && top->count > (size_t)options->max_rows)
        top->count = (size_t)options->max_rows;
    return selection;
}

/* ---- printing ----------------------------------------------------------------------------------------------------------- */

static struct gs_scale scale_of(const struct gs_top *top, const char *unit)
{
    long long min = 0;
    for (size_t i = 0; i < top->count; i++) {
        long long value = magnitude(top->row[i].flat ? top->row[i].flat : top->row[i].cum);
        if (value && (min == 0 || value < min))
            min = value;
    }
    return gs_cli_scale_for(unit, min ? min : top->total, top->total);
}

static void print_time(int64_t time_ns)
{
    char text[64];
    time_t seconds = (time_t)(time_ns / 1000000000);
    struct tm local;
    localtime_r(&seconds, &local);
    int hour = local.tm_hour % 12 ? local.tm_hour % 12 : 12;
    strftime(text, sizeof text, "%b", &local);
    printf("Time: %s %d, %d at %d:%02d%s", text, local.tm_mday, local.tm_year + 1900, hour, local.tm_min,
           local.tm_hour < 12 ? "am" : "pm");
    strftime(text, sizeof text, "(%Z)", &local);
    printf(" %s\n", text);
}

static void print_duration(const struct gs_profile *profile, const struct gs_top *top, const char *unit,
                           const struct gs_scale *scale)
{
    char duration[64], total[64], share[64] = "";
    bool is_time = strcmp(unit, "nanoseconds") == 0;
    if (is_time && top->total) {
        char part[32];
        snprintf(share, sizeof share, "(%s)",
                 gs_cli_print_share(top->total, profile->duration_ns, part, sizeof part));
    }
    printf("Duration: %s, Total samples = %s %s\n",
           gs_cli_print_label(profile->duration_ns, "nanoseconds", duration, sizeof duration),
           gs_cli_print_scaled(top->total, scale, total, sizeof total), share);
}

static void print_head(const struct gs_profile *profile, const struct gs_top *top, int type,
                       const struct gs_scale *scale)
{
    if (profile->mapping_count && *profile->mapping[0].path) {
        fputs("File: ", stdout);
        gs_cli_print_line(gs_text_base_name(profile->mapping[0].path));
    }
    if (profile->mapping_count && *profile->mapping[0].build_id) {
        fputs("Build ID: ", stdout);
        gs_cli_print_line(profile->mapping[0].build_id);
    }
    for (size_t i = 0; i < profile->comment_count; i++)
        if (profile->comment[i][0] != '#')
            gs_cli_print_line(profile->comment[i]);
    fputs("Type: ", stdout);
    gs_cli_print_line(profile->sample_type[type].type);
    if (profile->time_ns)
        print_time(profile->time_ns);
    if (profile->duration_ns)
        print_duration(profile, top, profile->sample_type[type].unit, scale);
}

static void print_totals(const struct gs_top *top, struct selection selection, const struct gs_scale *scale)
{
    char sum_text[64], share[32], total[64], cutoff[64];
    int64_t sum = 0;
    for (size_t i = 0; i < top->count; i++)
        sum += top->row[i].flat;
    gs_cli_print_share(sum, top->total, share, sizeof share);
    printf("Showing nodes accounting for %s, %s of %s total\n",
           gs_cli_print_scaled(sum, scale, sum_text, sizeof sum_text), share + strspn(share, " "),
           gs_cli_print_scaled(top->total, scale, total, sizeof total));
    if (top->total && selection.dropped)
        printf("Dropped %zu node%s (cum <= %s)\n", selection.dropped, selection.dropped == 1 ? "" : "s",
               gs_cli_print_scaled((long long)((double)top->total * NODE_FRACTION), scale, cutoff,
                                   sizeof cutoff));
    if (top->total && top->count && top->count < selection.candidates)
        printf("Showing top %zu nodes out of %zu\n", top->count, selection.candidates);
}

static void print_rows(const struct gs_top *top, const struct gs_scale *scale)
{
    char flat[64], cum[64], flat_share[32], sum_share[32], cum_share[32];
    int64_t sum = 0;
    printf("%10s %5s%% %5s%% %10s %5s%%\n", "flat", "flat", "sum", "cum", "cum");
    for (size_t i = 0; i < top->count; i++) {
        const struct gs_top_row *row = &top->row[i];
        sum += row->flat;
        printf("%10s %s %s %10s %s  ", gs_cli_print_scaled(row->flat, scale, flat, sizeof flat),
               gs_cli_print_share(row->flat, top->total, flat_share, sizeof flat_share),
               gs_cli_print_share(sum, top->total, sum_share, sizeof sum_share),
               gs_cli_print_scaled(row->cum, scale, cum, sizeof cum),
               gs_cli_print_share(row->cum, top->total, cum_share, sizeof cum_share));
        gs_cli_print_line(row->function);
    }
}

/* Print all functions as JSON: no NODE_FRACTION here, only -n leaves rows out. */
static int print_as_json(const struct gs_profile *profile, struct gs_top *top, int type,
                         const struct top_options *options)
{
    struct gs_json rows = gs_json_array();
    if (options->cum)
        qsort(top->row, top->count, sizeof *top->row, by_cum);
    for (size_t i = 0; i < top->count && (options->max_rows <= 0 || i < (size_t)options->max_rows); i++) {
        struct gs_text name = {0}, file = {0}; // JSON is UTF-8; a symbol need not be
        gs_text_add_printable(&name, top->row[i].function);
        gs_text_add_printable(&file, top->row[i].file);
        gs_json_add(&rows, json_pack("{s:s, s:s, s:I, s:I}", "function", name.bytes ? name.bytes : "", "file",
                                     file.bytes ? file.bytes : "", "flat", (json_int_t)top->row[i].flat,
                                     "cum", (json_int_t)top->row[i].cum));
        gs_text_fini(&name);
        gs_text_fini(&file);
    }
    json_t *json = json_pack("{s:s, s:s, s:I, s:o}", "sample_type", profile->sample_type[type].type, "unit",
                             profile->sample_type[type].unit, "total", (json_int_t)top->total, "rows",
                             gs_json_take(&rows));
    int status = json ? gs_cli_print_json(json)
                      : gs_cli_complain(GS_EXIT_IO, "the profile's sample types are not text");
    json_decref(json);
    return status;
}

/* ---- the command --------------------------------------------------------------------------------------------------- */

static int unknown_type(const struct gs_profile *profile, const char *name)
{
    fprintf(stderr, "gumshoe: there is no sample type \"%s\" in this profile; it has", name);
    for (unsigned i = 0; i < profile->sample_type_count; i++)
        fprintf(stderr, " %s", profile->sample_type[i].type);
    fputc('\n', stderr);
    return GS_EXIT_USAGE;
}

static int show(struct gs_profile *profile, const struct top_options *options)
{
    struct gs_top top;
    int type = gs_profile_sample_type(profile, options->sample), status = GS_EXIT_OK;
    if (type < 0)
        return unknown_type(profile, options->sample ? options->sample : "");
    if (gs_profile_top(profile, type, &top))
        return gs_cli_complain(GS_EXIT_IO, "there is not enough memory");
    if (options->json) {
        status = print_as_json(profile, &top, type, options);
    } else {
        struct selection selection = select_rows(&top, options);
        struct gs_scale scale = scale_of(&top, profile->sample_type[type].unit);
        print_head(profile, &top, type, &scale);
        print_totals(&top, selection, &scale);
        print_rows(&top, &scale);
    }
    gs_profile_top_fini(&top);
    return status;
}

static int subtract_base(struct gs_profile *profile, const char *path)
{
    struct gs_profile *base = read_profile(path);
    if (!base)
        return GS_EXIT_IO;
    int error = gs_profile_subtract(profile, base);
    gs_profile_free(base);
    if (error == -EINVAL)
        return gs_cli_complain(GS_EXIT_NEGATIVE, "%s: its sample types are not those of the profile", path);
    return error ? gs_cli_complain(GS_EXIT_IO, "there is not enough memory") : GS_EXIT_OK;
}

int gs_cli_run_top(struct gs_arguments *arguments)
{
    struct top_options top_options = {0};
    int status;
    const struct gs_option options[] = {
        {NULL, 'n', .argument = "N", .number = &top_options.max_rows, .min = 1, .max = LLONG_MAX,
         .help = "at most N functions"},
        {"sample", .argument = "TYPE", .text = &top_options.sample,
         .help = "inuse_space, alloc_objects, … (default: the profile's own)"},
        {"base", .argument = "FILE", .text = &top_options.base, .help = "the growth since this profile"},
        {"cum", .set = &top_options.cum, .help = "sort by cum"},
        {"json", .set = &top_options.json,
         .help = "{\"sample_type\", \"unit\", \"total\", \"rows\": [{\"function\", \"file\", \"flat\", "
                 "\"cum\"}]}"},
        {0},
    };
    if (!gs_cli_read_options(arguments, options, &status))
        return status;
    if (arguments->operand_count != 1)
        return gs_cli_usage(arguments->command,
                            arguments->operand_count ? "one profile at a time" : "which profile?");
    struct gs_profile *profile = read_profile(arguments->operand[0]);
    if (!profile)
        return GS_EXIT_IO;
    if (top_options.base)
        status = subtract_base(profile, top_options.base);
    if (status == GS_EXIT_OK)
        status = show(profile, &top_options);
    gs_profile_free(profile);
    return status;
}
