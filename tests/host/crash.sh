#!/bin/bash
# Crashes, with "crash": "on": the verdict names the function, the signal and its cause; the program dies as it does without us.
# With "crash": "off" there is no difference at all.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
crash=$build/hosts/crash
text() { printf '{"version": 1, "interval": "1s", "crash": "%s", "rules": [{"name": "never", "metric": "heap_in_use", "above": "1TiB"}]}' "$1"; }
on=$(rules on "$(text on)")
off=$(rules off "$(text off)")
mkfifo input
ulimit -c unlimited
has_box() { ls "$1"/.live/*.box; }

# ends_plain NAME HOW: the program without us, in a directory of its own; its status.
ends_plain() {
    mkdir -p "$1"; status=0
    { (cd "$1" && exec "$crash" "$2" < /dev/null > out 2> err) || status=$?; } 2> /dev/null # bash's "core dumped"
}
# ends_watched NAME HOW: under gumshoe run, when the box is there.
ends_watched() {
    mkdir -p "$1"; status=0
    (cd "$1" && exec "$gumshoe" run --rules "${rules:-$on}" --dir d -- "$crash" "$2" < "$tmp/input" > out 2> err) & local running=$!; started="$started $running"
    exec 3> input
    wait_until has_box "$1/d"
    exec 3>&-
    wait $running || status=$?
}
field() { jq -r "$2" "$(incident "$1/d")/incident.json"; }
# verdict NAME: how it died, without an address that differs from run to run.
verdict() { field "$1" .died.how | sed 's/0x7[0-9a-f]\{11\}/SOMEWHERE/'; }
both_end() { # HOW STATUS
    ends_plain "plain-$1" "$1"; equal $status "$2" "$1: status without us"
    ends_watched "$1" "$1"; equal $status "$2" "$1: status"
    diff "plain-$1/out" "$1/out" || fail "$1: another output"
}
frames() { gdb -batch -ex "${3:-bt 12}" "$crash" "$1"/core* 2> /dev/null | grep "^${2:-#}" | sed 's/ *(.*//; s/0x[0-9a-f]* in //'; }

while IFS='|' read -r how wanted signal verdict cause; do
    it "says of $how: $verdict"
    both_end "$how" "$wanted"
    equal "$(verdict "$how")" "$verdict" "verdict"
    equal "$(field "$how" .died.signal)" "$signal" "signal"
    equal "$(field "$how" .culprit.kind)" crash "kind"
    equal "$(field "$how" '.culprit.share')" null "share"
    equal "$(field "$how" .complete)" true "complete"
    grep -q "^Culprit: .*$cause" "$(incident "$how/d")/summary.txt" || fail "no '$cause' in $(cat "$(incident "$how/d")/summary.txt")"
    ! grep -q '^Threads: ' "$(incident "$how/d")/summary.txt" || fail "one thread is shown as all of them"
done <<'T'
null|139|11|crashed in `parse_header` (SIGSEGV at 0x10)|address not mapped
wild|139|11|crashed in `parse_header` (SIGSEGV, general protection fault, for example a wild pointer)|general protection fault
divide|136|8|crashed in `divide` (SIGFPE, division by zero)|division by zero
bus|135|7|crashed in `read_mapped_file` (SIGBUS at SOMEWHERE)|a mapped file is shorter
nowhere|139|11|crashed in `call_nowhere` (SIGSEGV at 0x8)|a call of an address where no code is
abort|134|6|aborted in `free_twice` (SIGABRT: free(): double free detected in tcache 2)|double free
overflow|139|11|stack overflow in `descend` (SIGSEGV at SOMEWHERE)|overflowed the stack
overflow-in-thread|139|11|stack overflow in `descend` (SIGSEGV at SOMEWHERE)|overflowed the stack
own-stack|139|11|stack overflow in `descend` (SIGSEGV at SOMEWHERE)|overflowed the stack
together|139|11|crashed in `parse_header` (SIGSEGV at 0x30)|address not mapped
in-handler|139|11|crashed in `parse_header` (SIGSEGV at 0x20)|address not mapped
T

it "has the failed assertion"
both_end assert 134
case $(verdict assert) in "aborted in \`check_order\` (SIGABRT: crash: "*"Assertion \`count == 77' failed.)") ;; *) fail "$(verdict assert)" ;; esac
it "has the whole stack, also through a signal handler; of an overflow both ends, and its depth"
equal "$(field null '.culprit.stack[0:3] | join(" ")')" "parse_header handle_request main" "stack"
field in-handler '.culprit.stack | join(" ")' | grep -q '^parse_header crash_in_handler .* raise .*main ' || fail "$(field in-handler .culprit.stack)"
[ "$(field overflow .died.frames)" -gt 10000 ] || fail "$(field overflow .died.frames) frames"
tail -n 8 "$(incident overflow/d)/threads.txt" | grep -q ' main$' || fail "no main below the overflow"
tail -n 8 "$(incident overflow-in-thread/d)/threads.txt" | grep -q ' descend_in_thread$' || fail "no thread below the overflow"

it "leaves the core file as it is without us: thread, registers, siginfo, stack"
for how in null abort assert divide nowhere wild overflow-in-thread; do
    compgen -G "plain-$how/core*" > /dev/null || { echo "    (no core file here: core_pattern is $(cat /proc/sys/kernel/core_pattern))"; break; }
    compgen -G "$how/core*" > /dev/null || fail "$how: no core file"
    diff <(frames "plain-$how") <(frames "$how") || fail "$how: another stack"
    for value in '$_siginfo.si_signo' '$_siginfo.si_code' '$rip - (long)&main'; do
        # Those are not in the program. Which instruction meets the end of a thread's stack depends on where the stack begins.
        case "$how $value" in abort*rip* | assert*rip* | nowhere*rip* | overflow*rip*) continue ;; esac
        diff <(frames "plain-$how" '\$1' "p/x $value") <(frames "$how" '\$1' "p/x $value") || fail "$how: another $value"
    done
    it "says the same of the core file: $how"
    rm -rf recovered; "$gumshoe" recover --dir recovered "$how"/core* > said || fail "recover: status $?"
    recovered=$(tail -n 1 said)
    equal "$(jq -r .died.how "$recovered/incident.json" | sed 's/0x7[0-9a-f]\{11\}/SOMEWHERE/')" "$(verdict "$how")" "verdict"
    equal "$(jq -r .culprit.function "$recovered/incident.json")" "$(field "$how" .culprit.function)" "culprit"
    equal "$(jq -r .culprit.kind "$recovered/incident.json")" crash "kind"
    equal "$(head -n 1 "$recovered/threads.txt")" "threads: $([ "$how" = overflow-in-thread ] && echo 2 || echo 1)" "the program's threads, without ours"
done

it "gives way to a handler of the program's own, which saw the default action"
both_end handled 7
equal "$(cat handled/out)" "ready
handled by the program"
it "leaves an ignored signal ignored"
trap '' ABRT
both_end ignored 0
trap - ABRT
equal "$(tail -n 1 ignored/out)" survived
it "passes a crash of a forked child on, with the status that it has without us"
both_end young-child 0
grep -q '^child: signal 11$' young-child/out || fail "$(cat young-child/out)"

it "notes the crash of a child that is watched, in a box of its own"
mkdir old-child
(cd old-child && GUMSHOE_RULES=$on GUMSHOE_DIR=$tmp/old-child/d LD_PRELOAD=$build/libgumshoe.so exec "$crash" old-child < /dev/null > out)
equal "$(head -n 2 old-child/out | tail -n 1)" "child: signal 11"
found=$(ls old-child/d/.live/*.box)
"$gumshoe" recover "$found" > said || fail "recover: status $?"
equal "$(jq -r .died.how "$(tail -n 1 said)/incident.json")" 'crashed in `parse_header` (SIGSEGV at 0x40)'

it "does not blame the code that another process's signal interrupted"
mkdir sent
(cd sent && exec "$gumshoe" run --rules "$on" --dir d -- "$crash" null < "$tmp/input" > out 2> err) & running=$!; started="$started $running"
exec 3> input
wait_until has_watch sent/d
wait_until has_box sent/d
kill -SEGV "$(watched_in sent/d)"
status=0; wait $running || status=$?
exec 3>&-
equal $status 139 "status"
equal "$(field sent .died.how)" "killed by SIGSEGV, which process $$ sent"
[ "$(field sent .culprit.kind)" != crash ] || fail "$(field sent .culprit.function) is blamed"

it "notes a crash in the middle of a capture"
mkdir busy
(cd busy && exec "$gumshoe" run --rules "$on" --dir d -- "$crash" null < "$tmp/input" > out 2> err) & running=$!; started="$started $running"
exec 3> input
wait_until has_watch busy/d
wait_until has_box busy/d
"$gumshoe" capture --kinds cpu --seconds 600 "$(watched_in busy/d)" > /dev/null 2>&1 3>&- & asking=$!; started="$started $asking"
wait_until status_of_watch "$(watched_in busy/d)" '.under_way == 1'
exec 3>&-
wait $running || true
wait $asking 2> /dev/null || true
equal "$(jq -r .died.how busy/d/2*-previous-run-died-*/incident.json)" 'crashed in `parse_header` (SIGSEGV at 0x10)'

it "follows a reload, to on and to off; a handler that the program has set meanwhile stays"
mkdir reload
cp "$off" switch.json
GUMSHOE_RULES=$tmp/switch.json GUMSHOE_DIR=$tmp/reload/d LD_PRELOAD=$build/libgumshoe.so "$crash" handled < input > reload/out & running=$!; started="$started $running"
exec 3> input
wait_until has_watch reload/d
wait_until grep -q ready reload/out
caught() { sed -n 's/^SigCgt:\t*//p' /proc/$running/status; }
before=$(caught)
change_rules $running switch.json '.crash = "on"'
equal $((0x$(caught) & ~0x$before)) $((1 << 5 | 1 << 6 | 1 << 7 | 1 << 3)) "signals that are handled by now: SIGABRT, SIGBUS, SIGFPE, SIGILL"
change_rules $running switch.json '.crash = "off"'
equal "$(caught)" "$before" "handled signals"
exec 3>&-
status=0; wait $running || status=$?
equal $status 7 "status of the program's own handler"

it "changes nothing when it is off; when it is on, nothing that the program can query"
ends_plain plain-signals signals
ends_plain plain-kernel kernel-signals
rules=$off ends_watched off-signals signals
rules=$off ends_watched off-kernel kernel-signals
ends_watched on-signals signals
ends_watched on-kernel kernel-signals
diff plain-signals/out off-signals/out || fail "off: what the program sees"
diff plain-kernel/out off-kernel/out || fail "off: what the kernel has"
diff plain-signals/out on-signals/out || fail "on: what the program sees"
! diff plain-kernel/out on-kernel/out > /dev/null || fail "on: nothing is handled"
