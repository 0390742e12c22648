/* suggest_fit.c - loosens suggested rules until their history has no more incidents than are allowed, faults apart.
 *
 *   each rule by itself, as text ──▶ replay ──▶ too many incidents on no fault? the rule with most is loosened, and replayed again
 *                                          └──▶ few enough: done
 *
 * A rule that still fires too often after all loosenings is left out; the one near the memory limit is kept, because nothing
 * replaces it: it waits longer ("for"). Of rules that fire equally often, the last is loosened.
 * Who: suggest.c. Context: CLI; pure. Bounds: LOOSENINGS_MAX replays a rule. */
#include "base/numbers.h"
#include "base/text.h"
#include "history/history.h"
#include "reader/suggest.h"
#include <errno.h>
#include <string.h>

enum { LOOSENINGS_MAX = 40, FAULTS_A_DAY = 4 };
#define LONG_COOLDOWN_NS (6 * GS_NS_PER_HOUR)

/* ---- replay ----------------------------------------------------------------------------------------------------------- */

int gs_reader_replay_suggestions(const struct gs_suggestions *suggestions, const struct gs_suggestion *only,
                                 struct gs_replay **run)
{
    struct gs_text text = {0};
    struct gs_errors errors = {0};
    gs_reader_print_suggestions(suggestions, only, &text);
    struct gs_rules *rules =
        text.failed ? NULL : gs_rules_read(text.bytes, text.length, "(suggestion)", &errors);
    *run = rules ? gs_reader_replay_run(rules, suggestions->history, suggestions->constraints->limit_bytes, 0)
                 : NULL;
    int error = *run ? 0 : errors.count ? -EINVAL : -ENOMEM;
    gs_rules_free(rules);
    gs_errors_fini(&errors);
    gs_text_fini(&text);
    return error;
}

/* A rule's window still has the fault in it for a while after its end. A climb may have begun a little earlier than was seen. */
size_t gs_reader_fault_at(const struct gs_suggestions *suggestions, const struct gs_suggestion *rule,
                          int64_t time_ns)
{
    const struct gs_suggested *out = suggestions->out;
    int64_t after_ns = rule->window_ns > rule->for_ns ? rule->window_ns : rule->for_ns;
    for (size_t i = out->fault_count; i > 0; i--) {
        const struct gs_fault *fault = &out->fault[i - 1];
        int64_t before_ns = (fault->peak_ns - fault->begin_ns) / 100, least_ns = 2 * out->interval_ns;
        bool begun = time_ns >= fault->begin_ns - (before_ns > least_ns ? before_ns : least_ns);
        if (begun && time_ns <= fault->end_ns + after_ns &&
            gs_reader_fault_concerns(suggestions, i - 1, rule->metric))
            return i - 1;
    }
    return SIZE_MAX;
}

static int replay_alone(const struct gs_suggestions *suggestions, struct gs_suggestion *rule)
{
    struct gs_replay *run = NULL;
    rule->otherwise = rule->on_faults = 0;
    if (rule->left_out)
        return 0;
    int error = gs_reader_replay_suggestions(suggestions, rule, &run);
    if (error)
        return error;
    const struct gs_replayed *replayed = &run->rule[0];
    for (size_t i = 0; i < replayed->firing_count; i++)
        if (gs_reader_fault_at(suggestions, rule, replayed->firing[i].time_ns) == SIZE_MAX)
            rule->otherwise++;
        else
            rule->on_faults++;
    rule->otherwise += replayed->fired - replayed->firing_count;
    gs_reader_replay_free(run);
    return 0;
}

/* ---- loosening -------------------------------------------------------------------------------------------------------- */

void gs_reader_suggestion_leave_out(struct gs_suggestions *suggestions, struct gs_suggestion *rule,
                                    const char *why)
{
    rule->left_out = true;
    rule->otherwise = rule->on_faults = 0;
    gs_text_add(suggestions->notes, "%s: left out, %s\n", rule->name, why);
}

bool gs_reader_suggestion_is_out_of_reach(const struct gs_suggestions *suggestions,
                                          const struct gs_suggestion *rule)
{
    static const double spelled_max = 1e15;
    bool of_memory = rule->metric_row->share == GS_OF_MEMORY_LIMIT && suggestions->constraints->limit_bytes;
    double most = gs_smaller(
        of_memory ? (double)suggestions->constraints->limit_bytes : rule->metric_row->most, spelled_max);
    return !(rule->figure > -spelled_max &&
             rule->figure < (rule->kind == GS_SUGGEST_LEAK ? spelled_max : 0.98 * most));
}

/* First a longer "for", up to an hour; then a higher line, up to 95 %; then a longer "for" again. False: that was all. */
static bool loosen_near_limit(struct gs_suggestion *rule)
{
    if (rule->for_ns < GS_NS_PER_HOUR)
        rule->for_ns *= 2;
    else if (rule->figure < 0.945)
        rule->figure += 0.05;
    else if (rule->for_ns < GS_NS_PER_WEEK)
        rule->for_ns *= 2;
    else
        return false;
    return true;
}

static bool loosen_figure(const struct gs_suggestions *suggestions, struct gs_suggestion *rule)
{
    bool fine = rule->loosened <= 6 && rule->kind != GS_SUGGEST_LEAK; // replaying growth takes longest
    double step = fine ? 1.2 : 1.5;
    rule->figure = rule->least + (rule->figure - rule->least) * step;
    return rule->loosened <= LOOSENINGS_MAX && !gs_reader_suggestion_is_out_of_reach(suggestions, rule);
}

static void loosen(struct gs_suggestions *suggestions, struct gs_suggestion *rule)
{
    rule->loosened++;
    if (rule->kind == GS_SUGGEST_NEAR_LIMIT)
        rule->too_often = !loosen_near_limit(rule);
    else if (!loosen_figure(suggestions, rule))
        gs_reader_suggestion_leave_out(suggestions, rule,
                                       "it would fire more often than allowed, whatever its threshold");
}

/* The rule that fires most often on no fault; of several the last. NULL: none does. */
static struct gs_suggestion *most_frequent(struct gs_suggestions *suggestions)
{
    struct gs_suggestion *most = NULL;
    for (size_t i = 0; i < suggestions->count; i++) {
        struct gs_suggestion *rule = &suggestions->rule[i];
        if (rule->otherwise && !rule->too_often && (!most || rule->otherwise >= most->otherwise))
            most = rule;
    }
    return most;
}

static uint64_t total(const struct gs_suggestions *suggestions)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < suggestions->count; i++)
        sum += suggestions->rule[i].otherwise;
    return sum;
}

/* A fault that lasts, or comes back each hour, needs no incident of every rule each hour: of a rule that fires on faults more than
 * FAULTS_A_DAY times a day, the cooldown becomes LONG_COOLDOWN_NS. Its first incident stays. */
static int wait_longer(struct gs_suggestions *suggestions)
{
    uint64_t days = (uint64_t)(suggestions->out->span_ns / GS_NS_PER_DAY) + 1;
    int error = 0;
    for (size_t i = 0; i < suggestions->count && !error; i++) {
        struct gs_suggestion *rule = &suggestions->rule[i];
        if (rule->on_faults <= FAULTS_A_DAY * days || rule->kind == GS_SUGGEST_LEAK ||
            rule->cooldown_ns == LONG_COOLDOWN_NS)
            continue;
        rule->cooldown_ns = LONG_COOLDOWN_NS;
        error = replay_alone(suggestions, rule);
    }
    return error;
}

/* Say which rules are kept although they fire too often. */
static void note_too_often(const struct gs_suggestions *suggestions)
{
    for (size_t i = 0; i < suggestions->count; i++)
        if (suggestions->rule[i].too_often)
            gs_text_add(suggestions->notes,
                        "%s: kept, although it fires more often than allowed: this history is near the "
                        "memory limit nearly all the time\n",
                        suggestions->rule[i].name);
}

int gs_reader_fit_suggestions(struct gs_suggestions *suggestions)
{
    int error = 0;
    struct gs_suggestion *rule;
    for (size_t i = 0; i < suggestions->count && !error; i++)
        error = replay_alone(suggestions, &suggestions->rule[i]);
    while (!error && total(suggestions) > suggestions->allowed && (rule = most_frequent(suggestions))) {
        loosen(suggestions, rule);
        error = replay_alone(suggestions, rule);
    }
    if (!error)
        error = wait_longer(suggestions);
    if (!error)
        note_too_often(suggestions);
    return error;
}
