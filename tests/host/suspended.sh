#!/bin/bash
# The whole program is stopped for some seconds, as by a debugger, a frozen container or a laptop's lid: a gap, and no alarm.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
rules=$(rules stop '{"version": 1, "interval": "100ms", "rules": [
    {"name": "idle", "metric": "cpu", "below": "10%", "for": "1s"}, {"name": "jump", "metric": "cpu", "jitter": {"rise": "100%", "over": "2s"}},
    {"name": "window", "metric": "rss", "growth": {"rate": "1MiB/s", "over": "5s"}},
    {"name": "clock", "every": "1s", "cooldown": "0s", "capture": ["threads"]}]}')
GUMSHOE_RULES=$rules GUMSHOE_DIR=$PWD/incidents LD_PRELOAD=$build/libgumshoe.so \
    /usr/bin/python3 -c 'while True: sum(range(1000))' & host=$!; started=$host
of() { find incidents -mindepth 1 -maxdepth 1 -name "2*-$1-*" 2> /dev/null | wc -l; }
twice() { [ "$(of clock)" -ge 2 ]; }
wait_for 15 twice
kill -STOP $host
before=$(of clock)
sleep 3
equal "$(of clock)" "$before" "incidents of a stopped program"
kill -CONT $host
sleep 1.5
it "is late once, and makes nothing up: no rule by the clock catches up, no window is made full, nothing is found idle"
after=$(of clock)
[ "$after" -gt "$before" ] && [ "$after" -le $((before + 3)) ] || fail "$before incidents by the clock before, $after after"
equal "$(of idle) $(of jump) $(of window)" "0 0 0" "false alarms"
it "shows the gap in the history"
path=$("$gumshoe" capture "$host")
python3 - "$path/metrics.json" <<'P' || fail "$(head -c 600 "$path/metrics.json")"
import json, sys
times = [t for t, v in json.load(open(sys.argv[1]))["series"]["cpu"]]
gaps = [b - a for a, b in zip(times, times[1:]) if b - a > 1]
sys.exit(not (len(gaps) == 1 and 2.5 < gaps[0] < 4.5))
P
