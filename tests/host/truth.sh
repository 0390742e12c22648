#!/bin/bash
# The total of a heap profile against the truth, for small blocks and for large ones.
#
# 32-byte blocks, 2^21 of them (64 MiB and 16 MiB of pointers), sampled every 16 KiB: 4096 samples, a standard error of
# 1.6 %, so that 10 % are six of them. Blocks of 1 MiB are 64 times the distance: each is sampled, and stands for itself.
. "$(dirname "$0")/lib.sh"

rules_file=$(rules truth '{ "version": 1, "interval": "100ms", "heap": { "sample": "16KiB" }, "budget": "100%", "rules": [
    { "name": "never", "metric": "rss", "above": "1TiB" } ] }')

# measure SIZE COUNT: run the host, take an incident after it has allocated, compare.
measure() {
    local dir=$tmp/$1 truth found estimate
    mkfifo "$tmp/end-$1"
    "$gumshoe" run --rules "$rules_file" --dir "$dir" -- "$build/hosts/truth" "$1" "$2" < "$tmp/end-$1" > "$tmp/out-$1" &
    started="$started $!"
    exec 3> "$tmp/end-$1"
    wait_until test -s "$tmp/out-$1"
    truth=$(cat "$tmp/out-$1")
    wait_until has_watch "$dir"
    found=$("$gumshoe" capture --kinds heap,threads "$(watched_in "$dir")") || fail "no capture"
    exec 3>&-
    wait $! || fail "the host failed"
    complete "$found"
    estimate=$(heap_bytes "$found")
    echo "    $2 blocks of $1 bytes: truth $truth, profile $estimate"
    python3 -c 'import sys; t, e = map(int, sys.argv[1:]); sys.exit(abs(e - t) > t / 10)' "$truth" "$estimate" || fail "more than 10 % off"
    go tool pprof -top -sample_index=inuse_space "$found/heap.pb.gz" 2>/dev/null | grep -q keep_block || fail "keep_block is not in the profile"
    equal "$(go tool pprof -top -nodefraction=0 -sample_index=inuse_space "$found/heap.pb.gz" 2>/dev/null | grep -c 'B .*waste_block' || true)" 0 "what was freed is not in use"
    go tool pprof -top -sample_index=alloc_space "$found/heap.pb.gz" 2>/dev/null | grep -q waste_block || fail "waste_block allocated as much"
}

it "is within 10 % of the truth for blocks of 32 bytes"
measure 32 2097152
it "is within 10 % of the truth for blocks of 1 MiB"
measure 1048576 150
