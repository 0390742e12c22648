#!/bin/bash
# Functions that only some allocators have: jemalloc's mallocx, dallocx and the like, and C23's free_sized. Blocks that are freed
# through them are counted as freed. A program that tests for these functions finds them only if the allocator has them.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
jemalloc=$(gcc -print-file-name=libjemalloc.so.2)
[ -f "$jemalloc" ] || { echo "libjemalloc2 is not installed" >&2; exit 77; }
rules_file=$(rules fine '{ "version": 1, "heap": { "sample": "1KiB" }, "budget": "100%", "rules": [ { "name": "n", "metric": "rss", "above": "1TiB" } ] }')
source=$source_dir/tests/host/ways/allocx.c
ways=(lazy now no-plt fixed)
options=(-Wl,-z,lazy -Wl,-z,now -fno-plt '-no-pie -fno-pie')
gcc -O1 -w -D_GNU_SOURCE -shared -fPIC -DPLUGIN "$source" -o plugin.so
gcc -O1 -w -D_GNU_SOURCE -shared -fPIC -DLIBRARY "$source" -o liblibrary.so -Wl,-z,lazy
for i in "${!ways[@]}"; do
    gcc -O1 -w -D_GNU_SOURCE ${options[i]} "$source" -o "${ways[i]}" -L. -llibrary -Wl,-rpath,"$PWD"
    gcc -O1 -w -D_GNU_SOURCE ${options[i]} "$source" -o "${ways[i]}.linked" -L. -Wl,--no-as-needed -llibrary "$jemalloc" -Wl,-rpath,"$PWD"
done

# bytes FUNCTION PROFILE: in use of it.
bytes() {
    go tool pprof -traces -sample_index=inuse_space -unit=B "$2" 2>/dev/null |
        awk -v name="$1" '/-----/ { bytes = ""; next } $1 ~ /^[0-9]+B$/ { bytes = $1 + 0 } $NF == name { sum += bytes; bytes = 0 } END { print sum + 0 }'
}
hoard=$((400 * 5000))
# held FUNCTION BYTES: full.pb.gz says so. With a sample every KiB, 5 % is far outside what chance does.
held() {
    local seen; seen=$(bytes "$1" full.pb.gz)
    [ "$seen" -gt $(($2 * 95 / 100)) ] && [ "$seen" -lt $(($2 * 105 / 100)) ] || fail "$1 holds $2 bytes, the profile says $seen"
}
gone() { equal "$(bytes "$1" empty.pb.gz)" 0 "bytes in use of $1"; }
# watched PROGRAM: what it prints, under watch.
watched() { rm -f ./*.pb.gz; "$gumshoe" run --rules "$rules_file" --dir d -- "$@"; }

it "hides the names from a program that tests for them, if no allocator has them"
for way in "${ways[@]}"; do
    ./"$way" ./plugin.so > plain
    grep -q 'program: 0000000' plain && grep -q 'default: 0000000' plain || fail "this machine has the names already: $(cat plain)"
    watched ./"$way" ./plugin.so > out || fail "$way: status $?"
    diff plain out || fail "$way: plain and watched differ"
done

# seen_through WHAT PROGRAM: it runs with jemalloc, plain and watched.
seen_through() {
    it "counts blocks that are freed through jemalloc's functions: $1"
    shift
    LD_PRELOAD=$preload "$@" ./plugin.so > plain || fail "status $? by itself"
    grep -q 'program: 1111100' plain && grep -q 'default: 1111100' plain || fail "jemalloc's functions: $(cat plain)"
    LD_PRELOAD=$preload watched "$@" ./plugin.so > out || fail "status $? under watch"
    diff plain out || fail "plain and watched differ"
    for name in to_dallocx to_sdallocx to_dlsym to_library to_plugin to_free to_refuse by_mallocx; do held $name $hoard; done
    held by_rallocx $((2 * hoard))
    held by_xallocx $((4 * hoard))
    for name in to_dallocx to_sdallocx to_dlsym to_library to_plugin to_free to_grow by_rallocx to_resize by_xallocx to_refuse; do gone $name; done
    seen=$(bytes by_mallocx empty.pb.gz)
    [ "$seen" -gt $((hoard * 95 / 100)) ] || fail "by_mallocx keeps $hoard bytes, the profile says $seen"
}
for way in "${ways[@]}"; do
    [ "$way" = fixed ] || # the linker has settled that it runs without
        preload=$jemalloc seen_through "preloaded, a $way program" ./"$way"
    preload='' seen_through "linked, a $way program" ./"$way.linked"
done

it "does the same for C23's free_sized and free_aligned_sized, if the allocator has them"
cat > sized.c <<'C'
#include <stdlib.h>
void free_sized(void *ptr, size_t size) { (void)size; free(ptr); }
void free_aligned_sized(void *ptr, size_t alignment, size_t size) { (void)alignment, (void)size; free(ptr); }
C
gcc -O1 -w -D_GNU_SOURCE -shared -fPIC -fno-builtin sized.c -o libsized.so
for way in "${ways[@]}"; do
    [ "$way" != fixed ] || continue
    LD_PRELOAD=./libsized.so ./"$way" ./plugin.so > plain
    grep -q 'program: 0000011' plain || fail "$way: free_sized was not found: $(cat plain)"
    LD_PRELOAD=./libsized.so watched ./"$way" ./plugin.so > out || fail "status $? under watch"
    diff plain out || fail "$way: plain and watched differ"
    held to_free_sized $hoard
    held to_free_aligned_sized $((400 * 5120))
    gone to_free_sized
    gone to_free_aligned_sized
done

it "reports no leak when a library frees blocks by calls that we do not see, and says why there is no figure"
cat > behind.c <<'C'
#include <stdlib.h>
extern void dallocx(void *, int);
void (*const give_back)(void *, int) = dallocx; // bound before we are there
C
gcc -O1 -w -shared -fPIC behind.c -o libbehind.so
cat > churning.c <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
extern void (*const give_back)(void *, int);
int main(void)
{
    for (int i = 0; i < 60000; i++)
        give_back(malloc(100000), 0); // 5.6 GiB, a block at a time
    printf("churned %d\n", getpid());
    fflush(stdout);
    getchar();
    return 0;
}
C
gcc -O1 -w churning.c -o churning -L. -Wl,--no-as-needed -lbehind "$jemalloc" -Wl,-rpath,"$PWD" -Wl,-rpath-link,"$PWD"
rules_file=$(rules behind '{ "version": 1, "interval": "50ms", "rules": [
    { "name": "heap", "metric": "heap_in_use", "above": "4GiB" }, { "name": "again", "every": "1s", "capture": ["heap"], "cooldown": "0s" } ],
    "incidents": { "max_per_hour": 0, "keep": 0 } }')
mkfifo input
"$gumshoe" run --rules "$rules_file" --dir behind -- ./churning < input > out &
host=$!; started="$started $host"
exec 3> input
wait_until grep -q churned out
wait_until has_incident behind
is_told() { "$gumshoe" status "$(sed -n 's/churned //p' out)" | grep -q 'heap_in_use.*not available: .*blocks are freed by calls that the library does not see'; }
wait_until is_told
before=$(find behind -maxdepth 1 -name '2*' | wc -l)
another() { [ "$(find behind -maxdepth 1 -name '2*' | wc -l)" -gt $((before + 1)) ]; }
wait_until another
exec 3>&-
wait $host || fail "the host failed"
equal "$(find behind -maxdepth 1 -name '2*-heap-*' | wc -l)" 0 "incidents of the rule for the heap"
jq -r '.notes[]' "$(incident behind)/incident.json" | grep -q 'metric not available: heap_in_use: .*does not see' || fail "the notes: $(jq -c .notes "$(incident behind)/incident.json")"
