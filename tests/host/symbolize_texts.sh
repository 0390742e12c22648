#!/bin/bash
# `gumshoe symbolize INCIDENT` names anew what is no profile, too: threads.txt, the waits and a culprit that holds a lock in
# incident.json, memory.json. --plumbing finds another culprit in an incident that exists.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
cat > store.c <<'C'
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#define NOINLINE __attribute__((noinline))
#define INLINE static inline __attribute__((always_inline))
static pthread_mutex_t store_lock = PTHREAD_MUTEX_INITIALIZER;
static void *kept[6000];
static volatile int held;
INLINE char *fill(char *at, size_t size) { memset(at, 1, size); return at; } /* PLANTED: fill */
NOINLINE char *map_arena(size_t size) { return fill(mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), size); } /* PLANTED: arena */
NOINLINE void open_store(void) { map_arena(32 << 20); __asm__ volatile(""); }
NOINLINE void *take_piece(size_t size) { char *at = malloc(size); return at ? fill(at, size) : at; }
NOINLINE void load_index(void) { for (int i = 0; i < 6000; i++) kept[i] = take_piece(4000); }
INLINE void sleep_long(void) { char byte; while (read(0, &byte, 1) > 0) ; _exit(0); } /* PLANTED: sleep */
NOINLINE void flush_store(void) { pthread_mutex_lock(&store_lock); held = 1; sleep_long(); } /* PLANTED: flush */
static void *flusher(void *unused) { flush_store(); return unused; }
NOINLINE void read_store(void) { pthread_mutex_lock(&store_lock); pthread_mutex_unlock(&store_lock); }
static void *reader(void *unused) { read_store(); return unused; }
int main(void)
{
    pthread_t thread[7];
    open_store();
    load_index();
    pthread_create(&thread[0], NULL, flusher, NULL);
    while (!held) usleep(1000);
    for (int i = 1; i < 7; i++) pthread_create(&thread[i], NULL, reader, NULL);
    puts("ready"); fflush(stdout);
    for (int i = 0; i < 7; i++) pthread_join(thread[i], NULL);
    return 0;
}
C
line_of() { grep -n "PLANTED: $1" store.c | cut -d: -f1; }
gcc -g -O2 -pthread -Wl,--build-id -o store store.c
id=$(readelf -n store | sed -n 's/.*Build ID: //p')
mkdir -p "debug/.build-id/${id:0:2}" && objcopy --only-keep-debug store "debug/.build-id/${id:0:2}/${id:2}.debug"
strip store
rules=$(rules never '{"version": 1, "interval": "50ms", "heap": {"sample": "16KiB"}, "incidents": {"keep": 0, "max_per_hour": 0}, "rules": [
    {"name": "never", "metric": "threads", "above": 1000, "capture": ["threads"]}]}')
mkfifo input
"$gumshoe" run --rules "$rules" --dir d -- ./store < input > out & host=$!; started="$started $host"
exec 3> input
wait_until grep -q ready out
wait_until has_watch d
pid=$(watched_in d)
wait_until all_sleep "$pid"
dir=$("$gumshoe" capture --kinds threads "$pid")
heap_dir=$("$gumshoe" capture "$pid")
exec 3>&-
wait $host || fail "the host ended with $?"
cp -r "$dir" as_captured; cp -r "$heap_dir" heap_as_captured
shown() { cat "$dir/threads.txt" "$dir/summary.txt"; jq '.waits, .culprit' "$dir/incident.json"; }
grep -qE ' store\+0x[0-9a-f]+$' "$dir/threads.txt" || fail "it has names already: $(shown)"
jq -e '.waits[0].held_by.function | startswith("store+0x")' "$dir/incident.json" > /dev/null || fail "$(shown)"

it "names the frames in threads.txt, with lines; an inlined function is a line without an address"
"$gumshoe" symbolize --debug-dir debug "$dir" 2> /dev/null || fail "status $?"
grep -A1 -E "^ +0x[0-9a-f]+  sleep_long \(store.c:$(line_of sleep)\)$" "$dir/threads.txt" | grep -qE "^ {24}flush_store \(store.c:$(line_of flush)\)$" || fail "$(shown)"
! grep -q 'store+0x' "$dir/threads.txt" || fail "$(shown)"
equal "$(grep -cE '^ +0x' "$dir/threads.txt")" "$(grep -cE '^ +0x' as_captured/threads.txt)" "frames with an address"
equal "$(sed -E '/^ {24}/d; s/(^ +0x[0-9a-f]+ ).*/\1/; s/ in .* ← .*//' "$dir/threads.txt")" "$(sed -E 's/(^ +0x[0-9a-f]+ ).*/\1/; s/ in .* ← .*//' as_captured/threads.txt)" "all the rest"
cmp "$dir/threads.orig.txt" as_captured/threads.txt || fail "the original is not the original"
it "names the holder in its head, in the waits of incident.json and the summary, and the culprit that holds the lock"
grep -qE '^6 threads wait for .*held by store/[0-9]+ in .* ← sleep_long ← flush_store ← flusher ← ' "$dir/threads.txt" || fail "$(shown)"
equal "$(jq -r '.waits[0].held_by | [.function, (.stack | index("flush_store") > 0)] | join(" ")' "$dir/incident.json")" "sleep_long true" "the holder"
equal "$(jq -r '.culprit | [.kind, .function, .line_number] | join(" ")' "$dir/incident.json")" "lock sleep_long $(line_of sleep)" "the culprit"
equal "$(jq -r .fingerprint "$dir/incident.json")" "$(jq -r .fingerprint as_captured/incident.json)" "the fingerprint"
grep -q "^Culprit: sleep_long in store, store.c:$(line_of sleep): 6 threads wait, .*, held by store/.* in .*sleep_long (store.c:.*flush_store (store.c:" "$dir/summary.txt" || fail "$(shown)"
! grep -q 'store+0x' "$dir/summary.txt" || fail "$(shown)"
it "names the stacks in memory.json"
jq -e '[.anonymous_by_stack[].stack[] | select(startswith("store+0x"))] | length > 0' "$heap_dir/memory.json" > /dev/null || fail "it has names already: $(cat "$heap_dir/memory.json")"
"$gumshoe" symbolize --debug-dir debug "$heap_dir" 2> /dev/null || fail "status $?"
equal "$(jq -r '.anonymous_by_stack[0] | [.function, .bytes, (.stack | index("open_store") > 0)] | join(" ")' "$heap_dir/memory.json")" "map_arena 33554432 true" "what mapped most"
equal "$(jq -c 'del(.. | .stack?, .function?)' "$heap_dir/memory.json")" "$(jq -c 'del(.. | .stack?, .function?)' heap_as_captured/memory.json)" "all the rest"
cmp "$heap_dir/memory.orig.json" heap_as_captured/memory.json || fail "the original is not the original"
complete "$heap_dir"
it "changes nothing in a second run, and takes no names away when the symbols are gone"
state() { find "$dir" "$heap_dir" -type f -printf '%i %T@ %s %f\n' | sort; }
state > before
"$gumshoe" symbolize --debug-dir debug "$dir" 2> /dev/null && "$gumshoe" symbolize --debug-dir debug "$heap_dir" 2> /dev/null || fail "status $?"
"$gumshoe" symbolize "$dir" 2> /dev/null && "$gumshoe" symbolize "$heap_dir" 2> /dev/null || fail "status $?"
state | diff before - || fail "files were changed"

it "shows another culprit with --plumbing, and leaves the incident as it is"
equal "$(jq -r .culprit.function "$heap_dir/incident.json")" take_piece "the culprit"
"$gumshoe" show --plumbing 'take_*' "$heap_dir" > said
grep -q '^Culprit: load_index in store, store.c:.*, through take_piece: ' said || fail "$(cat said)"
equal "$("$gumshoe" show --json --plumbing 'take_*' "$heap_dir" | jq -r '[.culprit.function, .culprit.via[0], .plumbing[0]] | join(" ")')" "load_index take_piece take_*" "as JSON"
state | diff before - || fail "files were changed"
it "writes it with symbolize --plumbing, and remembers the pattern when there are better names"
"$gumshoe" symbolize --plumbing 'take_*' heap_as_captured > /dev/null 2>&1 || fail "status $?"
"$gumshoe" symbolize --plumbing 'take_*' --debug-dir debug heap_as_captured 2> /dev/null || fail "status $?"
equal "$(jq -r '[.culprit.function, .culprit.via[0], .plumbing[0]] | join(" ")' heap_as_captured/incident.json)" "load_index take_piece take_*" "the culprit"
grep -q '^Culprit: load_index in store, store.c:' heap_as_captured/summary.txt || fail "$(cat heap_as_captured/summary.txt)"
"$gumshoe" symbolize --debug-dir debug heap_as_captured 2> /dev/null || fail "status $?"
equal "$(jq -r .culprit.function heap_as_captured/incident.json)" load_index "the culprit after another run"
if "$gumshoe" symbolize --plumbing x "$dir/threads.pb.gz" 2> said; then fail "taken for a profile"; fi
grep -q 'is for incidents' said || fail "$(cat said)"
