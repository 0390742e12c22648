#!/bin/bash
# CPU profiles: a program whose time goes 60 : 30 : 10 is found to, in one thread, in several, in threads that live for 20 ms;
# what cannot be seen is told of.
. "$(dirname "$0")/lib.sh"
cd "$tmp"

# profile MODE SECONDS: runs the host; cpu.pb.gz, and what the clock said in truth.
profile() {
    rules=$(rules cpu "{\"version\": 1, \"cpu\": {\"duration\": \"$2s\"}, \"rules\": [{\"name\": \"n\", \"every\": \"1h\"}]}")
    GUMSHOE_RULES=$rules GUMSHOE_DIR=$PWD/incidents timeout 30 "$build/hosts/linked_cpu" "$1" > cpu.pb.gz 2> truth || fail "the host: $(cat truth)"
    go tool pprof -top -cum cpu.pb.gz > top 2> err || { cat err; fail "pprof"; }
    go tool pprof -comments cpu.pb.gz > comments 2>/dev/null
    total=$(sed -n 's/^samples account for \([0-9.]*\) s of.*/\1/p' comments)
}
# share FUNCTION: per cent of all samples with it on the stack.
share() { awk -v f="$1" '$6 == f { sub("%", "", $5); print $5; found = 1; exit } END { if (!found) print 0 }' top; }
# near WHAT IS WANTED WITHIN
near() { awk -v a="$2" -v b="$3" -v d="$4" 'BEGIN { exit !(a - b <= d && b - a <= d) }' || fail "$1: wanted $3 within $4, got $2: $(cat top)"; }
# split OF: the three functions share OF per cent 60 : 30 : 10, within 3 points.
split() {
    near sixty "$(share sixty)" "$(awk "BEGIN { print $1 * 0.6 }")" 3
    near thirty "$(share thirty)" "$(awk "BEGIN { print $1 * 0.3 }")" 3
    near ten "$(share ten)" "$(awk "BEGIN { print $1 * 0.1 }")" 3
}
worked() { awk '{ print $2 + $4 + $6 }' truth; }

it "finds the shares of three functions in one thread, and all of its time"
profile single 4
split 100
near "seconds" "$total" "$(worked)" 0.2
it "labels the samples with what the host says of its threads"
go tool pprof -tags cpu.pb.gz 2>/dev/null | grep -q 'acme' || fail "no label"
it "finds the shares of three threads that do not work all of the time"
profile threads 4
split 100
it "finds the shares in threads that live for 20 ms, and most of their time"
profile short 8
split 100
near "seconds" "$total" "$(worked)" "$(awk "BEGIN { print $(worked) * 0.08 }")"
it "names a thread that blocks the signal, with its time"
profile blocked 4
split 50
near "the deaf thread" "$(awk '/takes no signals/ { sub("%", "", $2); print $2; exit }' top)" 50 5
grep -q '1 threads block the signal' comments || fail "$(cat comments)"
it "charges the kernel's time to the stack that called it"
profile calls 2
near read_zeros "$(share read_zeros)" 100 3
