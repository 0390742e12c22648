#!/bin/bash
# How long blocks live, by function: each block of the host is sampled, and the host measures its lifetime itself, from inside and from
# outside. Whatever the machine's speed, what the agent counts is between the two.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
mkfifo input
rules_file=$(rules lifetimes '{ "version": 1, "interval": "100ms", "heap": { "sample": "16KiB" }, "budget": "100%",
    "incidents": { "keep": 0 }, "rules": [ { "name": "never", "metric": "rss", "above": "99%", "for": "1h" } ] }')
GUMSHOE_RULES=$rules_file GUMSHOE_DIR=d "$build/hosts/linked_lifetimes" < input > out 2>&1 & host=$!; started="$started $host"
exec 3> input
wait_until grep -qE 'ready|failed' out
grep -q ready out || fail "gumshoe_write_profile: $(cat out)"

# of FUNCTION KEY: what `gumshoe top --lifetime` says of it.
of() { "$gumshoe" top --lifetime --json --no-symbolize "$found" | jq -c ".rows[] | select(.function == \"$1\") | $2"; }
# sum TYPE FUNCTION PROFILE
sum() { "$gumshoe" top -n 1000 --json --no-symbolize --sample "$1" "$3" | jq --arg f "$2" '[.rows[] | select(.function == $f) | .flat] | add // 0'; }
# lifetimes_are_right PROFILE CHURN MIX RESIZE: how many blocks each function has freed.
lifetimes_are_right() {
    equal "$(python3 "$source_dir/tests/host/lifetimes.py" "$1" out 2>&1 | tail -n 1)" "{'churn': $2, 'mix': $3, 'resize': $4}" "$1"
}

it "has the lifetimes that the host measures, in an incident that captures the heap"
found=$("$gumshoe" capture --kinds heap $host)
lifetimes_are_right "$found/lifetimes.pb.gz" 40 40 4
equal "$(jq -c '[.complete, (.files | any(.name == "lifetimes.pb.gz"))]' "$found/incident.json")" "[true,true]"
it "counts what is in use apart, and both add up to what was allocated"
for function in churn mix keep resize; do
    equal $(($(sum freed_space $function "$found/lifetimes.pb.gz") + $(sum alive_space $function "$found/lifetimes.pb.gz"))) \
        "$(sum alloc_space $function "$found/heap.pb.gz")" "bytes of $function"
    equal "$(sum alive_space $function "$found/lifetimes.pb.gz")" "$(sum inuse_space $function "$found/heap.pb.gz")" "bytes of $function in use"
done
it "has labels that go tool pprof reads"
go tool pprof -tags "$found/lifetimes.pb.gz" > tags 2> /dev/null || fail "pprof"
grep -qE '^ *lifetime: Total ' tags || fail "$(cat tags)"
go tool pprof -tags -sample_index=alive_space "$found/lifetimes.pb.gz" > tags 2> /dev/null || fail "pprof"
grep -qE '^ *age: Total 4[0-9.]+MB' tags || fail "$(cat tags)"
go tool pprof -top -sample_index=freed_objects -tagfocus=lifetime=60ms: "$found/lifetimes.pb.gz" > top 2> /dev/null || fail "pprof"
grep -qE ' mix$' top || fail "none of mix lived 67 ms: $(cat top)"
it "tells by function what is freed at once, and what stays"
equal "$(of keep '[.freed_space, .alive_objects]')" "[0,40]"
equal "$(of churn '[.freed_objects, .alive_space]')" "[40,0]"
equal "$(of mix '.p90_s >= 0.067')" true # of 20 blocks that lived 100 ms; classes are right within a factor of 2
"$gumshoe" top --lifetime --no-symbolize "$found" > top || fail "top"
grep -qE '^Within .*: [0-9.]+ MiB freed; 4[0-9.]+ MiB in use$' top || fail "$(cat top)"
for function in churn mix; do grep -qE "^ +[0-9.]+ MiB +[0-9]+ .* $function$" top || fail "no $function: $(cat top)"; done
sed -n '/^In use, /,$p' top | grep -qE '^ +40 MiB .* keep$' || fail "no keep: $(cat top)"
it "complains of a profile without lifetimes"
equal "$("$gumshoe" top --lifetime "$found/heap.pb.gz" > top 2>&1; echo $?)" 1
grep -q 'this profile has no lifetimes; lifetimes.pb.gz of an incident has' top || fail "$(cat top)"
it "is captured alone, written by the program, and served"
alone=$("$gumshoe" capture --kinds lifetimes $host)
lifetimes_are_right "$alone/lifetimes.pb.gz" 40 40 4
[ ! -e "$alone/heap.pb.gz" ] || fail "heap"
lifetimes_are_right written.pb.gz 40 40 4
"$gumshoe" serve --listen 127.0.0.1:0 d > served 2> served.err 3>&- & started="$started $!"
wait_until grep -q 'serving at' served.err
curl -sS "$(sed -n 's/.*serving at //p' served.err)debug/pprof/lifetimes" > served.pb.gz || fail "$(cat served served.err)"
lifetimes_are_right served.pb.gz 40 40 4
it "goes on counting"
echo go >&3
wait_until grep -q again out
found=$("$gumshoe" capture --kinds heap $host)
lifetimes_are_right "$found/lifetimes.pb.gz" 80 40 4
it "is not in the incident of a process that was killed: the black box has no lifetimes"
wait_for_ticks d/.live/$host-*.box 2
kill -9 $host; wait $host 2> /dev/null || true
exec 3>&-
found=$("$gumshoe" recover --dir d d/.live/$host-*.box) || fail "no incident"
equal "$(jq -c '[.complete, .ages, (.files | any(.name == "lifetimes.pb.gz"))]' "$found/incident.json")" "[true,null,false]"
