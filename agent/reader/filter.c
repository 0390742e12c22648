/* filter.c - which samples and frames of a profile are shown: pprof's focus, ignore, hide, show, and our plumbing.
 *
 *   each location ──▶ focused? ignored? which of its lines stay?        (function name, file name, mapped file)
 *   each sample   ──▶ kept if a frame is focused and none is ignored; then without its hidden frames
 *
 * Labels are in filter_labels.c. Context: CLI. */
#include "base/memory.h"
#include "profile/profile.h"
#include "reader/inside.h"
#include <errno.h>

struct name_filter {
    struct gs_pattern focus, ignore, hide, show;
    const char *const *plumbing;
    size_t plumbing_count; // in `matched`: not 0 if a function is plumbing
};

struct marks { // of each location
    bool focused, ignored, hidden;
    bool plumbing; // all of its functions are
};

static bool matches_line(const struct gs_profile *profile, const struct gs_line *line,
                         const struct gs_pattern *expression)
{
    const struct gs_function *function = &profile->function[line->function];
    return gs_reader_pattern_matches(expression, function->name) ||
           gs_reader_pattern_matches(expression, function->file);
}

static bool matches_file(const struct gs_profile *profile, const struct gs_location *location,
                         const struct gs_pattern *expression)
{
    return location->mapping &&
           gs_reader_pattern_matches(expression, profile->mapping[location->mapping - 1].path);
}

static bool matches_location(const struct gs_profile *profile, const struct gs_location *location,
                             const struct gs_pattern *expression)
{
    for (uint32_t i = 0; i < location->line_count; i++)
        if (matches_line(profile, &location->line[i], expression))
            return true;
    return matches_file(profile, location, expression);
}

/* Keep the lines of LOCATION that match EXPRESSION, or with KEEP false those that do not. The mapped file matches for all of
 * them. Returns whether any line is left, or, without lines, whether the location stays. */
static bool keep_lines(const struct gs_profile *profile, struct gs_location *location,
                       const struct gs_pattern *expression, bool keep)
{
    uint32_t kept = 0;
    struct gs_line *line = (struct gs_line *)location->line; // memory of the profile: may be changed
    if (matches_file(profile, location, expression))
        return keep && location->line_count;
    for (uint32_t i = 0; i < location->line_count; i++)
        if (matches_line(profile, &line[i], expression) == keep)
            line[kept++] = line[i];
    location->line_count = kept;
    return kept > 0;
}

static bool is_plumbing(const struct gs_profile *profile, const struct gs_line *line,
                        const struct name_filter *filter)
{
    for (size_t i = 0; i < filter->plumbing_count; i++)
        if (gs_symbol_matches(filter->plumbing[i], profile->function[line->function].name))
            return true;
    return false;
}

/* Remove the lines of LOCATION whose functions are plumbing, unless all of them are. Returns whether all of them are. */
static bool remove_plumbing(const struct gs_profile *profile, struct gs_location *location,
                            const struct name_filter *filter, struct name_filter *matched)
{
    uint32_t kept = 0, plumbing = 0;
    struct gs_line *line = (struct gs_line *)location->line; // memory of the profile: may be changed
    for (uint32_t i = 0; i < location->line_count; i++)
        plumbing += is_plumbing(profile, &line[i], filter);
    matched->plumbing_count += plumbing;
    if (plumbing == 0 || plumbing == location->line_count)
        return plumbing > 0;
    for (uint32_t i = 0; i < location->line_count; i++)
        if (!is_plumbing(profile, &line[i], filter))
            line[kept++] = line[i];
    location->line_count = kept;
    return false;
}

static struct marks mark_location(const struct gs_profile *profile, struct gs_location *location,
                                  const struct name_filter *filter, struct name_filter *matched)
{
    struct marks marks = {0};
    marks.ignored = filter->ignore.used && matches_location(profile, location, &filter->ignore);
    marks.focused =
        !marks.ignored && (!filter->focus.used || matches_location(profile, location, &filter->focus));
    matched->ignore.used |= marks.ignored;
    matched->focus.used |= marks.focused;
    if (filter->hide.used && matches_location(profile, location, &filter->hide)) {
        matched->hide.used = true;
        marks.hidden = !keep_lines(profile, location, &filter->hide, false);
    }
    if (filter->show.used) {
        bool shown = keep_lines(profile, location, &filter->show, true);
        matched->show.used |= shown;
        marks.hidden |= !shown;
    }
    marks.plumbing = !marks.hidden && remove_plumbing(profile, location, filter, matched);
    return marks;
}

/* Remove the hidden frames of SAMPLE, or with PLUMBING those that are plumbing. Returns how many are left. */
static uint32_t remove_frames(struct gs_sample *sample, const struct marks *marks, bool plumbing)
{
    uint32_t kept = 0, *location = (uint32_t *)sample->location; // memory of the profile: may be changed
    for (uint32_t i = 0; i < sample->depth; i++)
        if (plumbing ? !marks[location[i]].plumbing : !marks[location[i]].hidden)
            location[kept++] = location[i];
    sample->depth = kept;
    return kept;
}

static bool is_all_plumbing(const struct gs_sample *sample, const struct marks *marks)
{
    for (uint32_t i = 0; i < sample->depth; i++)
        if (!marks[sample->location[i]].plumbing)
            return false;
    return true;
}

/* Remove the frames of SAMPLE that are not shown. Returns whether the sample stays. */
static bool keep_sample(struct gs_sample *sample, const struct marks *marks)
{
    bool focused = false;
    for (uint32_t i = 0; i < sample->depth; i++) {
        if (marks[sample->location[i]].ignored)
            return false;
        focused |= marks[sample->location[i]].focused;
    }
    if (!focused || remove_frames(sample, marks, false) == 0)
        return false;
    if (!is_all_plumbing(sample, marks))
        (void)remove_frames(sample, marks, true);
    return true;
}

static void warn(struct gs_text *warnings, const struct gs_pattern *used, const struct gs_pattern *matched,
                 const char *option)
{
    if (used->used && !matched->used)
        gs_text_add(warnings, "--%s matches nothing\n", option);
}

static int filter_names(struct gs_profile *profile, const struct name_filter *filter,
                        struct gs_text *warnings)
{
    struct name_filter matched = {0};
    struct marks *marks = gs_alloc((profile->location_count + 1) * sizeof *marks);
    size_t kept = 0;
    if (!marks)
        return -ENOMEM;
    for (size_t i = 0; i < profile->location_count; i++)
        marks[i] = mark_location(profile, &profile->location[i], filter, &matched);
    for (size_t i = 0; i < profile->sample_count; i++)
        if (keep_sample(&profile->sample[i], marks))
            profile->sample[kept++] = profile->sample[i];
    profile->sample_count = kept;
    gs_free(marks);
    warn(warnings, &filter->focus, &matched.focus, "focus");
    warn(warnings, &filter->ignore, &matched.ignore, "ignore");
    warn(warnings, &filter->hide, &matched.hide, "hide");
    warn(warnings, &filter->show, &matched.show, "show");
    if (filter->plumbing_count && !matched.plumbing_count)
        gs_text_add(warnings, "--plumbing matches nothing\n");
    return 0;
}

int gs_reader_filter(struct gs_profile *profile, const struct gs_filter *filter, struct gs_text *warnings,
                     char *why, size_t why_size)
{
    struct name_filter names = {.plumbing = filter->plumbing, .plumbing_count = filter->plumbing_count};
    bool read = gs_reader_pattern_compile(&names.focus, filter->focus, "focus", why, why_size) &&
                gs_reader_pattern_compile(&names.ignore, filter->ignore, "ignore", why, why_size) &&
                gs_reader_pattern_compile(&names.hide, filter->hide, "hide", why, why_size) &&
                gs_reader_pattern_compile(&names.show, filter->show, "show", why, why_size);
    int error = !read ? -EINVAL : 0;
    if (!error && (filter->focus || filter->ignore || filter->hide || filter->show || filter->plumbing_count))
        error = filter_names(profile, &names, warnings);
    if (!error)
        error = gs_reader_filter_labels(profile, filter, warnings, why, why_size);
    gs_reader_pattern_fini(&names.focus);
    gs_reader_pattern_fini(&names.ignore);
    gs_reader_pattern_fini(&names.hide);
    gs_reader_pattern_fini(&names.show);
    return error;
}
