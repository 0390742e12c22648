#!/bin/bash
# on_incident: a program runs after each incident, and the host notices nothing of it, however it ends.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
host=$build/hosts/linked_fault_injection
export GUMSHOE_DIR=$tmp/d

# after SCRIPT: rules whose incidents run it by a shell, with the words as its arguments.
after() {
    printf '%s\n' '#!/bin/sh' "$1" > after.sh; chmod +x after.sh
    rules after '{ "version": 1, "labels": { "service": "shop" },
      "on_incident": ["'"$tmp"'/after.sh", "{dir}", "{label:service}: {rule}, {reason}", "{pid}", "{\"v\":\"{value}\"}"],
      "rules": [ { "name": "high", "metric": "threads", "above": 0, "cooldown": "1h", "capture": ["threads"] } ] }' > /dev/null
    rm -rf d
}
export GUMSHOE_RULES=$tmp/after.json
mkfifo input
# parent_until COMMAND…: the host captures once, on demand, and fires the rule; it lives until COMMAND succeeds.
parent_until() {
    rm -f out; "$host" parent < input > out & local parent=$!; started="$started $parent"
    exec 3> input
    wait_until "$@"
    exec 3>&-
    wait $parent || fail "the host: status $?"
}
# both_say LIST WORDS: the two incidents have WORDS among their LIST ("notes", "errors").
both_say() { [ "$(jq -r ".$1[]" d/2*/incident.json | grep -c "$2")" = 2 ]; }
none_runs() { ! pgrep -f "$tmp/after.sh"; }
said() { jq -r ".$1[]" "$2/incident.json" | grep -q "$3" || fail "$1 of $2: $(jq -c .notes,.errors "$2/incident.json")"; }

it "runs after each incident, of rules and of calls, once it is complete on disk"
after 'jq -r .complete "$1/incident.json" > '"$tmp"'/got.$$; printf "%s\n" "$@" >> '"$tmp/"'got.$$'
parent_until both_say notes 'finished after'
equal "$(cat got.* | grep -c true)" 2 "incidents that were complete"
for got in got.*; do
    dir=$(sed -n 2p $got)
    equal "$(sed -n 3p $got)" "shop: $(jq -r '.rule + ", " + .reason' "$dir/incident.json")" "words"
    equal "$(sed -n 4p $got)" "$(jq -r .pid "$dir/incident.json")" "pid"
    said notes "$dir" 'on_incident: .*after.sh finished after'
done
equal "$(sed -n 5p "$(grep -l 'shop: high' got.*)" | jq -r .v)" "$(jq -r .value d/*-high-*/incident.json)" "value"
it "does not affect the host's SIGCHLD handler, its wait, or its own children"
sed -n '3,$p' out | diff - <(printf '%s\n' 'signals 0, children 0, early 0' 'own child found, signals 1' done) || fail "the host noticed"
it "says how it failed, in incident.json and in the log; the incident stays complete"
after 'exit 3'; parent_until both_say errors 'after.sh failed with exit status 3'
equal "$(jq -r .complete "$(incident d)/incident.json")" true complete
grep -q 'error: on_incident: .*failed with exit status 3' log || fail "not in the log"
after 'kill -9 $$'; parent_until both_say errors 'killed by signal 9 (Killed)'
after ''; rm after.sh; parent_until both_say errors 'could not be run: No such file or directory'
equal "$(find d -name '*.new' | wc -l)" 0 "files of half an amendment"
it "finds a name without a slash in PATH"
mkdir bin; printf '#!/bin/sh\necho "$0" > %s/found\n' "$tmp" > bin/after-word; chmod +x bin/after-word
sed -i 's|"[^"]*/after.sh"|"after-word"|' after.json; PATH=$tmp/bin:$PATH parent_until test -s found
equal "$(cat found)" "$tmp/bin/after-word" "what was run"
it "does not run a program of the current directory in place of one that PATH does not have; the log warns of it at the start"
after ''; printf '#!/bin/sh\ntouch %s/taken\n' "$tmp" > after-here; chmod +x after-here
sed -i 's|"[^"]*/after.sh"|"after-here"|' after.json; rm -f log
parent_until both_say errors 'on_incident: after-here could not be run: No such file or directory'
[ ! -e taken ] || fail "it ran"
grep -q 'warning: .*after.json:2:[0-9]*: warning: "on_incident" cannot run after-here: it is in no directory of PATH$' log || fail "$(cat log)"
it "does not watch the program that it runs, and does not give it the agent's environment"
after 'env > '"$tmp"'/env; ls -l /proc/$$/fd > '"$tmp"'/fds.new; mv '"$tmp"'/fds.new '"$tmp"'/fds'
LD_PRELOAD=$build/libgumshoe.so KEPT=yes "$gumshoe" run -- sleep 1000 & runner=$!; started="$started $runner"
wait_until test -s fds
kill $runner; wait $runner || true
! grep -qE '^(LD_PRELOAD|GUMSHOE_)' env || fail "$(cat env)"
grep -q KEPT=yes env || fail "the environment is not the host's"
equal "$(grep -c /dev/null fds)" 3 "descriptors that are /dev/null: $(cat fds)"
it "ends the program when the watch ends in the middle; the host ends at once"
after 'sleep 1000'
within_patience "$host" leave 1 > /dev/null || fail "the host: status $?"
wait_until none_runs
it "lets the program continue when the host is killed, and leaves nothing else of the host"
after 'until [ -e '"$tmp"'/go ]; do sleep 0.1; done; echo over > '"$tmp"'/over'
"$host" parent < input > /dev/null & parent=$!; started="$started $parent"
exec 3> input
wait_until pgrep -f "$tmp/after.sh"
kill -9 $parent; wait $parent 2>/dev/null || true
exec 3>&-
nothing_of_it() { ! pgrep -f "$host parent"; }
wait_until nothing_of_it
touch go
wait_until test -s over
wait_until none_runs
it "runs one at a time; drops those that find no room, and says so"
rm -f go log
after 'echo in >> '"$tmp"'/turns; until [ -e '"$tmp"'/go ]; do sleep 0.1; done; echo out >> '"$tmp"'/turns'
"$host" steps < input > out & stepper=$!; started="$started $stepper"
exec 3> input
for _ in $(seq 12); do echo go >&3; done
captured() { [ "$(grep -c 'capture ok' out)" = 12 ] && ls -d d/2*-high-*; }
wait_until captured
grep -q 'on_incident: not run: 8 earlier runs have not ended' log || fail "nothing was dropped"
touch go
all_have_run() { [ "$(grep -c out turns)" = $((13 - $(grep -c 'on_incident: not run: 8 earlier runs' log))) ]; }
wait_until all_have_run
exec 3>&-
wait $stepper || fail "the host: status $?"
said errors "$(incident d)" 'not run: '
equal "$(paste -d' ' - - < turns | sort -u)" "in out" "turns"
