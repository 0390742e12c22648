/* filter_labels.c - which samples of a profile are shown, by their labels: pprof's tagfocus and tagignore.
 *
 *   "alice,bob"        each expression matches some label "key:text"
 *   "user=alice,bob"   an expression matches the text of label `user`
 *   "32kB"  "32kB:"  ":64kB"  "32kB:64kB"  "bytes=1MB:"      a number in this range, bounds included
 *
 * Context: CLI. */
#include "profile/profile.h"
#include "reader/inside.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXPRESSIONS_MAX = 16, KEY_MAX = 128 };

struct bound {
    bool used;
    long long number;
    char unit[16];
};

struct label_filter {
    bool used, is_range;
    char key[KEY_MAX]; // "": any
    struct bound low, high;
    struct gs_pattern expression[EXPRESSIONS_MAX];
    size_t expression_count;
};

/* ---- reading a condition ----------------------------------------------------------------------------------------- */

/* Read a number with an optional unit from *AT, and move *AT behind it. */
static bool read_bound(const char **at, struct bound *out)
{
    char *end;
    size_t length = 0;
    const char *digits = *at + strspn(*at, "+-");
    if (digits - *at > 1 || !isdigit((unsigned char)*digits))
        return false;
    out->number = strtoll(*at, &end, 10);
    while (isalpha((unsigned char)end[length]))
        length++;
    snprintf(out->unit, sizeof out->unit, "%.*s", (int)length, end);
    *at = end + length;
    out->used = true;
    return true;
}

/* Read TEXT as a range. False: it is none, so it is a list of expressions. */
static bool read_range(const char *text, struct label_filter *filter)
{
    bool low = read_bound(&text, &filter->low);
    if (!*text) {
        filter->high = filter->low;
        return low;
    }
    if (*text++ != ':')
        return false;
    bool high = read_bound(&text, &filter->high);
    return !*text && (low || high);
}

static bool read_expressions(const char *text, const char *option, struct label_filter *filter, char *why,
                             size_t why_size)
{
    while (filter->expression_count < EXPRESSIONS_MAX) {
        char one[256];
        size_t length = strcspn(text, ",");
        if (length >= sizeof one) {
            snprintf(why, why_size, "--%s: an expression is longer than %zu characters", option,
                     sizeof one - 1);
            return false;
        }
        snprintf(one, sizeof one, "%.*s", (int)length, text);
        if (!gs_reader_pattern_compile(&filter->expression[filter->expression_count], one, option, why,
                                       why_size))
            return false;
        filter->expression_count++;
        text += length;
        if (!*text++)
            return true;
    }
    snprintf(why, why_size, "--%s: more than %d expressions", option, EXPRESSIONS_MAX);
    return false;
}

static bool read_filter(const char *text, const char *option, struct label_filter *filter, char *why,
                        size_t why_size)
{
    const char *equals = text ? strchr(text, '=') : NULL;
    filter->used = text != NULL;
    if (equals && equals - text >= KEY_MAX) {
        snprintf(why, why_size, "--%s: the label's name is longer than %d characters", option, KEY_MAX - 1);
        return false;
    }
    if (equals) {
        snprintf(filter->key, sizeof filter->key, "%.*s", (int)(equals - text), text);
        text = equals + 1;
    }
    if (!text)
        return true;
    filter->is_range = read_range(text, filter);
    return filter->is_range || read_expressions(text, option, filter, why, why_size);
}

static void filter_fini(struct label_filter *filter)
{
    for (size_t i = 0; i < filter->expression_count; i++)
        gs_reader_pattern_fini(&filter->expression[i]);
}

/* ---- judging a sample -------------------------------------------------------------------------------------------- */

/* VALUE of unit UNIT against BOUND: -1 below, 0 equal, 1 above; 2: their units do not compare. */
static int against(long long value, const char *unit, const struct bound *bound)
{
    double number = (double)value;
    if (strcmp(unit, bound->unit) != 0 && !gs_reader_convert((double)value, unit, bound->unit, &number))
        return 2;
    return (number > (double)bound->number) - (number < (double)bound->number);
}

static bool is_in_range(const struct gs_label_value *label, const struct label_filter *filter)
{
    const char *unit =
        label->unit && *label->unit ? label->unit : label->key; // as pprof: the key is the unit
    int low = filter->low.used ? against(label->number, unit, &filter->low) : 0,
        high = filter->high.used ? against(label->number, unit, &filter->high) : 0;
    return (low == 0 || low == 1) && (high == 0 || high == -1);
}

static bool has_number(const struct gs_sample *sample, const struct label_filter *filter)
{
    for (uint32_t i = 0; i < sample->label_count; i++) {
        const struct gs_label_value *label = &sample->label[i];
        if (!label->text && (!*filter->key || strcmp(label->key, filter->key) == 0) &&
            is_in_range(label, filter))
            return true;
    }
    return false;
}

/* Does EXPRESSION match the text of label KEY of SAMPLE; with KEY "", "key:text" of any label? */
static bool has_text(const struct gs_sample *sample, const char *key, const struct gs_pattern *expression)
{
    for (uint32_t i = 0; i < sample->label_count; i++) {
        const struct gs_label_value *label = &sample->label[i];
        char both[512];
        if (!label->text || (*key && strcmp(label->key, key) != 0))
            continue;
        snprintf(both, sizeof both, "%s:%s", label->key, label->text);
        if (gs_reader_pattern_matches(expression, *key ? label->text : both))
            return true;
    }
    return false;
}

/* With a key one expression has to match, without a key all of them: as in pprof. */
static bool has_texts(const struct gs_sample *sample, const struct label_filter *filter)
{
    size_t matched = 0;
    for (size_t i = 0; i < filter->expression_count; i++)
        matched += has_text(sample, filter->key, &filter->expression[i]);
    return *filter->key ? matched > 0 : matched == filter->expression_count;
}

static bool matches_sample(const struct gs_sample *sample, const struct label_filter *filter)
{
    return filter->is_range ? has_number(sample, filter) : has_texts(sample, filter);
}

static void filter_samples(struct gs_profile *profile, const struct label_filter *focus,
                           const struct label_filter *ignore, struct gs_text *warnings)
{
    size_t kept = 0, focused = 0, ignored = 0;
    for (size_t i = 0; i < profile->sample_count; i++) {
        bool keep = !focus->used || matches_sample(&profile->sample[i], focus),
             drop = ignore->used && matches_sample(&profile->sample[i], ignore);
        focused += keep;
        ignored += drop;
        if (keep && !drop)
            profile->sample[kept++] = profile->sample[i];
    }
    profile->sample_count = kept;
    if (focus->used && !focused)
        gs_text_add(warnings, "--tagfocus matches nothing\n");
    if (ignore->used && !ignored)
        gs_text_add(warnings, "--tagignore matches nothing\n");
}

int gs_reader_filter_labels(struct gs_profile *profile, const struct gs_filter *filter,
                            struct gs_text *warnings, char *why, size_t why_size)
{
    struct label_filter focus = {0}, ignore = {0};
    bool read = read_filter(filter->tag_focus, "tagfocus", &focus, why, why_size) &&
                read_filter(filter->tag_ignore, "tagignore", &ignore, why, why_size);
    if (read && (focus.used || ignore.used))
        filter_samples(profile, &focus, &ignore, warnings);
    filter_fini(&focus);
    filter_fini(&ignore);
    return read ? 0 : -EINVAL;
}
