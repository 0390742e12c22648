#!/bin/bash
# A program that dies soon after its rule has fired, and is started again at once, over and over: the disk gets one incident, not
# one for each life. Workers of one program share the hour, and each has its own cooldown while it lives.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
rules() { printf '{"version": 1, "interval": "100ms", %s "rules": [%s]}\n' "$1" "$2" > rules.json; }
# life DIR COMMAND: one life of sh, watched; its children are not.
life() { GUMSHOE_RULES=$tmp/rules.json GUMSHOE_DIR=$tmp/$1 LD_PRELOAD=$build/libgumshoe.so /bin/sh -c "$2" & wait $! 2> /dev/null || true; }
of() { find "$1" -mindepth 1 -maxdepth 1 -name "2*-$2-*" | wc -l; }
hot='{"name": "hot", "metric": "rss", "above": "100KiB"}'

it "makes one incident of twenty lives: the cooldown of ten minutes goes on"
rules '' "$hot"
life store 'sleep 0.5; kill -SEGV $$'
equal "$(of store hot)" 1 "incidents of the first life"
for _ in $(seq 19); do life store 'sleep 0.15; kill -SEGV $$'; done
equal "$(of store hot)" 1 "incidents of twenty lives"
grep -q '1 rule cools down after incidents of before the start' log || fail "the log"
ledger=$(ls store/.live/*.ledger)
equal "$(jq -c '[.version, (.incidents | map(.rule))]' "$ledger")" '[1,["hot"]]' "the ledger"
equal "$(stat -c %a "$ledger")" 600 "its mode"
it "tells why in its status"
GUMSHOE_RULES=$tmp/rules.json GUMSHOE_DIR=$tmp/store LD_PRELOAD=$build/libgumshoe.so /bin/sh -c 'while :; do sleep 1; done' & host=$!; started=$host
status() { "$gumshoe" status --json $host > status.json 2> /dev/null && jq -e "$1" status.json; }
wait_for 10 status '.rules[0].state | startswith("cooling for ")'
kill -9 $host; wait $host 2> /dev/null || true

it "counts an incident that the program dies of"
rules '"cpu": {"duration": "1h"},' '{"name": "deadly", "metric": "rss", "above": "100KiB", "capture": ["cpu"]}'
for _ in 1 2 3 4 5; do life deadly 'sleep 0.3; kill -KILL $$'; done
life deadly 'sleep 0.3'
equal "$(of deadly deadly)" 1 "incidents, complete or not"

it "keeps the limits of the hour across lives and among workers, each with its own cooldown"
held='{"name": "hot", "metric": "rss", "above": "100KiB", "for": "700ms"}' # so that all are there when the first fires
rules '"incidents": {"max_per_hour": 3},' "$held"
for _ in 1 2 3 4 5; do life pool 'sleep 1.5; true' & done; wait
[ "$(of pool hot)" = 3 ] || fail "$(of pool hot) incidents of five workers"
grep -q 'rule hot: held back: the hourly limit is reached, with the incidents of other processes' log || fail "the log"
it "takes a fresh start where the ledger was spoilt, and says so"
echo '{"version": 1, "inci' > "$(ls pool/.live/*.ledger)"
life pool 'sleep 1.2; true'
grep -q 'ledger is begun anew' log || fail "the log"
equal "$(of pool hot)" 4 "incidents"

it "keeps the time of rules that go by the clock"
rules '' '{"name": "hourly", "every": "2s", "cooldown": "0s", "capture": ["threads"]}'
since=$(date +%s)
# sh ends by _exit, which waits for no capture: a life that ends in the middle of the incident takes it along
for _ in $(seq 20); do [ "$(of clock hourly)" -ge 1 ] || life clock 'sleep 0.5; true'; done
[ "$(of clock hourly)" -ge 1 ] || fail "no life was long enough, but together they were"
[ "$(of clock hourly)" -le $((($(date +%s) - since) / 2 + 1)) ] || fail "$(of clock hourly) in $(($(date +%s) - since)) s"
