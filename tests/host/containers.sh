#!/bin/bash
# Six containers that share a store. In each the server is process 1, and all were started within one tick of the clock: each has
# a box, a socket and cooldowns of its own, and none of the six deaths is lost.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
rules=$(rules quiet '{"version": 1, "interval": "200ms", "rules": [{"name": "hot", "metric": "rss", "above": "100KiB", "capture": ["heap"]}]}')
preloaded() { exec env GUMSHOE_RULES="$rules" GUMSHOE_DIR="$tmp/store" "$@"; }
count() { find store -maxdepth 1 -name "2*-$1-*" | wc -l; }
has() { [ "$(count "$1")" = "$2" ]; }
live() { [ "$(find store/.live -name "1-*.$1" | wc -l)" = 6 ]; }
preloaded "$build/hosts/containers" 6 /usr/bin/env LD_PRELOAD="$build/libgumshoe.so" "$build/hosts/spike" 5 1 stay < /dev/null > pids & all=$!; started=$all
all_calm() { [ "$(grep -c calm pids)" = 6 ]; }
calm_or_over() { all_calm || ! kill -0 $all; }
wait_until calm_or_over
if ! all_calm; then
    status=0; wait $all || status=$?
    [ $status = 77 ] || fail "exit status $status"
    echo "  (no container can be made here)"; exit 77
fi

it "has a box and a socket for each"
wait_until live box
wait_until live sock
pids=$(grep '^[0-9]' pids); started="$started $pids"
it "answers gumshoe status for each, by the pid that it has here"
for pid in $pids; do
    "$gumshoe" status --json $pid > status || fail "status of $pid"
    equal "$(jq .pid status)" 1 "its own number"
done
it "keeps a cooldown for each"
wait_until has hot 6

it "makes an incident of each that was killed, when the next one starts there"
kill -9 $pids
wait $all || true
preloaded LD_PRELOAD="$build/libgumshoe.so" "$build/hosts/spike" 1 1 stay < /dev/null > out & next=$!; started="$started $next"
wait_until has previous-run-died 6
equal "$(find store/.live -name '1-*' | wc -l)" 0 "what is left of them"
equal "$(jq -r .died.process store/2*-previous-run-died-*/incident.json | sort -u | grep -c '^1-[0-9]*-[0-9]*$')" 6 "processes"
it "does not touch the box of one that runs in another container"
preloaded "$build/hosts/containers" 1 /usr/bin/env LD_PRELOAD="$build/libgumshoe.so" "$build/hosts/spike" 5 1 stay < /dev/null > pids & all=$!; started="$started $all"
one() { ls store/.live/1-*.box; }
wait_until one
box=$(one)
status=0; "$gumshoe" recover "$box" 2> err || status=$?
equal $status 1 "exit status of recover"; grep -q 'its process still runs' err || fail "$(cat err)"
preloaded LD_PRELOAD="$build/libgumshoe.so" "$build/hosts/spike" 1 1 stay < /dev/null > out & last=$!; started="$started $last"
has_box() { ls store/.live/$last-*.box; }
wait_until has_box
after_a_turn $last
equal "$(count previous-run-died)" 6 "incidents"
[ -e "$box" ] || fail "it was taken"
