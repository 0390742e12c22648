#!/bin/bash
# What was freed is not in use: on whichever thread, in whatever state, to the byte. A sample may be dropped; the free of
# a sampled block never is.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
"$build/hosts/linked_sums" || fail "the host failed"

# bytes TYPE FUNCTION PROFILE: what the profile says of FUNCTION, 0 when it does not know it.
bytes() {
    go tool pprof -traces -sample_index="$1" -unit=B "$3" 2>/dev/null |
        awk -v name="$2" '/-----/ { bytes = ""; next } $1 ~ /^[0-9]+B$/ { bytes = $1 + 0 } $NF == name { sum += bytes; bytes = 0 } END { print sum + 0 }'
}

it "counts all blocks while they are held"
hoard=$((400 * 5000))
for name in by_handler by_moving by_late_comer by_parent by_keeper; do
    seen=$(bytes inuse_space $name full.pb.gz)
    # Blocks of 5000 bytes at a sample every KiB: 99 % of them are sampled, so 5 % off is far outside what chance does.
    [ "$seen" -gt $((hoard * 95 / 100)) ] && [ "$seen" -lt $((hoard * 105 / 100)) ] || fail "$name holds $hoard bytes, the profile says $seen"
done
seen=$(bytes inuse_space by_main full.pb.gz)
[ "$seen" -gt $((hoard * 8 * 95 / 100)) ] || fail "by_main holds $((hoard * 8)) bytes, the profile says $seen"
for name in by_ended_thread by_thread_key; do
    seen=$(bytes alloc_space $name empty.pb.gz)
    [ "$seen" -gt $((hoard * 8 * 90 / 100)) ] || fail "$name allocated $((hoard * 8)) bytes, the profile says $seen"
done

# gone HOW FUNCTION [PROFILE]
gone() {
    it "counts the free of blocks $1"
    equal "$(bytes inuse_space "$2" "${3-empty.pb.gz}")" 0 "bytes in use of $2"
}
gone "whose thread has ended" by_ended_thread
gone "of another thread's" by_main
gone "in the destructor of a thread's key" by_thread_key
gone "in a signal handler" by_handler
gone "that realloc moved" by_moving
gone "after gumshoe_stop" by_late_comer
gone "in a forked child" by_parent child.pb.gz
it "keeps what is held: in the parent what only the child freed, in both what neither freed"
for pair in by_parent:empty by_keeper:empty by_keeper:child; do
    seen=$(bytes inuse_space "${pair%:*}" "${pair#*:}.pb.gz")
    [ "$seen" -gt $((hoard * 95 / 100)) ] || fail "${pair%:*} holds $hoard bytes, ${pair#*:}.pb.gz says $seen"
done
