#!/bin/bash
# Incidents about CPU time and descriptors: the watch goes on while CPU time is sampled, and an early end keeps what there is.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
rules=$(rules spin '{"version": 1, "interval": "100ms", "cpu": {"duration": "3s", "before": "2s"}, "rules": [
    {"name": "spin", "metric": "cpu", "above": "20%"},
    {"name": "often", "every": "1s", "cooldown": "0s", "capture": ["threads"]},
    {"name": "leak", "metric": "fds", "above": 300, "capture": ["threads"]}]}')
cat > spin.py <<'P'
import os, socket, sys, time
def burn(until):
    while time.time() < until:
        sum(i * i for i in range(1000))
time.sleep(1)
files = [open("/dev/null") for _ in range(200)] + [open(sys.argv[0]) for _ in range(50)]
server = socket.create_server(("127.0.0.1", 0))
pairs = [socket.create_connection(server.getsockname()) for _ in range(60)]
burn(time.time() + float(sys.argv[1]))
P
"$gumshoe" run --rules "$rules" --dir incidents -- /usr/bin/python3 spin.py 6
spin=$(find incidents -mindepth 1 -maxdepth 1 -name '*-spin-*')
it "captures CPU time for a rule about it, and finds the interpreter's loop"
equal "$(jq -r '[.steps[].name] | join(" ")' "$spin/incident.json")" "threads cpu context summary" "steps"
equal "$(jq -r .culprit.kind "$spin/incident.json")" cpu "the culprit's kind"
grep -q 'CPU time by function' "$spin/summary.txt" || fail "$(cat "$spin/summary.txt")"
go tool pprof -top "$spin/cpu.pb.gz" > top 2> err || { cat err; fail "pprof"; }
grep -q _PyEval_EvalFrameDefault top || fail "$(cat top)"
it "holds the time before the trigger as well"
awk '/^Duration:/ { sub("s,", "", $2); exit !($2 >= 4.9 && $2 <= 5.3) }' top || fail "$(head -5 top)"
go tool pprof -comments "$spin/cpu.pb.gz" 2> /dev/null | grep -q 'the first 2.0 s were sampled before the trigger' || fail "no word of before"
it "goes on watching meanwhile: other incidents lie in between, and their ticks are in the history"
[ "$(find incidents -mindepth 1 -maxdepth 1 -name '*-often-*' | wc -l)" -ge 5 ] || fail "$(ls incidents)"
equal "$(jq -r '.series.cpu as $s | [range(1; $s | length) | $s[.][0] - $s[. - 1][0]] | max < 0.5' "$spin/metrics.json")" true "no gap in the history"
it "lists the descriptors by kind for a rule about them"
leak=$(find incidents -mindepth 1 -maxdepth 1 -name '*-leak-*')
head -n 3 "$leak/fds.txt" | grep -q '20[0-9]  path /dev/null' || fail "$(cat "$leak/fds.txt")"
grep -q '50  file .*/spin.py' "$leak/fds.txt" || fail "$(cat "$leak/fds.txt")"
grep -q 'socket tcp to 127.0.0.1:\|socket tcp of port' "$leak/fds.txt" || fail "$(cat "$leak/fds.txt")"
it "ends early when the program exits, and keeps what it has"
rules=$(rules long '{"version": 1, "interval": "100ms", "cpu": {"duration": "1h"}, "rules": [{"name": "spin", "metric": "cpu", "above": "20%"}]}')
"$gumshoe" run --rules "$rules" --dir early -- /usr/bin/python3 spin.py 3
early=$(incident early)
equal "$(jq -r .complete "$early/incident.json")" true complete
jq -r '.notes[]' "$early/incident.json" | grep -q 'ended early' || fail "$(jq .notes "$early/incident.json")"
[ "$(go tool pprof -top "$early/cpu.pb.gz" 2>/dev/null | sed -n 's/.*Total samples = \([0-9]*\).*/\1/p')" -ge 1 ] || fail "no samples"
