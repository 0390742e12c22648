#!/bin/bash
# Threads that run on stacks that the program allocated: one without room for a signal gets none, and the profiles say so; one with
# room is profiled as usual.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
gcc -O1 -w -D_GNU_SOURCE "$source_dir/tests/host/ways/contexts.c" -o contexts -pthread
rules_file=$(rules cpu '{ "version": 1, "cpu": { "rate": "500Hz", "duration": "1s" }, "rules": [ { "name": "n", "metric": "rss", "above": "1TiB" } ] }')

# runs WAY: it does, under watch.
runs() { equal "$("$gumshoe" run --rules "$rules_file" --dir d -- ./contexts "$1" || echo "status $?")" sound; }
not_asked() {
    go tool pprof -traces threads.pb.gz 2>/dev/null | grep -q 'no answer: its stack is small' || fail "$(go tool pprof -traces threads.pb.gz)"
    equal "$(go tool pprof -top cpu.pb.gz 2>/dev/null | grep -cw compute)" 0 "samples of compute"
}
it "sends no signal to a thread that has gone to a small stack by swapcontext"
runs small
not_asked
it "sends none to one that was seen on a small stack, however it switched to it"
runs own
not_asked
it "takes the stack of, and samples, one on a large stack"
runs large
go tool pprof -top cpu.pb.gz 2>/dev/null | grep -qw compute || fail "$(go tool pprof -top cpu.pb.gz)"
go tool pprof -traces threads.pb.gz 2>/dev/null | grep -qw compute || fail "$(go tool pprof -traces threads.pb.gz)"
