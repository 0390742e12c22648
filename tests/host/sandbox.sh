#!/bin/bash
# Programs that lock themselves into a sandbox which kills for each call that is not their own: under watch, with captures of heap,
# threads and CPU time going on, they work on and end as without it.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
gcc -O1 -w "$source_dir/tests/host/ways/sandbox.c" -o sandbox -lz -pthread
ticking='"interval": "50ms", "crash": "on", "heap": { "sample": "16KiB" }, "cpu": { "before": "2s", "duration": "100ms" }, "incidents": { "max_per_hour": 0, "keep": 0 },
    "rules": [ { "name": "tick", "metric": "heap_in_use", "above": "1KiB", "again": "always", "cooldown": "100ms", "capture": ["heap", "threads", "cpu"] } ]'
one=$(rules one "{ \"version\": 1, $ticking }")
all=$(rules all "{ \"version\": 1, \"children\": \"all\", $ticking }")

outcome() { local status=0; { within_patience "$@"; } 2> /dev/null || status=$?; echo "status $status"; }
# The complete incidents: the process may end during a capture.
captures() { grep -l '"complete": true' d/2*-tick-*/incident.json | xargs -r -n 1 dirname; }
has_captures() { [ "$(captures | wc -l)" -ge 2 ]; }
newest() { captures | sort | tail -n 1; }
# as_without RULES CONDITION HOW WHAT: the sandboxed program, until CONDITION holds, and out of watch: the same words and status.
as_without() {
    local rules=$1 condition=$2; shift 2
    rm -rf d log enough
    outcome "$gumshoe" run --rules "$rules" --dir d -- ./sandbox "$@" > got & local host=$!; started="$started $host"
    wait_until $condition
    touch enough
    wait $host
    mkdir -p apart; touch apart/enough
    (cd apart && outcome ../sandbox "$@" > ../wanted)
    diff wanted got || fail "sandbox $*"
}
no_death() { # the next start finds none
    "$gumshoe" run --rules "$one" --dir d -- /bin/true
    ! ls -d d/2*-previous-run-died-* 2> /dev/null || fail "an end in a sandbox was taken for a death: $*"
}

it "lives on under a filter on the calling thread, set by prctl or by syscall, or on all threads, and without the time stamp counter"
while read -r how what; do
    as_without "$all" has_captures $how $what
    equal "$(tail -n 1 got)" "status 7" "$how $what"
    no_death $how $what
done <<< "prctl heap
prctl threads
prctl mask
seccomp heap
tsync threads
tsync mask
tsc heap
tsc threads"

it "has its stacks in the heap profile, and says why there are no others"
as_without "$all" has_captures prctl heap
go tool pprof -sample_index=alloc_space -top -cum "$(newest)/heap.pb.gz" 2> /dev/null > top
for function in descend do_a_piece main; do grep -q " $function$" top || fail "no $function: $(cat top)"; done
grep -q "compress" top || fail "nothing of the library that was first used in the sandbox: $(cat top)"
jq -r '.notes[]' "$(newest)/incident.json" | grep -q "1 thread blocks the sampling signal, has a small stack or is in a sandbox" ||
    fail "the notes: $(cat "$(newest)/incident.json")"

it "lives on in strict mode, and dies there as it would"
has_begun() { grep -q "info: watching:" log; }
as_without "$all" has_begun strict heap
equal "$(tail -n 1 got)" "status 7" "strict"
no_death strict
as_without "$all" has_begun strict breach
equal "$(tail -n 1 got)" "status 137" "a breach in strict mode"
as_without "$all" has_captures prctl breach
equal "$(tail -n 1 got)" "status 159" "a breach of a filter"

it "dies by its own crash, with the same signal"
as_without "$one" has_captures prctl crash
equal "$(tail -n 1 got)" "status 139" "a crash"

it "has children that live on, and execs"
watched_long_enough() { has_begun && sleep 1; }
for how in prctl tsync tsc; do
    as_without "$all" watched_long_enough $how fork
    equal "$(tail -n 1 got)" "status 7" "$how fork"
    no_death $how fork
done
as_without "$one" has_captures tsync exec
equal "$(tail -n 1 got)" "status 0" "exec"

it "passes other calls of syscall on, and a sandbox that the kernel refuses"
gcc -O1 -w "$source_dir/tests/host/ways/syscalls.c" -o syscalls
rm -rf d log
./syscalls > wanted
"$gumshoe" run --rules "$one" --dir d -- ./syscalls > got
diff wanted got || fail "syscall"
