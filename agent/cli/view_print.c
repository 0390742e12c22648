/* view_print.c - the head of what reading commands print, as pprof prints it. */
#include "base/numbers.h"
#include "cli/view.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

struct gs_scale gs_cli_view_scale(const struct gs_view *view, const struct gs_graph *graph)
{
    long long min = 0;
    for (size_t i = 0; i < graph->order_count; i++) {
        const struct gs_graph_node *node = &graph->node[graph->order[i]];
        long long value = (long long)gs_magnitude(node->flat ? node->flat : node->cum);
        if (value && (min == 0 || value < min))
            min = value;
    }
    return gs_reader_scale_for(view->profile->sample_type[view->type].unit, min ? min : view->total,
                               view->total);
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

static void print_duration(const struct gs_view *view, const struct gs_scale *scale)
{
    char duration[64], total[64], share[64] = "";
    const char *unit = view->profile->sample_type[view->type].unit;
    if (strcmp(unit, "nanoseconds") == 0 && view->total) {
        char part[32];
        snprintf(share, sizeof share, "(%s)",
                 gs_reader_print_share(view->total, view->profile->duration_ns, part, sizeof part));
    }
    printf("Duration: %s, Total samples = %s %s\n",
           gs_reader_print_label(view->profile->duration_ns, "nanoseconds", duration, sizeof duration),
           scale ? gs_reader_print_scaled(view->total, scale, total, sizeof total)
                 : gs_reader_print_label(view->total, unit, total, sizeof total),
           share);
}

void gs_cli_view_print_head(const struct gs_view *view, const struct gs_scale *scale)
{
    const struct gs_profile *profile = view->profile;
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
    gs_cli_print_line(profile->sample_type[view->type].type);
    if (profile->time_ns)
        print_time(profile->time_ns);
    if (profile->duration_ns)
        print_duration(view, scale);
}

void gs_cli_view_print_filters(const struct gs_view *view)
{
    const struct gs_filter *filter = &view->options->filter;
    const struct {
        const char *name, *value;
    } filters[] = {
        {"focus", filter->focus}, {"ignore", filter->ignore},      {"hide", filter->hide},
        {"show", filter->show},   {"tagfocus", filter->tag_focus}, {"tagignore", filter->tag_ignore},
    };
    bool any = false;
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        if (!filters[i].value)
            continue;
        printf("%s   %s=", any ? "" : "Active filters:\n", filters[i].name);
        gs_cli_print_line(filters[i].value);
        any = true;
    }
    for (size_t i = 0; i < view->options->plumbing_list.count; i++) {
        printf("%s   plumbing=", any ? "" : "Active filters:\n");
        gs_cli_print_line(view->options->plumbing_list.item[i]);
        any = true;
    }
}

void gs_cli_view_print_totals(const struct gs_view *view, const struct gs_graph *graph,
                              const struct gs_scale *scale)
{
    char sum_text[64], share[32], total[64], cutoff[64];
    int64_t sum = 0;
    for (size_t i = 0; i < graph->order_count; i++)
        sum += graph->node[graph->order[i]].flat;
    gs_reader_print_share(sum, view->total, share, sizeof share);
    printf("Showing nodes accounting for %s, %s of %s total\n",
           gs_reader_print_scaled(sum, scale, sum_text, sizeof sum_text), share + strspn(share, " "),
           gs_reader_print_scaled(view->total, scale, total, sizeof total));
    if (view->total && graph->dropped)
        printf("Dropped %zu node%s (cum <= %s)\n", graph->dropped, graph->dropped == 1 ? "" : "s",
               gs_reader_print_scaled((long long)((double)view->total * GS_CUTOFF_PER_MILLE / 1000), scale,
                                      cutoff, sizeof cutoff));
    if (view->total && graph->order_count && graph->order_count < graph->candidates)
        printf("Showing top %zu nodes out of %zu\n", graph->order_count, graph->candidates);
}
