#!/bin/bash
# The whole program is stopped for some seconds, as by a debugger, a frozen container or a suspended laptop: a gap, and no alarm.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
# The program takes what it gets of one CPU, and its memory stays as it is: no rule but the one by the clock has a reason to fire,
# unless the time in which it was stopped is taken for time in which it was idle, or had no memory.
rules=$(rules stop '{"version": 1, "interval": "100ms", "rules": [
    {"name": "idle", "metric": "cpu", "below": "1%", "for": "1s"}, {"name": "jump", "metric": "rss", "jitter": {"rise": "100%", "over": "2s"}},
    {"name": "window", "metric": "rss", "growth": {"rate": "1MiB/s", "over": "5s"}},
    {"name": "clock", "every": "1s", "cooldown": "0s", "capture": ["threads"]}]}')
GUMSHOE_RULES=$rules GUMSHOE_DIR=$PWD/incidents LD_PRELOAD=$build/libgumshoe.so \
    /usr/bin/python3 -c 'while True: sum(range(1000))' & host=$!; started=$host
of() { find incidents -mindepth 1 -maxdepth 1 -name "2*-$1-*" 2> /dev/null | wc -l; }
at_least() { [ "$(of clock)" -ge "$1" ]; }
all_stand() { ! grep -L '^State:.T' /proc/$host/task/*/status | grep -q .; }
wait_until at_least 2
kill -STOP $host
wait_until all_stand
before=$(of clock) stopped=$(date +%s.%N)
sleep 6
equal "$(of clock)" "$before" "incidents of a stopped program"
went_on=$(date +%s.%N)
kill -CONT $host
wait_until at_least $((before + 1))
sleep 1
it "is late once, and invents nothing: no rule with every catches up, no window becomes full, nothing is judged as idle"
after=$(of clock)
# One that was late, and one for each second since.
most=$(python3 -c "import time; print(int(time.time() - $went_on) + 2)")
[ $((after - before)) -le "$most" ] || fail "$before incidents by the clock before, $after after"
equal "$(of idle) $(of jump) $(of window)" "0 0 0" "false alarms"
it "shows the gap in the history"
path=$("$gumshoe" capture "$host")
python3 - "$path/metrics.json" "$stopped" "$went_on" <<'P' || fail "$(head -c 600 "$path/metrics.json")"
import json, sys
stopped, went_on = map(float, sys.argv[2:])
times = [t for t, v in json.load(open(sys.argv[1]))["series"]["cpu"]]
sys.exit(not (times[0] < stopped and times[-1] > went_on) or any(stopped + 0.001 < t < went_on - 0.001 for t in times)) # times are in whole milliseconds
P
