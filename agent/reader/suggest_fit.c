/* suggest_fit.c - suggested rules are loosened until the history they come from has no more incidents than are allowed.
 *
 *   each rule by itself, as text ──▶ replay ──▶ too many incidents? the rule that fires most is loosened, and replayed again
 *                                          └──▶ few enough: done
 *
 * A rule that no figure makes quiet enough is left out. Of rules that fire as often, the later one gives way.
 * Who: suggest.c. Context: CLI; pure. Bounds: LOOSENINGS_MAX replays a rule. */
#include "base/numbers.h"
#include "base/text.h"
#include "history/history.h"
#include "metrics/metrics.h"
#include "reader/inside.h"
#include "rules/rules.h"
#include <errno.h>

enum { LOOSENINGS_MAX = 40 };

int gs_reader_replay_suggestions(const struct gs_suggestions *s, const struct gs_suggestion *only,
                                 uint64_t *fired)
{
    struct gs_text text = {0};
    struct gs_errors errors = {0};
    gs_reader_print_suggestions(s, only, &text);
    struct gs_rules *rules =
        text.failed ? NULL : gs_rules_read(text.bytes, text.length, "(suggestion)", &errors);
    struct gs_replay *run =
        rules ? gs_reader_replay_run(rules, s->history, s->constraints->limit_bytes, 0) : NULL;
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

void gs_reader_suggestion_leave_out(struct gs_suggestions *s, struct gs_suggestion *rule, const char *why)
{
    rule->left_out = true;
    rule->fired = 0;
    gs_text_add(s->notes, "%s: left out, %s\n", rule->name, why);
}

bool gs_reader_suggestion_is_out_of_reach(const struct gs_suggestions *s, const struct gs_suggestion *rule)
{
    static const double spelled_max = 1e15;
    bool of_memory = rule->row->share == GS_OF_MEMORY_LIMIT && s->constraints->limit_bytes;
    double most = gs_smaller(of_memory ? (double)s->constraints->limit_bytes : rule->row->most, spelled_max);
    return !(rule->figure > -spelled_max &&
             rule->figure < (rule->kind == GS_SUGGEST_LEAK ? spelled_max : 0.98 * most));
}

static void loosen(struct gs_suggestions *s, struct gs_suggestion *rule)
{
    double step = rule->loosened < 6 ? 1.2 : 1.5;
    rule->loosened++;
    if (rule->kind == GS_SUGGEST_NEAR_LIMIT)
        rule->figure += 0.05;
    else
        rule->figure = rule->least + (rule->figure - rule->least) * step;
    if (rule->loosened > LOOSENINGS_MAX || (rule->kind == GS_SUGGEST_NEAR_LIMIT && rule->figure > 0.96) ||
        gs_reader_suggestion_is_out_of_reach(s, rule))
        gs_reader_suggestion_leave_out(s, rule,
                                       "it would fire more often than was wished for, whatever its figure");
}

/* The one that fires most; of several the last. NULL: none fires. */
static struct gs_suggestion *loudest(struct gs_suggestions *s)
{
    struct gs_suggestion *most = NULL;
    for (size_t i = 0; i < s->count; i++)
        if (s->rule[i].fired && (!most || s->rule[i].fired >= most->fired))
            most = &s->rule[i];
    return most;
}

static uint64_t total(const struct gs_suggestions *s)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < s->count; i++)
        sum += s->rule[i].fired;
    return sum;
}

int gs_reader_fit_suggestions(struct gs_suggestions *s)
{
    int error = 0;
    for (size_t i = 0; i < s->count && !error; i++)
        error = gs_reader_replay_suggestions(s, &s->rule[i], &s->rule[i].fired);
    while (!error && total(s) > s->allowed) {
        struct gs_suggestion *rule = loudest(s);
        loosen(s, rule);
        if (!rule->left_out)
            error = gs_reader_replay_suggestions(s, rule, &rule->fired);
    }
    return error;
}
