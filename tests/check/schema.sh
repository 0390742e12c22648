#!/bin/bash
# rules/rules.schema.json, which editors complete and check by, says what gumshoe's own reader says.
. "$(dirname "$0")/../host/lib.sh"
judge=$source_dir/tests/check/schema.py
mkdir "$tmp/documents"

it "has the reader's keys, and accepts and refuses the documents that the reader accepts and refuses"
"$judge" "$source_dir" "$gumshoe" "$tmp/documents" || fail "the two differ"

# caught WHAT EXPRESSION SAID: the schema with jq's EXPRESSION applied is told from the reader.
cp -r "$source_dir/agent" "$source_dir/rules" "$tmp"
caught() {
    jq "$2" "$source_dir/rules/rules.schema.json" > "$tmp/rules/rules.schema.json"
    if "$judge" "$tmp" "$gumshoe" "$tmp/documents" > "$tmp/said"; then fail "nobody minds $1"; fi
    grep -q "^FAILED: $3" "$tmp/said" || fail "$1: $(head -n 3 "$tmp/said")"
}
it "is refused if it lacks a key, a metric, a description (this check can fail)"
caught "a missing key" 'del(.definitions.rule.properties.cooldown)' 'keys: only in the reader \[.cooldown.\]'
caught "a missing metric" 'del(.definitions.metric.anyOf[3])' 'metrics: only in the reader \[.threads.\]'
caught "a key without a description" 'del(.properties.interval.description, .definitions.duration.description)' 'the schema does not describe "interval"'
it "is refused if it refuses too much, or accepts too much"
caught "a bound that is too narrow" '.definitions.count_line.maximum = 1000000' 'the schema refuses'
caught "a unit that nobody reads" '.definitions.duration.pattern |= sub("\\(ms"; "(parsec|kb|hz|MiBs|mins|ms")' 'the schema takes bad_unit'
caught "a duty that is forgotten" 'del(.definitions.rule.dependencies.again)' 'the schema takes for_the_clock_alone'
