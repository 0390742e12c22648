#!/bin/bash
# gumshoe_write_profile_for: a profile of what happens within a time, as a server of /debug/pprof/heap?seconds=N needs it.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
has_spin() { go tool pprof -top cpu.pb.gz 2> /dev/null | grep ' spin$' > /dev/null; }
for seconds in 1 4 16 64 256; do # on a busy machine the work takes longer, and gets less of a CPU
    status=0; GUMSHOE_DIR=d within_patience "$build/hosts/linked_profile_for" $seconds > out || status=$?
    [ $status -eq 3 ] || { [ $status -eq 0 ] && ! has_spin; } || break
done
equal $status 0 "the host's status"

# value PROFILE TYPE FUNCTION: its flat value, by pprof; "0": it is not in the profile.
value() { go tool pprof -top -unit=B -sample_index="$2" "$1.pb.gz" 2> /dev/null | awk -v f="$3" '$6 == f { v = $1 + 0 } END { print v + 0 }'; }
# within VALUE WANTED WHAT: a block of 100 kB is sampled at every 1 KiB: all of them are, but each counts with malloc's rounding.
within() { awk -v a="$1" -v b="$2" 'BEGIN { d = a - b; if (d < 0) d = -d; exit d > (b < 0 ? -b : b) / 100 }' || fail "$3: wanted $2, got $1"; }

# lasts PROFILE: it is of the time that was asked for, or longer: on a busy machine the second look comes late.
lasts() {
    go tool pprof -top "$1.pb.gz" 2> /dev/null | sed -n 's/^Duration: *\([0-9.]*\)\([a-z]*\).*/\1 \2/p' |
        awk -v least="$seconds" '{ s = $1 * ($2 == "s" ? 1 : $2 == "mins" ? 60 : 0) } END { exit s < least }' || fail "$1: $(go tool pprof -top "$1.pb.gz" 2>&1 | head -6)"
}

it "tells what the heap grew and shrank by, and what was allocated meanwhile"
grep -qx 'heap.pb.gz 0' out || fail "$(cat out)"
within "$(value heap inuse_space add)" 20000000 "added"
within "$(value heap inuse_space hold_from_before)" -30000000 "freed"
equal "$(value heap inuse_space come_and_go)" 0 "freed again"
within "$(value heap alloc_space come_and_go)" 50000000 "allocated and freed again"
within "$(value heap alloc_space add)" 20000000 "allocated"
equal "$(value heap alloc_space hold_from_before)" 0 "allocated before"
it "says how long that was"
lasts heap
equal "$(go tool pprof -comments heap.pb.gz 2> /dev/null | head -1)" "on demand, by the program (gumshoe_write_profile_for)"
it "tells which threads were created meanwhile"
grep -qx 'threadcreate.pb.gz 0' out || fail "$(cat out)"
equal "$("$gumshoe" top --cum --json --sample threadcreate threadcreate.pb.gz | jq -r '.total, (.rows[] | select(.function == "create_more_threads") | .cum)' | xargs)" "3 3" "threads"
it "samples CPU time for that long"
grep -qx 'cpu 0' out || fail "$(cat out)"
lasts cpu
has_spin || fail "no spin: $(go tool pprof -top cpu.pb.gz 2>&1)"
it "writes the threads of now, at once"
grep -qx 'threads 0' out || fail "$(cat out)"
"$gumshoe" top --cum threads.pb.gz 2> /dev/null | grep -q 'wait_for_signal' || fail "no threads"
it "refuses other times and kinds"
equal "$(grep -c '^refused .* EINVAL$' out)" 5 "refused"
