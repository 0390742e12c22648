#!/bin/bash
# Repeats of one cause have one fingerprint, whatever the addresses of the run, of the build, and of the libraries.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
cat > leak.c <<'C'
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef REBUILT
__attribute__((used, noinline)) int added(int x) { volatile int y[40]; for (int i = 0; i < 40; i++) y[i] = x * i; return y[x % 40]; }
#endif
__attribute__((noinline)) void *cache_put(size_t size) { char *block = malloc(size); memset(block, 1, size); return block; }
#ifdef OTHER_PATH
__attribute__((noinline)) void import(void) { for (int i = 0; i < 300; i++) cache_put(200000); __asm__(""); }
#define serve import
#else
__attribute__((noinline)) void serve(void) { for (int i = 0; i < 300; i++) cache_put(200000); __asm__(""); }
#endif
int main(void) { char byte; serve(); return read(0, &byte, 1) < 0; }
C
gcc -O1 leak.c -o leak; cp leak leak.full; gcc -O1 -DREBUILT leak.c -o leak.new; gcc -O1 -DREBUILT -DOTHER_PATH leak.c -o leak.other; strip -o leak.stripped leak
high=$(rules high '{ "version": 1, "rules": [ { "name": "high", "metric": "heap_in_use", "above": "20MiB", "cooldown": "1h", "capture": ["heap"] } ] }')
mkfifo input
# fingerprint DIR PROGRAM: of the one incident that PROGRAM makes in a directory of its own; all of them in DIR.
fingerprint() {
    rm -rf one; "$gumshoe" run --rules "$high" --dir one -- "./$2" < input & local host=$!
    exec 3> input
    wait_until has_incident one
    exec 3>&-
    wait $host || fail "$2 failed"
    jq -r '.fingerprint' "$(incident one)/incident.json"
    mkdir -p "$1"; mv one/2* "$1"
}

it "is the same in each run, wherever the program is mapped, and in each build that has the functions"
first=$(fingerprint all leak)
[[ $first =~ ^[0-9a-f]{16}$ ]] || fail "fingerprint: $first"
mapped() { awk '/\/leak/ { print $1; exit }' "$1/maps.txt"; }
equal "$(fingerprint all leak)" "$first" "the second run"
[ "$(for dir in all/2*; do mapped "$dir"; done | sort -u | wc -l)" = 2 ] || fail "the program lay at one place both times"
mv leak.new leak; equal "$(fingerprint all leak)" "$first" "a new build"
it "is shown as one cause by gumshoe ls"
"$gumshoe" ls all > out
equal "$(wc -l < out)" 4 "lines: $(cat out)"
sed -n 2p out | grep -q 'high .* cache_put' && sed -n 3p out | grep -q '; 3 times since .*; builds .*, ' || fail "$(cat out)"
it "differs for another path"
[ "$(fingerprint all leak.other)" != "$first" ] || fail "the same"
equal "$("$gumshoe" ls all | wc -l)" 7 "lines"
it "is the same in each run of a program without symbols"
bare=$(fingerprint bare leak.stripped); equal "$(fingerprint bare leak.stripped)" "$bare" "stripped"
equal "$("$gumshoe" ls bare | grep -c '2 times since')" 1 "lines"
it "is of addresses that addr2line finds in the file with symbols: in the index, the summary, top and pprof"
function=$(jq -r .culprit.function "$(incident bare)/incident.json")
[[ $function =~ ^leak\.stripped\+0x[0-9a-f]+$ ]] || fail "culprit: $function"
equal "$(addr2line -f -e leak.full "${function#*+}" | head -n 1)" cache_put "addr2line of $function"
jq -r '.culprit.stack[]' "$(incident bare)/incident.json" | sed -n 's/^leak\.stripped+//p' | xargs addr2line -f -e leak.full | grep -v : | tr '\n' ' ' > stack
equal "$(cat stack)" "cache_put serve main _start " "the stack"
grep -qF "Culprit: $function in leak.stripped: holds " "$(incident bare)/summary.txt" || fail "$(cat "$(incident bare)/summary.txt")"
"$gumshoe" top "$(incident bare)" > out; equal "$(awk '$1 + 0 { print $NF; exit }' out)" "$function" "top: $(cat out)"
go tool pprof -top "$(incident bare)/heap.pb.gz" 2> /dev/null > out; equal "$(awk '$1 + 0 { print $NF; exit }' out)" "$function" "pprof: $(cat out)"
it "differs for another path through a program without symbols"
strip -o leak.stripped leak.other; [ "$(fingerprint bare leak.stripped)" != "$bare" ] || fail "two causes are one"
