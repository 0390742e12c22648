#!/bin/bash
# libgumshoe.a in programs without a loader: they start, work and end; the agent watches; the heap is seen where the program
# was linked with --wrap, and said not to be seen where it was not.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
cat > keeper.c <<'C'
#include <gumshoe/gumshoe.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
static void *kept[100];
__attribute__((noinline)) static void keep_blocks(void)
{
    for (int i = 0; i < 100; i++)
        kept[i] = i % 2 ? malloc(1 << 20) : calloc(1, 1 << 20);
}
static void *work(void *given)
{
    keep_blocks();
    return given;
}
int main(void)
{
    pthread_t thread;
    int started = gumshoe_start(NULL);
    pthread_create(&thread, NULL, work, NULL);
    pthread_join(thread, NULL);
    kept[0] = realloc(kept[0], 2 << 20);
    kept[0] = reallocarray(kept[0], 4, 1 << 20);
    void *page, *aligned = aligned_alloc(4096, 8192);
    int error = posix_memalign(&page, 4096, 8192);
    free(aligned);
    free(page);
    munmap(mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 1 << 20);
    int captured = gumshoe_capture("by-hand", GUMSHOE_HEAP | GUMSHOE_THREADS | GUMSHOE_THREADCREATE);
    for (int i = 0; i < 100; i++)
        free(kept[i]);
    gumshoe_stop();
    printf("start %d, aligned %d, capture %d\n", started, error, captured);
    return 7;
}
C
export GUMSHOE_RULES GUMSHOE_DIR
GUMSHOE_RULES=$(rules fine '{ "version": 1, "heap": { "sample": "64KiB" }, "rules": [ { "name": "n", "metric": "rss", "above": "1TiB" } ] }')
wrap=$(sed -n 's/^Libs.private: *//p' "$build/package/gumshoe.pc")

# linked NAME LIBRARY OPTION…: keeper.c with LIBRARY as ./NAME, without a warning, and run: it does its work and ends as itself.
linked() {
    local name=$1; shift
    gcc -O1 -g -I "$source_dir/include" keeper.c -o "$name" "$@" -pthread 2> said || { cat said; fail "$name does not link"; }
    equal "$(grep -c warning said)" 0 "warnings as $name is linked: $(cat said)"
    GUMSHOE_DIR=$tmp/$name.d timeout 60 "./$name" > out 2>&1 && fail "$name ended with 0"
    equal "$? $(cat out)" "7 start 0, aligned 0, capture 0" "$name"
    complete "$(incident "$name.d")"
}

for kind in static static-pie; do
    it "works in a program that is linked -$kind, and says that its heap is not seen"
    linked "$kind" "$build/libgumshoe.a" -$kind
    grep -q 'has its own allocator' "$(incident $kind.d)/summary.txt" || fail "$(cat "$(incident $kind.d)/summary.txt")"
    equal "$(heap_bytes "$(incident $kind.d)")" "" "heap seen in part"
    it "sees who created threads there"
    go tool pprof -traces "$(incident $kind.d)/threadcreate.pb.gz" 2> /dev/null | grep -q ' main$' || fail "threadcreate"
    it "sees the whole heap of such a program where pkg-config --static's options are used"
    linked $kind-wrapped "$build/libgumshoe.a" -$kind $wrap
    go tool pprof -top -sample_index=inuse_space "$(incident $kind-wrapped.d)/heap.pb.gz" 2> /dev/null > top
    grep -q ' keep_blocks$' top || fail "$(cat top)"
    grep -q 'main$' "$(incident $kind-wrapped.d)/threads.txt" || fail "stacks that end early: $(cat "$(incident $kind-wrapped.d)/threads.txt")"
    bytes=$(heap_bytes "$(incident $kind-wrapped.d)") # 103 MiB, give or take what sampling may miss at six sigma
    [ "$bytes" -gt $((103 << 19)) ] && [ "$bytes" -lt $((103 * 3 << 19)) ] || fail "heap of $bytes bytes instead of 103 MiB"
done
it "does no harm if these options are used in a program that has a loader"
linked loader-wrapped "$build/libgumshoe.a" $wrap
grep -q ' keep_blocks$' <(go tool pprof -top -sample_index=inuse_space "$(incident loader-wrapped.d)/heap.pb.gz" 2> /dev/null) || fail "heap not seen"
it "works with a shared library that libgumshoe.a is linked into"
sed 's/int main(void)/int run_keeper(void)/' keeper.c > library.c
gcc -O1 -g -shared -fPIC -Wl,--gc-sections -I "$source_dir/include" library.c -o libkeeper.so "$build/libgumshoe.a" -pthread
printf 'int run_keeper(void);\nint main(void) { return run_keeper(); }\n' > keeper.c
linked shared-library -L. -lkeeper -Wl,-rpath,"$PWD"
grep -q ' keep_blocks$' <(go tool pprof -top -sample_index=inuse_space "$(incident shared-library.d)/heap.pb.gz" 2> /dev/null) || fail "heap not seen"
