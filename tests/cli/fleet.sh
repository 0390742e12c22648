#!/bin/bash
# What examples/fleet gives to Grafana: each metric in the dashboard is one that `gumshoe serve` exports, with labels that it has, each
# expression is PromQL, and no two panels overlap.
. "$(dirname "$0")/lib.sh"
dashboard=$source_dir/examples/fleet/grafana-dashboard.json

it "is JSON, and its panels do not overlap"
python3 - "$dashboard" << 'P' || fail "the panels"
import json, sys
panels = json.load(open(sys.argv[1]))["panels"]
cells = [(x, y) for p in panels for g in [p["gridPos"]] for x in range(g["x"], g["x"] + g["w"]) for y in range(g["y"], g["y"] + g["h"])]
sys.exit(len(set(cells)) != len(cells) or max(x for x, _ in cells) > 23 or len({p["id"] for p in panels}) != len(panels))
P

it "asks for metrics that serve exports, by their names and labels"
jq -r '[.panels[].targets[].expr, .annotations.list[].expr, (.templating.list[] | .definition // empty)] | .[]' "$dashboard" > expressions
[ "$(wc -l < expressions)" -gt 15 ] || fail "few expressions"
exported="process_cpu_seconds_total process_resident_memory_bytes process_virtual_memory_bytes process_open_fds process_max_fds
 process_start_time_seconds process_threads gumshoe_up gumshoe_heap_in_use_bytes gumshoe_memory_bytes gumshoe_rule_value gumshoe_rule_line
 gumshoe_rule_armed gumshoe_incidents_total gumshoe_samples_dropped_total gumshoe_agent_cpu_seconds_total gumshoe_build_info"
python3 - $exported << 'P' || fail "the names above"
import re, sys
bad = 0
for line in open("expressions"):
    for name in re.findall(r"\b(?:gumshoe|process)_[a-z_]+\b", line):
        if name not in sys.argv[1:]:
            print("no such metric:", name); bad = 1
    for label in re.findall(r'[{,](\w+)=~', line) + [l for by in re.findall(r"by \(([^)]*)\)", line) for l in by.split(", ")]:
        if label not in ("job", "instance", "program", "pid", "rule", "part", "version"):
            print("no such label:", label); bad = 1
sys.exit(bad)
P

it "asks in PromQL"
if command -v promtool > /dev/null; then
    { echo 'groups: [{name: dashboard, rules: ['; grep -v '^label_values' expressions | sed 's/\$__rate_interval/1m/g' | python3 -c '
import json, sys
print(",\n".join(json.dumps({"record": "r%d" % i, "expr": line.strip()}) for i, line in enumerate(sys.stdin)))'; echo ']}]'; } > rules.yml
    promtool check rules rules.yml > out 2>&1 || fail "$(cat out)"
else
    echo "  (promtool is not installed: not checked)"
fi
