#!/bin/bash
# `gumshoe symbolize` against other readers of the same debug information. All compilers' ways to store it, and all places where it may
# lie. gcc's is judged by eu-addr2line, and by binutils' addr2line where that one has a quirk of its own (it takes inlined calls at the
# first address of a line, not at the address that was asked for); clang's by llvm-addr2line, because eu-addr2line does not look into
# namespaces, where clang puts functions.
. "$(dirname "$0")/lib.sh"
tool() { python3 "$source_dir/tests/cli/$1.py" "${@:2}"; }

cat > calls.cc <<'C'
#include <algorithm>
#include <cstdio>
#include <map>
#include <string>
#include <vector>
namespace deep {
struct Thing { std::vector<int> v; std::string s; int sum() const; };
inline int twice(int x) { volatile int y = x; return y + y; }
inline int four(int x) { int a = twice(x); int b = twice(a + 1); return a ^ b; }
int Thing::sum() const { int t = 0; for (int x : v) t += four(x); return t + (int)s.size(); }
template <class T> static T fold(const std::vector<T> &v) { T t{}; for (auto &x : v) t += four((int)x); return t; }
}
static int helper(std::map<std::string, int> &m, const char *k) { return m[k] += 3; }
int main(int c, char **v)
{
    std::map<std::string, int> m;
    deep::Thing t;
    for (int i = 0; i < c + 5; i++) { t.v.push_back(i * c); m[std::to_string(i)] = i; helper(m, v[0]); }
    std::sort(t.v.begin(), t.v.end(), [](int a, int b) { return deep::four(a) < deep::four(b); });
    std::vector<double> d(t.v.begin(), t.v.end());
    printf("%d %g\n", t.sum(), deep::fold(d));
}
C
cat > other.c <<'C'
static inline int square(int x) { volatile int y = x; return y * y; }
int of_c(int x) { return square(x) + square(x + 1); }
C

# addresses PROGRAM N: at most N addresses of its .text, the same ones each time.
addresses() {
    python3 - "$1" "$2" <<'P'
import random, re, subprocess, sys
text = subprocess.run(["readelf", "-SW", sys.argv[1]], check=True, capture_output=True, text=True).stdout
match = re.search(r" \.text +PROGBITS +(\w+) \w+ (\w+)", text)
start, size, count = int(match[1], 16), int(match[2], 16), int(sys.argv[2])
print(*map(hex, range(start, start + size) if size <= count else sorted(random.Random(14).sample(range(start, start + size), count))), sep="\n")
P
}
# rows DEBUG N: at most N of the addresses at which a line begins.
rows() {
    readelf --debug-dump=decodedline "$1" 2> /dev/null | python3 -c '
import random, re, sys
found = sorted({int(match[1], 16) for match in re.finditer(r"^\S+ +\d+ +(0x[0-9a-f]+)\s", sys.stdin.read(), re.M)} - {0})
print(*map(hex, found if len(found) <= int(sys.argv[1]) else sorted(random.Random(14).sample(found, int(sys.argv[1])))), sep="\n")' "$2"
}
# fill PROGRAM OPTIONS...: frames, what a profile of the addresses in "asked" says once it is symbolized; notes, what was said.
fill() {
    local program=$1; shift
    tool profile_file make asked.pb.gz "$(realpath "$program")" < asked
    "$gumshoe" symbolize -o filled.pb.gz "$@" asked.pb.gz 2> notes || fail "symbolize $program: $(cat notes)"
    tool profile_file frames filled.pb.gz > frames
}
# equal_to DEBUG [READER [SECOND]]: so says READER (eu-addr2line) and, if it does not, SECOND.
equal_to() {
    local reader=${2:-eu-addr2line} pretty=-p
    [ "$reader" != eu-addr2line ] || pretty=--pretty-print
    xargs "$reader" -a $pretty -f -i -e "$1" < asked > theirs 2> /dev/null || true # what is missing is noticed below
    [ $# -lt 3 ] || xargs "$3" -a -p -f -i -e "$1" < asked > others 2> /dev/null || true
    tool lines_equal frames theirs "$1" ${3:+others} || fail "not what $reader says of $1"
}
# same PROGRAM DEBUG READER OPTIONS...: READER finds the same lines in DEBUG, at the beginning of 1000 lines.
same() {
    rows "$2" 1000 > asked
    fill "$1" "${@:4}"
    equal_to "$2" "$3"
}

for version in 4 5; do
    it "says what eu-addr2line says: g++ -O2, DWARF $version"
    g++ -g -gdwarf-$version -O2 -o gcc$version calls.cc
    same gcc$version gcc$version eu-addr2line
    [ "$(grep -c inlined theirs)" -gt 1000 ] || fail "little is inlined: the program does not test it"

    it "says what llvm-addr2line says: clang++ -O2, DWARF $version"
    clang++ -g -gdwarf-$version -gdwarf-aranges -O2 -o clang$version calls.cc
    same clang$version clang$version llvm-addr2line
    cp frames with_aranges

    it "finds the same without .debug_aranges, which clang leaves out"
    clang++ -g -gdwarf-$version -O2 -o clang$version calls.cc
    ! readelf -SW clang$version | grep -q debug_aranges || fail "clang wrote .debug_aranges: the program does not test it"
    fill clang$version
    cmp frames with_aranges || fail "other lines than with .debug_aranges"
done

it "says what eu-addr2line or binutils' addr2line says of any 10,000 addresses of the library itself"
addresses "$build/libgumshoe.so" 10000 > asked
fill "$build/libgumshoe.so"
equal_to "$build/libgumshoe.so" eu-addr2line addr2line
