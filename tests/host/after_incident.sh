#!/bin/bash
# on_incident: a program runs after each incident, and the host notices nothing of it, however it ends.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
host=$build/hosts/linked_luck
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
none_runs() { ! pgrep -f "$tmp/after.sh"; }
said() { jq -r ".$1[]" "$2/incident.json" | grep -q "$3" || fail "$1 of $2: $(jq -c .notes,.errors "$2/incident.json")"; }

it "hands the incident over, complete on disk, for those of rules and of calls"
after 'jq -r .complete "$1/incident.json" > '"$tmp"'/got.$$; printf "%s\n" "$@" >> '"$tmp/"'got.$$'
"$host" parent 2 > out
equal "$(cat got.* | grep -c true)" 2 "incidents that were complete"
for got in got.*; do
    dir=$(sed -n 2p $got)
    equal "$(sed -n 3p $got)" "shop: $(jq -r '.rule + ", " + .reason' "$dir/incident.json")" "words"
    equal "$(sed -n 4p $got)" "$(jq -r .pid "$dir/incident.json")" "pid"
    said notes "$dir" 'on_incident: .*after.sh was done after'
done
equal "$(sed -n 5p "$(grep -l 'shop: high' got.*)" | jq -r .v)" "$(jq -r .value d/*-high-*/incident.json)" "value"
it "leaves the host's SIGCHLD handler, its wait and its own children alone"
sed -n '3,$p' out | diff - <(printf '%s\n' 'signals 0, children 0, early 0' 'own child found, signals 1' done) || fail "the host noticed"
it "says how it failed, in incident.json and in the log; the incident stays complete"
after 'exit 3'; "$host" parent 1 > /dev/null
said errors "$(incident d)" 'after.sh failed with exit status 3'
equal "$(jq -r .complete "$(incident d)/incident.json")" true complete
grep -q 'error: on_incident: .*failed with exit status 3' log || fail "not in the log"
after 'kill -9 $$'; "$host" parent 1 > /dev/null
said errors "$(incident d)" 'killed by signal 9 (Killed)'
after ''; rm after.sh; "$host" parent 1 > /dev/null
said errors "$(incident d)" 'could not be run: No such file or directory'
equal "$(find d -name '*.new' | wc -l)" 0 "files of half an amendment"
it "finds a name without a slash in PATH"
mkdir bin; printf '#!/bin/sh\necho "$0" > %s/found\n' "$tmp" > bin/after-word; chmod +x bin/after-word
sed -i 's|"[^"]*/after.sh"|"after-word"|' after.json; PATH=$tmp/bin:$PATH "$host" parent 1 > /dev/null
equal "$(cat found)" "$tmp/bin/after-word" "what was run"
it "does not watch what it runs, nor hand it what was meant for the agent"
after 'env > '"$tmp"'/env; ls -l /proc/$$/fd > '"$tmp"'/fds'
LD_PRELOAD=$build/libgumshoe.so KEPT=yes "$gumshoe" run -- sleep 1
wait_for 3 test -s fds
! grep -qE '^(LD_PRELOAD|GUMSHOE_)' env || fail "$(cat env)"
grep -q KEPT=yes env || fail "the environment is not the host's"
equal "$(grep -c /dev/null fds)" 3 "descriptors that are /dev/null: $(cat fds)"
it "ends it when the watch ends in the middle: not the host, which ends at once"
after 'sleep 2; echo over > '"$tmp"'/over'
began=$(date +%s%N); "$host" leave 1 > /dev/null; took=$((($(date +%s%N) - began) / 1000000))
[ $took -lt 1500 ] || fail "the host ended after $took ms"
it "lets the program go on when the host is killed, and leaves nothing of the host behind"
wait_for 5 none_runs; rm -f over
"$host" parent 20 > /dev/null & started="$started $!"
wait_for 5 pgrep -f "$tmp/after.sh"
kill -9 $!; wait $! 2>/dev/null || true
sleep 0.2; ! pgrep -f "$host parent" > /dev/null || fail "something of the host is left: $(pgrep -af "$host parent")"
wait_for 5 test -s over
it "runs one at a time, and drops what there is no room for, and says so"
after 'echo in >> '"$tmp"'/turns; sleep 0.3; echo out >> '"$tmp"'/turns'
"$host" captures 12 > /dev/null
grep -q 'on_incident: not run: 8 others have not ended' log || fail "nothing was dropped"
wait_for 5 none_runs
[ "$(wc -l < turns)" -ge 2 ] || fail "nothing was run"
said errors "$(incident d)" 'not run: '
equal "$(paste -d' ' - - < turns | sort -u)" "in out" "turns"
