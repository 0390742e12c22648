#!/bin/bash
# The rules file changes while the program runs: valid ones are applied, others are refused with messages, and the rules' state is
# kept. (tests/unit checks, with a clock that the test sets, that this takes two seconds at most, and that no file is read half
# written.)
. "$(dirname "$0")/lib.sh"
cd "$tmp"
cat > host.py <<'P'
import os, signal, sys, threading, time
os.chdir("/")                                      # the rules were named from elsewhere
threads = [threading.Thread(target=time.sleep, args=(100000,), daemon=True) for _ in range(3)]
for t in threads: t.start()
time.sleep(100000)
P
file() { printf '{"version": 1, "interval": "%s", %s "rules": [%s]}\n' "$1" "$2" "$3"; }
waiting='{"name": "window", "metric": "rss", "jitter": {"rise": "50%", "over": 1000}}'
fires='{"name": "fires", "metric": "threads", "above": 1, "cooldown": "1h", "capture": ["threads"]}'
file 100ms '' "$waiting" > rules.json
GUMSHOE_RULES=rules.json GUMSHOE_DIR=$tmp/incidents LD_PRELOAD=$build/libgumshoe.so /usr/bin/python3 host.py & host=$!; started=$host
status() { "$gumshoe" status --json "$host" > status.json 2> /dev/null && jq -e "$1" status.json; }
becomes() { wait_until status "$1"; }
becomes '.rules[0].rule == "window"'
equal "$(jq -c '[.file.path, .file.reloads, .file.refused]' status.json)" "[\"$tmp/rules.json\",0,null]" "the file"

it "applies new rules; windows are kept"
window() { jq -r '.rules[0].state' status.json | grep -o 'window [0-9]*' | tr -dc 0-9; }
window_has() { status true && [ "$(window)" -ge "$1" ]; }
wait_until window_has 5
before=$(window)
file 100ms '' "$waiting, $fires" > rules.json
becomes '.rules | length == 2'
after=$(window)
[ "$after" -ge "$before" ] || fail "window: $before, then $after"
wait_until has_incident incidents
becomes '.rules[1].state | startswith("cooldown, ")'

it "refuses bad rules with every error and its place; the old ones stay in force; status, log and incidents say so"
printf '{"version": 1,\n "rules": [{"name": "a", "metric": "rsss", "above": 1},\n  {"name": "b", "metric": "rss", "above": "5%%%%"}]}\n' > rules.json
becomes '.file.refused.errors == 2'
equal "$(jq -r '.file.refused.error' status.json)" "rules.json:2:36: error: unknown metric \"rsss\"; did you mean \"rss\"?" "the refusal"
equal "$(jq -c '[.rules[].rule]' status.json)" '["window","fires"]' "rules in force"
grep -q 'rules.json:2:36: error' log && grep -q 'rules.json:3:43: error' log || fail "the log"
grep -q 'stay in force' log || fail "the log"
"$gumshoe" status "$host" > table
grep -q '^REFUSED at .*, the rules of .* stay in force:' table && grep -q '^  rules.json:2:36: error' table && grep -q '^  and 1 more' table || fail "$(cat table)"
path=$("$gumshoe" capture --kinds threads "$host")
jq -r '.notes[]' "$path/incident.json" | grep -q 'was refused, .*rules.json:2:36' || fail "$(jq -c .notes "$path/incident.json")"

it "notices a rename into place, as editors do it; keeps cooldowns, and does not wait for the end of an interval of an hour"
file 1h '' "$waiting, $fires, "'{"name": "new", "metric": "threads", "above": 2, "capture": ["threads"]}' > new.json
mv new.json rules.json
becomes '.file.refused == null and .file.reloads == 2 and .interval_ms == 3600000'
wait_until sh -c 'ls -d incidents/2*-new-*'
equal "$(ls -d incidents/*-fires-* | wc -l)" 1 "incidents of the rule that cools down"
status '.rules[1].state | test("^cooldown, [0-9.]+ min left")' > /dev/null || fail "$(jq -c .rules status.json)"
file 100ms '' "$waiting, $fires" > new.json && mv new.json rules.json
becomes '.file.reloads == 3'

it "ignores a file that was only touched"
whole=$(file 100ms '"labels": {"a": "b"},' "$waiting, $fires")
printf %s "$whole" > rules.json
becomes '.file.reloads == 4'
touch rules.json
sleep 1.5 # it is looked at once in a second
status '.file.reloads == 4 and .file.refused == null' > /dev/null || fail "a touch is no change"

it "is not harmed by a file that has become a FIFO"
rm rules.json; mkfifo rules.json
becomes '(.file.refused.error // "") | contains("not a regular file")'
status '.rules | length == 2' > /dev/null || fail "rules in force"
rm rules.json
printf %s "$whole" > elsewhere.json; ln -s elsewhere.json rules.json
becomes '.file.refused == null and .file.reloads == 4'
grep -q 'the same as the rules in force again' log || fail "the log"
it "follows a link to another target, as a mounted ConfigMap has it"
file 100ms '' "$waiting" > other.json; ln -s other.json link; mv -T link rules.json
becomes '.rules | length == 1'
it "completes a running incident by the rules that it began with"
file 100ms '"cpu": {"duration": "10s"},' "$waiting, "'{"name": "slow", "metric": "threads", "above": 1, "capture": ["cpu"]}' > other.json
becomes '.under_way == 1'
for i in 1 2; do file 100ms "\"labels\": {\"round\": \"$i\"}," "$waiting" > other.json; becomes ".file.reloads == $((i + 6))"; done
slow() { ls -d incidents/2*-slow-*; }
wait_until slow
equal "$(jq -c '[.labels, .complete, (.errors | length)]' "$(slow)/incident.json")" '[{},true,0]' "the incident"
equal "$(jq -r '[.rules[].name] | join(" ")' "$(slow)/rules.json")" "window slow" "its rules"

it "says that the incident directory cannot change, if the rules had named it"
kill $host; wait $host || true
file 100ms '"incidents": {"dir": "'"$tmp/first"'"},' "$waiting" > rules.json
GUMSHOE_RULES=rules.json LD_PRELOAD=$build/libgumshoe.so /usr/bin/python3 host.py & host=$!; started="$started $host"
becomes '.rules[0].rule == "window"'
file 100ms '"incidents": {"dir": "'"$tmp/second"'"},' "$waiting" > rules.json
becomes ".file.reloads == 1 and .file.other_dir == \"$tmp/second\" and .dir == \"$tmp/first\""
grep -q "incidents.dir is $tmp/second now, but incidents are still written to $tmp/first" log || fail "the log"
"$gumshoe" status "$host" > table; grep -q "the rules file now names the incident directory $tmp/second: this takes effect after a restart" table && grep -qE '^ {11}reloaded 1×, last at 2[0-9T:.-]*Z$' table || fail "$(cat table)"
kill $host || fail "the host has ended"; wait $host || true
