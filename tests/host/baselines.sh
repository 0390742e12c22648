#!/bin/bash
# Growth is computed from a baseline that is older than the climb which fired the rule. Where there is none, or where nothing grew,
# the summary shows what holds the heap. It says nothing that the evidence does not show.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
mkfifo input

# begin NAME BASELINE WORD…: the host of known kinds of memory, under rules of that NAME.
begin() {
    rules_file=$(rules "$1" '{ "version": 1, "interval": "200ms", "heap": { "sample": "16KiB", "baseline": "'"$2"'" }, "budget": "100%",
        "incidents": { "keep": 0 }, "rules": [ { "name": "never", "metric": "rss", "above": "90%" } ] }')
    shift 2
    rm -rf d out
    "$gumshoe" run --rules "$rules_file" --dir d -- "$build/hosts/account" "$@" < input > out 2>&1 &
    host=$!; started="$started $host"
    exec 3> input
    wait_until has_watch d
    pid=$(watched_in d)
}
end() { exec 3>&-; wait $host || fail "the host failed: $(cat out)"; }
base_bytes() { go tool pprof -top -sample_index=inuse_space -unit=B "$1/heap.base.pb.gz" 2> /dev/null | sed -n 's/.*% of \([0-9]*\)B total.*/\1/p'; }
# baseline_holds MIB: one that is at least as old as the first age has as much.
baseline_holds() { local path; path=$("$gumshoe" capture --kinds heap "$pid") && [ "$(base_bytes "$path")" -gt $(($1 << 20)) ]; }
# fires RULE: the incident of a rule that is in force from now on.
has_fired() { ls -d d/2*-high-*; }
fires() {
    change_rules "$pid" "$rules_file" ".rules = [$1]"
    wait_until has_fired
    found=$(has_fired | head -n 1)
}
culprit() { jq -r '.culprit.function + " " + .culprit.kind' "$found/incident.json"; }
says() { grep -qE -- "$1" "$found/summary.txt" || fail "'$1' is not in: $(cat "$found/summary.txt")"; }

it "compares with a baseline that is older than the climb"
begin older 1s wait heap
wait_until has_baseline "$pid"
echo >&3
wait_until grep -q ready out
wait_until baseline_holds 90 # now the youngest one that is old enough was taken after the climb
fires '{ "name": "high", "metric": "rss", "above": "50MiB", "capture": ["heap"] }'
end
equal "$(culprit)" "main growth"
says '^Culprit: main .* of all growth$'
says '^What grew since the baseline .* ago, by whole stacks$'
never_says "$found/summary.txt" 'younger than the climb' "the baseline is older"

it "says that the only baseline is younger, and shows what holds the heap"
begin younger 1h wait heap
wait_for_ticks d/.live/*.box 3
echo >&3
wait_until grep -q ready out
take_baseline "$pid" "$rules_file"
fires '{ "name": "high", "metric": "rss", "above": "50MiB", "capture": ["heap"] }'
end
equal "$(culprit)" "main in_use"
says '^The oldest baseline, .* ago, is younger than the climb, which began .* ago: growth before it is not shown$'
says '^Nothing grew since the baseline .* ago; what holds the heap, by whole stacks$'
says '^ +[0-9.]+ MiB .*  main'
says '^  heap: [0-9.]+ MiB, the largest part, of it live'

it "names who opened most of the descriptors, and says what they are"
cat > opens.py <<'P'
import os, socket, sys
log = open("log.txt", "w")
kept = [open("log.txt") for i in range(150)] + [socket.socketpair() for i in range(50)] + [os.pipe() for i in range(10)]
print("ready", flush=True)
sys.stdin.read()
P
rules_file=$(rules descriptors '{ "version": 1, "interval": "200ms", "incidents": { "keep": 0 },
    "rules": [ { "name": "high", "metric": "fds", "above": 200, "capture": ["heap", "threads"] } ] }')
rm -rf d out
"$gumshoe" run --rules "$rules_file" --dir d -- python3 opens.py < input > out 2>&1 &
host=$!; started="$started $host"
exec 3> input
wait_until has_fired
found=$(has_fired | head -n 1)
end
equal "$(jq -r '.culprit | .kind, .module' "$found/incident.json" | xargs)" "fds python3.11" "culprit"
says '^Open descriptors, 2[0-9]+ in all: 10[0-9] sockets, 15[0-9] files, 2[0-9] pipes'
says '^ +15[0-9] .* file .*/log.txt, opened by python3.11'
grep -q ' file .*/log.txt' "$found/fds.txt" || fail "$(cat "$found/fds.txt")"
