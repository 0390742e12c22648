#!/bin/bash
# Hosts under extreme load: what they freed is not in the profile, to the byte; what they hold is; and the agent's memory does not
# grow with what they do.
. "$(dirname "$0")/lib.sh"
cd "$tmp"

# in_use FUNCTION PROFILE; taken FUNCTION PROFILE: bytes that blocks of FUNCTION (anywhere on the stack) hold, or ever held.
by_function() { go tool pprof -top -cum -nodefraction=0 -nodecount=100000 -unit=B -sample_index="$1" "$3" 2>/dev/null | awk -v name="$2" '$6 == name { sum += $4 } END { printf "%.0f\n", sum }'; }
in_use() { by_function inuse_space "$@"; }
taken() { by_function alloc_space "$@"; }

storm() { within_patience "$build/hosts/linked_storms" "$1" > out || fail "$1: exit status $?"; }
# balanced STORM BYTES: it allocated at least BYTES, and holds nothing.
balanced() {
    storm "$1"
    [ "$(taken take_block profile.pb.gz)" -ge "$2" ] || fail "$1: only $(taken take_block profile.pb.gz) bytes were seen"
    equal "$(in_use take_block profile.pb.gz)" 0 "$1: bytes in use at the end"
}

it "counts correctly when 8 threads free each other's blocks and reuse their addresses"
balanced hammer 1400000000
it "counts correctly with 64 threads"
balanced crowd 11000000000
it "counts correctly while 8 threads allocate and 300 children are forked"
balanced forks 100000000
it "keeps the record of a block that realloc failed to grow, and drops it when the block is freed"
balanced failing 1900000
held=$(in_use take_block held.pb.gz)
[ "$held" -ge 1900000 ] && [ "$held" -le 2100000 ] || fail "500 blocks of 4000 bytes are held, the profile says $held"
it "survives 100,000 threads without growing"
balanced threads 180000000
before=$(sed -n 1p out) after=$(sed -n 2p out)
[ $((after - before)) -lt 1000 ] || fail "resident: $before KiB after 10,000 threads, $after KiB after 100,000"
it "survives 10 million distinct stacks without growing, and says how many it could not distinguish"
storm stacks
before=$(sed -n 1p out) after=$(sed -n 2p out)
[ $((after - before)) -lt 1000 ] || fail "resident: $before KiB after 500,000 stacks, $after KiB after 10 million"
[ "$after" -lt 40000 ] || fail "resident: $after KiB"
go tool pprof -comments profile.pb.gz 2>/dev/null | grep -q 'charged to "(table full)"' || fail "the profile does not say that the table was full"
equal "$(in_use leaf_block profile.pb.gz)" 0 "bytes in use at the end"
[ "$(by_function alloc_space '(table full)' profile.pb.gz)" -gt 50000000000 ] || true
it "continues, and captures, while a thread is stopped in the middle of an allocation"
balanced parked 10000000
equal "$(find incidents -maxdepth 1 -name '*-parked-*' | wc -l)" 4 "incidents"
it "captures when malloc fails"
rm -rf incidents
storm eaten
found=$(incident incidents)
complete "$found"
[ "$(in_use eat "$found/heap.pb.gz")" -gt 100000000 ] || fail "the eater is not in the profile"
equal "$(jq -r .culprit.function "$found/incident.json")" eat culprit
equal "$(in_use eat profile.pb.gz)" 0 "bytes in use at the end"
