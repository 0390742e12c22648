#!/bin/bash
# A server that deadlocks: the incident says which threads wait for each other, and in which functions.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
rules=$(rules threads '{"version": 1, "interval": "50ms", "rules": [
    {"name": "many", "metric": "threads", "above": 1000, "capture": ["threads"]}]}')

# lock_up MODE: runs the host under watch until all its threads wait, and there is an incident; $dir is it.
lock_up() {
    rm -rf incidents; mkfifo input
    rm -f out; "$gumshoe" run --rules "$rules" --dir incidents -- "$build/hosts/deadlock" "$1" < input > out &
    host=$!; started="$started $host"
    exec 3> input; rm input
    wait_until has_watch incidents
    pid=$(watched_in incidents)
    wait_until grep -q ready out
    wait_until all_sleep "$pid"
    change_rules "$pid" "$rules" '.rules[0].above = 5'
    wait_until has_incident incidents
    exec 3>&-
    wait $host || fail "the host ended with $?"
    dir=$(incident incidents)
    jq '.rules[0].above = 1000' "$rules" > changed && mv changed "$rules"
}

it "names both functions of a deadlock of two mutexes, first of all"
lock_up mutexes
head -n 5 "$dir/threads.txt" | grep -q '^DEADLOCK: 2 threads wait for each other' || fail "$(cat "$dir/threads.txt")"
for function in transfer_money write_audit; do
    grep -q "in $function waits for mutex 0x" "$dir/threads.txt" || fail "no $function in $(cat "$dir/threads.txt")"
    grep -q "$function waits for mutex" "$dir/summary.txt" || fail "no $function in $(cat "$dir/summary.txt")"
done
equal "$(jq -r .culprit.kind "$dir/incident.json")" deadlock "the culprit's kind"
equal "$(jq -r '[.deadlock[].function] | sort | join(" ")' "$dir/incident.json")" "transfer_money write_audit" "the functions"
equal "$(jq -r '.deadlock | (.[0].held_by == .[1].tid) and (.[1].held_by == .[0].tid)' "$dir/incident.json")" true "who holds what"
it "says which thread holds the mutex that the other threads wait for"
equal "$(grep -c '# .* waits for mutex .*, held by ' "$dir/threads.txt")" 7 "threads that wait for a mutex"
it "sees a circle that goes through pthread_join"
lock_up join
equal "$(jq -r '[.deadlock[].function] | sort | join(" ")' "$dir/incident.json")" "close_shop wait_in_line" "the functions"
grep -q 'close_shop waits for the end of' "$dir/threads.txt" || fail "$(cat "$dir/threads.txt")"
it "sees a circle through a rwlock that is held for writing"
lock_up rwlock
equal "$(jq -r '[.deadlock[] | "\(.function) \(.what)"] | sort | join(", ")' "$dir/incident.json")" "change_catalogue mutex, charge_account rwlock" "the functions"
grep -q 'in charge_account waits for rwlock 0x' "$dir/threads.txt" || fail "$(cat "$dir/threads.txt")"
grep -q 'in charge_account waits for rwlock 0x.*, which thread [0-9]* holds' "$dir/summary.txt" || fail "$(cat "$dir/summary.txt")"
it "does not report a mutex that is held for long as a deadlock"
lock_up fine
equal "$(jq -r .deadlock "$dir/incident.json")" null "deadlock"
equal "$(jq -r .culprit.kind "$dir/incident.json")" lock "the culprit's kind"
equal "$(grep -c '# .* waits for mutex .*, held by deadlock/' "$dir/threads.txt")" 5 "threads that wait for main"
