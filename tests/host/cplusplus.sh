#!/bin/bash
# C++: new and delete in all their forms answer as they do without us, and what they hold is in the profile - whether they
# come by malloc, as libstdc++'s do, or are an allocator's own.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
lib=/usr/lib/$(gcc -print-multiarch)
rules_file=$(rules r '{ "version": 1, "interval": "100ms", "heap": { "sample": "2KiB" }, "budget": "100%", "rules": [
    { "name": "never", "metric": "rss", "above": "1TiB" } ] }')

# in_use FUNCTION: of the incident found.
in_use() { go tool pprof -top -cum -nodefraction=0 -unit=B "$found/heap.pb.gz" 2>/dev/null | sed 's/(anonymous namespace):://' | awk -v name="$1" '$6 == name { printf "%.0f\n", $4 }'; }
# near FUNCTION BYTES: within a tenth (3800 samples and more: a standard error of 1.3 %).
near() {
    local bytes; bytes=$(in_use "$1")
    [ "${bytes:-0}" -gt $(($2 * 9 / 10)) ] && [ "${bytes:-0}" -lt $(($2 * 11 / 10)) ] || fail "$allocator: $1 holds $2 bytes, the profile says ${bytes:-nothing}"
}

for allocator in "" libjemalloc.so.2 libtcmalloc.so.4; do
    name=${allocator:-libstdc++}
    it "answers as it does without us: $name"
    LD_PRELOAD=${allocator:+$lib/$allocator} "$build/hosts/operators" < /dev/null > plain
    [ "$(grep -c ': yes$' plain)" -ge 9 ] || fail "$(cat plain)"
    rm -rf d input; mkfifo input
    LD_PRELOAD="$build/libgumshoe.so ${allocator:+$lib/$allocator}" GUMSHOE_RULES=$rules_file GUMSHOE_DIR=$tmp/d "$build/hosts/operators" < input > watched &
    started="$started $!"
    exec 3> input
    wait_until grep -q ready watched
    wait_until status_of_watch $! true
    found=$("$gumshoe" capture --kinds heap $!) || fail "no capture"
    exec 3>&-
    wait $! || fail "the host failed"
    diff plain watched || fail "< plain, > watched"
    it "counts what they hold, and nothing that they freed: $name"
    near hold_plain 10000000
    near hold_array 50000000
    near hold_aligned 12800000
    equal "$(in_use waste)" "" "bytes in use of waste"
    go tool pprof -top -cum -nodefraction=0 -sample_index=alloc_space "$found/heap.pb.gz" 2>/dev/null | grep -q waste || fail "waste is not seen at all"
done

it "works with a plugin that brings its own C++ library with hidden symbols"
cat > plugin.cc <<'C'
#include <cstddef>
#include <cstdint>
#include <new>
#include <string>
#include <vector>
extern "C" int use()
{
    std::vector<std::string *> all;
    for (int i = 0; i < 20000; i++)
        all.push_back(new std::string(1000, 'x'));
    for (auto *s : all)
        delete s;
    try {
        volatile std::size_t much = PTRDIFF_MAX;
        return ::operator new(much) != nullptr;
    } catch (const std::bad_alloc &) {
        return 42;
    }
}
C
g++ -O1 -shared -fPIC plugin.cc -o shared.so
g++ -O1 -shared -fPIC plugin.cc -o alone.so -static-libstdc++ -static-libgcc
for plugin in shared alone; do
    equal "$(GUMSHOE_DIR=$tmp/p LD_PRELOAD=$build/libgumshoe.so python3 -c "import ctypes; print(ctypes.CDLL('./$plugin.so').use())")" 42 "$plugin plugin"
done
