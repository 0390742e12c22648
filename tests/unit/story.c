/* story.c - rules, a judge and a clock for the unit tests (story.h). */
#include "story.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h> // wants the others before it

enum { METRICS_MAX = 8, TEXT_MAX = 4096 };

struct gs_rules *story_rules(const char *more, const char *list)
{
    char text[TEXT_MAX];
    struct gs_errors errors = {0};
    assert_true(snprintf(text, sizeof text, "{ \"version\": 1, %s \"rules\": [ %s ] }", more, list) < TEXT_MAX);
    struct gs_rules *rules = gs_rules_read(text, strlen(text), "story", &errors);
    if (!rules)
        fail_msg("%d: %s", errors.item[0].col, errors.item[0].text);
    gs_errors_fini(&errors);
    return rules;
}

void story_begin(struct story *s, const char *more, const char *list, uint64_t limit_bytes)
{
    story_end(s);
    s->rules = story_rules(more, list);
    s->judge = gs_rules_judge_new(s->rules, limit_bytes);
    assert_non_null(s->judge);
}

size_t story_tick(struct story *s, const struct gs_tick *tick, double value)
{
    double values[METRICS_MAX];
    struct gs_verdict verdicts[METRICS_MAX];
    struct gs_tick full = *tick;
    assert_true(s->rules->metric_count <= METRICS_MAX && s->rules->rule_count <= METRICS_MAX);
    for (size_t i = 0; i < METRICS_MAX; i++)
        values[i] = value;
    full.value = values;
    size_t fired = gs_rules_judge_tick(s->judge, &full, verdicts);
    for (size_t i = 0; i < fired; i++) {
        s->last = verdicts[i];
        s->incidents++;
        gs_rules_judge_incident_over(s->judge, verdicts[i].rule, full.time_ns);
    }
    return fired;
}

const char *story_why_not(const struct story *s, int64_t at_ns)
{
    static struct gs_rule_state state;
    gs_rules_judge_state(s->judge, 0, at_ns, &state);
    return state.reason;
}

void story_end(struct story *s)
{
    gs_rules_judge_free(s->judge);
    gs_rules_free(s->rules);
    *s = (struct story){0};
}

const char *story_errors(const struct gs_errors *errors, char *out, size_t size)
{
    size_t length = 0;
    out[0] = 0;
    for (size_t i = 0; i < errors->count && length < size; i++) {
        char line[640];
        gs_errors_format(&errors->item[i], line, sizeof line);
        length += (size_t)snprintf(out + length, size - length, "%s%s", i ? "\n" : "", line);
    }
    return out;
}
