#!/bin/bash
# What every stack held when the heap was highest: in incidents after the heap has shrunk, in the incident of a process that was killed,
# by gumshoe_write_profile and gumshoe serve. There is no tick between the peak and its end: the sampler wakes the watcher.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
mkfifo input

# begin NAME INTERVAL PEAK: the host, watched, holds its base; its pid in $host.
begin() {
    rules_file=$(rules "$1" '{ "version": 1, "interval": "'"$2"'", "heap": { "sample": "16KiB", "peak": "'"$3"'" }, "budget": "100%",
        "incidents": { "keep": 0 }, "rules": [ { "name": "never", "metric": "rss", "above": "99%", "for": "1h" } ] }')
    rm -f out
    GUMSHOE_RULES=$rules_file GUMSHOE_DIR=$1 "$build/hosts/linked_peak" < input > out 2>&1 &
    host=$!; started="$started $host"; told=0
    exec 3> input
    tell base
    after_a_turn $host
}
# tell WORD: the host does WORD; what it said in $answer.
tell() {
    echo "$1" >&3
    told=$((told + 1))
    wait_until has_answered
    answer=$(tail -n 1 out)
}
has_answered() { [ "$(grep -c '^done ' out)" -ge $told ]; }
# mib PROFILE FUNCTION: what FUNCTION holds in it.
mib() { "$gumshoe" top -n 1000 --json --sample inuse_space "$1" | jq --arg f "$2" '[.rows[] | select(.function == $f) | .flat] | add // 0 | . / 1048576 | round'; }
# A copy is made when the heap is 5 % above the last one: of 120 MiB at least 114 are in the last copy.
holds_the_peak() {
    local loaded; loaded=$(mib "$1" load_everything)
    [ "$loaded" -ge 94 ] && [ "$loaded" -le 101 ] || fail "$1: load_everything holds $loaded MiB of 100: $("$gumshoe" top "$1")"
    equal "$(mib "$1" keep_base)" 20 "MiB of keep_base in $1"
    equal "$(mib "$1" make_tooth)" 0 "MiB of make_tooth in $1"
}
says_the_peak() {
    equal "$(jq -r '[.complete, .peak.held_by.function, (.peak.bytes >= 114 * 1048576), (.peak.highest >= .peak.bytes), (.peak.age_s > 0)] | @csv' "$1/incident.json")" \
        'true,"load_everything",true,true,true' "the peak in $1/incident.json"
    grep -qE '^The heap peaked at 1[0-9.]+ MiB .* before; then held by$' "$1/summary.txt" || fail "the summary: $(cat "$1/summary.txt")"
    grep -A 1 '^The heap peaked' "$1/summary.txt" | grep -qE 'MiB +[0-9.]+ %  load_everything ' || fail "the summary: $(cat "$1/summary.txt")"
}

it "has no peak in an incident at the peak"
begin kept 1h 1h
tell teeth; tell load; after_a_turn $host
found=$("$gumshoe" capture --kinds heap $host)
equal "$(ls "$found" | grep -c peak || true)" 0 "files of a peak"
equal "$(jq .peak "$found/incident.json")" null "the peak"
it "has it in an incident afterwards"
tell unload; tell teeth
found=$("$gumshoe" capture --kinds heap $host)
holds_the_peak "$found/heap.peak.pb.gz"
equal "$(mib "$found/heap.pb.gz" load_everything)" 0 "MiB of load_everything now"
says_the_peak "$found"
it "is a profile that go tool pprof reads, and compares with the heap of now"
go tool pprof -top "$found/heap.peak.pb.gz" 2> /dev/null | grep -q ' load_everything$' || fail "pprof: $(go tool pprof -top "$found/heap.peak.pb.gz" 2>&1)"
gone=$(go tool pprof -top -unit=B -base "$found/heap.peak.pb.gz" "$found/heap.pb.gz" 2> /dev/null | awk '$6 == "load_everything" { print -$1 }')
[ "${gone:-0}" -ge $((94 << 20)) ] && [ "$gone" -le $((101 << 20)) ] ||
    fail "the difference: $(go tool pprof -top -unit=B -base "$found/heap.peak.pb.gz" "$found/heap.pb.gz" 2>&1)"
it "can be captured alone, or be written by the program"
found=$("$gumshoe" capture --kinds peak $host)
holds_the_peak "$found/heap.peak.pb.gz"
tell profile; equal "$answer" "done profile ok"
holds_the_peak peak.pb.gz
it "is served"
"$gumshoe" serve --listen 127.0.0.1:0 kept > served 2> served.err 3>&- & started="$started $!"
wait_until grep -q 'serving at' served.err
curl -sS "$(sed -n 's/.*serving at //p' served.err)debug/pprof/peak" > served.pb.gz || fail "$(cat served served.err)"
holds_the_peak served.pb.gz
it "is in the incident of a core file"
gcore -o core $host > /dev/null 2>&1 || fail "gcore"
found=$("$gumshoe" recover --dir cores core.$host 2> err) || fail "$(cat err)"
holds_the_peak "$found/heap.peak.pb.gz"
says_the_peak "$found"
it "is in the incident of a process that was killed afterwards"
change_rules $host "$rules_file" '.interval = "100ms"'
wait_for_ticks kept/.live/$host-*.box 2 # which see that the heap has shrunk
kill -9 $host; wait $host 2> /dev/null || true
exec 3>&-
found=$("$gumshoe" recover --dir kept kept/.live/$host-*.box) || fail "no incident"
holds_the_peak "$found/heap.peak.pb.gz"
says_the_peak "$found"

it "is forgotten after the time that the rules say"
begin short 100ms 1s
tell load; tell unload
is_forgotten() { found=$("$gumshoe" capture --kinds heap $host) && [ ! -e "$found/heap.peak.pb.gz" ]; }
wait_until is_forgotten
equal "$(jq -r .complete "$found/incident.json")" true
exec 3>&-; wait $host

it "is not kept if the rules say so"
begin off 100ms 0s
tell load; tell unload
tell profile; equal "$answer" "done profile ENODATA"
found=$("$gumshoe" capture --kinds heap,peak $host)
equal "$(jq -c '[.complete, .peak, (.notes | index("peak: nothing was recorded") != null)]' "$found/incident.json")" "[true,null,true]"
exec 3>&-; wait $host
