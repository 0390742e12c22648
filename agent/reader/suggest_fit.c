/* suggest_fit.c - loosens suggested rules until their history has no more incidents than are allowed.
 *
 *   each rule by itself, as text ──▶ replay ──▶ too many incidents? the rule that fires most is loosened, and replayed again
 *                                          └──▶ few enough: done
 *
 * A rule that still fires too often after all loosenings is left out. Of rules that fire equally often, the last is
 * loosened.
 * Who: suggest.c. Context: CLI; pure. Bounds: LOOSENINGS_MAX replays a rule. */
#include "base/numbers.h"
#include "base/text.h"
#include "history/history.h"
#include "metrics/metrics.h"
#include "reader/inside.h"
#include "rules/rules.h"
#include <errno.h>

enum { LOOSENINGS_MAX = 40 };

int gs_reader_replay_suggestions(const struct gs_suggestions *suggestions, const struct gs_suggestion *only,
                                 uint64_t *fired)
{
    struct gs_text text = {0};
    struct gs_errors errors = {0};
    gs_reader_print_suggestions(suggestions, only, &text);
    struct gs_rules *rules =
        text.failed ? NULL : gs_rules_read(text.bytes, text.length, "(suggestion)", &errors);
    struct gs_replay *run =
        rules ? gs_reader_replay_run(rules, suggestions->history, suggestions->constraints->limit_bytes, 0)
              : NULL;
    *fired = 0;
    for (size_t i = 0; run && i < run->rule_count; i++)
        *fired += run->rule[i].fired;
    int error = run ? 0 : errors.count ? -EINVAL : -ENOMEM;
    gs_reader_replay_free(run);
    gs_rules_free(rules);
    gs_errors_fini(&errors);
    gs_text_fini(&text);
    return error;
}

void gs_reader_suggestion_leave_out(struct gs_suggestions *suggestions, struct gs_suggestion *rule,
                                    const char *why)
{
    rule->left_out = true;
    rule->fired = 0;
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

static void loosen(struct gs_suggestions *suggestions, struct gs_suggestion *rule)
{
    double step = rule->loosened < 6 ? 1.2 : 1.5;
    rule->loosened++;
    if (rule->kind == GS_SUGGEST_NEAR_LIMIT)
        rule->figure += 0.05;
    else
        rule->figure = rule->least + (rule->figure - rule->least) * step;
    if (rule->loosened > LOOSENINGS_MAX || (rule->kind == GS_SUGGEST_NEAR_LIMIT && rule->figure > 0.96) ||
        gs_reader_suggestion_is_out_of_reach(suggestions, rule))
        gs_reader_suggestion_leave_out(suggestions, rule,
                                       "it would fire more often than allowed, whatever its threshold");
}

/* The rule that fires most often; of several the last. NULL: none fires. */
static struct gs_suggestion *most_frequent(struct gs_suggestions *suggestions)
{
    struct gs_suggestion *most = NULL;
    for (size_t i = 0; i < suggestions->count; i++)
        if (suggestions->rule[i].fired && (!most || suggestions->rule[i].fired >= most->fired))
            most = &suggestions->rule[i];
    return most;
}

static uint64_t total(const struct gs_suggestions *suggestions)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < suggestions->count; i++)
        sum += suggestions->rule[i].fired;
    return sum;
}

int gs_reader_fit_suggestions(struct gs_suggestions *suggestions)
{
    int error = 0;
    for (size_t i = 0; i < suggestions->count && !error; i++)
        error = gs_reader_replay_suggestions(suggestions, &suggestions->rule[i], &suggestions->rule[i].fired);
    while (!error && total(suggestions) > suggestions->allowed) {
        struct gs_suggestion *rule = most_frequent(suggestions);
        loosen(suggestions, rule);
        if (!rule->left_out)
            error = gs_reader_replay_suggestions(suggestions, rule, &rule->fired);
    }
    return error;
}
