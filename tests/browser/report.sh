#!/bin/bash
# `gumshoe report` as its readers see it: in a real browser, opened from disk. Screenshots are left in BUILD/browser: look at them.
. "$(dirname "$0")/../cli/lib.sh"
command -v chromium > /dev/null || command -v chromium-browser > /dev/null || { echo "chromium is not installed"; exit 77; }
stacks() { python3 "$source_dir/tests/cli/stacks.py" "$@"; }
report() { "$gumshoe" report --no-symbolize "$@" || fail "gumshoe report $*"; }
# 1795489509 is 2026-11-24T03:05:09Z.
rows() { seq -f '%.0f' "$1" "$2" "$3" | awk -v each="$4" '{ printf("%s[%d,%d]", (NR > 1 ? "," : ""), $1, NR * each) }'; }

# An incident whose figures are worked out by hand: 600 kB held now, 500 kB of them since the baseline 60 s ago.
mkdir leak
cat > leak/incident.json <<J
{"version": 1, "complete": true, "rule": "heap-high", "why": "it should fit", "metric": "heap_in_use", "condition": "above", "value": 614400,
 "line": 512000, "reason": "heap_in_use 600 KiB is above 500 KiB", "triggered": "2026-11-24T03:05:09.000Z", "pid": 7, "exe": "/srv/bin/server",
 "build_id": "", "host": "web-1", "started": "2026-11-24T01:00:00.000Z", "limit": 1048576, "fingerprint": "00", "labels": {"service": "shop"},
 "culprit": {"kind": "growth", "bytes": 512000, "share": 1, "function": "cache_put", "module": "server", "file": "/src/cache.c", "line_number": 12,
  "caller": null, "via": [], "confidence": "high", "runner_up": null, "stack": ["malloc", "cache_put", "main"]}, "baseline_age_s": 60,
 "deadlock": null, "waits": [], "files": [{"name": "later.pb.gz", "size": 1, "crc32": "0"}], "steps": [], "notes": ["a note"], "errors": []}
J
printf '%s\t%s\n' "_start;main|server.c|20;cache_put|cache.c|12;malloc||0|/usr/lib/x86_64-linux-gnu/libc.so.6" "9 614400 9 563200" \
    "_start;main|server.c|21;parse|parse.c|5" "1 51200 1 51200" | stacks leak/heap.pb.gz
printf '%s\t%s\n' "_start;main|server.c|20;cache_put|cache.c|12;malloc||0|/usr/lib/x86_64-linux-gnu/libc.so.6" "1 51200 1 51200" \
    "_start;main|server.c|21;parse|parse.c|5" "1 51200 1 51200" | stacks leak/heap.base.pb.gz
printf '%s\t%s\n' "_start;main|server.c|30;open_log|log.c|3" 4 | stacks leak/later.pb.gz --type descriptors count
cat > leak/rules.json <<J
{"version": 1, "rules": [{"name": "heap-high", "metric": "heap_in_use", "above": "500KiB", "capture": ["heap"]},
  {"name": "busy", "metric": "cpu", "above": "90%", "capture": ["cpu"]}]}
J
{ printf '{"version":1,"interval_ms":1000,"pid":7,"limit":1048576,"series":{"heap_in_use":[%s],"cpu":[%s],"rss":[%s]},"triggered":"2026-11-24T03:05:09.000Z"}' \
    "$(rows 1795489389 20 1795489509 70000)" "$(rows 1795489389 20 1795489509 1)" "$(rows 1795482309 60 1795489509 9000)"; } > leak/metrics.json
cat > leak/memory.json <<J
{"version": 1, "rss": 819200, "parts": {"heap_live": 614400, "heap_kept": 102400, "files": 102400}, "heap_unseen": null, "anonymous_by_stack": [],
 "shared_by_stack": [], "baseline": {"age_s": 60, "parts": {"heap_live": 102400, "heap_kept": 0, "files": 102400}}}
J
echo "the summary" > leak/summary.txt
mkdir -p src && { seq 11; echo "    return malloc(size); // the leak"; seq 13 20; } > src/cache.c
report --source src -o leak.html leak

# Two threads that wait for each other, and a third; every text of the incident and of its profiles is somebody's attempt.
cp -r leak hostile
evil='</script><script>window.harmed=1</script><img src=x onerror="window.harmed=2">\u001b[31m\u202e'
jq --arg evil "$(printf "%b" "$evil")" '.reason = $evil | .why = $evil | .host = $evil | .labels = {($evil): $evil} | .notes = [$evil] | .errors = [$evil] |
    .culprit.function = $evil | .culprit.stack = [$evil, $evil] | .deadlock = [{tid: 1, name: $evil, function: $evil, mutex: $evil, what: $evil, held_by: 2},
    {tid: 2, name: "b", function: "audit", mutex: "0x10", what: "mutex", held_by: 3}, {tid: 3, name: "c", function: "charge", mutex: "0x20", what: "rwlock", held_by: 1}] |
    .waits = [{what: $evil, name: $evil, address: "0x10", threads: 1, held_by: {tid: 2, name: $evil, stack: [$evil]}}]' leak/incident.json > hostile/incident.json
printf '%s\t1 1000 1 1000\n' 'main;<script>window.harmed=3</script>' 'main;"><img src=x onerror="window.harmed=4">|<b>file</b>.c|3' | stacks hostile/heap.pb.gz
printf '%b\n' "$evil" > hostile/fds.txt
printf '%b\n' "$evil" > hostile/rules.json
printf '{"version":1,"interval_ms":1000,"series":{"%s":[[1,2],[2,3]]}}' 'gauge:</script><script>window.harmed=5</script>' > hostile/metrics.json
report -o hostile.html hostile

# What is damaged costs its section alone.
cp -r leak damaged
head -c 40 leak/heap.pb.gz > damaged/heap.pb.gz; echo '{' > damaged/metrics.json; echo '[]' > damaged/memory.json; rm damaged/rules.json damaged/summary.txt
report -o damaged.html damaged

# 5,000 stacks, eight metrics over two hours.
cp -r leak many
stacks --many 5000 many/heap.pb.gz
stacks --many 4800 many/heap.base.pb.gz
{ printf '{"version":1,"interval_ms":1000,"pid":7,"series":{'
  comma= step=12345
  for metric in heap_in_use rss cpu threads fds major_faults memory_pressure gauge:queue; do
      printf '%s"%s":[%s]' "$comma" $metric "$(rows 1795482309 2 1795489509 $step)"; comma=, step=$((step + 2345))
  done; printf '}}'; } > many/metrics.json
report -o many.html many

# Plots with little room for their labels: two rules' lines close to each other, one at the top, and incidents before this one.
mkdir -p shop/20261124T030430.000Z-cache-large-7 shop/20261124T030445.000Z-cache-large-7
cp -r leak shop/20261124T030509.000Z-heap-high-7
cat > shop/20261124T030509.000Z-heap-high-7/rules.json <<J
{"version": 1, "rules": [{"name": "heap-high", "metric": "heap_in_use", "above": "500KiB"}, {"name": "heap-higher", "metric": "heap_in_use", "above": "510KiB"},
  {"name": "a-rule-with-a-long-name", "metric": "cpu", "above": "90%"}, {"name": "busy", "metric": "cpu", "above": "89%"}]}
J
{ printf '{"version":1,"interval_ms":1000,"pid":7,"limit":1048576,"series":{"heap_in_use":[%s],"cpu":[%s],"rss":[%s]},"triggered":"2026-11-24T03:05:09.000Z"}' \
    "$(rows 1795489389 20 1795489509 70000)" "$(rows 1795489389 20 1795489509 1)" "$(rows 1795489389 20 1795489509 9000)"; } > shop/20261124T030509.000Z-heap-high-7/metrics.json
report -o crowded.html shop/20261124T030509.000Z-heap-high-7

# The history file of the program: nine days of one process, a day of its successor, six hours of the incident's process before its
# metrics.json; and another one that ran beside the first.
mkdir -p past/20261124T030509.000Z-heap-high-7
cp leak/* past/20261124T030509.000Z-heap-high-7
jq '.program = "server" | .started = "2026-11-23T19:05:09.000Z"' leak/incident.json > past/20261124T030509.000Z-heap-high-7/incident.json
python3 - <<'P' | python3 "$source_dir/tests/cli/history_file.py" past /srv/bin/server server > past/path
import json
END, HOUR, DAY = 1795489509, 3600, 86400
def life(pid, begin, end, every, heap, **more):
    print(json.dumps({"pid": pid, "started": begin, "interval": 1, "metrics": ["heap_in_use", "cpu", "rss"], **more,
                      "rows": [[at, heap(at), 20 + at // 30 % 2 * 20, 9e5] for at in range(begin, end, every)]}))
life(3, END - 11 * DAY, END - 2 * DAY, 30, lambda at: 200000 + at // 30 % 2 * 50000, step=30)
life(5, END - 11 * DAY, END - 2 * DAY, 300, lambda at: 9e9)
life(4, END - 2 * DAY + 600, END - DAY, 30, lambda at: 100000 + 4 * (at - END + 2 * DAY))
life(7, END - 8 * HOUR, END, 30, lambda at: 80000)
P
report -o past.html past/20261124T030509.000Z-heap-high-7

it "keeps 5,000 stacks under 350 KiB"
size=$(stat -c %s many.html)
[ "$size" -lt $((350 << 10)) ] || fail "many.html has $size bytes"
it "loads nothing and runs nothing but its own scripts"
outside() { sed 's|http://www.w3.org/2000/svg||; s|url(#arrow)||' "$1" | grep -nE '(src|href)=|url\(|@import|https?://'; }
for page in leak.html damaged.html many.html; do ! outside "$page" || fail "$page refers to something outside"; done
it "shows no byte that a terminal or a direction of writing would follow"
! grep -qP '[\x00-\x08\x0b-\x1f\x7f]|\xe2\x80[\xaa-\xae]|\xe2\x81[\xa6-\xa9]' hostile.html || fail "a control character"

python3 "$source_dir/tests/browser/report.py" "$build/browser" || fail "in the browser"
