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

it "can read the box after each of $rounds kills"
begun=0 stacks=0 behind=0
for round in $(seq "$rounds"); do
    rm -rf store
    GUMSHOE_RULES=$rules GUMSHOE_DIR=$PWD/store LD_PRELOAD=$build/libgumshoe.so "$build/hosts/churn" 13 > out & host=$!
    started=$host
    for _ in $(seq 500); do [ -s out ] && ls store/.live/*.box > /dev/null 2>&1 && break; sleep 0.01; done
    first=$(stat -c %i store/.live/*.box)
    sleep "0.$((RANDOM % 5))$((RANDOM % 10))$((RANDOM % 10))"
    killed=$(date +%s%N)
    kill -9 $host; wait $host 2> /dev/null || true
    box=$(ls store/.live/*.box) || fail "round $round: no box: $(ls -la store/.live)"
    [ "$(stat -c %i "$box")" = "$first" ] || begun=$((begun + 1))
    path=$("$gumshoe" recover --dir out.d "$box") || fail "round $round: $(ls -la store/.live)"
    read -r sampled late < <(python3 - "$path" "$killed" <<'P'
import datetime, json, sys
incident = json.load(open(sys.argv[1] + "/incident.json"))
assert incident["complete"] and not incident["errors"], incident["errors"]
assert incident["culprit"]["function"] == "either", incident["culprit"]
seen = datetime.datetime.fromisoformat(incident["died"]["last_seen"].replace("Z", "+00:00")).timestamp()
print(incident["culprit"]["bytes"], round((int(sys.argv[2]) / 1e9 - seen) * 1000))
P
    ) || fail "round $round: the incident"
    [ "$sampled" -gt 0 ] || fail "round $round: nothing in it"
    # Two ticks, and what a busy machine adds.
    [ "$late" -lt 500 ] || fail "round $round: last seen $late ms before the kill"
    [ "$late" -le "$behind" ] || behind=$late
    rm -rf out.d
done
echo "    $rounds kills: $begun times the box had been begun again by then; at most $behind ms behind"
[ "$begun" -gt $((rounds / 4)) ] || fail "the box was hardly ever begun again: this test tests less than it says"
