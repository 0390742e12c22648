/* top_lifetime.c - `gumshoe top --lifetime`: how long the blocks live that each function allocates: those that are freed again at
 * once, and those that stay. */
#include "base/clock.h"
#include "base/sort.h"
#include "base/units.h"
#include "cli/top.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

enum { ROWS = 10 };

static int by_short(const void *a, const void *b)
{
    const struct gs_lifetime_row *x = a, *y = b;
    return (x->short_space < y->short_space) - (x->short_space > y->short_space);
}

static int64_t stays(const struct gs_lifetime_row *row)
{
    return row->old_space + row->long_space;
}

static int by_long(const void *a, const void *b)
{
    const struct gs_lifetime_row *x = a, *y = b;
    if (stays(x) != stays(y))
        return stays(x) > stays(y) ? -1 : 1;
    return (x->alive_space < y->alive_space) - (x->alive_space > y->alive_space);
}

static void print_head(const struct gs_profile *profile, const struct gs_lifetimes *lifetimes)
{
    char freed[GS_UNIT_TEXT], alive[GS_UNIT_TEXT], duration[GS_UNIT_TEXT];
    printf("Within %s: %s freed; %s in use\n", gs_units_print_duration(profile->duration_ns, duration),
           gs_units_print_size((double)lifetimes->freed_space, freed),
           gs_units_print_size((double)lifetimes->alive_space, alive));
}

static void print_short(const struct gs_lifetimes *lifetimes, size_t max)
{
    char space[GS_UNIT_TEXT], count[GS_UNIT_TEXT], median[GS_UNIT_TEXT], most[GS_UNIT_TEXT],
        alive[GS_UNIT_TEXT];
    printf("\nFreed within 1 s: candidates for reuse\n%10s %12s %9s %9s %10s\n", "freed", "blocks", "median",
           "90 %", "in use");
    for (size_t i = 0; i < lifetimes->count && i < max; i++) {
        const struct gs_lifetime_row *row = &lifetimes->row[i];
        if (!row->short_space)
            break;
        printf("%10s %12s %9s %9s %10s  ", gs_units_print_size((double)row->short_space, space),
               gs_units_print_count((double)row->freed_objects, count),
               gs_profile_print_lifetime(row->median_ns, median),
               gs_profile_print_lifetime(row->most_ns, most),
               gs_units_print_size((double)row->alive_space, alive));
        gs_cli_print_line(row->function);
    }
}

static void print_long(const struct gs_lifetimes *lifetimes, size_t max)
{
    char alive[GS_UNIT_TEXT], old[GS_UNIT_TEXT], later[GS_UNIT_TEXT], freed[GS_UNIT_TEXT];
    printf("\nIn use, or freed later than after 1 min\n%10s %12s %20s %10s\n", "in use", "over 1 min",
           "freed after 1 min", "freed");
    for (size_t i = 0; i < lifetimes->count && i < max; i++) {
        const struct gs_lifetime_row *row = &lifetimes->row[i];
        if (!row->alive_space && !row->long_space)
            continue;
        printf("%10s %12s %20s %10s  ", gs_units_print_size((double)row->alive_space, alive),
               gs_units_print_size((double)row->old_space, old),
               gs_units_print_size((double)row->long_space, later),
               gs_units_print_size((double)row->freed_space, freed));
        gs_cli_print_line(row->function);
    }
}

static json_t *row_json(const struct gs_lifetime_row *row)
{
    struct gs_text name = {0}; // JSON is UTF-8; a symbol need not be
    gs_text_add_printable(&name, row->function);
    json_t *json = json_pack(
        "{s:s, s:I, s:I, s:I, s:I, s:f, s:f, s:I, s:I, s:I}", "function", name.bytes ? name.bytes : "",
        "freed_space", (json_int_t)row->freed_space, "freed_objects", (json_int_t)row->freed_objects,
        "freed_within_1s", (json_int_t)row->short_space, "freed_after_1min", (json_int_t)row->long_space,
        "median_s", (double)row->median_ns / (double)GS_NS_PER_S, "p90_s",
        (double)row->most_ns / (double)GS_NS_PER_S, "alive_space", (json_int_t)row->alive_space,
        "alive_objects", (json_int_t)row->alive_objects, "alive_over_1min", (json_int_t)row->old_space);
    gs_text_fini(&name);
    return json;
}

static int print_json(const struct gs_lifetimes *lifetimes, size_t max)
{
    struct gs_json rows = gs_json_array();
    for (size_t i = 0; i < lifetimes->count && i < max; i++)
        gs_json_add(&rows, row_json(&lifetimes->row[i]));
    json_t *json = json_pack("{s:I, s:I, s:I, s:o}", "freed_space", (json_int_t)lifetimes->freed_space,
                             "freed_within_1s", (json_int_t)lifetimes->short_space, "alive_space",
                             (json_int_t)lifetimes->alive_space, "rows", gs_json_take(&rows));
    int status = json ? gs_cli_print_json(json) : gs_cli_complain(GS_EXIT_IO, "there is not enough memory");
    json_decref(json);
    return status;
}

static int show(const struct gs_view *view)
{
    struct gs_lifetimes lifetimes;
    long long asked = view->options->max_rows;
    size_t max = asked > 0 ? (size_t)asked : view->options->json ? SIZE_MAX : ROWS;
    int error = gs_profile_lifetimes(view->profile, &lifetimes), status = GS_EXIT_OK;
    if (error == -EINVAL)
        return gs_cli_complain(GS_EXIT_NEGATIVE,
                               "this profile has no lifetimes; lifetimes.pb.gz of an incident has");
    if (error)
        return gs_cli_complain(GS_EXIT_IO, "there is not enough memory");
    gs_sort(lifetimes.row, lifetimes.count, sizeof *lifetimes.row, by_short);
    if (view->options->json) {
        status = print_json(&lifetimes, max);
    } else {
        print_head(view->profile, &lifetimes);
        gs_cli_view_print_filters(view);
        print_short(&lifetimes, max);
        gs_sort(lifetimes.row, lifetimes.count, sizeof *lifetimes.row, by_long);
        print_long(&lifetimes, max);
    }
    gs_profile_lifetimes_fini(&lifetimes);
    return status;
}

int gs_cli_top_lifetime(const char *path, const struct gs_view_options *options)
{
    char file[PATH_MAX];
    struct stat info;
    struct gs_view view;
    int status;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode) &&
        snprintf(file, sizeof file, "%s/lifetimes.pb.gz", path) < (int)sizeof file)
        path = file;
    if (!gs_cli_view_open(path, options, &view, &status))
        return status;
    status = show(&view);
    gs_cli_view_close(&view);
    return status;
}
