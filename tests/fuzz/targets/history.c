/* A history: metrics.json, CSV, or packs. What was read is packed again, and reads as the same; and rules with every
 * condition are tried on it. */
#include "base/json.h"
#include "base/text.h"
#include "fuzz.h"
#include "history/history.h"
#include "reader/reader.h"
#include "rules/rules.h"
#include <string.h>

static bool is_packed(const uint8_t *bytes, size_t length)
{
    return length >= 3 && memcmp(bytes, "gsh", 3) == 0;
}

static void check_times(const struct gs_history *history)
{
    for (size_t i = 1; i < gs_history_length(history); i++)
        gs_must(gs_history_time(history, i - 1) < gs_history_time(history, i));
}

enum { ROOM = 4 << 20 };

/* A history that was taken in can be packed, and unpacked as what it was. */
static void pack_again(const struct gs_history *history)
{
    char why[160];
    void *packed = malloc(ROOM);
    gs_must(packed != NULL);
    size_t size = gs_history_pack(history, 0, packed, ROOM);
    struct gs_history *again = size ? gs_history_unpack(packed, size, why, sizeof why) : NULL;
    gs_must(!size || again);
    gs_must(!again || gs_history_metric_count(again) == gs_history_metric_count(history));
    gs_must(!again || gs_history_length(again) <= gs_history_length(history));
    gs_history_free(again);
    free(packed);
}

/* Every obstacle has its words, and a rule that fired has a firing to show for it. */
static void try_rules(const struct gs_history *history)
{
    static const char text[] =
        "{ \"version\": 1, \"rules\": ["
        "{ \"name\": \"a\", \"metric\": \"rss\", \"above\": \"80%\", \"below\": \"5B\", \"for\": \"2s\", \"again\": \"always\","
        "  \"cooldown\": \"1s\", \"unless\": { \"metric\": \"cpu\", \"above\": \"95%\" } },"
        "{ \"name\": \"b\", \"metric\": \"rss\", \"jitter\": { \"rise\": \"25%\", \"over\": 3 }, \"every\": \"1m\" },"
        "{ \"name\": \"c\", \"metric\": \"cpu\", \"growth\": { \"rate\": \"1/min\", \"over\": \"10s\" },"
        "  \"unusual\": { \"score\": 6, \"over\": 4 }, \"unless_above\": 99, \"max_per_hour\": 2 } ] }";
    struct gs_errors errors = {0};
    struct gs_rules *rules = gs_rules_read(text, sizeof text - 1, "r", &errors);
    gs_must(rules != NULL);
    struct gs_replay *replay = gs_reader_replay_run(rules, history, 1 << 30, 7);
    gs_must(replay && replay->rows == gs_history_length(history));
    for (size_t i = 0; i < replay->rule_count; i++) {
        const struct gs_replayed *rule = &replay->rule[i];
        gs_must((rule->fired == 0) == (rule->firing_count == 0));
        gs_must(rule->fired || (rule->held_back[0] && gs_rules_obstacle_name(rule->obstacle)));
    }
    gs_reader_replay_free(replay);
    gs_rules_free(rules);
    gs_errors_fini(&errors);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct gs_errors errors = {0};
    struct gs_history_about about = {0};
    struct gs_text json = {0};
    char *copy = gs_fuzz_copy(bytes, length, 0);
    gs_json_use_our_memory();
    struct gs_history *history = gs_reader_history(copy, length, "h", &about, &errors);
    gs_must(history || errors.count > 0);
    gs_must(!history || errors.count == 0 || errors.item[0].severity == GS_WARNING); // a history file may be damaged in part
    if (history && !is_packed(bytes, length)) // packs have a clock's times, and clocks are set back
        check_times(history);
    if (history) {
        gs_history_write_json(history, &about, &json);
        pack_again(history);
        try_rules(history);
    }
    gs_text_fini(&json);
    gs_history_free(history);
    gs_errors_fini(&errors);
    free(copy);
    return 0;
}
