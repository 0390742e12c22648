#!/bin/bash
# examples/ci: rules that are held to recorded histories in a build, as docs/testing-rules.md says.
. "$(dirname "$0")/lib.sh"
cp -r "$source_dir/examples/ci" "$tmp/ci"
export GUMSHOE=$gumshoe
it "passes with the rules as they are"
"$tmp/ci/check-rules.sh" > "$tmp/out" || fail "$(cat "$tmp/out")"
# refuses EXPRESSION: the rules, once jq's EXPRESSION has changed them.
refuses() {
    jq "$1" "$source_dir/examples/ci/rules.json" > "$tmp/ci/rules.json"
    ! "$tmp/ci/check-rules.sh" > "$tmp/out" 2>&1 || fail "nobody notices $1"
}
it "fails when a rule fires on an ordinary day, when one misses the incident, and when one is not valid"
refuses '.rules[0].for = "1m"'
refuses '.rules[0].above = "90%"'
refuses '.rules[1].growth.rate = "600/min"'
refuses '.rules[0].metric = "rsss"'
