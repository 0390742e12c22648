#!/bin/bash
# Threads wait: the incident says for what, by its name, and which thread holds it.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
rules=$(rules never '{"version": 1, "interval": "50ms", "incidents": {"keep": 0, "max_per_hour": 0}, "rules": [
    {"name": "never", "metric": "threads", "above": 1000, "capture": ["threads"]}]}')

# wait_like MODE: $dir is an incident of the host while all its threads wait.
wait_like() {
    rm -rf incidents out; mkfifo input
    "$gumshoe" run --rules "$rules" --dir incidents -- "$build/hosts/waits" "$1" < input > out &
    host=$!; started="$started $host"
    exec 3> input; rm input
    wait_until has_watch incidents
    pid=$(watched_in incidents)
    wait_until grep -q ready out
    wait_until all_sleep "$pid"
    dir=$("$gumshoe" capture --kinds threads "$pid")
    kill -KILL "$pid"
    wait $host || true
    exec 3>&-
    shown="$(cat "$dir/threads.txt" "$dir/summary.txt"; jq .waits "$dir/incident.json")"
}
# largest EXPRESSION: of the wait with the most threads.
largest() { jq -r ".waits[0] | $1" "$dir/incident.json"; }
# summary PATTERN: a line of the summary has it.
summary() { grep -qE -- "$1" "$dir/summary.txt" || fail "no '$1' in $shown"; }

it "makes one line of all threads that wait for a lock, with its name, its holder, and what the holder does"
wait_like mutex
flusher=$(largest .held_by.tid)
summary "^ +12 85\.7 %  wait for cache_lock \(mutex 0x[0-9a-f]+\), held by flusher/$flusher in .*read ← sleep_until_input_ends ← flush_segment ← flusher$"
summary '^Culprit: sleep_until_input_ends in waits: 12 threads wait, 85.7 % of all, for cache_lock \(mutex 0x[0-9a-f]+\), held by flusher/'
summary '^ +8 57\.1 %  lock ← cache_get ← worker'
grep -qE '^12 threads wait for cache_lock .*, held by flusher/[0-9]+ in .*read ← .* ← flush_segment ← flusher ← ' "$dir/threads.txt" || fail "$shown"
equal "$(largest '[.what, .name, .threads, .held_by.name, .held_by.exists, .held_by.function] | join(" ")')" "mutex cache_lock 12 flusher true sleep_until_input_ends" "the wait"
equal "$(largest '.held_by.stack | index("flush_segment") > 0')" true "flush_segment in the holder's stack"
equal "$(jq -r '[.culprit.kind, .culprit.count] | join(" ")' "$dir/incident.json")" "lock 12" "the culprit"
equal "$(jq -r '.nobody_runs' "$dir/incident.json")" false "nobody runs"
equal "$(jq -r '[.waits[] | select(.what == "call") | .name] | join(" ")' "$dir/incident.json")" read "the system calls"

it "names a lock inside a variable, one on the heap by its address, one with priority inheritance"
wait_like member
equal "$(largest '[.what, .name, .held_by.name] | join(" ")')" "mutex index_of_cache+0x40 flusher" "the wait"
wait_like heap
equal "$(largest '[.what, .name, .held_by.name, (.address | startswith("0x"))] | join(" ")')" "mutex  flusher true" "the wait"
summary '^ +12 85\.7 %  wait for mutex 0x[0-9a-f]+, held by flusher/'
wait_like priority
equal "$(largest '[.what, .name, .held_by.name] | join(" ")')" "mutex priority_lock flusher" "the wait"

it "says that a lock's holder is gone"
wait_like gone
summary '^ +12 92\.3 %  wait for cache_lock \(mutex 0x[0-9a-f]+\), held by thread [0-9]+, which no longer exists in this process$'
equal "$(largest '[.held_by.exists, .held_by.function] | join(" ")')" "false " "the holder"
equal "$(jq -r .culprit.kind "$dir/incident.json")" threads "the culprit's kind"

it "makes one line of readers and writers of a rwlock, and names the writer that holds it"
wait_like rwlock
equal "$(largest '[.what, .name, .threads, .held_by.name] | join(" ")')" "rwlock table_lock 12 flusher" "the wait"
it "counts the readers that hold a rwlock: glibc does not record their threads"
wait_like readers
equal "$(largest '[.what, .name, .threads, .held_by, .readers] | join(" ")')" "rwlock table_lock 12  3" "the wait"
summary 'wait for table_lock \(rwlock 0x[0-9a-f]+\), held by 3 readers$'

it "tells condition variables, semaphores and barriers apart from locks"
wait_like condition
equal "$(largest '[.what, .name, .threads, .held_by] | join(" ")')" "condition queue_ready 12 " "the wait"
equal "$(jq -r .nobody_runs "$dir/incident.json")" false "nobody runs: flusher reads"
wait_like semaphore
equal "$(largest '[.name, .threads, .held_by] | join(" ")')" "slots 12 " "the wait"
largest .what | grep -qxE 'semaphore|futex' || fail "$shown" # a stripped C library has no name for the slow part of sem_wait
wait_like barrier
equal "$(largest '[.what, .name, .threads, .held_by] | join(" ")')" "barrier round_end 12 " "the wait"

it "names no holder of a lock of the program's own, although it looks like a mutex that main holds"
wait_like own
equal "$(largest '[.what, .name, .threads, .held_by] | join(" ")')" "futex own_lock 12 " "the wait"
if grep -qE 'held by|DEADLOCK' "$dir/threads.txt"; then fail "$shown"; fi
go tool pprof -tags "$dir/threads.pb.gz" > tags 2> err || { cat err; fail "pprof"; }
grep -q ' waits_for: Total 1\.0$' tags || fail "not only main waits for a thread: $(cat tags)"

it "says that no thread is left to wake them, only if that is certain"
wait_like nobody
summary 'No thread is left to wake them: every thread waits for another one, without a timeout$'
equal "$(jq -r .nobody_runs "$dir/incident.json")" true "nobody runs"
wait_like timed
equal "$(jq -r .nobody_runs "$dir/incident.json")" false "nobody runs, but one waits with a timeout"

# without_agent MODE: the host alone, until all its threads wait; $pid.
without_agent() {
    rm -rf incidents out; mkfifo input
    "$build/hosts/waits" "$1" < input > out & pid=$!; started="$started $pid"
    exec 3> input; rm input
    wait_until grep -q ready out
    wait_until all_sleep "$pid"
}
# show DIR: it is $dir, and the host ends.
show() {
    dir=$1
    shown="$(cat "$dir/threads.txt" "$dir/summary.txt"; jq .waits "$dir/incident.json")"
    { kill -KILL "$pid"; wait "$pid"; } 2> /dev/null || true
    exec 3>&-
}
it "reads the locks of a process without an agent, while it is stopped"
without_agent mutex
show "$("$gumshoe" capture --dir incidents "$pid")"
summary '^ +12 85\.7 %  wait for cache_lock \(mutex 0x[0-9a-f]+\), held by flusher/[0-9]+ in .*read ← .* ← flush_segment ← flusher$'
[ "$(uname -m)" = x86_64 ] || exit 0 # elsewhere a core file does not say what a thread waits for
it "reads the locks in a core file"
for mode in mutex rwlock nobody gone; do
    without_agent $mode
    gcore -o core "$pid" > /dev/null 2>&1 || fail "gcore"
    show "$("$gumshoe" recover --dir incidents "core.$pid" | tail -n 1)"
    case $mode in
        mutex)  summary '^ +12 85\.7 %  wait for cache_lock \(mutex 0x[0-9a-f]+\), held by thread [0-9]+ in .*read ← .* ← flush_segment ← flusher$' ;;
        rwlock) equal "$(largest '[.what, .name, .threads, .held_by.function] | join(" ")')" "rwlock table_lock 12 sleep_until_input_ends" "the wait" ;;
        nobody) equal "$(jq -r .nobody_runs "$dir/incident.json")" true "nobody runs" ;;
        gone)   equal "$(largest '[.name, .held_by.exists] | join(" ")')" "cache_lock false" "the wait" ;;
    esac
done
