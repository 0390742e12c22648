#!/bin/bash
# All threads that the agent may have at a time are left out of what it says of the program: watcher, control socket, crash, and
# profiles for calls of the program, of which seven are served at a time.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
gcc -O1 -w "$source_dir/tests/host/ways/called.c" -o called -I "$source_dir/include" -L "$build" -lgumshoe -Wl,-rpath,"$build" -pthread
export GUMSHOE_RULES GUMSHOE_DIR=$tmp/d
GUMSHOE_RULES=$(rules threads '{ "version": 1, "interval": "100ms", "crash": "on", "rules": [
    { "name": "many", "metric": "threads", "above": 1000, "capture": ["threads"] } ] }')
./called > out & host=$!; started="$started $host"
wait_until grep -q calling out
own() { cat /proc/$host/task/*/comm | grep -c gumshoe; }
has_all() { [ "$(own)" -ge 10 ]; }
wait_until has_all # the socket's, crash's, and seven of the program's eight calls, beside the watcher

it "serves seven calls at a time"
equal "$(cat /proc/$host/task/*/comm | grep -c gumshoe-profile)" 7 "threads for calls"
it "does not dump them"
path=$("$gumshoe" capture --kinds threads $host)
! grep gumshoe- "$path/threads.txt" || fail "threads of the agent are dumped"
equal "$("$gumshoe" top --json "$path/threads.pb.gz" | jq .total)" 9 "threads in the dump"
it "does not count them as threads of the program (the metric threads has them all: docs/metrics.md)"
wait_until status_of_watch $host '.process.threads == 9'
