/* story.h - what the unit tests' stories about rules share: rules out of a text, a judge of them, and a clock that the test sets.
 *
 *   story_begin(&s, "", "{ \"name\": \"a\", \"metric\": \"rss\", \"above\": \"400MiB\" }", 512 << 20);
 *   story_tick(&s, &(struct gs_tick){.time_ns = s.now_ns}, MiB(412));        // 1
 *   s.last.reason                                                            // "rss 412 MiB is above 400 MiB"
 *
 * What cannot be had fails the test. Who: test_*.c, but for those of the probe. */
#pragma once
#include "base/errors.h"
#include "rules/rules.h"
#include <stddef.h>
#include <stdint.h>

struct story {               // all zero: not begun
    struct gs_rules *rules;
    struct gs_judge *judge;
    int64_t now_ns;          // 0 at the beginning; the test's alone
    int incidents;           // so far
    struct gs_verdict last;  // what the last of them was for
};

/* The rules of {"version": 1, MORE "rules": [LIST]}; MORE ends with a comma, or is "". */
struct gs_rules *story_rules(const char *more, const char *list);

/* Begin S, or begin it again: those rules, and a judge of them that knows LIMIT_BYTES of memory (0: no limit). */
void story_begin(struct story *s, const char *more, const char *list, uint64_t limit_bytes);
/* TICK, at which all metrics of the rules have VALUE. How many rules fire; their incidents take no time. */
size_t story_tick(struct story *s, const struct gs_tick *tick, double value);
/* Why the first rule did not fire by AT_NS; valid until the next call. */
const char *story_why_not(const struct story *s, int64_t at_ns);
void story_end(struct story *s);

/* ERRORS as gumshoe prints them, a line each, into OUT; "": there are none. Returns OUT. */
const char *story_errors(const struct gs_errors *errors, char *out, size_t size);
