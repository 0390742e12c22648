#!/bin/bash
# gumshoe replay: rules are tested on recorded data.
. "$(dirname "$0")/lib.sh"

# replay ARGUMENT…: as the owner calls it; the output in $tmp/out, standard error in $tmp/err, the exit status in $status.
replay() { "$gumshoe" replay "$@" > "$tmp/out" 2> "$tmp/err" && status=0 || status=$?; }
says() { [[ $(cat "$tmp/out") == *"$1"* ]] || fail "not said: $1: $(cat "$tmp/out" "$tmp/err")"; }
complains() { grep -qF -- "$1" "$tmp/err" || fail "not complained: $1: $(cat "$tmp/out" "$tmp/err")"; }
ask() { jq -r "$1" "$tmp/out"; } # of --json
MiB=1048576

# A cache of 100 MiB, every ten seconds. Then 124 MiB: 24 % more. Then 130: 27 % more than the mean of the ten before, which
# is (9 × 100 + 124) / 10 = 102.4. The line of 25 % is 128 MiB.
{ echo time,rss,cpu
  for i in 0 1 2 3 4 5 6 7 8 9; do echo "$((i * 10)),$((100 * MiB)),"; done
  echo "100,$((124 * MiB)),"; echo "110,$((130 * MiB)),"; } > jump.csv
cat > rules.json <<'JSON'
{ "version": 1, "interval": "10s", "rules": [
  { "name": "jump", "metric": "rss", "jitter": { "rise": "25%", "over": 10 } },
  { "name": "high", "metric": "rss", "above": "200MiB" },
  { "name": "share", "metric": "rss", "above": "80%" },
  { "name": "long", "metric": "rss", "above": "110MiB", "for": "1m" },
  { "name": "leak", "metric": "rss", "growth": { "rate": "1MiB/min", "over": "1h" } },
  { "name": "busy", "metric": "cpu", "above": "90%" },
  { "name": "many", "metric": "threads", "above": 500 },
  { "name": "daily", "every": "24h" } ] }
JSON

it "says when a rule would have fired, and with what numbers"
replay --rules rules.json jump.csv
equal $status 0 "status"
says "jump.csv: 12 rows, every 10 s, from 0 to 110"
says "jump fires 1 time"
says "  at 110: rss 130 MiB is 27.0 % above the mean of the 10 ticks before (102.4 MiB); the rule allows 25 %"
it "says of the others how close they came, and what held them back"
says 'high does not fire
  closest at 110: value 130 MiB, line 200 MiB
  held back by "line": value 130 MiB, fires above 200 MiB'
says 'held back by "limit": value 130 MiB, fires above 80 % of the limit, which is unknown; give the limit with --limit SIZE'
says 'held back by "for": held 10 s of 1 min'
says 'held back by "over": window 1.8 min of 1 h'
says 'held back by "metric": cpu has no value in this history'
says 'held back by "metric": threads is not in this history'
says 'held back by "every": next in 24 h'
! grep -q note: out || fail "a note without need: $(cat out)"

it "prints the same as JSON"
replay --rules rules.json --json jump.csv
equal "$(ask '.rules | map(.rule) | join(" ")')" "jump high share long leak busy many daily"
equal "$(ask '.rules[0].fired | tostring')" "[{\"time\":110,\"condition\":\"jitter\",\"value\":$((130 * MiB)),\"line\":$((128 * MiB)),\"reason\":\"rss 130 MiB is 27.0 % above the mean of the 10 ticks before (102.4 MiB); the rule allows 25 %\"}]"
equal "$(ask '.rules[0] | [.closest, .held_back, .held_back_by, .fired_count] | tostring')" '[null,null,null,1]'
equal "$(ask '.rules[1].closest | tostring')" "{\"time\":110,\"value\":$((130 * MiB)),\"line\":$((200 * MiB))}"
equal "$(ask '.rules[1] | [.fired, .held_back] | tostring')" '[[],"value 130 MiB, fires above 200 MiB"]'
equal "$(ask '[.rules[] | .held_back_by] | tostring')" '[null,"line","limit","for","over","metric","metric","every"]'
equal "$(ask '.rules[5].closest')" null
equal "$(ask '.rules[0].file')" rules.json
equal "$(ask '.history | [.rows, .gaps, .from, .to, .interval_ms, .limit] | tostring')" '[12,0,0,110,10000,null]'

it "takes the limit that is given: 80 % of 150 MiB are 120"
replay --rules rules.json --limit 150MiB --json jump.csv
equal "$(ask '.rules[2].fired[0] | [.time, .line] | tostring')" "[100,$((120 * MiB))]"

it "says that a window of ticks is one of rows, where the rules' interval is another"
sed 's/"10s"/"1s"/' rules.json > fast.json
replay --rules fast.json jump.csv
says "note: rows are 10 s apart, the rules' interval is 1 s: a window of 10 ticks is replayed as 10 rows"
rules timed '{ "version": 1, "rules": [ { "name": "h", "metric": "rss", "above": "1GiB", "for": "1m" } ] }' > /dev/null
replay --rules timed.json jump.csv
! grep -q note: out || fail "a note without need: $(cat out)"
it "says that live rules on the heap may fire earlier"
rules heap '{ "version": 1, "interval": "10s", "rules": [ { "name": "h", "metric": "heap_in_use", "above": "1GiB" } ] }' > /dev/null
replay --rules heap.json jump.csv
says 'note: in a running process heap_in_use "above" is also judged between ticks: it may fire earlier'

it "compares rules files side by side"
sed 's/"25%"/"20%"/; s/"high"/"higher"/' rules.json > other.json
replay --rules rules.json --rules other.json jump.csv
grep -qE '^jump +1, first 110 +1, first 100$' out || fail "$(cat out)"
grep -qE '^high +never +-$' out || fail "$(cat out)"
grep -qE '^higher +- +never$' out || fail "$(cat out)"
replay --rules rules.json --rules other.json --json jump.csv
equal "$(ask '[.rules[] | select(.rule == "jump") | .file, .fired[0].time] | tostring')" '["rules.json",110,"other.json",100]'

it "draws the metric, its line and its firings on a terminal, and not with --no-plot"
COLUMNS=80 replay --rules rules.json --plot jump.csv
says '     130 MiB |           *
             |          *'
says '     100 MiB |**********
             |           ^
              0        110'
says '     200 MiB |------------'
[ "$(wc -L < out)" -le 120 ] || fail "a line of $(wc -L < out) columns"
replay --rules rules.json jump.csv
! grep -q ' |' out || fail "a plot in a file"
COLUMNS=60 script -qec "$gumshoe replay --rules rules.json jump.csv" /dev/null > out < /dev/null
grep -q '100 MiB |\*\*\*' out || fail "no plot on a terminal: $(cat out)"
script -qec "$gumshoe replay --no-plot --rules rules.json jump.csv" /dev/null > out < /dev/null
! grep -q ' |' out || fail "a plot that was not wanted"
awk 'BEGIN { print "time,rss"; for (i = 0; i < 500; i++) print i "," i * 1000 }' > wide.csv
for columns in 1 60 9999; do
    COLUMNS=$columns replay --rules rules.json --plot wide.csv
    [ "$(grep ' |' out | wc -L)" -le $((columns < 50 ? 50 : columns > 160 ? 160 : columns)) ] || fail "a plot of $(wc -L < out) columns in $columns"
done

it "checks expectations, for continuous integration"
replay --rules rules.json --expect jump --expect high=0 --expect jump=1 jump.csv
equal $status 0 "as expected"
replay --rules rules.json --expect high jump.csv
equal $status 1 "high was expected"; complains "rules.json: high was expected to fire, and does not"
replay --rules rules.json --expect jump=2 jump.csv
equal $status 1 "jump=2"; complains "rules.json: jump was expected to fire 2 times, and fires 1 time"
replay --rules rules.json --expect-none jump.csv
equal $status 1 "none was expected"; complains "rules.json: no rule was expected to fire, and jump fires 1 time"
replay --rules heap.json --expect-none jump.csv
equal $status 0 "none"
replay --rules rules.json --rules heap.json --expect h=0 jump.csv
equal $status 0 "a rule of one file of two"
replay --rules rules.json --expect jmup jump.csv
equal $status 2 "a rule that is not there"; complains '--expect: there is no rule "jmup"'
says "jump fires 1 time" # and the answer is given all the same

it "counts how often the cooldown and other limits kept a rule from firing"
n=0
{ echo time,gauge:queue; for v in 9 1 9 1 1 1 1 1 9; do echo "$((n += 10)),$v"; done; } > queue.csv
rules queue '{ "version": 1, "interval": "10s", "rules": [ { "name": "q", "metric": "gauge:queue", "above": 5, "cooldown": "1m" } ] }' > /dev/null
replay --rules queue.json --json queue.csv
equal "$(ask '.rules[0] | [[.fired[].time], .missed] | tostring')" '[[10,90],{"cooldown":1}]'

it "keeps gaps as gaps, and times as fractions of seconds"
printf 'time,rss\n0.5,200\n1.5,200\n61.5,200\n62.5,200\n63.5,200\n' > gap.csv
rules held '{ "version": 1, "rules": [ { "name": "h", "metric": "rss", "above": "100B", "for": "4s" } ] }' > /dev/null
replay --rules held.json --json gap.csv
equal "$(ask '.history.gaps')" 1
equal "$(ask '.rules[0] | [.fired[].time] | tostring')" '[63.5]' # one second, one of the gap's sixty, two more

# ---- a real history: what a program under watch left behind -----------------------------------------------------

it "replays an incident's own history, with the limit it was judged by: what fired there fires here"
cat > grow.py <<'PY'
import sys, time
kept = []
for i in range(40):
    kept.append(bytearray(1 << 20))
    time.sleep(0.05)
sys.stdin.read()
PY
live=$(rules live '{ "version": 1, "interval": "100ms", "rules": [
  { "name": "grown", "metric": "rss", "above": "30MiB", "capture": ["heap"] },
  { "name": "never", "metric": "rss", "above": "90%" } ] }')
mkfifo input
"$gumshoe" run --rules "$live" --dir "$tmp/incidents" -- python3 grow.py < input 2> run.err & host=$!; started="$started $host"
exec 3> input
wait_until has_incident "$tmp/incidents"
exec 3>&-
wait $host || fail "the run: $(cat run.err)"
found=$(incident "$tmp/incidents")
for history in "$found" "$found/" "$found/metrics.json"; do
    replay --rules "$live" --json "$history"
    equal $status 0 "status: $(cat err)"
    equal "$(ask '.rules[0].fired | length')" 1 "firings of $history"
done
equal "$(ask '.rules[0].fired[0].value')" "$(jq '.value | floor' "$found/incident.json")" "the value that fired"
equal "$(ask '.history.limit')" "$(jq .limit "$found/incident.json")" "the limit"
equal "$(ask '.rules[0].fired[0].time' | grep -cE '^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$')" 1 "a moment"
equal "$(ask '.rules[1].held_back_by')" line "a share, judged by the incident's limit"
it "takes the limit of the incident where its history does not name it"
cp -r "$found" older; jq -c 'del(.limit)' "$found/metrics.json" > older/metrics.json
replay --rules "$live" --json older
equal "$(ask '.history.limit')" "$(jq .limit "$found/incident.json")" "the limit"
replay --rules "$live" --json older/metrics.json
equal "$(ask '.history.limit')" null "a file alone"
it "replays a black box: of a process that runs, and of one that was killed"
quiet=$(rules quiet '{ "version": 1, "interval": "100ms", "rules": [ { "name": "never", "metric": "rss", "above": "99%" } ] }')
(exec env GUMSHOE_RULES="$quiet" GUMSHOE_DIR="$tmp/boxes" LD_PRELOAD="$build/libgumshoe.so" python3 -c 'import time; k = [bytearray(40 << 20)]; time.sleep(100000)') & started="$started $!"
has_rows() { box=$(ls "$tmp"/boxes/.live/$1-*.box) && replay --rules "$live" --json "$box" && [ "$(ask .history.rows)" -gt 3 ] && [ "$(ask '.rules[0].fired | length')" = 1 ]; }
wait_until has_rows $!
kill -9 $!; wait $! 2> /dev/null || true
replay --rules "$live" --json "$box"
equal $status 0 "status: $(cat err)"
equal "$(ask '.rules[0].fired | length')" 1 "firings of the box"
equal "$(ask '.history.limit')" "$(jq .limit "$found/incident.json")" "its limit"
head -c 5000 "$box" > cut.box
replay cut.box
[ $status -eq 0 ] || [ $status -eq 3 ] || fail "a box that was cut: status $status"
it "takes standard input"
"$gumshoe" replay --rules rules.json - < jump.csv > out || fail "standard input"
says "jump fires 1 time"
it "tests the built-in rules if none are named"
replay jump.csv
says "thread-storm does not fire"

# ---- what is wrong ----------------------------------------------------------------------------------------------

it "says 1 for rules with errors, all of them, and judges nothing"
printf '{ "version": 1, "rules": [ { "name": "a", "metric": "rss",\n"abov": "1GiB" } ] }' > bad.json
replay --rules bad.json --rules rules.json jump.csv
equal $status 1 "status"; complains 'bad.json:2:1: error: unknown key "abov"; did you mean "above"?'
equal "$(cat out)" "" "output"
it "says 2 for wrong usage"
for arguments in "" "jump.csv jump.csv" "--limit 1x jump.csv" "--limit 0 jump.csv" "--expect = jump.csv" "--expect a=x jump.csv" "--frobnicate jump.csv"; do
    equal "$(status_of "$gumshoe" replay $arguments)" 2 "replay $arguments"
done
it "says 3 for a history that cannot be read, with the place of each mistake"
printf 'time,rss\n1,2\n2,x\n1,3\n' > wrong.csv
replay --rules rules.json wrong.csv
equal $status 3 "status"
complains 'wrong.csv:3:3: error: expected a number, found "x"; leave the field empty where the value is missing'
complains 'wrong.csv:4:1: error: time 1 is not after the time of the previous row; rows must be in the order of their times'
mkdir -p empty-folder; mkfifo fifo; : > nothing
for history in missing empty-folder fifo nothing /dev/zero; do equal "$(status_of within_patience "$gumshoe" replay $history)" 3 "$history"; done
equal "$(status_of "$gumshoe" replay --rules missing.json jump.csv)" 3 "rules that are not there"
it "prints no control byte of a file"
printf 'time,\033[31m\n1,2\n' > esc.csv
replay esc.csv
! grep -q "$(printf '\033')" err || fail "an escape sequence came through"
name=$(printf 'esc\033[31m.csv'); cp jump.csv "$name"
replay "$name"
! grep -q "$(printf '\033')" out err || fail "an escape sequence came through"
it "does not follow a link out of an incident's folder"
mkdir -p linked && ln -s ../jump.csv linked/metrics.json
replay linked
equal $status 3 "a link"
it "replays a long history"
awk 'BEGIN { print "time,rss,heap_in_use,threads,cpu"; for (i = 0; i < 20000; i++) print i "," 1e8 + i * 100 "," 9e7 + i % 1000 "," 20 + i % 3 "," i % 50 }' > long.csv
replay --rules rules.json long.csv
equal $status 0 "status"; says "long.csv: 20000 rows, every 1 s, from 0 to 19999"
it "is in the manual"
"$gumshoe" replay --help | grep -q "usage: gumshoe replay" || fail "--help"
grep -q '^.B replay' "$source_dir/docs/gumshoe.1" || fail "not in the man page"
