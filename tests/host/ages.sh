#!/bin/bash
# How old the heap is: two hosts hold the same, by the same function. One is a leak, the other a burst: their ages differ. The sample type
# inuse_old has the blocks that are older than the baseline, by stack; the incident says how much that is, and how old all is.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
mkfifo input

# begin NAME OLD NEW: a host with OLD MiB from before the baseline, and NEW MiB from afterwards; its incident in $found.
begin() {
    rules_file=$(rules "$1" '{ "version": 1, "interval": "100ms", "heap": { "sample": "16KiB", "baseline": "1h" }, "budget": "100%",
        "incidents": { "keep": 0 }, "rules": [ { "name": "never", "metric": "rss", "above": "99%", "for": "1h" } ] }')
    rm -f out
    GUMSHOE_RULES=$rules_file GUMSHOE_DIR=$1 "$build/hosts/linked_ages" "$2" "$3" < input > out 2>&1 &
    host=$!; started="$started $host"
    exec 3> input
    wait_until grep -q old out
    young=$("$gumshoe" capture --kinds heap $host)
    take_baseline $host "$rules_file"
    echo go >&3
    wait_until grep -q new out
    found=$("$gumshoe" capture --kinds heap $host)
}
end() { exec 3>&-; wait $host || fail "the host failed: $(cat out)"; }
# mib TYPE [OPTION…] PROFILE: what is of function grow.
mib() {
    "$gumshoe" top -n 1000 --json --no-symbolize --sample "$@" | jq '[.rows[] | select(.function == "grow") | .flat] | add // 0 | . / 1048576 | round'
}
# of_pprof TYPE OPTION…: the same from go tool pprof.
of_pprof() {
    go tool pprof -top -unit=B -sample_index="$@" 2> pprof.err > pprof.out || fail "pprof: $(cat pprof.err)"
    awk '$NF == "grow" { printf "%.0f\n", $1 / 1048576 }' pprof.out
}
ages() { jq -c "$1" "$found/incident.json"; }
# says_ages BYTES SHARE: how much of the heap is older than the baseline.
says_ages() {
    grep -qE "^Of 6[0-9.]+ MiB in use, [0-9.]+ MiB \([0-9.]+ %\) are (older|younger) than [0-9]+ [a-z]+, $1 MiB \($2 %\) older than the baseline \([0-9.]+ [a-z]+\)$" \
        "$found/summary.txt" || fail "the ages: $(cat "$found/summary.txt")"
}

it "tells a leak, of which much is old"
begin leak 40 20
equal "$(mib inuse_space "$found/heap.pb.gz") $(mib inuse_old "$found/heap.pb.gz")" "60 40" "MiB in use, and old"
says_ages '4[0-9.]+' '6[0-9.]+'
it "from a burst, which is new"
leak=$found
end
begin burst 5 55
equal "$(mib inuse_space "$found/heap.pb.gz") $(mib inuse_old "$found/heap.pb.gz")" "60 5" "MiB in use, and old"
says_ages '5[0-9.]*' '[89][0-9.]*'
it "counts every byte once, and gives machines the figures"
equal "$(heap_bytes "$found")" "$(ages '.ages.classes[0].bytes')" "bytes in use"
equal "$(ages '[.ages.classes[].older_than_s] == [0, 10, 60, 600, 3600, 21600, 86400, 604800]')" true "classes"
equal "$(ages '.ages.older_than_baseline / 1048576 | floor')" 5 "MiB older than the baseline"
equal "$(ages '[.ages.classes[].bytes] | . == (sort | reverse)')" true "what is older than 1 min is older than 10 s, too"
it "has a view of its own on the page"
"$gumshoe" report "$found" -o page.html && "$gumshoe" report "$young" -o young.html || fail "no page"
grep -qF '"id":"old","label":"Held since before the baseline"' page.html || fail "no view of what is old"
! grep -qF '"id":"old"' young.html || fail "a view of nothing"
it "can be compared with the baseline"
equal "$(of_pprof inuse_space -base "$found/heap.base.pb.gz" "$found/heap.pb.gz")" 55 "MiB more"
equal "$(of_pprof inuse_old "$found/heap.pb.gz")" 5 "MiB old, by pprof"
equal "$(of_pprof inuse_old "$found/heap.base.pb.gz")" 5 "MiB old at the baseline"
equal "$(of_pprof inuse_space -diff_base "$leak/heap.pb.gz" "$found/heap.pb.gz")" "" "nothing more than the other host"
equal "$(go tool pprof -raw "$found/heap.pb.gz" 2> /dev/null | grep -A 1 '^Samples:' | tail -n 1)" \
    "alloc_objects/count alloc_space/bytes inuse_objects/count inuse_old/bytes inuse_space/bytes[dflt]" "sample types"
it "does not know what is old before there is a baseline"
equal "$(mib inuse_old "$young/heap.pb.gz")" 0 "MiB older than no baseline"
equal "$(jq -c '[.ages.older_than_baseline, .ages.classes[0].bytes > 5e6]' "$young/incident.json")" "[null,true]" "ages without a baseline"
go tool pprof -comments "$young/heap.pb.gz" 2> /dev/null | grep -qx 'inuse_old is 0: there is no baseline to compare with' || fail "comments"
never_says "$young/summary.txt" 'older than the baseline' "there is none"
it "says nothing of ages that the black box does not have"
wait_for_ticks burst/.live/$host-*.box 2
kill -9 $host; wait $host 2> /dev/null || true
exec 3>&-
dead=$("$gumshoe" recover --dir burst burst/.live/$host-*.box) || fail "no incident"
equal "$(jq -c .ages "$dead/incident.json")" null "ages"
equal "$(mib inuse_space "$dead/heap.pb.gz")" 60 "MiB in use"
never_says "$dead/summary.txt" ' in use, ' "ages of the dead"
if "$gumshoe" top --sample inuse_old "$dead/heap.pb.gz" > top 2>&1; then fail "inuse_old of the dead: $(cat top)"; fi
it "and compares it with a profile that has them"
equal "$(mib inuse_space --base "$dead/heap.pb.gz" "$found/heap.pb.gz")" 0 "MiB more"
equal "$(mib inuse_space --base "$found/heap.base.pb.gz" "$dead/heap.pb.gz")" 55 "MiB more"
if "$gumshoe" top --sample inuse_old --base "$dead/heap.pb.gz" "$found/heap.pb.gz" > top 2>&1; then fail "a difference of what one has: $(cat top)"; fi
