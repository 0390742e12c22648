#!/bin/bash
# A process is killed at random moments of writing its box, which it writes all the time and begins again several times a second:
# every box can be read, and is of just before the kill. GUMSHOE_ROUNDS: how many (tests/soak.sh has more).
. "$(dirname "$0")/lib.sh"
cd "$tmp"
rounds=${GUMSHOE_ROUNDS:-20}
# Samples of nearly everything, a tick every 10 ms, and no thrift.
rules=$(rules busy '{"version": 1, "interval": "10ms", "budget": "100%", "heap": {"sample": "1KiB", "baseline": "1s"},
    "rules": [{"name": "rss-high", "metric": "rss", "above": "99%", "for": "1h"}]}')
RANDOM=${GUMSHOE_SEED:-4711}

has_box() { ls store/.live/$host-*.box; }
it "can read the box after each of $rounds kills"
begun=0 round=0
# As many as were asked for, and until a quarter of them fell behind a new beginning of the box: when that comes is up to the machine.
while [ $round -lt "$rounds" ] || [ $begun -le $((rounds / 4)) ]; do
    round=$((round + 1))
    [ $round -le $((20 * rounds)) ] || fail "the box was begun again in $begun of $round rounds: this test tests less than it says"
    rm -rf store
    GUMSHOE_RULES=$rules GUMSHOE_DIR=$PWD/store LD_PRELOAD=$build/libgumshoe.so "$build/hosts/churn" 13 > out & host=$!
    started=$host
    wait_until test -s out
    wait_until has_box
    box=$(has_box)
    first=$(stat -c %i "$box")
    sleep "0.$((RANDOM % 5))$((RANDOM % 10))$((RANDOM % 10))"
    told=$(date +%s.%N)
    wait_for_ticks "$box" 2
    sleep "0.0$((RANDOM % 10))$((RANDOM % 10))"
    kill -9 $host; wait $host 2> /dev/null || true
    [ -e "$box" ] || fail "round $round: no box: $(ls -la store/.live)"
    [ "$(stat -c %i "$box")" = "$first" ] || begun=$((begun + 1))
    path=$("$gumshoe" recover --dir out.d "$box") || fail "round $round: $(ls -la store/.live)"
    python3 - "$path" "$told" <<'P' || fail "round $round: the incident"
import datetime, json, sys
incident = json.load(open(sys.argv[1] + "/incident.json"))
assert incident["complete"] and not incident["errors"], incident["errors"]
seen = datetime.datetime.fromisoformat(incident["died"]["last_seen"].replace("Z", "+00:00")).timestamp()
assert seen >= float(sys.argv[2]) - 0.001, "last seen %.3f s before what the box had held already" % (float(sys.argv[2]) - seen)
P
    "$gumshoe" top -n 100 "$path" > top && grep -qw either top || fail "round $round: the heap: $(cat top)"
    rm -rf out.d
done
echo "    $round kills: $begun times the box had been begun again by then"
