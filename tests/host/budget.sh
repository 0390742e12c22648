#!/bin/bash
# A sample in every KiB costs a host that does nothing but allocate far more than 1 % of a CPU. The agent notices, samples
# less, says so in its log, in the summary and in the profile - and the total stays true: 64 MiB live.
. "$(dirname "$0")/lib.sh"

# run_with_budget PER_CENT [WORDS]: the host under watch, until there is an incident: one after WORDS stood in the log.
run_with_budget() {
    local dir=$tmp/$1 file
    file=$(rules "$1" "{ \"version\": 1, \"interval\": \"100ms\", \"budget\": \"$1%\", \"heap\": { \"sample\": \"1KiB\" }, \"rules\": [
        { \"name\": \"look\", \"every\": \"2s\", \"cooldown\": \"0s\", \"capture\": [\"heap\"] } ] }")
    mkfifo "$tmp/input-$1"
    GUMSHOE_LOG=$tmp/log-$1 "$gumshoe" run --rules "$file" --dir "$dir" -- "$build/hosts/budget" < "$tmp/input-$1" &
    started="$started $!"
    exec 3> "$tmp/input-$1"
    if [ $# = 2 ]; then
        wait_until grep -q "$2" "$tmp/log-$1"
        rm -rf "$dir"/2*
    fi
    wait_until has_incident "$dir"
    exec 3>&-
    wait $! || fail "the host failed"
    found=$(incident "$dir")
}

it "samples less when the budget is spent, and says so"
run_with_budget 1 'budget: the heap is sampled every'
grep -q 'instead of 1 KiB: .*budget' "$found/summary.txt" || fail "the summary is silent: $(cat "$found/summary.txt")"
go tool pprof -comments "$found/heap.pb.gz" 2>/dev/null | grep -q 'instead of 1 KiB' || fail "the profile is silent"
it "gives an unbiased total"
bytes=$(heap_bytes "$found")
# Within six standard errors of as few samples as there are at the widest distance: it was widened as far as this machine asks for.
python3 - "$bytes" "$tmp/log-1" <<'P' || fail "$bytes bytes of 67108864: $(grep budget: "$tmp/log-1")"
import re, sys
unit = {"KiB": 1 << 10, "MiB": 1 << 20}
widest = max(float(n) * unit[u] for n, u in re.findall(r"sampled every ([0-9.]+) (KiB|MiB)", open(sys.argv[2]).read()))
truth = 64 << 20
sys.exit(abs(int(sys.argv[1]) - truth) > 6 * (widest / truth) ** 0.5 * truth)
P

it "samples at the configured distance if the budget is large"
run_with_budget 100
never_says "$tmp/log-100" 'budget:' "it widened: $(cat "$tmp/log-100")"
never_says "$found/summary.txt" 'within its budget' "the summary says that it widened for the budget"
