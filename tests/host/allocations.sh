#!/bin/bash
# tests/host/allocations.sh BUILD: a rule on the largest allocation, or on allocations that fail, names the very call; and all metrics
# are recorded, whatever the rules name.
. "$(dirname "$0")/lib.sh"

host=$build/hosts/linked_allocations
start() { # MODE RULES
    GUMSHOE_DIR=$tmp/$1 GUMSHOE_RULES=$2 "$gumshoe" run -- "$host" "$1" &
    started="$started $!"
}
of() { jq -r "$2" "$(incident "$tmp/$1")/incident.json"; }

it "names the function that allocated 300 MiB in one call"
start big "$(rules big '{"version": 1, "interval": "100ms", "incidents": {"keep": 0},
    "rules": [{"name": "huge", "metric": "largest_alloc", "above": "256MiB", "cooldown": "1h", "capture": ["heap", "threads"]}]}')"
wait_until has_incident "$tmp/big"
equal "$(of big .culprit.kind)" allocation "kind of culprit"
equal "$(of big .culprit.function)" load_catalogue "culprit"
equal "$(of big .culprit.bytes)" $((300 << 20)) "bytes of the call"
equal "$(of big .value)" $((300 << 20)) "value of the metric"
equal "$(of big .complete)" true "complete"
grep -q '^Culprit: load_catalogue in linked_allocations.*: allocated 300 MiB in one call$' "$(incident "$tmp/big")/summary.txt" ||
    fail "the summary does not say so: $(head -5 "$(incident "$tmp/big")/summary.txt")"
"$gumshoe" top --no-symbolize "$(incident "$tmp/big")/allocation.pb.gz" | grep -q '300MB *100%.* load_catalogue' ||
    fail "allocation.pb.gz does not have the call"

it "records all metrics and gauges, whatever the rules name"
pid=$(watched_in "$tmp/big")
names='["alloc_failures","context_switches","cpu","fds","gauge:queue","group_memory","heap_alloc_rate","heap_in_use","io_wait",
        "largest_alloc","major_faults","memory_pressure","rss","run_delay","swap","threads"]'
wait_until status_of_watch "$pid" "[.metrics[].metric] | sort == $names"
status_of_watch "$pid" '[.metrics[] | select(.metric == "gauge:queue")][0].value == 7' || fail "the gauge's value: $(cat "$tmp/status.json")"
has_all() { # the newest incident's history has every metric that is available, rates excepted that need a second reading
    local path; path=$("$gumshoe" capture --kinds threads "$pid") || return 1
    jq -e --slurpfile status "$tmp/status.json" '(.series | keys) as $have
        | [$status[0].metrics[] | select(.unavailable == null) | .metric] - $have == []' "$path/metrics.json"
}
wait_until has_all

it "records a gauge from the next tick on after the program has set it for the first time"
cat > "$tmp/gauge.py" <<'P'
import ctypes, sys
set_gauge = ctypes.CDLL(None).gumshoe_gauge
set_gauge.argtypes = [ctypes.c_char_p, ctypes.c_double]
for line in sys.stdin:
    set_gauge(line.strip().encode(), 7)
    print("set", flush=True)
P
quick=$(rules quick '{"version": 1, "interval": "100ms", "rules": [{"name": "never", "metric": "rss", "above": "1TiB"}]}')
coproc gauges { GUMSHOE_RULES=$quick GUMSHOE_DIR=$tmp/gauges LD_PRELOAD=$build/libgumshoe.so exec /usr/bin/python3 "$tmp/gauge.py"; }
gauges_pid=$gauges_PID; started="$started $gauges_pid"
wait_until has_watch "$tmp/gauges"
box=$(ls "$tmp"/gauges/.live/*.box)
for name in first second third; do # within the time that one slow look would take
    echo $name >&"${gauges[1]}"; read -r answer <&"${gauges[0]}"; equal "$answer" set "the gauge $name"
    wait_for_ticks "$box" 2
    status_of_watch "$gauges_pid" "[.metrics[] | select(.metric == \"gauge:$name\")][0].value == 7" || fail "$name: $(jq -c '[.metrics[].metric]' "$tmp/status.json")"
done
it "logs that a name was refused, and which: at the first, and when their number has doubled"
for name in Bad.name fourth Other.words; do
    echo "$name" >&"${gauges[1]}"; read -r answer <&"${gauges[0]}"; equal "$answer" set "the gauge $name"
    wait_for_ticks "$box" 2
done
equal "$(grep -c 'gumshoe_gauge: ' "$tmp/log")" 2 "lines: $(grep gumshoe_gauge "$tmp/log")"
grep -q 'gumshoe_gauge: 1 call was ignored, the first for "Bad.name": a name has 1 to 40 of a-z 0-9 . _ -, and there is room for 64 names$' "$tmp/log" || fail "$(grep gumshoe_gauge "$tmp/log")"
grep -q 'gumshoe_gauge: 2 calls were ignored, the first for "Bad.name"' "$tmp/log" || fail "$(grep gumshoe_gauge "$tmp/log")"
kill -9 "$gauges_pid"

it "says in every incident which metrics are not available, and why"
path=$("$gumshoe" capture --kinds threads "$pid")
"$gumshoe" status --json "$pid" > "$tmp/status.json"
equal "$(jq -c '[.unavailable[] | split(":")[0]] | sort' "$path/incident.json")" \
      "$(jq -c '[.metrics[] | select(.unavailable != null) | .metric] | sort' "$tmp/status.json")" "metrics that are not available"

it "names the function whose allocation failed"
start fail "$(rules fail '{"version": 1, "interval": "100ms", "incidents": {"keep": 0},
    "rules": [{"name": "no-memory", "metric": "alloc_failures", "above": 1, "cooldown": "1h", "capture": ["threads"]}]}')"
wait_until has_incident "$tmp/fail"
equal "$(of fail .culprit.kind)" failed_allocation "kind of culprit"
equal "$(of fail .culprit.function)" reserve_everything "culprit"
grep -q '^Culprit: reserve_everything in .*: asked for 64 TiB in one call, which failed$' "$(incident "$tmp/fail")/summary.txt" ||
    fail "the summary does not say so: $(head -5 "$(incident "$tmp/fail")/summary.txt")"
for mode in big fail; do kill -9 "$(watched_in "$tmp/$mode")"; done # the runner tells how it died
for pid in $started; do wait "$pid" || true; done
