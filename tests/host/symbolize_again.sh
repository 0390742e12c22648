#!/bin/bash
# `gumshoe symbolize` on an incident that is symbolized already: its culprit gets the names that are known now, wherever an earlier run ended.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
cat > leak.c <<'C'
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
void *volatile kept[4096];
static __attribute__((noinline)) void *fetch(size_t size) { return memset(malloc(size), 1, size); }
static inline __attribute__((always_inline)) void *block_of(int n) { return fetch(65536 + (size_t)n); }
static __attribute__((noinline)) void cache_put(int n)
{
    kept[n] = block_of(n);
}
int main(void)
{
    for (int n = 0; n < 600; n++)
        cache_put(n);
    for (;;)
        pause();
}
C
gcc -g -O2 -fno-optimize-sibling-calls -Wl,--build-id -o full leak.c
strip -o server full
id=$(readelf -n full | sed -n 's/.*Build ID: //p')
for what in names lines; do mkdir -p "$what/.build-id/${id:0:2}"; done
objcopy --strip-debug full "names/.build-id/${id:0:2}/${id:2}.debug" # its symbol table alone
objcopy --only-keep-debug full "lines/.build-id/${id:0:2}/${id:2}.debug"
rm full
rules=$(rules leak '{"version": 1, "interval": "50ms", "symbolize": "off", "heap": {"sample": "16KiB"}, "incidents": {"keep": 0}, "rules": [
    {"name": "leak", "metric": "heap_in_use", "above": "20MiB", "capture": ["heap", "threads"]}]}')
GUMSHOE_RULES=$rules GUMSHOE_DIR=$PWD/d LD_PRELOAD=$build/libgumshoe.so ./server & server=$!
started="$started $server"
fired() { ls -d d/2*-leak-*; }
wait_until fired
kill -9 $server; wait $server 2> /dev/null || true
mv "$(fired)" captured
culprit() { jq -r '.culprit | [.function, (.file // "" | sub(".*/"; "")), (.line_number // 0 | tostring)] | join(" ")' "$1/incident.json"; }
# named INCIDENT KIND: symbolize it with these debug files.
named() { "$gumshoe" symbolize --debug-dir "$2" "$1" 2> said || fail "symbolize $1 with $2: $(cat said)"; }

it "names the culprit by the debug files of each run: none, symbols, then lines"
cp -r captured one
"$gumshoe" symbolize one > said 2>&1 || true
[[ $(culprit one) = server+0x* ]] || fail "$(culprit one)"
named one names
equal "$(culprit one)" "fetch  0" "with a symbol table"
cp one/incident.json one/summary.txt .
named one lines
equal "$(culprit one)" "fetch leak.c 5" "with lines"
grep -q '^Culprit: fetch in server, leak.c:5' one/summary.txt || fail "$(cat one/summary.txt)"
it "changes nothing when it is run again, and keeps names when the debug files are gone"
cp -r one again
named again lines
diff -r one again || fail "another run changed the files above"
named again names
diff -r one again || fail "a run that knows less changed the files above"
it "says the same as if all had been known at once"
cp -r captured direct
named direct lines
diff -r one direct || fail "the files above differ"
it "names it after a run that was interrupted: its profiles were written, and not what is said of them"
cp -r one interrupted
cp incident.json summary.txt interrupted
named interrupted lines
diff -r one interrupted || fail "the files above differ"
it "names it after one of its profiles was symbolized by itself"
cp -r captured apart
named apart names
named apart/heap.pb.gz lines
named apart lines
diff -r one apart || fail "the files above differ"
