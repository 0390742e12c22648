#!/bin/bash
# Unusual programs: one with an allocator of its own, one that loads the library by dlopen, an allocator that counts its callers.
. "$(dirname "$0")/lib.sh"
cd "$tmp"

it "says that it cannot see the heap of a program with an allocator of its own: at the start, and in the incident"
rules_file=$(rules own '{ "version": 1, "interval": "50ms", "rules": [
    { "name": "heap", "metric": "heap_in_use", "above": "10MiB" }, { "name": "rss", "metric": "rss", "above": "50MiB" } ] }')
mkfifo input
"$gumshoe" run --rules "$rules_file" --dir d -- "$build/hosts/ownmalloc" < input > out &
host=$!; started="$started $host"
exec 3> input
wait_until has_incident d
exec 3>&-
wait $host || fail "the host failed"
grep -q 'metric not available: heap_in_use: .*malloc of its own' log || fail "$(cat log)"
found=$(incident d)
equal "$(jq -r .rule "$found/incident.json")" rss "the rule that fired"
grep -q 'has its own allocator' "$found/summary.txt" || fail "$(cat "$found/summary.txt")"

it "can be loaded by dlopen: it starts, captures, says what it cannot see, and stays loaded"
GUMSHOE_DIR=$tmp/late "$build/hosts/late" "$build/libgumshoe.so" > out || fail "$(cat out)"
printf 'start 0\ncapture 0\nclose 0\nworks on\n' | diff - out || fail "$(cat out)"
grep -q 'has its own allocator\|does not see' "$(incident late)/summary.txt" || fail "$(cat "$(incident late)/summary.txt")"

it "never calls the allocator for itself, however often it samples"
cat > counting.c <<'C'
#define _GNU_SOURCE
#include <stddef.h>
extern void *__libc_malloc(size_t);
extern void __libc_free(void *);
_Thread_local long calls;
void *malloc(size_t size) { calls++; return __libc_malloc(size); }
void free(void *ptr) { calls++; __libc_free(ptr); }
long calls_so_far(void) { return calls; }
C
cat > counted.c <<'C'
#include <stdio.h>
#include <stdlib.h>
long calls_so_far(void);
int main(void)
{
    long before = calls_so_far();
    for (int i = 0; i < 200000; i++) {
        void *block = malloc(1000);
        __asm__ volatile("" ::"r"(block) : "memory");
        free(block);
    }
    printf("%ld\n", calls_so_far() - before);
    return 0;
}
C
gcc -O1 -shared -fPIC counting.c -o libcounting.so
gcc -O1 counted.c -o counted -L. -lcounting -Wl,-rpath,"$PWD"
rules_file=$(rules fine '{ "version": 1, "heap": { "sample": "1KiB" }, "rules": [ { "name": "n", "metric": "rss", "above": "1TiB" } ] }')
equal "$("$gumshoe" run --rules "$rules_file" --dir d2 -- ./counted)" 400000 "calls that reached the allocator"
