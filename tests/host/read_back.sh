#!/bin/bash
# An incident is described again from its profiles and its incident.json, without new names: the same culprit, and the same summary
# as its agent wrote, byte by byte, but for what is in no profile (the account of memory, notes). So `gumshoe symbolize` changes
# names, and nothing else.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
gcc -O2 -pthread -o shop "$source_dir/tests/host/ways/shop.c"
mkfifo input

# shop RULES: run the shop under the rules until it is ready; its input is descriptor 3; $pid is its process.
shop() {
    : > out
    rm -f out; "$gumshoe" run --rules "$1" --dir d -- ./shop < input > out & host=$!; started="$started $host"
    exec 3> input
    wait_until grep -q ready out
    wait_until has_watch d
    pid=$(watched_in d)
}
# is_the_same INCIDENT BLOCKS: at least so many blocks were compared, and all are the same.
is_the_same() {
    "$build/hosts/read_back" "$1" > said || fail "$(cat said)
$(cat "$1/summary.txt" "$1/incident.json")"
    local blocks; blocks=$(sed -n 's/^\([0-9]*\) of .* blocks are the same/\1/p' said)
    [ "$blocks" -ge "$2" ] || fail "only $blocks blocks in $(cat "$1/summary.txt")"
}

it "says the same of a heap, of threads and their creators, of CPU time, and of all of them"
rules=$(rules heap '{"version": 1, "interval": "50ms", "symbolize": "off", "labels": {"service": "shop"}, "heap": {"sample": "16KiB", "baseline": "1h"},
    "incidents": {"keep": 0, "max_per_hour": 0}, "rules": [
    {"name": "leak", "metric": "heap_in_use", "above": "40MiB", "capture": ["heap", "threads"], "why": "a \"test\""},
    {"name": "fds", "metric": "fds", "above": 100000, "capture": ["threads"]}]}')
shop "$rules"
echo 8 >&3; wait_until grep -q 'done 8' out
echo burn >&3; wait_until grep -q 'done burn' out
for kinds in heap threads cpu threadcreate heap,threads,cpu,threadcreate; do
    is_the_same "$("$gumshoe" capture --kinds $kinds --seconds 1 "$pid")" 3
done
it "says the same of growth since a baseline"
take_baseline "$pid" "$rules"
echo 60 >&3; wait_until grep -q 'done 60' out
fired() { ls -d d/2*-"$1"-*; }
wait_until fired leak
leak=$(fired leak)
[ -e "$leak/heap.base.pb.gz" ] || fail "no baseline"
is_the_same "$leak" 5
it "says the same of a rule on descriptors"
change_rules "$pid" "$rules" '.rules[1].above = 1'
wait_until fired fds
is_the_same "$(fired fds)" 3
it "says the same of a process that died"
box=$(ls d/.live/*.box); wait_for_ticks "$box" 2
kill -9 "$pid"; wait $host || true; exec 3>&-
wait_until fired previous-run-died
is_the_same "$(fired previous-run-died)" 3
it "says the same of a crash, and of a stack overflow"
crash=$(rules crash '{"version": 1, "symbolize": "off", "crash": "on", "rules": []}')
for kind in null overflow; do
    rm -rf crashed
    "$gumshoe" run --rules "$crash" --dir crashed -- "$build/hosts/crash" $kind > /dev/null 2>&1 || true
    grep -q '^Culprit: .*\(crashed here\|overflowed the stack\)' crashed/2*/summary.txt || fail "$(cat crashed/2*/summary.txt)"
    is_the_same "$(echo crashed/2*)" 3
done
it "says the same of a deadlock"
rules=$(rules lock '{"version": 1, "interval": "50ms", "symbolize": "off", "rules": [
    {"name": "many", "metric": "threads", "above": 1000, "capture": ["threads"]}]}')
mv "$leak" leak
rm -rf d
rm -f out; "$gumshoe" run --rules "$rules" --dir d -- "$build/hosts/deadlock" mutexes < input > out & host=$!; started="$started $host"
exec 3> input
wait_until has_watch d
pid=$(watched_in d)
wait_until grep -q ready out
wait_until all_sleep "$pid"
change_rules "$pid" "$rules" '.rules[0].above = 5'
wait_until fired many
jq -e .deadlock "$(fired many)/incident.json" > /dev/null || fail "no deadlock: $(cat "$(fired many)/summary.txt")"
is_the_same "$(fired many)" 4
it "notices a culprit and a heap that differ from those of the profiles"
cp -r leak changed
sed -i 's/cache_insert/cache_delete/' changed/summary.txt
sed -i 's/"function": "cache_insert"/"function": "cache_delete"/' changed/incident.json
! "$build/hosts/read_back" changed > said || fail "$(cat said)"
grep -q 'not in summary.txt' said && grep -q 'the culprit: stored' said || fail "$(cat said)"
