#!/bin/bash
# Which stacks create threads: exact counts by creating stack, of all threads and of those that live.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
rules_file=$(rules storm '{ "version": 1, "interval": "50ms", "rules": [
    { "name": "storm", "metric": "threads", "above": 1000, "capture": ["threads", "threadcreate"] } ] }')
mkfifo input
"$gumshoe" run --rules "$rules_file" --dir d -- "$build/hosts/creator" < input > out &
host=$!; started="$started $host"
exec 3> input
wait_until grep -q ready out
wait_until has_watch d
change_rules "$(watched_in d)" "$rules_file" '.rules[0].above = 15'
wait_until has_incident d
exec 3>&-
wait $host || fail "the host failed"
found=$(incident d)

# count TYPE FUNCTION: the flat figure of FUNCTION, by pprof.
count() { go tool pprof -top -sample_index="$1" "$found/threadcreate.pb.gz" 2>/dev/null | awk -v f="$2" '$6 == f { print $1 }'; }
it "counts the threads that each stack created"
equal "$(count threadcreate grow_pool)" 20 "created by grow_pool"
equal "$(count threadcreate run_errand)" 300 "created by run_errand"
it "counts those that live"
equal "$(count live_threads grow_pool)" 20 "living of grow_pool"
equal "$(count live_threads run_errand)" "" "living of run_errand"
it "does not count the agent's own thread"
equal "$(go tool pprof -top -sample_index=threadcreate "$found/threadcreate.pb.gz" 2>/dev/null | sed -n 's/.*% of \([0-9]*\) total.*/\1/p')" 320 "all of them"
it "leaves no frame of its own on the threads' stacks"
grep -q wait_for_end "$found/threads.txt" || fail "$(cat "$found/threads.txt")"
! grep -qE 'libgumshoe|begin' "$found/threads.txt" || fail "$(cat "$found/threads.txt")"
! go tool pprof -traces "$found/threadcreate.pb.gz" 2>/dev/null | grep -q 'pthread_create' || fail "the hook is on the creating stack"
it "shows them in the summary"
grep -q '^Threads created: 320, of which 20 live' "$found/summary.txt" || fail "$(cat "$found/summary.txt")"
grep -qE '^ +20 +grow_pool' "$found/summary.txt" || fail "$(cat "$found/summary.txt")"
