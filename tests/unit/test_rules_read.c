/* What a person writes into a rules file, and what gumshoe answers: every error at its place, with a way out. */
#include "rules/rules.h"
#include "story.h"
#include "base/clock.h"
#include "base/json.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define RULES(rule) "{ \"version\": 1,\n  \"rules\": [\n    " rule " ] }"

/* The errors of TEXT as gumshoe prints them, a line each; "" when there are none. */
static const char *errors_of(const char *text, size_t length)
{
    static char all[8192];
    struct gs_errors errors = {0};
    struct gs_rules *rules = gs_rules_read(text, length, "f", &errors);
    assert_true((rules != NULL) == (errors.count == 0));
    story_errors(&errors, all, sizeof all);
    gs_rules_free(rules);
    gs_errors_fini(&errors);
    return all;
}

struct bad { const char *text, *error; };

// clang-format off
static const struct bad documents[] = {
    {"", "f: error: the file is empty; a rules file begins {\"version\": 1, \"rules\": ["},
    {"  \n ", "f: error: the file is empty; a rules file begins {\"version\": 1, \"rules\": ["},
    {"[]", "f:1:1: error: expected an object, found an array"},
    {"{ \"version\": 1, \"rules\": [", "f:1:27: error: the file ends too early; a bracket or a quote is not closed"},
    {"{ \"version\": 1, }", "f:1:17: error: not JSON: string or '}' expected near '}'; the comma before it is one too many"},
    {"\xef\xbb\xbf{}", "f:1:1: error: the file begins with a byte order mark; save it as UTF-8 without one"},
    {"{ \"version\": \"\xff\" }", "f:1:15: error: invalid UTF-8"},
    {"{}", "f:1:1: error: \"rules\" is missing; add \"rules\": [ … ]\nf:1:1: error: \"version\" is missing; add \"version\": 1"},
    {"{ \"version\": 2, \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:14: error: unknown version 2; only version 1 is supported"},
    {"{ \"version\": 1, \"rules\": {} }", "f:1:26: error: expected an array of rules, found an object"},
    {"{ \"version\": 1,\n  \"intervall\": \"1s\", \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:2:3: error: unknown key \"intervall\"; did you mean \"interval\"?"},
    {"{ \"version\": 1, \"interval\": 1, \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:29: error: expected a duration such as \"10s\", found a number"},
    {"{ \"version\": 1, \"interval\": \"1ms\", \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:29: error: 1 ms is out of range: \"interval\" may be 10 ms to 1 h"},
    {"{ \"version\": 1, \"children\": \"fork\", \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:29: error: unknown choice \"fork\"; did you mean \"forks\"? It may be \"forks\", \"all\" or \"off\""},
    {"{ \"version\": 1, \"children\": \"none\", \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:29: error: unknown choice \"none\"; it may be \"forks\", \"all\" or \"off\""},
    {"{ \"version\": 1, \"symbolize\": \"on\", \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:30: error: unknown choice \"on\"; it may be \"auto\" or \"off\""},
    {"{ \"version\": 1, \"incidents\": {\"report\": \"yes\"}, \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:41: error: expected true or false, found a string"},
    {"{ \"version\": 1, \"symbolize\": true, \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:30: error: expected \"auto\" or \"off\", found true"},
    {"{ \"version\": 1, \"children\": false, \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:29: error: expected \"forks\", \"all\" or \"off\", found false"},
    {"{ \"version\": 1, \"only\": \"nginx\", \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:25: error: expected an array of program names, found a string"},
    {"{ \"version\": 1, \"only\": [], \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:25: error: no program is named; leave \"only\" out to watch every program"},
    {"{ \"version\": 1, \"only\": [\"nginx\", 7], \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:35: error: expected a string, found a number"},
    {"{ \"version\": 1, \"only\": [\"nginx\", \"\"], \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:35: error: \"only\" is empty"},
    {"{ \"version\": 1, \"only\": [\"/usr/sbin/nginx\"], \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:26: error: \"/usr/sbin/nginx\" is a path, not a program's name; write the last part of it"},
    {"{ \"version\": 1, \"on_incident\": \"mail root\", \"rules\": [] }", "f:1:32: error: expected an array, found a string; write [\"/path/to/program\", \"{dir}\"]; there is no shell"},
    {"{ \"version\": 1, \"on_incident\": {}, \"rules\": [] }", "f:1:32: error: expected an array: a program and its arguments, found an object"},
    {"{ \"version\": 1, \"on_incident\": [], \"rules\": [] }", "f:1:32: error: a program and its arguments: 1 to 64 texts"},
    {"{ \"version\": 1, \"on_incident\": [\"\"], \"rules\": [] }", "f:1:33: error: \"on_incident\" is empty"},
    {"{ \"version\": 1, \"on_incident\": [\"x\", 7], \"rules\": [] }", "f:1:38: error: expected a string, found a number"},
    {"{ \"version\": 1, \"on_incident\": [\"x\", \"in {dri}\"], \"rules\": [] }", "f:1:38: error: unknown placeholder \"{dri}\"; did you mean \"{dir}\"?"},
    {"{ \"version\": 1, \"on_incident\": [\"x\", \"{folder}\"], \"rules\": [] }", "f:1:38: error: unknown placeholder \"{folder}\"; the placeholders are dir, rule, reason, metric, condition, value, line, pid, host, label:NAME"},
    {"{ \"version\": 1, \"on_incident\": [\"x\", \"{label:a} {label:b}\"], \"labels\": {\"a\": \"1\"}, \"rules\": [] }", "f:1:38: error: unknown label \"b\"; labels are defined in \"labels\""},
    {"{ \"version\": 1, \"cpu\": {\"rate\": \"99hz\"}, \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:33: error: unknown unit \"hz\"; did you mean \"Hz\"?"},
    {"{ \"version\": 1, \"cpu\": {\"rate\": \"2000Hz\"}, \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:33: error: 2000Hz is out of range: \"rate\" may be 1Hz to 1000Hz"},
    {"{ \"version\": 1, \"cpu\": {\"duration\": \"10ms\", \"before\": \"1h\"}, \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:37: error: 10 ms is out of range: \"duration\" may be 100 ms to 1 h\nf:1:55: error: 1 h is out of range: \"before\" may be 0 or 1 s to 10 min"},
    {"{ \"version\": 1, \"heap\": {\"depth\": 300}, \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:35: error: 300 is out of range: \"depth\" may be 1 to 256"},
    {"{ \"version\": 1, \"heap\": {\"sample\": \"512kb\"}, \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:36: error: unknown unit \"kb\"; did you mean \"kB\"?"},
    {RULES("{ \"metric\": \"rss\", \"above\": \"1GiB\" }"), "f:3:5: error: the rule has no name; add \"name\": \"rss-high\""},
    {RULES("{ \"name\": \"Heap High\", \"metric\": \"rss\", \"above\": \"1GiB\" }"), "f:3:15: error: bad name \"Heap High\"; a rule's name is 1 to 40 of a-z 0-9 . _ -"},
    {RULES("{ \"name\": \"a\", \"metric\": \"rsss\", \"above\": \"1GiB\" }"), "f:3:30: error: unknown metric \"rsss\"; did you mean \"rss\"?"},
    {RULES("{ \"name\": \"a\", \"metric\": \"gauge:Bad Name\", \"above\": 1 }"), "f:3:30: error: unknown metric \"gauge:Bad Name\"; a gauge's name is 1 to 40 of a-z 0-9 . _ -"},
    {RULES("{ \"name\": \"a\", \"metric\": \"rss\", \"above\": \"512MiBs\" }"), "f:3:46: error: unknown unit \"MiBs\"; did you mean \"MiB\"?"},
    {RULES("{ \"name\": \"a\", \"metric\": \"rss\", \"above\": 512 }"), "f:3:46: error: expected a size such as \"512MiB\", found a number"},
    {RULES("{ \"name\": \"a\", \"metric\": \"threads\", \"above\": \"80%\" }"), "f:3:50: error: threads has no limit that \"80%\" could be a share of; give a number"},
    {RULES("{ \"name\": \"a\", \"metric\": \"fds\", \"above\": \"101%\" }"), "f:3:46: error: 101 % is out of range: \"above\" may be 0.1 % to 100 %"},
    {RULES("{ \"name\": \"a\", \"metric\": \"rss\", \"above\": \"180%\" }"), "f:3:46: error: 180 % is out of range: \"above\" may be 0.1 % to 100 %"},
    {RULES("{ \"name\": \"a\", \"metric\": \"rss\" }"), "f:3:20: error: \"metric\" has no condition; add \"above\", \"below\", \"jitter\", \"growth\", \"reaches\" or \"unusual\""},
    {RULES("{ \"name\": \"a\", \"above\": \"1GiB\" }"), "f:3:20: error: \"above\" needs a metric; add \"metric\": \"rss\""},
    {RULES("{ \"name\": \"a\" }"), "f:3:5: error: the rule has no condition; add \"metric\" and \"above\", or \"every\""},
    {RULES("{ \"name\": \"a\", \"every\": \"1h\", \"for\": \"5s\" }"), "f:3:35: error: \"for\" has no meaning for \"every\""},
    {RULES("{ \"name\": \"a\", \"metric\": \"threads\", \"above\": 500, \"unless_above\": 400 }"), "f:3:71: error: \"unless_above\" is not higher than \"above\": the rule could never fire; it must be higher than \"above\""},
    {RULES("{ \"name\": \"a\", \"metric\": \"threads\", \"above\": 5, \"below\": 9 }"), "f:3:50: error: \"above\" is not higher than \"below\": one of them always holds"},
    {RULES("{ \"name\": \"a\", \"metric\": \"rss\", \"jitter\": { \"over\": 10 } }"), "f:3:47: error: \"jitter\" needs \"rise\" or \"by\"; add \"rise\": \"25%\""},
    {RULES("{ \"name\": \"a\", \"metric\": \"rss\", \"jitter\": { \"rize\": \"25%\" } }"), "f:3:47: error: \"jitter\" needs \"rise\" or \"by\"; add \"rise\": \"25%\"\nf:3:49: error: unknown key \"rize\"; did you mean \"rise\"? It may be \"rise\", \"over\", \"min\", \"by\" or \"why\""},
    {RULES("{ \"name\": \"a\", \"metric\": \"rss\", \"jitter\": { \"rise\": \"25%\", \"over\": 0 } }"), "f:3:72: error: 0 is out of range: \"over\" may be 1 to 4096"},
    {RULES("{ \"name\": \"a\", \"every\": \"1h\", \"capture\": [] }"), "f:3:46: error: \"capture\" is empty; leave it out to capture what goes with the metric"},
    {RULES("{ \"name\": \"a\", \"every\": \"1h\", \"capture\": \"heap\" }"), "f:3:46: error: expected an array such as [\"heap\", \"threads\"], found a string"},
    {RULES("{ \"name\": \"a\", \"every\": \"1h\", \"capture\": [\"heap\", \"cpus\"] }"), "f:3:55: error: unknown kind of evidence \"cpus\"; did you mean \"cpu\"? It may be \"threads\", \"threadcreate\", \"fds\", \"heap\", \"peak\", \"pages\", \"waste\", \"lifetimes\" or \"cpu\""},
    {RULES("{ \"name\": \"a\", \"every\": \"1h\", \"capture\": [\"hepa\"] }"), "f:3:47: error: unknown kind of evidence \"hepa\"; did you mean \"heap\"? It may be \"threads\", \"threadcreate\", \"fds\", \"heap\", \"peak\", \"pages\", \"waste\", \"lifetimes\" or \"cpu\""},
    {RULES("{ \"name\": \"a\", \"every\": \"1h\", \"capture\": [\"heap\", \"heap\"] }"), "f:3:55: error: \"heap\" is captured already"},
    {RULES("{ \"name\": \"a\", \"every\": \"1h\" }, { \"name\": \"a\", \"every\": \"2h\" }"), "f:3:47: error: duplicate name \"a\"; the rule in line 3 has it"},
    {RULES("{ \"name\": \"a\", \"every\": \"1h\", \"max_per_hour\": 1.5 }"), "f:3:51: error: expected a whole number, found a number"},
    // numbers that are none, or beyond all measure
    {RULES("{ \"name\": \"a\", \"metric\": \"cpu\", \"above\": NaN }"), "f:3:46: error: not JSON: invalid token near 'NaN'; JSON has no such number; leave the key out for no limit"},
    {RULES("{ \"name\": \"a\", \"metric\": \"cpu\", \"above\": -Infinity }"), "f:3:46: error: not JSON: invalid token near '-'; JSON has no such number; leave the key out for no limit"},
    {RULES("{ \"name\": \"a\", \"metric\": \"threads\", \"above\": 1e308 }"), "f:3:50: error: huge is out of range: \"above\" may be 0 to 1000000000000000"},
    {RULES("{ \"name\": \"a\", \"metric\": \"threads\", \"above\": 1e309 }"), "f:3:50: error: the number is too large"},
    {RULES("{ \"name\": \"a\", \"metric\": \"threads\", \"above\": 99999999999999999999 }"), "f:3:50: error: the number is too large"},
    {RULES("{ \"name\": \"a\", \"metric\": \"rss\", \"above\": \"99999999999999999999GiB\" }"), "f:3:46: error: \"99999999999999999999GiB\" has too many digits"},
    {RULES("{ \"name\": \"a\", \"metric\": \"rss\", \"above\": \"9999999999TiB\" }"), "f:3:46: error: \"9999999999TiB\" is out of range"},
    {RULES("{ \"name\": \"a\", \"metric\": \"rss\", \"above\": \"-1GiB\" }"), "f:3:46: error: \"-1GiB\" is negative"},
    {RULES("{ \"name\": \"a\", \"metric\": \"rss\", \"above\": \"1 GiB\" }"), "f:3:46: error: a space stands before the unit; write it without the space"},
    {RULES("{ \"name\": \"a\", \"metric\": \"threads\", \"above\": 0x10 }"), "f:3:50: error: not JSON: '}' expected near 'x'; JSON has no hexadecimal numbers"},
    {RULES("{ \"name\": \"a\", \"metric\": \"threads\", \"above\": 010 }"), "f:3:50: error: not JSON: invalid token near '0'; a number does not begin with 0"},
    {"{ \"version\": 1.5, \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:14: error: expected the number 1, found a number"},
    {"{ \"version\": \"1\", \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:14: error: expected the number 1, found a string"},
    // what people write who do not think of JSON
    {"{ 'version': 1, \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:3: error: not JSON: string or '}' expected near '''; JSON quotes with \""},
    {"{ version: 1, \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:3: error: not JSON: string or '}' expected near 'version'; a key needs double quotes"},
    {"{ \"version\": True, \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:14: error: not JSON: invalid token near 'True'; JSON writes true, false and null"},
    {"{ \"version\": 1, // the first\n \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:17: error: not JSON: string or '}' expected near '/'; JSON has no comments; put words into \"why\""},
    {"# rules\n{ \"version\": 1, \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:1: error: not JSON: invalid token near '#'; JSON has no comments; put words into \"why\""},
    {"{ \"version\": 1\n  \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:2:3: error: not JSON: '}' expected near '\"rules\"'; is a comma missing before it?"},
    {"{ \"version\": 1, \"rules\": [{\"name\":\"a\",\"every\":\"1h\"},] }", "f:1:53: error: not JSON: unexpected token near ']'; the comma before it is one too many"},
    {"{ \"version\": 1, \"why\": \"two\nlines\", \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:24: error: not JSON: unexpected newline near '\"two'; a string cannot contain a line break; write \\n"},
    {"{ \"version\": 1, \"why\": \"C:\\x\", \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:24: error: not JSON: invalid escape near '\"C:\\x'"},
    {"{ \"version\": 1, \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] } }", "f:1:56: error: there is text after the end of the document"},
    {"[ { \"version\": 1 } ]", "f:1:1: error: expected an object, found an array"},
    {"\"rules\"", "f:1:1: error: expected an object, found a string"},
    // bytes that are no text
    {"{ \"version\": 1, \"why\": \"a\\u0000b\", \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:24: error: \\u0000 is not allowed in a string"},
    {"{ \"version\": 1, \"a\\u0000b\": 1, \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:17: error: \\u0000 is not allowed in a string"},
    {"{ \"version\": 1, \"why\": \"\\ud800\", \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:24: error: not JSON: invalid Unicode '\\uD800' near '\"\\ud800\"'"},
    {"{ \"version\": 1, \"why\": \"\xc0\xaf\", \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:25: error: invalid UTF-8"},
    {"{ \"version\": 1, \"why\": \"\xed\xa0\x80\", \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:25: error: invalid UTF-8"},
    {"{ \"version\": 1, \"why\": \"\xf4\x90\x80\x80\", \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:25: error: invalid UTF-8"},
    {"{ \"version\": 1, \"why\": \"\xe2\x82", "f:1:25: error: invalid UTF-8"},
    // cut short
    {"{ \"version\": 1, \"why\": \"ab", "f:1:27: error: the file ends too early; a bracket or a quote is not closed"},
    {"{ \"version\": 1", "f:1:15: error: the file ends too early; a bracket or a quote is not closed"},
    {"{ \"version\":", "f:1:13: error: the file ends too early; a bracket or a quote is not closed"},
    // places: after CR LF, tabs, and characters of several bytes (a column counts bytes)
    {"{ \"version\": 1,\r\n  \"rulez\": 1,\r\n \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:2:3: error: unknown key \"rulez\"; did you mean \"rules\"?"},
    {"{\t\"version\": 1,\n\t\t\"rulez\": 1, \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:2:3: error: unknown key \"rulez\"; did you mean \"rules\"?"},
    {"{ \"version\": 1, \"why\": \"gr\xc3\xb6\xc3\x9f""er \xe2\x80\x93 \xe6\xbc\xa2\xe5\xad\x97\", \"rulez\": 1, \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:47: error: unknown key \"rulez\"; did you mean \"rules\"?"},
    // duplicates
    {"{ \"version\": 1,\n  \"interval\": \"1s\",\n  \"interval\": \"2s\", \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:3:3: error: duplicate key \"interval\"; it is already in line 2, column 3"},
    {"{ \"version\": 1, \"why\": \"x\", \"\\u0077hy\": \"y\", \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:29: error: duplicate key \"\\u0077hy\"; it is already in line 1, column 17"},
    {RULES("{ \"name\": \"a\", \"every\": \"1h\" }, { \"name\": \"b\", \"every\": \"1h\", \"every\": \"2h\" }"), "f:3:67: error: duplicate key \"every\"; it is already in line 3, column 52"},
    // the wrong type
    {RULES("{ \"name\": \"a\", \"metric\": \"rss\", \"above\": true }"), "f:3:46: error: expected a size such as \"512MiB\", found true"},
    {RULES("{ \"name\": \"a\", \"metric\": null, \"above\": \"1GiB\" }"), "f:3:30: error: expected the name of a metric, found null"},
    {RULES("{ \"name\": [\"a\"], \"metric\": \"rss\", \"above\": \"1GiB\" }"), "f:3:15: error: expected a string, found an array"},
    {RULES("{ \"name\": \"a\", \"metric\": \"rss\", \"jitter\": \"25%\" }"), "f:3:47: error: expected an object, found a string"},
    {RULES("{ \"name\": \"a\", \"metric\": \"rss\", \"jitter\": { \"rise\": 25 } }"), "f:3:57: error: expected a percentage such as \"25%\", found a number"},
    {RULES("{ \"name\": \"a\", \"metric\": \"cpu\", \"unusual\": 6 }"), "f:3:48: error: expected an object, found a number"},
    {RULES("{ \"name\": \"a\", \"metric\": \"rss\", \"above\": \"1GiB\", \"unless\": \"cpu\" }"), "f:3:64: error: expected an object, found a string"},
    {RULES("{ \"name\": \"a\", \"metric\": \"rss\", \"above\": \"1GiB\", \"again\": 10 }"), "f:3:63: error: expected a percentage such as \"10%\", or \"always\", found a number"},
    {RULES("{ \"name\": \"a\", \"metric\": \"rss\", \"above\": \"1GiB\", \"again\": \"never\" }"), "f:3:63: error: expected a percentage such as \"10%\", or \"always\", found \"never\""},
    {"{ \"version\": 1, \"budget\": 1, \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:27: error: expected a percentage such as \"25%\", found a number"},
    {"{ \"version\": 1, \"labels\": { \"a\": 1 }, \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:34: error: expected a string, found a number"},
    {"{ \"version\": 1, \"$schema\": 7, \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:28: error: expected a string, found a number"},
    // a unit that does not fit
    {RULES("{ \"name\": \"a\", \"metric\": \"rss\", \"jitter\": { \"rise\": \"25\" } }"), "f:3:57: error: \"25\" has no unit; write a percentage such as \"25%\""},
    {RULES("{ \"name\": \"a\", \"metric\": \"rss\", \"growth\": { \"rate\": \"1MiB\" } }"), "f:3:57: error: \"1MiB\" has no time: expected a rate such as \"1MiB/min\"; write /s, /min or /h after it"},
    {RULES("{ \"name\": \"a\", \"metric\": \"rss\", \"growth\": { \"rate\": \"1MiB/day\" } }"), "f:3:57: error: unknown unit \"day\"; a time of a rate is written with one of s min h"},
    {RULES("{ \"name\": \"a\", \"metric\": \"threads\", \"growth\": { \"rate\": \"1MiB/min\" } }"), "f:3:61: error: expected a rate such as \"10/min\", found \"1MiB/min\""},
    // out of bounds
    {RULES("{ \"name\": \"a\", \"metric\": \"rss\", \"growth\": { \"rate\": \"0B/s\" } }"), "f:3:57: error: \"rate\" must be more than 0"},
    {RULES("{ \"name\": \"a\", \"metric\": \"rss\", \"growth\": { \"rate\": \"1MiB/min\", \"over\": 2 } }"), "f:3:77: error: 2 is out of range: \"over\" may be 3 to 4096"},
    {RULES("{ \"name\": \"a\", \"metric\": \"rss\", \"growth\": { \"rate\": \"1MiB/min\", \"over\": \"1s\" } }"), "f:3:77: error: 1 s is out of range: \"over\" may be 3 s to 30 d"},
    {RULES("{ \"name\": \"a\", \"metric\": \"rss\", \"growth\": { \"rate\": \"1MiB/min\", \"over\": 10.5 } }"), "f:3:77: error: expected a number of ticks or a duration such as \"10m\", found a number"},
    {RULES("{ \"name\": \"a\", \"metric\": \"cpu\", \"unusual\": { \"score\": 0.5 } }"), "f:3:59: error: 0.5 is out of range: \"score\" may be 1 to 1000"},
    {RULES("{ \"name\": \"a\", \"metric\": \"rss\", \"above\": \"1GiB\", \"for\": \"2d\" }"), "f:3:61: error: 2 d is out of range: \"for\" may be 0 ms to 1 d"},
    {RULES("{ \"name\": \"a\", \"every\": \"1h\", \"cooldown\": \"-5s\" }"), "f:3:47: error: \"-5s\" is negative"},
    {RULES("{ \"name\": \"\", \"every\": \"1h\" }"), "f:3:15: error: bad name \"\"; a rule's name is 1 to 40 of a-z 0-9 . _ -"},
    {"{ \"version\": 1, \"labels\": { \"\": \"x\" }, \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:29: error: a label's name is 1 to 256 bytes"},
    {"{ \"version\": 1, \"incidents\": { \"dir\": \"\" }, \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:39: error: \"dir\" is empty"},
    {"{ \"version\": 1, \"incidents\": { \"keep\": -1 }, \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:40: error: -1 is out of range: \"keep\" may be 0 to 1000000"},
    {"{ \"version\": 1, \"incidents\": { \"max_bytes\": \"1KiB\" }, \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:45: error: 1 KiB is out of range: \"max_bytes\" may be 0 or 1 MiB to 4194304 TiB"},
    {"{ \"version\": 1, \"budget\": \"200%\", \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:27: error: 200 % is out of range: \"budget\" may be 0.01 % to 100 %"},
    {"{ \"version\": 1, \"plumbing\": \"pool_*\", \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:29: error: expected an array of function names, found a string"},
    {"{ \"version\": 1, \"plumbing\": [\"pool_*\", \"*\", \"\", 3], \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:40: error: \"*\" matches every function; write a part of the functions' names\nf:1:45: error: \"plumbing\" is empty\nf:1:49: error: expected a string, found a number"},
    // something is missing, or does not go together
    {RULES("{ \"name\": \"a\", \"metric\": \"rss\", \"growth\": { \"over\": \"1h\" } }"), "f:3:47: error: \"growth\" needs \"rate\"; add \"rate\": \"1MiB/min\""},
    {RULES("{ \"name\": \"a\", \"metric\": \"rss\", \"above\": \"1GiB\", \"unless\": { \"above\": 3 } }"), "f:3:64: error: \"unless\" needs a metric; add \"metric\": \"cpu\""},
    {RULES("{ \"name\": \"a\", \"metric\": \"rss\", \"above\": \"1GiB\", \"unless\": { \"metric\": \"cpu\" } }"), "f:3:64: error: \"unless\" needs \"above\" or \"below\""},
    {RULES("{ \"name\": \"a\", \"metric\": \"rss\", \"above\": \"1GiB\", \"unless\": { \"metric\": \"cpy\", \"above\": 3 } }"), "f:3:76: error: unknown metric \"cpy\"; did you mean \"cpu\"?"},
    {RULES("{ \"name\": \"a\", \"every\": \"1h\", \"cooldown\": \"2h\" }"), "f:3:47: error: \"cooldown\" is longer than \"every\""},
    {RULES("{ \"name\": \"a\", \"above\": \"1GiB\", \"unless_above\": \"2GiB\", \"every\": \"1h\" }"), "f:3:20: error: \"above\" needs a metric; add \"metric\": \"rss\"\nf:3:37: error: \"unless_above\" needs a metric; add \"metric\": \"rss\""},
    {RULES("17"), "f:3:5: error: expected an object, found a number"},
};
// clang-format on

static void every_error_has_its_place(void **state)
{
    int wrong = 0;
    (void)state;
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
        const char *got = errors_of(documents[i].text, strlen(documents[i].text));
        bool right = strcmp(got, documents[i].error) == 0;
        if (!right)
            print_error("%s\n    got    %s\n    wanted %s\n", documents[i].text, got, documents[i].error);
        wrong += !right;
    }
    assert_int_equal(wrong, 0);
}

static void all_errors_are_told_in_the_files_order(void **state)
{
    (void)state;
    const char text[] = "{ \"version\": 1,\n"
                        "  \"rules\": [ { \"name\": \"A\", \"metric\": \"rss\", \"above\": \"x\" } ],\n"
                        "  \"interval\": \"1 parsec\" }";
    const char *got = errors_of(text, strlen(text));
    const char *name = strstr(got, "f:2:24"), *above = strstr(got, "f:2:55"), *interval = strstr(got, "f:3:15");
    assert_true(name && above && interval && name < above && above < interval);
}

static void a_duplicate_key_is_refused_where_it_stands_again(void **state)
{
    (void)state;
    const char text[] = "{ \"version\": 1,\n  \"interval\": \"1s\",\n  \"interval\": \"2s\",\n"
                        "  \"rules\": [ { \"name\": \"a\", \"every\": \"1h\" } ] }";
    assert_non_null(strstr(errors_of(text, strlen(text)), "f:3:3: error: "));
}

static void a_nul_byte_is_no_text(void **state)
{
    (void)state;
    const char text[] = "{ \"version\": 1 \0}";
    assert_string_equal(errors_of(text, sizeof text - 1), "f:1:16: error: NUL byte: the file is not text");
}

static void nesting_without_end_is_refused(void **state)
{
    (void)state;
    char *text = malloc(200000);
    memset(text, '[', 200000);
    assert_non_null(strstr(errors_of(text, 200000), "nested more than 32 levels deep"));
    free(text);
}

static void a_file_beyond_all_reason_is_refused(void **state)
{
    (void)state;
    size_t length = GS_RULES_TEXT_MAX + 1;
    char *text = malloc(length);
    memset(text, ' ', length);
    assert_string_equal(errors_of(text, length), "f: error: the file is larger than 1 MiB");
    free(text);
}

/* Every prefix of a good file, and every file with one byte changed: an answer, never a crash. */
static void damaged_files_get_an_answer(void **state)
{
    (void)state;
    char *copy = malloc(gs_default_rules_length);
    unsigned seed = 1;
    for (size_t length = 0; length < gs_default_rules_length; length += 7)
        (void)errors_of(gs_default_rules_text, length);
    for (int i = 0; i < 2000; i++) {
        memcpy(copy, gs_default_rules_text, gs_default_rules_length);
        copy[(unsigned)rand_r(&seed) % gs_default_rules_length] = (char)rand_r(&seed);
        (void)errors_of(copy, gs_default_rules_length);
    }
    free(copy);
}

/* 10.0 is 10, as a schema and other programs have it. */
static void a_whole_number_may_be_written_with_a_point(void **state)
{
    (void)state;
    const char text[] = "{ \"version\": 1.0, \"incidents\": { \"keep\": 2e1 }, \"rules\": [ { \"name\": \"a\", \"metric\": \"rss\","
                        " \"jitter\": { \"rise\": \"25%\", \"over\": 10.0 } } ] }";
    struct gs_errors errors = {0};
    struct gs_rules *rules = gs_rules_read(text, strlen(text), "f", &errors);
    assert_non_null(rules);
    assert_int_equal(rules->incidents.keep, 20);
    gs_rules_free(rules);
}

static void an_editor_may_name_its_schema(void **state)
{
    (void)state;
    const char text[] = "{ \"$schema\": \"./rules.schema.json\", \"version\": 1, \"rules\": [ { \"name\": \"a\", \"every\": \"1h\" } ] }";
    assert_string_equal(errors_of(text, strlen(text)), "");
}

static void defaults_are_those_of_the_documentation(void **state)
{
    (void)state;
    struct gs_rules *rules = story_rules("", "{ \"name\": \"a\", \"metric\": \"gauge:queue\", \"above\": -3 }");
    assert_int_equal(rules->interval_ns, GS_NS_PER_S);
    assert_int_equal(rules->heap.sample_bytes, 512 << 10);
    assert_int_equal(rules->heap.depth, 64);
    assert_int_equal(rules->heap.baseline_ns, 600 * GS_NS_PER_S);
    assert_int_equal(rules->heap.peak_ns, 3600 * GS_NS_PER_S);
    assert_int_equal(rules->heap.focus_ns, 3600 * GS_NS_PER_S);
    assert_string_equal(rules->incidents.dir, "incidents");
    assert_int_equal(rules->incidents.keep, 50);
    assert_int_equal(rules->incidents.max_bytes, 1 << 30);
    assert_int_equal(rules->incidents.max_per_hour, 12);
    assert_int_equal(rules->rule[0].cooldown_ns, 600 * GS_NS_PER_S);
    assert_int_equal(rules->rule[0].capture, GS_HEAP | GS_THREADS);
    assert_int_equal(rules->metric_count, 1);
    assert_string_equal(rules->metric[0], "gauge:queue");
    assert_int_equal(rules->children, GS_CHILDREN_FORKS);
    assert_int_equal(rules->symbolize, GS_SYMBOLIZE_AUTO);
    assert_false(rules->incidents.report);
    assert_int_equal(rules->only_count, 0);
    gs_rules_free(rules);
}

/* Which children, and which programs, in the words of the file. */
static void children_and_programs_are_chosen(void **state)
{
    static const struct { const char *word; enum gs_children children; } choices[] = {
        {"forks", GS_CHILDREN_FORKS}, {"all", GS_CHILDREN_ALL}, {"off", GS_CHILDREN_OFF}};
    (void)state;
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++) {
        char more[128];
        snprintf(more, sizeof more, "\"children\": \"%s\", \"only\": [\"nginx\", \"postgres\"],", choices[i].word);
        struct gs_rules *rules = story_rules(more, "{ \"name\": \"a\", \"every\": \"1h\" }");
        assert_int_equal(rules->children, choices[i].children);
        assert_int_equal(rules->only_count, 2);
        assert_string_equal(rules->only[0], "nginx");
        assert_string_equal(rules->only[1], "postgres");
        gs_rules_free(rules);
    }
}

static void lines_are_added_or_not(void **state)
{
    (void)state;
    struct gs_rules *rules = story_rules("\"symbolize\": \"off\",", "");
    assert_int_equal(rules->symbolize, GS_SYMBOLIZE_OFF);
    gs_rules_free(rules);
    rules = story_rules("\"symbolize\": \"auto\",", "");
    assert_int_equal(rules->symbolize, GS_SYMBOLIZE_AUTO);
    gs_rules_free(rules);
}

static void the_built_in_rules_are_right(void **state)
{
    (void)state;
    assert_string_equal(errors_of(gs_default_rules_text, gs_default_rules_length), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_its_place),
        cmocka_unit_test(all_errors_are_told_in_the_files_order),
        cmocka_unit_test(a_duplicate_key_is_refused_where_it_stands_again),
        cmocka_unit_test(a_nul_byte_is_no_text),
        cmocka_unit_test(nesting_without_end_is_refused),
        cmocka_unit_test(a_file_beyond_all_reason_is_refused),
        cmocka_unit_test(damaged_files_get_an_answer),
        cmocka_unit_test(a_whole_number_may_be_written_with_a_point),
        cmocka_unit_test(an_editor_may_name_its_schema),
        cmocka_unit_test(defaults_are_those_of_the_documentation),
        cmocka_unit_test(children_and_programs_are_chosen),
        cmocka_unit_test(lines_are_added_or_not),
        cmocka_unit_test(the_built_in_rules_are_right),
    };
    gs_json_use_our_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
