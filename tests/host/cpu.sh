#!/bin/bash
# CPU profiles: each function's share is what the threads' own CPU clocks say, in one thread, in several, in threads that live for
# 20 ms. The profile says what could not be sampled.
. "$(dirname "$0")/lib.sh"
cd "$tmp"

# of_truth NAME: what linked_cpu says of it.
of_truth() { awk -v name="$1" '{ for (i = 1; i < NF; i += 2) if ($i == name) print $(i + 1) }' truth; }
calculate() { awk "BEGIN { print $* }"; }
worked() { calculate "$(of_truth sixty) + $(of_truth thirty) + $(of_truth ten)"; }

# profile MODE: runs the host; cpu.pb.gz, and what the clocks said in truth. On a busy machine the host gets little of a second:
# the profile is taken over a longer time until it has 200 samples.
profile() {
    local rules
    for seconds in 4 8 16 32 64 128; do
        rules=$(rules cpu "{\"version\": 1, \"cpu\": {\"duration\": \"${seconds}s\"}, \"rules\": [{\"name\": \"n\", \"every\": \"1h\"}]}")
        GUMSHOE_RULES=$rules GUMSHOE_DIR=$PWD/incidents within_patience "$build/hosts/linked_cpu" "$1" > cpu.pb.gz 2> truth || fail "the host: $(cat truth)"
        samples=$(go tool pprof -raw cpu.pb.gz 2> /dev/null | awk '/^ *[0-9]+ +[0-9]+:/ { sum += $1 } END { print sum + 0 }')
        [ "$samples" -lt 200 ] || break
    done
    [ "$samples" -ge 200 ] || fail "$samples samples in $seconds s"
    go tool pprof -top -cum cpu.pb.gz > top 2> err || { cat err; fail "pprof"; }
    go tool pprof -comments cpu.pb.gz > comments 2>/dev/null
    total=$(sed -n 's/^samples account for \([0-9.]*\) s of.*/\1/p' comments)
    all=$(calculate "$(worked) + $(of_truth deaf)")
    outside=$(calculate "$(of_truth call) - $seconds") # seconds that the call took and the profile does not cover
}
# share FUNCTION: per cent of all samples with it on the stack.
share() { awk -v f="$1" '$6 == f { sub("%", "", $5); print $5; found = 1; exit } END { if (!found) print 0 }' top; }
# near WHAT IS WANTED WITHIN
near() { awk -v a="$2" -v b="$3" -v d="$4" 'BEGIN { exit !(a - b <= d && b - a <= d) }' || fail "$1: wanted $3 within $4, got $2: $(cat truth top)"; }
# split THREADS WITHIN: each function's share is what the clocks say, within so many points, which is an awk expression of the
# share p and the number of samples n. What THREADS may have worked outside of the profile is not held against it.
split() {
    local function p
    for function in sixty thirty ten; do
        p=$(calculate "$(of_truth $function) / $all")
        near $function "$(share $function)" "$(calculate "100 * $p")" \
            "$(awk -v p="$p" -v n="$samples" "BEGIN { print $2 + 100 * $outside * $1 / $all }")"
    done
}
# One sample in 10 ms of a thread's CPU time, at the next clock tick: where a thread changes functions, two may fall on the wrong
# side. linked_cpu's threads change every 300 ms on average: that is 2 % of the samples.
steady=3

it "finds the shares of three functions in one thread, and all of its time"
profile single
split 1 $steady
near "seconds" "$total" "$(worked)" "$(calculate "0.2 + $outside")"
it "labels the samples with what the host says of its threads"
go tool pprof -tags cpu.pb.gz 2>/dev/null | grep -q 'acme' || fail "no label"
it "finds the shares of three threads that do not work all of the time"
profile threads
split 2 $steady
it "finds the shares in threads that live for 20 ms, and most of their time"
profile short
split 2 "600 * sqrt(p * (1 - p) / n)" # two samples in each thread, at random: six standard errors
taken=$(sed -n 's/^samples account for .* s of the \([0-9.]*\) s of CPU time .*/\1/p' comments)
near "the process's seconds, which the profile tells" "$taken" "$(worked)" "$(calculate "0.2 + 0.08 * $(worked) + 2 * $outside")"
# What falls due after a thread's last clock tick is not seen: more of it where threads are interrupted often, which the comment
# above tells. Of two threads that had two CPUs for themselves nearly all is there, ± half a sample each.
if [ "$(nproc)" -ge 2 ] && [ "$(calculate "$(worked) > 1.5 * $seconds")" = 1 ]; then
    near "seconds" "$total" "$(worked)" "$(calculate "0.08 * $(worked) + 2 * $outside + 0.03 * sqrt($(of_truth births))")"
else
    echo "  (two threads got $(worked) s of CPU time in $seconds s: how much of it the samples have was not looked at)"
fi
it "names a thread that blocks the signal, with its time"
profile blocked
split 2 $steady
near "the deaf thread" "$(awk '/takes no signals/ { sub("%", "", $2); print $2; exit }' top)" "$(calculate "100 * $(of_truth deaf) / $all")" \
    "$(calculate "$steady + 200 * $outside / $all")"
grep -q '1 thread blocks the sampling signal' comments || fail "$(cat comments)"
it "charges the kernel's time to the stack that called it"
profile calls
near read_zeros "$(share read_zeros)" 100 3
