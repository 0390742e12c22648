#!/bin/bash
# python3 from Debian, running a script that grows a list.
. "$(dirname "$0")/lib.sh"

cd "$tmp"
dir=$tmp/incidents
# Ticks an hour apart: only the sampler, which sees the line crossed, can have the rule judged.
rules_file=$(rules python '{ "version": 1, "interval": "1h", "heap": { "sample": "64KiB" }, "budget": "100%", "rules": [
    { "name": "heap-high", "metric": "heap_in_use", "above": "50MiB", "capture": ["heap", "threads"] } ] }')
cat > grow.py <<'P'
import sys, time
kept = []
while len(kept) < 100:
    kept.append(bytes(1 << 20))
    time.sleep(0.01)
sys.stdin.read()
print("kept", len(kept), sum(map(len, kept)))
sys.exit(7)
P
mkfifo input
"$gumshoe" run --rules "$rules_file" --dir "$dir" -- python3 grow.py < input > out & host=$!; started=$host
exec 3> input
wait_until has_incident "$dir"
exec 3>&-
wait $host && status=0 || status=$?
it "prints what it prints, and ends with its own exit status"
equal "$(cat out)" "kept 100 104857600" "output"
equal "$status" 7 "exit status"
it "leaves a complete incident that pprof reads"
found=$(incident "$dir")
complete "$found"
it "fires when the line is crossed, between ticks"
jq -e '.value >= 52428800 and .value <= 110000000' "$found/incident.json" > /dev/null || fail "value $(jq .value "$found/incident.json")"
it "has a culprit in the interpreter, on a stack that runs Python code"
jq -r '.culprit.stack[]' "$found/incident.json" | grep -q PyEval || fail "no PyEval in the stack"
echo "python3: $(jq -r .reason "$found/incident.json"); culprit $(jq -r .culprit.function "$found/incident.json")"
