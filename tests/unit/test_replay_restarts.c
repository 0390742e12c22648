/* test_replay_restarts.c - rules tried on a history of several processes. Rows are a second apart. */
#include "base/clock.h"
#include "history/history.h"
#include "reader/reader.h"
#include "rules/rules.h"
#include "story.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h> // wants the others before it

#define S(seconds) ((seconds)*GS_NS_PER_S)
static const char *const names[] = {"threads"};

struct lives {
    struct gs_rules *rules;
    struct gs_history *history;
    struct gs_replay *replay;
};

static struct lives begin(const char *rules)
{
    struct lives lives = {story_rules("", rules),
                          gs_history_shaped(names, 1, &(struct gs_history_shape){{{100, S(1)}}}), NULL};
    assert_non_null(lives.history);
    return lives;
}

/* A process begins at second FROM, with a row of VALUE for each of COUNT seconds. */
static void process(struct lives *lives, int64_t from, int count, double value)
{
    assert_int_equal(gs_history_mark_start(lives->history, (struct gs_history_owner){0}), 0);
    for (int64_t second = from; second < from + count; second++)
        gs_history_put(lives->history, S(second), S(1), &value);
}

static const struct gs_replayed *replay(struct lives *lives)
{
    lives->replay = gs_reader_replay_run(lives->rules, lives->history, 0, 0);
    assert_non_null(lives->replay);
    return lives->replay->rule;
}

static void end(struct lives *lives)
{
    gs_reader_replay_free(lives->replay);
    gs_history_free(lives->history);
    gs_rules_free(lives->rules);
}

/* 10 threads, a restart, 100 threads: no jump, because the new process knows nothing of the old one's mean. Nor is the pause a gap. */
static void a_restart_is_no_jump(void **state)
{
    (void)state;
    struct lives lives =
        begin("{\"name\": \"jump\", \"metric\": \"threads\", \"jitter\": {\"rise\": \"50%\", \"over\": 5}}");
    process(&lives, 0, 10, 10);
    process(&lives, 11, 10, 100);
    assert_int_equal(replay(&lives)->fired, 0);
    assert_int_equal(lives.replay->gaps, 0);
    end(&lives);
}

/* Held for six seconds before the restart and six after it: not for ten. */
static void a_hold_does_not_outlive_the_process(void **state)
{
    (void)state;
    struct lives lives =
        begin("{\"name\": \"many\", \"metric\": \"threads\", \"above\": 50, \"for\": \"10s\"}");
    process(&lives, 0, 6, 100);
    process(&lives, 6, 6, 100);
    assert_int_equal(replay(&lives)->fired, 0);
    end(&lives);
}

/* The next process is above the line as well, 30 s after the incident: its cooldown of a minute is not over. After it, it is. */
static void a_cooldown_outlives_the_process(void **state)
{
    (void)state;
    struct lives lives = begin("{\"name\": \"many\", \"metric\": \"threads\", \"above\": 50, \"again\": "
                               "\"always\", \"cooldown\": \"1m\"}");
    process(&lives, 0, 10, 100);
    process(&lives, 30, 40, 100);
    const struct gs_replayed *many = replay(&lives);
    assert_int_equal(many->fired, 2);
    assert_int_equal(many->firing[0].time_ns, 0);
    assert_int_equal(many->firing[1].time_ns, S(60));
    end(&lives);
}

/* A worker that ran at the same time has a cooldown of its own. */
static void a_process_beside_has_its_own_cooldown(void **state)
{
    (void)state;
    struct lives lives =
        begin("{\"name\": \"many\", \"metric\": \"threads\", \"above\": 50, \"cooldown\": \"1h\"}");
    process(&lives, 0, 30, 100);
    process(&lives, 5, 30, 100);
    const struct gs_replayed *many = replay(&lives);
    assert_int_equal(many->fired, 2);
    assert_int_equal(many->firing[1].time_ns, S(5));
    end(&lives);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_restart_is_no_jump),
        cmocka_unit_test(a_hold_does_not_outlive_the_process),
        cmocka_unit_test(a_cooldown_outlives_the_process),
        cmocka_unit_test(a_process_beside_has_its_own_cooldown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
