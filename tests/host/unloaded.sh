#!/bin/bash
# Stacks keep the name of a library after dlclose, also if another library is loaded at its address.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
mkdir -m 700 incidents
export GUMSHOE_DIR=$tmp/incidents
export GUMSHOE_RULES; GUMSHOE_RULES=$(rules never '{ "version": 1, "budget": "100%", "incidents": { "keep": 0, "max_per_hour": 0 },
    "rules": [ { "name": "never", "every": "24h" } ] }')
cat > plugin.c <<'C'
#include <stdlib.h>
#define NAME_(what, letter) what##_in_##letter
#define NAME(what, letter) NAME_(what, letter)
#define TEXT_(letter) #letter
#define TEXT(letter) TEXT_(letter)
const char plugin[] = TEXT(LETTER); /* else the build ids are equal: ld does not count the names of local functions */
static __attribute__((noinline)) void *NAME(leak, LETTER)(size_t size)
{ void *block = malloc(size); __asm__ volatile("" : "+r"(block)); return block; }
static __attribute__((noinline)) void NAME(spin, LETTER)(long times) { for (volatile long i = 0; i < times; i++) ; }
void *run(size_t size) { void *block = NAME(leak, LETTER)(size); __asm__ volatile("" : "+r"(block)); return block; }
void spin(long times) { NAME(spin, LETTER)(times); __asm__ volatile(""); }
C
for letter in a b c; do # one source: the same addresses in the file, and so the same frames where they are loaded at the same place
    gcc -O1 -shared -fPIC -DLETTER=$letter plugin.c -o $letter.so
done
gcc -O1 -shared -fPIC -DLETTER=secret plugin.c -Wl,--build-id=none -o nameless.so

# run STEPS...: starts the program and waits until it is done; its pid is in $pid.
run() {
    rm -f out
    LD_PRELOAD=$build/libgumshoe.so "$build/hosts/unloads" "$@" wait > out &
    pid=$!; started="$started $pid"
    wait_until grep -q done out
    wait_until status_of_watch "$pid" true
}
# holds DIR NAME MIB...: the profile in DIR has NAME with so many MiB (at a sample in 512 KiB: within six standard errors), by our top.
holds() {
    local dir=$1; shift
    "$gumshoe" top --sample inuse_space -n 100 --json "$dir/heap.pb.gz" > top.json
    while [ $# -gt 0 ]; do
        jq -e --arg name "$1" --argjson mib "$2" '[.rows[] | select(.function == $name) | .flat][0] // 0
            | . / 1048576 - $mib * 0.95367 | fabs < 6 * (($mib * 0.5) | sqrt) + 0.1' top.json > /dev/null ||
            fail "$1 does not hold $2 MiB: $(jq -c '[.rows[] | [.function, .flat]]' top.json)"
        shift 2
    done
}
same_place() { [ "$(awk '/\.so/ { print $2 }' out | sort -u | wc -l)" = 1 ] || echo "  (the libraries are not at one address: $(tr '\n' ' ' < out))"; }
stop() { kill -9 "$pid"; wait "$pid" 2> /dev/null || true; }

it "names each of the libraries that were loaded at one address in turn"
run ./a.so=100 ./b.so=50 +./c.so=200
same_place
dir=$("$gumshoe" capture --kinds heap "$pid"); holds "$dir" leak_in_a 100 leak_in_b 50 leak_in_c 200
grep -q leak_in_c "$dir/summary.txt" || fail "the summary: $(cat "$dir/summary.txt")"
go tool pprof -top -sample_index=inuse_space "$dir/heap.pb.gz" > top 2> /dev/null
for letter in a b c; do grep -q "leak_in_$letter\$" top || fail "pprof's top: $(cat top)"; done
go tool pprof -raw "$dir/heap.pb.gz" 2> /dev/null | grep -qE "/a\.so [0-9a-f]{40}" || fail "the unloaded library is not among the mappings"

it "shows FILE+0xADDRESS (unloaded) if the file with the names is gone"
mv a.so hidden
dir=$("$gumshoe" capture --kinds heap "$pid"); holds "$dir" leak_in_b 50 leak_in_c 200
jq -r '.rows[].function' top.json | grep -qE '^a\.so\+0x[0-9a-f]+ \(unloaded\)$' || fail "$(cat top.json)"
cp b.so a.so # another build in its place
dir=$("$gumshoe" capture --kinds heap "$pid"); holds "$dir" leak_in_b 50 leak_in_c 200
jq -r '.rows[].function' top.json | grep -qE '^a\.so\+0x[0-9a-f]+ \(unloaded\)$' || fail "$(cat top.json)"
rm a.so; mv hidden a.so

it "does so in a core file"
gcore -o core "$pid" > /dev/null 2>&1 || fail "gcore"
"$gumshoe" recover --dir "$tmp/core-incidents" core.$pid > /dev/null
holds "$(incident "$tmp/core-incidents")" leak_in_a 100 leak_in_b 50 leak_in_c 200

it "does so in the incident of its death"
box=$(ls "$GUMSHOE_DIR"/.live/*.box); wait_for_ticks "$box" 2; stop
"$gumshoe" recover --dir "$tmp/recovered" "$box" > /dev/null
holds "$(incident "$tmp/recovered")" leak_in_a 100 leak_in_b 50 leak_in_c 200

it "does so if nothing is mapped at the address any more"
run ./a.so=100
dir=$("$gumshoe" capture --kinds heap "$pid"); holds "$dir" leak_in_a 100
stop

it "does not use the file of an unloaded library that has no build id"
run ./nameless.so=100 +./b.so=50
dir=$("$gumshoe" capture --kinds heap "$pid"); holds "$dir" leak_in_b 50
jq -r '.rows[].function' top.json | grep -qE '^nameless\.so\+0x[0-9a-f]+ \(unloaded\)$' || fail "$(cat top.json)"
stop

it "keeps one stack for a library that is loaded and unloaded for ever"
run './a.so*3000' './b.so*3000' './a.so*3000' ./a.so=50 ./b.so=50
dir=$("$gumshoe" capture --kinds heap "$pid"); holds "$dir" leak_in_a 50 leak_in_b 50
stacks=$(go tool pprof -raw -sample_index=inuse_space "$dir/heap.pb.gz" 2> /dev/null | grep -cE '^ +[0-9]+ +[0-9]+ +[0-9]+ +[0-9]+ +[0-9]+: ')
[ "$stacks" -lt 60 ] || fail "$stacks stacks"
stop

it "names what used CPU time in libraries that are unloaded before the capture ends"
run ever ./a.so~ ./b.so~
names_both() { # which of them is loaded at the end is up to chance
    dir=$("$gumshoe" capture --kinds cpu --seconds 2 "$pid")
    go tool pprof -top "$dir/cpu.pb.gz" > top 2> /dev/null
    [ "$(grep -cE ' spin_in_[ab]$' top)" = 2 ]
}
wait_until names_both
! grep -E '^ .*(<unknown>|0x[0-9a-f]{8,})' top || fail "pprof's top: $(cat top)"
stop
