#!/bin/bash
# Dumps of sleeping threads: no thread is woken, no system call returns early, and every stack is whole, however the host was
# compiled. Threads whose stack cannot be taken are listed.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
sleeping="in_epoll in_poll in_select in_nanosleep in_usleep_of_big_frame in_read in_accept in_semaphore in_condition in_sigwait"

for way in "-O0" "-O2" "-O2 -fno-omit-frame-pointer" "-O3 -fomit-frame-pointer -fno-plt"; do
    # shellcheck disable=SC2086
    gcc $way -w "$source_dir/tests/host/ways/sleepers.c" -o sleepers -I "$source_dir/include" -L "$build" -lgumshoe -Wl,-rpath,"$build" -pthread
    rm -rf incidents threads.pb.gz
    it "interrupts no call in 20 dumps, and walks every stack to its end: gcc $way"
    equal "$(within_patience ./sleepers 20 "$PWD/incidents")" 0 "system calls that returned early"
    go tool pprof -traces threads.pb.gz > traces 2> err || { cat err; fail "pprof"; }
    go tool pprof -tags threads.pb.gz > tags 2>/dev/null
    for function in $sleeping; do
        equal "$(awk -v f="$function" '/-----/ { if (seen && thread) n++; seen = thread = 0 } $NF == f { seen = 1 } $NF == "by_pointer" { thread = 1 } END { print n + 0 }' traces)" 3 "whole stacks through $function"
    done
    text=$(find incidents -name threads.txt | sort | tail -n 1)
    never_says "$text" '(truncated: ' "a stack is truncated"
    equal "$(grep -c 'no answer: it blocks the signal' "$text")" 1 "groups that could not be asked"
    grep -q '^3 threads, sleeping in epoll_wait' "$text" || fail "$(grep '^[0-9]' "$text")"
done
it "labels the samples with what is known of each thread"
for tag in 'role: ' 'tid: ' 'name: ' 'state: ' 'call: '; do
    grep -q "^ *$tag" tags || fail "no tag $tag: $(cat tags)"
done
