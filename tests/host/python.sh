#!/bin/bash
# python3 from Debian, running a script that grows a list.
. "$(dirname "$0")/lib.sh"

dir=$tmp/incidents
rules_file=$(rules python '{ "version": 1, "interval": "100ms", "heap": { "sample": "64KiB" }, "rules": [
    { "name": "heap-high", "metric": "heap_in_use", "above": "50MiB", "capture": ["heap", "threads"] } ] }')
cat > "$tmp/grow.py" <<'P'
import sys, time
kept = []
while len(kept) < 100:
    kept.append(bytes(1 << 20))
    time.sleep(0.01)
time.sleep(1)
print("kept", len(kept), sum(map(len, kept)))
sys.exit(7)
P
"$gumshoe" run --rules "$rules_file" --dir "$dir" -- python3 "$tmp/grow.py" > "$tmp/out" && status=0 || status=$?
it "prints what it prints, and ends with its own exit status"
equal "$(cat "$tmp/out")" "kept 100 104857600" "output"
equal "$status" 7 "exit status"
it "leaves a complete incident that pprof reads"
found=$(incident "$dir")
complete "$found"
it "is caught soon after the line: its value is less than 20 MiB above it"
python3 -c 'import sys; v = float(sys.argv[1]); sys.exit(not 50 << 20 <= v < 70 << 20)' "$(jq .value "$found/incident.json")" || fail "value $(jq .value "$found/incident.json")"
it "has a culprit in the interpreter, on a stack that runs Python code"
jq -r '.culprit.stack[]' "$found/incident.json" | grep -q PyEval || fail "no PyEval in the stack"
echo "python3: $(jq -r .reason "$found/incident.json"); culprit $(jq -r .culprit.function "$found/incident.json")"
