#!/bin/bash
# The examples, as their readers run them: examples/run.sh NAME. Each incident names the function that a person would name.
. "$(dirname "$0")/lib.sh"
export GUMSHOE_BUILD=$build GUMSHOE_PATIENCE=$patience
names="leaky_server session_server bank_server timer_server pprof_server"

for name in $names; do
    "$source_dir/examples/run.sh" $name "$tmp/$name" > "$tmp/$name.out" 2>&1 &
    started="$started $!"
done
for pid in $started; do wait "$pid" || { cat "$tmp"/*.out; fail "an example ended with $?"; }; done

# names NAME KIND FUNCTION SOURCE: the incident of example NAME does.
names() {
    local found; found=$(incident "$tmp/$1")
    equal "$(jq -r .complete "$found/incident.json")" true "complete"
    equal "$(jq -r '.culprit | "\(.kind) \(.function) \(.file | split("/") | last)"' "$found/incident.json")" "$2 $3 $4" "the culprit of $1"
    grep -q "^Culprit: .*$4:[1-9]" "$found/summary.txt" || fail "no line in $(cat "$found/summary.txt")"
    grep -q "^Culprit: " "$tmp/$1.out" || fail "it is not shown: $(cat "$tmp/$1.out")"
}
# holds_most NAME FUNCTION SOURCE: the same for a leak: growth, or, where the baseline was taken late, use.
holds_most() {
    local kind; kind=$(jq -r .culprit.kind "$(incident "$tmp/$1")/incident.json")
    case $kind in growth | in_use) names "$1" "$kind" "$2" "$3" ;; *) fail "$1: a culprit of kind $kind" ;; esac
}
# marked NAME SOURCE TEXT: the summary's line of code is the one that the source marks with TEXT.
marked() {
    local line; line=$(grep -n "$3" "$source_dir/examples/$2" | tail -n 1 | cut -d: -f1)
    grep -q "^Culprit: .*$2:$line: " "$(incident "$tmp/$1")/summary.txt" || fail "line $line is not in $(cat "$(incident "$tmp/$1")/summary.txt")"
}

it "leaky_server: the function that fills a cache which never evicts"
holds_most leaky_server cache_insert leaky_server.c
equal "$(jq '.series["gauge:cache_entries"] | length > 0' "$(incident "$tmp/leaky_server")/metrics.json")" true "a gauge in the history"
it "session_server: the method that puts sessions into a map, not the map"
holds_most session_server SessionStore::login session_server.cc
it "bank_server: the method that takes two locks, and the line of the second one"
names bank_server deadlock Bank::transfer bank_server.cc
marked bank_server bank_server.cc '// the fault'
equal "$(jq -r '[.deadlock[].function] | unique | join(" ")' "$(incident "$tmp/bank_server")/incident.json")" Bank::transfer "who waits"
grep -q '^Deadlock: threads wait for each other' "$tmp/bank_server.out" || fail "$(cat "$tmp/bank_server.out")"
it "timer_server: the loop that does not sleep"
names timer_server cpu TimerQueue::run timer_server.cc
it "pprof_server: the list that nothing trims; pprof gets the same from the running server"
holds_most pprof_server remember_thumbnail pprof_server.c
grep -q '^Type: inuse_space' "$tmp/pprof_server.out" || fail "$(cat "$tmp/pprof_server.out")"
equal "$(awk '/flat%   sum%/ { getline; print $NF }' "$tmp/pprof_server.out")" remember_thumbnail "the first row of pprof -top"
it "tells what there is, when it is called without a name or with another one"
! "$source_dir/examples/run.sh" 2> "$tmp/usage" || fail "it ran"
for name in $names; do grep -q "$name" "$tmp/usage" || fail "$name is not in $(cat "$tmp/usage")"; done
