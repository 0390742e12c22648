#!/bin/bash
# libgumshoe.a and an allocator that is linked statically, in either order and by each linker: the allocator is the program's, as
# it would be without us, and the agent says that it does not see the heap.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
cat > app.c <<'C'
#include <dlfcn.h>
#include <gumshoe/gumshoe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(void)
{
    int started = gumshoe_start(NULL);
    char *kept = malloc(100 << 20);
    memset(kept, 1, 100 << 20);
    kept = reallocarray(kept, 2, 100 << 20); // which jemalloc and tcmalloc do not have: theirs is asked all the same
    printf("%d %d %d\n", started, gumshoe_capture("by-hand", GUMSHOE_HEAP | GUMSHOE_THREADS), kept[1]);
    free(kept);
    void *aligned = aligned_alloc(64, 640);
    free(aligned);
    return 7;
}
C
linkers=
for linker in bfd gold lld; do command -v ld.$linker > /dev/null && linkers="$linkers $linker"; done

# keeps ARCHIVE SYMBOL: with the archive after ours and before it, SYMBOL of its is in the program, which runs.
keeps() {
    local archive=$1 symbol=$2 linker order
    [ -e "$archive" ] || archive=$(gcc -print-file-name="$archive")
    [ -e "$archive" ] || { echo "  (no $archive here)"; return; }
    it "leaves $(basename "$archive") to the program:$linkers"
    for linker in $linkers; do
        for order in "$build/libgumshoe.a $archive" "$archive $build/libgumshoe.a"; do
            gcc "-fuse-ld=$linker" -I "$source_dir/include" app.c -o app $order -lstdc++ -lm -pthread || fail "$linker: $order"
            nm app | grep -q " [TW] $symbol\$" || fail "$linker: dropped: $order"
            rm -rf d
            GUMSHOE_DIR=$tmp/d timeout 60 ./app > out 2>&1 && fail "ended with 0"
            equal "$? $(cat out)" "7 0 0 1" "$linker: $order"
            found=$(incident d)/summary.txt
            grep -q 'has its own allocator' "$found" || fail "$(cat "$found")"
            grep -q "^  gumshoe does not see this program's allocator: live blocks are not known (no allocation was seen" "$found" || fail "$(cat "$found")"
            never_says "$found" 'fragmentation or memory kept' "it does not know"
            never_says "$found" 'live heap' "it does not know"
            never_says "$found" 'Heap in use by function' "nothing is under it"
            jq -e '(.heap_unseen | length > 0) and .parts.heap_live == 0' "$(incident d)/memory.json" > /dev/null || fail "$(cat "$(incident d)/memory.json")"
        done
    done
}
keeps libjemalloc.a mallocx
keeps libtcmalloc_minimal.a tc_malloc
printf '#include <stddef.h>\nvoid *__libc_malloc(size_t); void __libc_free(void *); void *__libc_calloc(size_t, size_t); void *__libc_realloc(void *, size_t);\n
void *mi_malloc(size_t n) { return __libc_malloc(n); } void *mi_heap_new(void) { return 0; } void *malloc(size_t n) { return mi_malloc(n); } void free(void *p) { __libc_free(p); }
void *calloc(size_t n, size_t m) { return __libc_calloc(n, m); } void *realloc(void *p, size_t n) { return __libc_realloc(p, n); }\n' > own.c
gcc -c own.c -o own.o && ar rcs libown.a own.o
keeps "$tmp/libown.a" mi_malloc

archive=$(gcc -print-file-name=libjemalloc.a)
if [ -e "$archive" ]; then
    it "names the program's function that allocates, not the allocator's that maps: preloaded"
    cat > sessions.c <<'C'
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
__attribute__((noinline)) static void keep_session(void **list)
{
    void **session = malloc(200);
    memset(session, 1, 200);
    session[0] = *list;
    *list = session;
}
int main(void)
{
    void *list = NULL;
    for (int i = 0; i < 300000; i++)
        keep_session(&list);
    pause();
    return list == NULL;
}
C
    gcc -O1 sessions.c -o sessions "$archive" -lstdc++ -lm -pthread
    "$gumshoe" run --rules "$(rules sessions '{ "version": 1, "interval": "100ms", "rules": [ { "name": "high", "metric": "rss", "above": "50MiB" } ] }')" \
        --dir sessions.d -- ./sessions > out 2>&1 & host=$!; started="$started $host"
    has_sessions() { [ -e "$(incident sessions.d)/summary.txt" ]; }
    wait_until has_sessions
    kill "$(watched_in sessions.d)"
    equal "$(jq -r .culprit.function "$(incident sessions.d)/incident.json")" keep_session "culprit"
fi

it "samples the heap if there is no such allocator, by each linker"
for linker in $linkers; do
    gcc "-fuse-ld=$linker" -I "$source_dir/include" app.c -o app "$build/libgumshoe.a" -pthread
    rm -rf d
    GUMSHOE_DIR=$tmp/d timeout 60 ./app > out 2>&1 && fail "ended with 0"
    [ "$(heap_bytes "$(incident d)")" -gt $((100 << 20)) ] || fail "$linker: $(cat "$(incident d)/summary.txt")"
done
