#!/bin/bash
# Ways to end, to exec and to be signalled, all while CPU time is sampled and threads are dumped: everything is as it is
# without us.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
gcc -O1 -w "$source_dir/tests/host/ways/ends.c" -o ends -pthread
rules=$(rules ends '{"version": 1, "interval": "100ms", "cpu": {"rate": "1000Hz", "duration": "1h", "before": "1s"}, "incidents": {"max_per_hour": 0, "keep": 0},
    "rules": [{"name": "busy", "metric": "cpu", "above": "1%", "cooldown": "0s", "again": "always", "capture": ["cpu"]},
              {"name": "dumps", "every": "1s", "cooldown": "0s", "capture": ["threads", "heap"]}]}')
watched() { within_patience env GUMSHOE_RULES="$rules" GUMSHOE_DIR="$PWD/incidents" LD_PRELOAD="$build/libgumshoe.so" ./ends "$@"; }
# outcome COMMAND…: what it said, and how it ended.
outcome() { local status=0; "$@" 2> /dev/null || status=$?; echo "status $status"; }
ulimit -c 0

mkfifo input
# in_the_middle ARGUMENT…: the host under watch, told to go on when a CPU profile is being taken; what it said and how it ended in
# "got".
is_captured() { grep -q 'rule busy: CPU time is being sampled' log; }
in_the_middle() {
    rm -f log
    outcome watched "$@" < input > got 2> /dev/null & local host=$!; started="$started $host"
    exec 3> input
    wait_until is_captured
    exec 3>&-
    wait $host
}

for way in return exit _exit quick_exit abort segv handled term; do
    it "ends as it does without us, in the middle of captures: $way"
    outcome ./ends $way < /dev/null > wanted 2> /dev/null
    in_the_middle $way
    diff wanted got || fail "$way"
done
it "keeps the CPU profile of a program that exits while it is taken"
notes=$(jq -r 'select(.rule == "busy" and .complete) | .notes[]' incidents/2*/incident.json)
echo "$notes" | grep -q 'ended early' || fail "notes: $notes"
it "does not harm a program that execs itself 300 times, whatever signal is pending"
equal "$(outcome watched again 300 < /dev/null | tail -n 1)" "status 7"
it "does not harm 200 children that exec"
equal "$(outcome watched children 200 < /dev/null | head -n 1)" "0 bad"
it "takes no signal that is meant for the program: 200 of them, by handler and by sigwait"
in_the_middle signals 200
equal "$(head -n 1 got)" "0 strangers, handled"
in_the_middle wait 200
equal "$(head -n 1 got)" "0 wrong"
it "gives up its signals to a program that sets handlers for them meanwhile, and says so"
in_the_middle take 20
equal "$(head -n 1 got)" "20 of 20"
jq -r '.notes[]?' incidents/2*/incident.json | grep -q 'the program took the signal for itself' || fail "no word of it: $(jq -c .notes incidents/2*/incident.json)"
if [ "$(id -u)" = 0 ]; then
    it "continues without a watch if no thread can be created, and says so"
    chmod 755 "$tmp"; chmod 666 "$tmp/log"; mkdir -m 777 nobodys
    status=0
    setpriv --reuid=65533 --clear-groups prlimit --nproc=1:1 env GUMSHOE_DIR="$PWD/nobodys/d" LD_PRELOAD="$build/libgumshoe.so" /bin/echo works > said || status=$?
    equal "$(cat said), $status" "works, 0"
    grep -q "the watcher's thread could not be created" log || fail "$(tail -n 3 log)"
fi
