#!/bin/bash
# Only a core file is left: gumshoe recover makes an incident of it, with every thread's stack, the heap as it was, and what grew.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
corpse=$build/hosts/corpse
# A rules file for each host: what one of them is told to change, another would take late, for a change of its own.
for host in abort segv wait; do rules $host '{ "version": 1, "interval": "100ms", "heap": { "sample": "16KiB", "baseline": "1h" }, "budget": "100%", "rules": [
  { "name": "never", "metric": "heap_in_use", "above": "1TiB" } ] }' > /dev/null; done

# recovered CORE: the folder that the command made of it.
recovered() { "$gumshoe" recover --dir recovered "$1" > said || fail "recover: status $?"; tail -n 1 said; }
field() { jq -r "$2" "$1/incident.json"; }
# as_it_was DIR: heap, growth and threads are those of corpse.c.
as_it_was() {
    equal "$(field "$1" .complete)" true "complete"
    equal "$(field "$1" .rule)" previous-run-died "rule"
    equal "$(basename "$(field "$1" .exe)")" corpse "exe"
    [ -n "$(field "$1" .build_id)" ] || fail "no build id"
    local bytes; bytes=$(heap_bytes "$1")
    # 800 blocks, 98 % of which are sampled: a standard error of 0.5 %
    [ "$bytes" -gt $((48 << 20)) ] && [ "$bytes" -lt $((53 << 20)) ] || fail "heap: $bytes of 52428800 bytes"
    go tool pprof -top -base "$1/heap.base.pb.gz" "$1/heap.pb.gz" 2>/dev/null | grep -q ' grow_cache$' || fail "grow_cache did not grow"
    equal "$(go tool pprof -top -unit=B -base "$1/heap.base.pb.gz" "$1/heap.pb.gz" 2>/dev/null | awk '$6 == "grow_cache" { print ($1 + 0 > 38e6 && $1 + 0 < 45e6) }')" 1 "growth"
    grep -q ' await_work' "$1/threads.txt" || fail "no await_work in threads.txt"
    grep -q ' take_order' "$1/threads.txt" || fail "no take_order in threads.txt"
    go tool pprof -top "$1/threads.pb.gz" > /dev/null 2>&1 || fail "pprof does not read threads.pb.gz"
}

# All that take their time begin together. dies HOW: a host with an agent that ends in a core file, in a directory of its own.
dies() { mkdir "$1" && cd "$1" && ulimit -c unlimited && GUMSHOE_DIR=$tmp/d GUMSHOE_RULES=$tmp/$1.json LD_PRELOAD=$build/libgumshoe.so exec "$corpse" "$1" > out 2>&1; }
mkfifo input
(dies abort) < input & abort=$!
(dies segv) < input & segv=$!
GUMSHOE_DIR=$tmp/d GUMSHOE_RULES=$tmp/wait.json LD_PRELOAD=$build/libgumshoe.so "$corpse" wait < input > out & watched=$!
"$corpse" wait < input > out2 & bare=$!
cp "$corpse" elsewhere; cp "$corpse" moved; ./moved wait < input > out3 & moved=$!
started="$abort $segv $watched $bare $moved"
declare -A running
declare -A link=([lld]=-fuse-ld=lld [mold]=-fuse-ld=mold [gold]=-fuse-ld=gold [static-pie]=-static-pie)
for linker in "${!link[@]}"; do
    gcc -O2 -fno-builtin -pthread "${link[$linker]}" "$source_dir/tests/host/corpse.c" -o corpse.$linker
    ./corpse.$linker wait < input > out.$linker & running[$linker]=$!
    started="$started $!"
done
exec 3> input
for out in abort/out segv/out out out2 out3 out.*; do wait_until grep -q calm $out; done
take_baseline $abort abort.json; take_baseline $segv segv.json; take_baseline $watched wait.json
printf '\n\n\n\n\n\n\n\n\n' >&3 # one for each

it "makes one of a debugger's core file, of a process that continues; the culprit is what grew"
wait_until grep -q ready out
gcore -o gcore "$watched" > /dev/null 2>&1 || fail "gcore"
dir=$(recovered gcore.$watched)
as_it_was "$dir"
equal "$(field "$dir" .culprit.function)" grow_cache "culprit"
equal "$(field "$dir" .culprit.kind)" growth "kind"

wait $abort $segv 2>/dev/null || true
for end in abort segv; do
    core=$(find $end -name 'core*' | head -n 1)
    [ -n "$core" ] || { echo "  (no core file here: core_pattern is $(cat /proc/sys/kernel/core_pattern))"; break; }
    it "makes an incident of a kernel's core file: $end"
    rm -rf recovered; dir=$(recovered "$core")
    as_it_was "$dir"
    equal "$(field "$dir" .died.signal)" "$([ $end = abort ] && echo 6 || echo 11)" "signal"
    equal "$(field "$dir" .culprit.function)" take_order "culprit"
    equal "$(field "$dir" .culprit.kind)" crash "kind"
    ! grep -q 'gumshoe\| gs_' "$dir/threads.txt" || fail "threads of ours: $(cat "$dir/threads.txt")"
done

it "has the threads of a process without an agent, and says what is missing"
wait_until grep -q ready out2
gcore -o bare "$bare" > /dev/null 2>&1 || fail "gcore"
rm -rf recovered; dir=$(recovered bare.$bare)
grep -q ' take_order' "$dir/threads.txt" || fail "no take_order"
[ ! -e "$dir/heap.pb.gz" ] || fail "a heap out of nothing"
field "$dir" '.notes[]' | grep -q 'no heap profile: the process had no agent' || fail "nothing is said of the heap"

it "takes the program from another path, but not one that was rebuilt"
wait_until grep -q ready out3
gcore -o moved "$moved" > /dev/null 2>&1 || fail "gcore"
rm -rf recovered moved; dir=$(recovered moved.$moved)
if grep -q ' take_order' "$dir/threads.txt"; then fail "names out of a file that is gone"; fi
rm -rf recovered; "$gumshoe" recover --dir recovered --exe elsewhere "moved.$moved" > said || fail "with --exe"
grep -q ' take_order' "$(tail -n 1 said)/threads.txt" || fail "--exe was of no use"
cp /bin/true moved; rm -rf recovered; dir=$(recovered moved.$moved)
field "$dir" '.notes[]' | grep -q 'rebuilt since it was mapped' || fail "nothing is said of the rebuilt file"

it "walks stacks of a program whose segments share pages of its file, as lld, mold and gold lay them out, and of a static one"
for linker in "${!link[@]}"; do
    of=${running[$linker]}
    wait_until grep -q ready out.$linker
    gcore -o $linker $of > /dev/null 2>&1 || fail "gcore"
    rm -rf recovered; dir=$(recovered $linker.$of)
    for function in take_order main _start await_work; do grep -q " $function$" "$dir/threads.txt" || fail "$linker: no $function: $(cat "$dir/threads.txt")"; done
done

it "says so if a file is no core file, is truncated, or is missing"
status_of() { "$@" > out 2> err && echo 0 || echo $?; }
equal "$(status_of "$gumshoe" recover --dir x /no/such/core)" 3
for size in 0 16 64 4096 65536 1048576; do
    head -c $size bare.$bare > cut
    status=$(status_of "$gumshoe" recover --dir x cut)
    [ "$status" -le 3 ] || fail "status $status of a core file cut after $size bytes: $(cat err)"
    [ "$status" = 0 ] || grep -q '^gumshoe: cut: ' err || fail "no word about a core file cut after $size bytes"
done
