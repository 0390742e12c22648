#!/bin/bash
# A program that dies soon after its rule has fired, and is started again at once, over and over: the disk gets one incident, not
# one for each start. Workers of one program share the hourly limit, and each has its own cooldown while it runs.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
rules() { printf '{"version": 1, "interval": "100ms", %s "rules": [%s]}\n' "$1" "$2" > rules.json; }
# life DIR COMMAND: one life of sh, watched; its children are not.
life() { GUMSHOE_RULES=$tmp/rules.json GUMSHOE_DIR=$tmp/$1 LD_PRELOAD=$build/libgumshoe.so /bin/sh -c "$2" & wait $! 2> /dev/null || true; }
of() { find "$1" -mindepth 1 -maxdepth 1 -name "2*-$2-*" 2> /dev/null | wc -l; }
hot='{"name": "hot", "metric": "rss", "above": "100KiB"}'
# lives_until COMMAND: for the program of a life.
lives_until() { echo "until $1; do sleep 0.1; done 2> /dev/null; "; }

it "makes one incident of twenty runs: the cooldown of ten minutes continues"
rules '' "$hot"
life store "$(lives_until 'ls -d store/2*-hot-* && grep -q hot store/.live/*.ledger')kill -SEGV \$\$"
equal "$(of store hot)" 1 "incidents of the first life"
for i in $(seq 19); do # each lives until it has started to watch, and for some ticks more
    life store "$(lives_until "[ \$(grep -c 'is in cooldown after incidents before this start' log) -ge $i ]")sleep 0.2; kill -SEGV \$\$"
done
equal "$(of store hot)" 1 "incidents of twenty lives"
grep -q '1 rule is in cooldown after incidents before this start' log || fail "the log"
ledger=$(ls store/.live/*.ledger)
equal "$(jq -c '[.version, (.incidents | map(.rule))]' "$ledger")" '[1,["hot"]]' "the ledger"
equal "$(stat -c %a "$ledger")" 600 "its mode"
it "says why in gumshoe status"
GUMSHOE_RULES=$tmp/rules.json GUMSHOE_DIR=$tmp/store LD_PRELOAD=$build/libgumshoe.so /bin/sh -c 'while :; do sleep 1; done' & host=$!; started=$host
wait_until status_of_watch $host '.rules[0].state | startswith("cooldown, ")'
kill -9 $host; wait $host 2> /dev/null || true

it "counts an incident during which the program dies"
rules '"cpu": {"duration": "1h"},' '{"name": "deadly", "metric": "rss", "above": "100KiB", "capture": ["cpu"]}'
life deadly "$(lives_until 'ls -d deadly/.2*-deadly-* && grep -q deadly deadly/.live/*.ledger')kill -KILL \$\$"
for _ in 1 2 3 4; do life deadly 'sleep 0.3; kill -KILL $$'; done
life deadly "$(lives_until 'ls -d deadly/2*-deadly-*')"
equal "$(of deadly deadly)" 1 "incidents, complete or not"

it "keeps the hourly limits across restarts and among workers, each with its own cooldown"
# They begin with a rule that none of them fires, so that all are there when the first fires.
rules '"incidents": {"max_per_hour": 3},' '{"name": "hot", "metric": "rss", "above": "1000TiB"}'
for _ in 1 2 3 4 5; do life pool "$(lives_until 'test -e stop')" & done
all_live() { [ "$(ls pool/.live/*.sock | wc -l)" = 5 ]; }
wait_until all_live
rules '"incidents": {"max_per_hour": 3},' "$hot"
held_back() { [ "$(grep -c 'rule hot: suppressed, because the hourly limit is reached with the incidents of other processes' log)" -ge 2 ]; }
wait_until held_back
three() { [ "$(of pool hot)" = 3 ]; }
wait_until three
touch stop; wait
equal "$(of pool hot)" 3 "incidents of five workers"
it "starts a new ledger if it is damaged, and says so"
echo '{"version": 1, "inci' > "$(ls pool/.live/*.ledger)"
life pool "$(lives_until '[ $(ls -d pool/2*-hot-* | wc -l) -ge 4 ]')"
grep -q 'ledger cannot be read and is started again' log || fail "the log"
equal "$(of pool hot)" 4 "incidents"

it "keeps the time of rules with every"
rules '' '{"name": "hourly", "every": "2s", "cooldown": "0s", "capture": ["threads"]}'
began_ms=$(date +%s%3N)
# No life is long enough, but together they are. sh ends by _exit, which waits for no capture: a life that ends in the middle of
# the incident takes it along.
a_life_fires() { life clock 'sleep 0.5; true'; [ "$(of clock hourly)" -ge 1 ]; }
wait_until a_life_fires
most=$((($(date +%s%3N) - began_ms) / 2000 + 1))
[ "$(of clock hourly)" -le $most ] || fail "$(of clock hourly) in $(($(date +%s%3N) - began_ms)) ms"
