/* What rules remember beyond the life of a process: the judge's side with clocks that the test sets, and the file in a store,
 * shared with siblings that live and predecessors that do not, spoilt, planted, and written when nothing can be. */
#include "base/clock.h"
#include "fresh_store.h"
#include "sys/log.h"
#include "base/memory.h"
#include "rules/rules.h"
#include "store/inside.h"
#include "store/store.h"
#include "story.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define S      GS_NS_PER_S
#define M      (60 * S)
#define H      (60 * M)
#define NOON   (1790000000 * S) /* of some day in 2026, CLOCK_REALTIME */
#define UPTIME (5 * S)          /* of the machine: less than what is remembered */

static struct story s;
static struct gs_ledger ledger;

static void rules_are(const char *more, const char *list)
{
    story_begin(&s, more, list, 0);
}

static void restart(void)
{
    gs_rules_judge_free(s.judge);
    s.judge = gs_rules_judge_new(s.rules, 0);
}

/* The program starts: a judge of its own, whose clock stands at UPTIME while the world's is at NOW. */
static size_t restart_at(int64_t now_ns)
{
    restart();
    return gs_rules_judge_recall(s.judge, &ledger, (struct gs_now){UPTIME, now_ns});
}

/* One tick AFTER_NS the start, at which all metrics have VALUE. */
static size_t fires_at(int64_t after_ns, double value)
{
    return story_tick(&s, &(struct gs_tick){.time_ns = UPTIME + after_ns}, value);
}

static const char *why_not(int64_t after_ns)
{
    return story_why_not(&s, UPTIME + after_ns);
}

static void was(const char *rule, int64_t began_ns, int64_t ended_ns, double value)
{
    struct gs_ledger_incident incident = {
        .owner = "1-1", .began_ns = began_ns, .ended_ns = ended_ns, .value = value};
    snprintf(incident.rule, sizeof incident.rule, "%s", rule);
    assert_int_equal(gs_rules_ledger_add(&ledger, &incident), 0);
}

static int forget(void **state)
{
    (void)state;
    gs_rules_ledger_fini(&ledger);
    story_end(&s);
    return 0;
}

/* ---- the judge's side ----------------------------------------------------------------------------------------------------- */

#define HOT "{\"name\": \"hot\", \"metric\": \"threads\", \"above\": 10}" /* cooldown 10 min, again 10 % */

/* Its incident ended four minutes before the restart: six of the ten minutes are left. */
static void a_cooldown_goes_on(void **state)
{
    (void)state;
    rules_are("", HOT);
    was("hot", NOON - 5 * M, NOON - 4 * M, 20);
    assert_int_equal(restart_at(NOON), 1);
    assert_int_equal(fires_at(0, 5), 0);
    assert_int_equal(fires_at(6 * M - S, 20), 0);
    assert_string_equal(why_not(6 * M - S), "cooldown, 1 s left");
    assert_int_equal(fires_at(6 * M, 20), 1); // it was quiet at the first tick
}

static void a_death_in_the_capture_counts_from_its_beginning(void **state)
{
    (void)state;
    rules_are("", HOT);
    was("hot", NOON - 5 * M, 0, 20);
    assert_int_equal(restart_at(NOON), 1);
    assert_string_equal(why_not(0), "cooldown, 5 min left");
}

static void an_edited_rule_keeps_its_cooldown_by_name(void **state)
{
    (void)state;
    rules_are("", "{\"name\": \"hot\", \"metric\": \"fds\", \"above\": 1, \"cooldown\": \"5m\"}");
    was("hot", NOON - 4 * M, NOON - 4 * M, 20);
    restart_at(NOON);
    assert_string_equal(why_not(0), "cooldown, 1 min left"); // by its cooldown of now
    rules_are("", "{\"name\": \"other\", \"metric\": \"threads\", \"above\": 10}");
    assert_int_equal(restart_at(NOON), 0);
}

/* It never was quiet since its incident at 20, so only 22 and more are news. */
static void again_is_held_against_the_last_value(void **state)
{
    (void)state;
    rules_are("", HOT);
    was("hot", NOON - 20 * M, NOON - 19 * M, 20);
    restart_at(NOON);
    assert_int_equal(fires_at(0, 21), 0);
    assert_string_equal(why_not(0), "holds since its last incident, fires again from 22");
    assert_int_equal(fires_at(S, 22), 1);
    forget(NULL);
    rules_are("", HOT);
    was("hot", NOON - 20 * M, NOON - 19 * M, NAN); // nothing was kept of that one
    restart_at(NOON);
    assert_int_equal(fires_at(0, 11), 1);
}

static void the_hour_is_counted_across_restarts(void **state)
{
    (void)state;
    rules_are("\"incidents\": {\"max_per_hour\": 3},", HOT);
    was("hot", NOON - 59 * M, NOON - 59 * M, NAN);
    was("a-rule-of-before", NOON - 50 * M, NOON - 50 * M, NAN);
    was("previous-run-died", NOON - 40 * M, NOON - 40 * M, NAN);
    restart_at(NOON);
    assert_int_equal(fires_at(0, 11), 0);
    assert_string_equal(why_not(0), "held back: hourly limit of 3 for all rules reached");
    assert_int_equal(fires_at(M, 11), 1); // the first has left the hour
}

static void a_rules_own_hour_counts_its_own(void **state)
{
    (void)state;
    rules_are("", "{\"name\": \"hot\", \"metric\": \"threads\", \"above\": 10, \"cooldown\": \"1s\", "
                  "\"again\": \"always\", \"max_per_hour\": 1}");
    was("cold", NOON - M, NOON - M, NAN);
    restart_at(NOON);
    assert_int_equal(fires_at(0, 11), 1);
    forget(NULL);
    rules_are("", "{\"name\": \"hot\", \"metric\": \"threads\", \"above\": 10, \"cooldown\": \"1s\", "
                  "\"again\": \"always\", \"max_per_hour\": 1}");
    was("hot", NOON - M, NOON - M, NAN);
    restart_at(NOON);
    assert_int_equal(fires_at(0, 11), 0);
    assert_string_equal(why_not(0), "held back: hourly limit of 1 reached");
}

/* Another of the program's processes lives and had the incident: it cools down by itself, but the hour is everybody's. */
static void a_living_siblings_cooldown_is_its_own(void **state)
{
    (void)state;
    rules_are("\"incidents\": {\"max_per_hour\": 2},", HOT);
    was("hot", NOON - M, NOON - M, 20);
    ledger.incident[0].of_other_process = true;
    assert_int_equal(restart_at(NOON), 0);
    assert_int_equal(fires_at(0, 11), 1);
    assert_int_equal(fires_at(10 * M, 5), 0);
    assert_int_equal(fires_at(20 * M, 11), 0);
    assert_string_equal(why_not(20 * M), "held back: hourly limit of 2 for all rules reached");
}

/* Once a day, at noon; restarted every hour since, and late once. */
static void every_keeps_its_time(void **state)
{
    (void)state;
    rules_are("", "{\"name\": \"daily\", \"every\": \"24h\", \"cooldown\": \"0s\"}");
    restart_at(NOON);
    assert_int_equal(fires_at(0, 0), 0);
    assert_true(gs_rules_judge_record_due(s.judge, (struct gs_now){UPTIME, NOON}, &ledger));
    assert_true(ledger.due[0].due_ns == NOON + 24 * H);
    assert_false(gs_rules_judge_record_due(s.judge, (struct gs_now){UPTIME + H, NOON + H}, &ledger));
    restart_at(NOON + 23 * H);
    assert_int_equal(fires_at(0, 0), 0);
    assert_string_equal(why_not(0), "next in 1 h");
    assert_int_equal(fires_at(H, 0), 1);
    assert_true(gs_rules_judge_record_due(s.judge, (struct gs_now){UPTIME + H, NOON + 24 * H}, &ledger));
    assert_true(ledger.due[0].due_ns == NOON + 48 * H && ledger.due_count == 1);
    restart_at(NOON + 75 * H); // two were missed: one is made up for, then in step
    assert_int_equal(fires_at(0, 0), 1);
    assert_int_equal(fires_at(21 * H - S, 0), 0);
    assert_int_equal(fires_at(21 * H, 0), 1);
}

/* Noon was a mistake: the clock is set back by a year. No rule is silent for longer than it would be anyway. */
static void a_clock_set_back_silences_nobody(void **state)
{
    (void)state;
    const int64_t now_ns = NOON - 365 * 24 * H;
    rules_are("\"incidents\": {\"max_per_hour\": 1},",
              HOT ", {\"name\": \"hourly\", \"every\": \"2h\", \"cooldown\": \"0s\"}");
    was("hot", NOON, NOON, NAN);
    assert_int_equal(gs_rules_judge_record_due(s.judge, (struct gs_now){UPTIME, NOON}, &ledger), 0);
    ledger.due = gs_alloc(sizeof *ledger.due);
    ledger.due_count = ledger.due_capacity = 1;
    ledger.due[0] = (struct gs_ledger_due){"hourly", NOON + 2 * H};
    gs_rules_ledger_tidy(&ledger, now_ns);
    assert_true(ledger.incident[0].began_ns == now_ns && ledger.incident[0].ended_ns == now_ns);
    restart_at(now_ns);
    assert_string_equal(why_not(0), "cooldown, 10 min left");
    assert_int_equal(fires_at(0, 5), 0);
    assert_int_equal(fires_at(30 * M, 11), 0); // the hour
    assert_int_equal(fires_at(H, 11), 1);
    gs_rules_ledger_fini(&ledger);
    restart_at(now_ns);
    fires_at(0, 0);
    gs_rules_judge_record_due(s.judge, (struct gs_now){UPTIME, now_ns}, &ledger);
    assert_true(ledger.due[0].due_ns == now_ns + 2 * H);
    ledger.due[0].due_ns = NOON;
    restart_at(now_ns);
    assert_int_equal(fires_at(2 * H - S, 0), 0);
    assert_int_equal(fires_at(2 * H, 0), 1);
}

/* Set forward by ten years (or the machine slept that long): all is over. */
static void a_clock_set_forward_frees_everybody(void **state)
{
    (void)state;
    rules_are("\"incidents\": {\"max_per_hour\": 1},", HOT);
    was("hot", NOON, NOON, NAN);
    assert_int_equal(restart_at(NOON + 10 * 365 * 24 * H), 0);
    assert_int_equal(fires_at(0, 11), 1);
}

/* A fired rule that may not have its incident stands as before: not busy, as quiet, as new, as due. */
static void a_denied_rule_is_as_if_held_back(void **state)
{
    (void)state;
    struct gs_verdict verdict;
    struct gs_rule_state seen;
    double value[1] = {11};
    rules_are("\"incidents\": {\"max_per_hour\": 5},", HOT);
    was("hot", NOON - 20 * M, NOON - 20 * M, 10);
    restart_at(NOON);
    struct gs_tick tick = {.time_ns = UPTIME, .value = value};
    assert_int_equal(gs_rules_judge_tick(s.judge, &tick, &verdict), 1);
    gs_rules_judge_incident_denied(s.judge, 0, GS_HOUR_OF_ALL_FULL, UPTIME + 7 * M);
    gs_rules_judge_state(s.judge, 0, UPTIME, &seen);
    assert_string_equal(seen.reason, "held back: hourly limit of 5 for all rules reached");
    assert_int_equal(seen.fired, 0);
    assert_int_equal(seen.suppressed, 1);
    assert_int_equal(fires_at(7 * M - S, 11), 0);
    gs_rules_judge_state(s.judge, 0, UPTIME, &seen);
    assert_int_equal(seen.suppressed, 1);       // one and the same
    assert_int_equal(fires_at(7 * M, 10.5), 0); // not 10 % above the last
    assert_int_equal(fires_at(7 * M + S, 11), 1);
}

/* What was denied did not take place: the hour has as much room as before. */
static void a_denied_incident_is_not_counted(void **state)
{
    (void)state;
    struct gs_verdict verdict;
    double value[1] = {11};
    rules_are("\"incidents\": {\"max_per_hour\": 2},", "{\"name\": \"hot\", \"metric\": \"threads\", \"above\": 10, "
                                                      "\"cooldown\": \"0s\", \"again\": \"always\"}");
    restart_at(NOON);
    struct gs_tick tick = {.time_ns = UPTIME, .value = value};
    assert_int_equal(gs_rules_judge_tick(s.judge, &tick, &verdict), 1);
    gs_rules_judge_incident_denied(s.judge, 0, GS_HOUR_OF_ALL_FULL, UPTIME + M);
    assert_int_equal(fires_at(M, 11), 1);
    assert_int_equal(fires_at(M + S, 11), 1);
    assert_int_equal(fires_at(M + 2 * S, 11), 0);
}

static void a_denied_every_stays_due(void **state)
{
    (void)state;
    struct gs_verdict verdict;
    rules_are("\"incidents\": {\"max_per_hour\": 5},",
              "{\"name\": \"daily\", \"every\": \"24h\", \"cooldown\": \"0s\", \"max_per_hour\": 2}");
    restart_at(NOON);
    fires_at(0, 0);
    struct gs_tick tick = {.time_ns = UPTIME + 24 * H, .value = (double[]){0}};
    assert_int_equal(gs_rules_judge_tick(s.judge, &tick, &verdict), 1);
    gs_rules_judge_incident_denied(s.judge, 0, GS_HOUR_OF_RULE_FULL, UPTIME + 24 * H + M);
    assert_string_equal(why_not(24 * H), "held back: hourly limit of 2 reached");
    assert_int_equal(fires_at(24 * H + S, 0), 0);
    assert_int_equal(fires_at(24 * H + M, 0), 1);
    assert_int_equal(fires_at(48 * H - S, 0), 0);
    assert_int_equal(fires_at(48 * H, 0), 1); // in step with the first
}

/* ---- the ledger ---------------------------------------------------------------------------------------------------------------- */

static void the_hour_has_room_or_says_when(void **state)
{
    (void)state;
    int64_t until_ns = 0;
    was("a", NOON - H, 0, NAN); // just out of it
    was("a", NOON - 50 * M, 0, NAN);
    was("b", NOON - 40 * M, 0, NAN);
    assert_int_equal(gs_rules_ledger_room(&ledger, "a", (struct gs_hour_limits){0, 0}, NOON, &until_ns),
                     GS_HOUR_HAS_ROOM);
    assert_int_equal(gs_rules_ledger_room(&ledger, "a", (struct gs_hour_limits){2, 3}, NOON, &until_ns),
                     GS_HOUR_HAS_ROOM);
    assert_int_equal(gs_rules_ledger_room(&ledger, "b", (struct gs_hour_limits){1, 9}, NOON, &until_ns),
                     GS_HOUR_OF_RULE_FULL);
    assert_true(until_ns == NOON + 20 * M);
    assert_int_equal(gs_rules_ledger_room(&ledger, "c", (struct gs_hour_limits){1, 2}, NOON, &until_ns),
                     GS_HOUR_OF_ALL_FULL);
    assert_true(until_ns == NOON + 10 * M);
}

/* Of what is older than an hour each rule keeps its last four; of all, there is an end to it. */
static void the_ledger_is_bounded(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        was("old", NOON - (20 - i) * H, 0, i);
    was("older", NOON - 1000 * H, NOON - 999 * H, 7);
    gs_rules_ledger_tidy(&ledger, NOON);
    assert_int_equal(ledger.count, 5);
    assert_true(ledger.incident[0].value == 6 && ledger.incident[3].value == 9 &&
                ledger.incident[4].value == 7);
    for (int i = 0; i < 2000; i++)
        was("new", NOON - M + i, 0, i);
    gs_rules_ledger_tidy(&ledger, NOON);
    assert_int_equal(ledger.count, GS_LEDGER_MAX);
    assert_true(ledger.incident[GS_LEDGER_MAX - 1].value == 1999);
}

static void what_is_written_reads_back(void **state)
{
    (void)state;
    struct gs_text text = {0};
    struct gs_ledger read;
    was("hot", NOON, NOON + 5 * S, 1.5);
    was("cold", NOON + S, 0, NAN);
    rules_are("", "{\"name\": \"daily\", \"every\": \"24h\"}");
    restart_at(NOON);
    fires_at(0, 0);
    gs_rules_judge_record_due(s.judge, (struct gs_now){UPTIME, NOON}, &ledger);
    gs_store_ledger_print(&ledger, "/usr/bin/\xff", &text);
    assert_int_equal(gs_store_ledger_parse(text.bytes, text.length, &read), 0);
    assert_int_equal(read.count, 2);
    assert_string_equal(read.incident[0].rule, "hot");
    assert_string_equal(read.incident[0].owner, "1-1");
    assert_true(read.incident[0].began_ns == NOON && read.incident[0].ended_ns == NOON + 5 * S &&
                read.incident[0].value == 1.5);
    assert_true(read.incident[1].ended_ns == 0 && isnan(read.incident[1].value));
    assert_int_equal(read.due_count, 1);
    assert_true(read.due[0].due_ns == NOON + 24 * H);
    for (size_t cut = 0; cut < text.length - 2; cut++) { // a torn one is none, and does no harm
        struct gs_ledger torn;
        assert_int_equal(gs_store_ledger_parse(text.bytes, cut, &torn), -EBADMSG);
        gs_rules_ledger_fini(&torn);
    }
    gs_rules_ledger_fini(&read);
    gs_text_fini(&text);
}

static void what_makes_no_sense_is_passed_over(void **state)
{
    (void)state;
    static const char *const bad[] = {"{\"rule\": \"a\"}",
                                      "7",
                                      "{\"rule\": \"../x\", \"process\": \"1-1\", \"began\": "
                                      "\"2026-01-01T00:00:00.000Z\"}",
                                      "{\"rule\": \"a\", \"process\": \"../1\", \"began\": "
                                      "\"2026-01-01T00:00:00.000Z\"}",
                                      "{\"rule\": \"a\", \"process\": \"1-1\", \"began\": "
                                      "\"9999-01-01T00:00:00.000Z\"}", // beyond 64 bits of nanoseconds
                                      "{\"rule\": \"a\", \"process\": \"1-1\", \"began\": \"yesterday\"}",
                                      "{\"rule\": \"a\", \"process\": \"1-1\", \"began\": 1}",
                                      "{\"rule\": \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\", "
                                      "\"process\": \"1-1\", \"began\": \"2026-01-01T00:00:00.000Z\"}",
                                      "{\"rule\": \"a\", \"process\": "
                                      "\"1111111111111111111111111111111111111111111111111111\", \"began\": "
                                      "\"2026-01-01T00:00:00.000Z\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[600];
        struct gs_ledger read;
        snprintf(text, sizeof text,
                 "{\"version\": 1, \"incidents\": [%s, {\"rule\": \"b\", \"process\": \"2-2\", \"began\": "
                 "\"2026-01-01T00:00:00.000Z\", \"ended\": 5, \"value\": \"x\"}], \"due\": {\"../a\": 1, "
                 "\"b\": \"2026-01-01T00:00:00.000Z\"}}",
                 bad[i]);
        assert_int_equal(gs_store_ledger_parse(text, strlen(text), &read), 0);
        assert_int_equal(read.count, 1);
        assert_string_equal(read.incident[0].rule, "b");
        assert_true(isnan(read.incident[0].value) && read.incident[0].ended_ns == 0);
        assert_int_equal(read.due_count, 1);
        gs_rules_ledger_fini(&read);
    }
    static const char *const none[] = {"", "[]", "{}", "{\"version\": 2, \"incidents\": []}",
                                       "{\"version\": 1, \"version\": 1}"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        struct gs_ledger read;
        assert_int_equal(gs_store_ledger_parse(none[i], strlen(none[i]), &read), -EBADMSG);
        gs_rules_ledger_fini(&read);
    }
}

/* ---- in a store -------------------------------------------------------------------------------------------------------------------- */

static char dir[FRESH_DIR];
static struct gs_store *store;

static int open_store(void **state)
{
    (void)state;
    store = fresh_store(dir);
    return store ? 0 : -1;
}

static int close_store(void **state)
{
    return forget(state) || remove_store_at(store, dir);
}

static enum gs_hour_room begin(const char *rule, struct gs_hour_limits limits, int64_t now_ns)
{
    int64_t until_ns;
    struct gs_ledger_entry entry = {.rule = rule, .value = 20, .limits = limits, .now = {UPTIME, now_ns}};
    return gs_store_ledger_begin(store, &entry, &until_ns);
}

static void run(const char *command)
{
    char line[400];
    snprintf(line, sizeof line, "mkdir -p %s/.live && cd %s/.live && %s", dir, dir, command);
    assert_int_equal(system(line), 0);
}

static void a_restarted_program_finds_what_was_before(void **state)
{
    (void)state;
    assert_int_equal(begin("hot", (struct gs_hour_limits){0}, NOON), GS_HOUR_HAS_ROOM);
    rules_are("", HOT);
    assert_int_equal(gs_store_ledger_recall(store, s.judge, (struct gs_now){UPTIME, NOON + M}), 1);
    assert_string_equal(why_not(0), "cooldown, 9 min left"); // it died in the capture
    gs_store_ledger_end(store, "hot", true, NOON + 2 * M);
    restart();
    assert_int_equal(gs_store_ledger_recall(store, s.judge, (struct gs_now){UPTIME, NOON + 5 * M}), 1);
    assert_string_equal(why_not(0), "cooldown, 7 min left");
    run("test $(ls | grep -c ledger$) = 1 && test $(stat -c %a *.ledger) = 600 && ls *.ledger | grep -q "
        "^test_ledger-");
}

static void a_living_sibling_is_known_by_its_socket(void **state)
{
    (void)state;
    rules_are("", HOT);
    assert_int_equal(begin("hot", (struct gs_hour_limits){0}, NOON), GS_HOUR_HAS_ROOM);
    run("sed -i 's/\"process\": *\"[0-9-]*\"/\"process\": \"17-4711\"/' *.ledger && touch 17-4711.sock");
    assert_int_equal(gs_store_ledger_recall(store, s.judge, (struct gs_now){UPTIME, NOON + M}), 0);
    run("rm 17-4711.sock");
    assert_int_equal(gs_store_ledger_recall(store, s.judge, (struct gs_now){UPTIME, NOON + M}), 1);
}

static void the_hour_is_everybodys(void **state)
{
    (void)state;
    const struct gs_hour_limits limits = {0, 3};
    for (int i = 0; i < 3; i++)
        assert_int_equal(begin("hot", limits, NOON + i * M), GS_HOUR_HAS_ROOM);
    assert_int_equal(begin("cold", limits, NOON + 3 * M), GS_HOUR_OF_ALL_FULL);
    assert_int_equal(begin("cold", limits, NOON + 59 * M), GS_HOUR_OF_ALL_FULL);
    assert_int_equal(begin("cold", limits, NOON + H), GS_HOUR_HAS_ROOM);
}

/* Denied again and again under a clock that was set back: an hour later there is room. */
static void a_time_to_come_is_put_right_once(void **state)
{
    (void)state;
    const struct gs_hour_limits limits = {0, 1};
    assert_int_equal(begin("hot", limits, NOON), GS_HOUR_HAS_ROOM);
    const int64_t now_ns = NOON - 1000 * H;
    for (int i = 0; i < 60; i++)
        assert_int_equal(begin("hot", limits, now_ns + i * M), GS_HOUR_OF_ALL_FULL);
    assert_int_equal(begin("hot", limits, now_ns + H), GS_HOUR_HAS_ROOM);
}

static void every_is_written_down(void **state)
{
    (void)state;
    rules_are("", "{\"name\": \"daily\", \"every\": \"24h\"}");
    restart_at(NOON);
    gs_store_ledger_note_due(store, s.judge, (struct gs_now){UPTIME, NOON});
    run("! ls *.ledger 2> /dev/null"); // nothing is due before the first tick
    fires_at(0, 0);
    gs_store_ledger_note_due(store, s.judge, (struct gs_now){UPTIME, NOON});
    restart();
    gs_store_ledger_recall(store, s.judge, (struct gs_now){UPTIME, NOON + 23 * H});
    assert_int_equal(fires_at(0, 0), 0);
    assert_int_equal(fires_at(H, 0), 1);
}

/* Whatever stands in the ledger's place: incidents go on, and the next one is counted where it can be. */
static void what_is_planted_does_no_harm(void **state)
{
    (void)state;
    static const char *const plants[] = {"echo rubbish > $f",
                                         ": > $f",
                                         "mkfifo $f",
                                         "mkdir $f",
                                         "ln -s /etc/passwd $f",
                                         "truncate -s 2G $f",
                                         "ln -s /dev/zero $f",
                                         "mkfifo $f.new",
                                         "mkdir $f.new",
                                         "rm .ledgers && mkfifo .ledgers",
                                         "rm -f .ledgers && mkdir .ledgers",
                                         "chmod 0 $f"};
    assert_int_equal(begin("hot", (struct gs_hour_limits){0}, NOON), GS_HOUR_HAS_ROOM);
    run("mkdir ../keep && mv *.ledger ../keep && echo $(ls ../keep) > ../name");
    for (size_t i = 0; i < sizeof plants / sizeof *plants; i++) {
        char command[200];
        snprintf(command, sizeof command, "rm -rf * .ledgers; touch .ledgers; f=$(cat ../name); %s%s",
                 strstr(plants[i], "chmod") ? "cp ../keep/* . && " : "", plants[i]);
        run(command);
        alarm(300); // a FIFO would wait for a reader
        assert_int_equal(begin("hot", (struct gs_hour_limits){1, 1}, NOON + 2 * H), GS_HOUR_HAS_ROOM);
        gs_store_ledger_end(store, "hot", true, NOON + 2 * H);
        alarm(0);
        if (strstr(plants[i], "$f.new") && strstr(plants[i], "mkfifo")) // out of the way, not in it
            run("test -f $(cat ../name)");
    }
    run("head -c 20 /etc/passwd | grep -q root");
}

static void a_lock_that_is_not_given_back_is_not_waited_for(void **state)
{
    (void)state;
    char path[128];
    assert_int_equal(begin("hot", (struct gs_hour_limits){0, 1}, NOON), GS_HOUR_HAS_ROOM);
    snprintf(path, sizeof path, "%s/.live/.ledgers", dir);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    int64_t since_ns = gs_clock_monotonic_ns();
    assert_int_equal(begin("hot", (struct gs_hour_limits){0, 1}, NOON),
                     GS_HOUR_HAS_ROOM); // the judge's own count goes on
    assert_true(gs_clock_monotonic_ns() - since_ns < GS_NS_PER_S);
    close(fd);
    assert_int_equal(begin("hot", (struct gs_hour_limits){0, 1}, NOON), GS_HOUR_OF_ALL_FULL);
}

static void a_store_that_is_gone_stops_no_incident(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s && touch %s", dir, dir);
    assert_int_equal(system(command), 0);
    assert_int_equal(begin("hot", (struct gs_hour_limits){0, 1}, NOON), GS_HOUR_HAS_ROOM);
    gs_store_ledger_end(store, "hot", true, NOON);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_cooldown_goes_on, forget),
        cmocka_unit_test_teardown(a_death_in_the_capture_counts_from_its_beginning, forget),
        cmocka_unit_test_teardown(an_edited_rule_keeps_its_cooldown_by_name, forget),
        cmocka_unit_test_teardown(again_is_held_against_the_last_value, forget),
        cmocka_unit_test_teardown(the_hour_is_counted_across_restarts, forget),
        cmocka_unit_test_teardown(a_rules_own_hour_counts_its_own, forget),
        cmocka_unit_test_teardown(a_living_siblings_cooldown_is_its_own, forget),
        cmocka_unit_test_teardown(every_keeps_its_time, forget),
        cmocka_unit_test_teardown(a_clock_set_back_silences_nobody, forget),
        cmocka_unit_test_teardown(a_clock_set_forward_frees_everybody, forget),
        cmocka_unit_test_teardown(a_denied_rule_is_as_if_held_back, forget),
        cmocka_unit_test_teardown(a_denied_incident_is_not_counted, forget),
        cmocka_unit_test_teardown(a_denied_every_stays_due, forget),
        cmocka_unit_test_teardown(the_hour_has_room_or_says_when, forget),
        cmocka_unit_test_teardown(the_ledger_is_bounded, forget),
        cmocka_unit_test_teardown(what_is_written_reads_back, forget),
        cmocka_unit_test_teardown(what_makes_no_sense_is_passed_over, forget),
        cmocka_unit_test_setup_teardown(a_restarted_program_finds_what_was_before, open_store, close_store),
        cmocka_unit_test_setup_teardown(a_living_sibling_is_known_by_its_socket, open_store, close_store),
        cmocka_unit_test_setup_teardown(the_hour_is_everybodys, open_store, close_store),
        cmocka_unit_test_setup_teardown(a_time_to_come_is_put_right_once, open_store, close_store),
        cmocka_unit_test_setup_teardown(every_is_written_down, open_store, close_store),
        cmocka_unit_test_setup_teardown(what_is_planted_does_no_harm, open_store, close_store),
        cmocka_unit_test_setup_teardown(a_lock_that_is_not_given_back_is_not_waited_for, open_store,
                                        close_store),
        cmocka_unit_test_setup_teardown(a_store_that_is_gone_stops_no_incident, open_store, close_store),
    };
    gs_log_to("off");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
