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
# finds_nothing PROGRAM: there are neither names nor lines for it.
finds_nothing() {
    tool profile_file make asked.pb.gz "$(realpath "$1")" < asked
    rm -f filled.pb.gz
    equal "$("$gumshoe" symbolize -o filled.pb.gz asked.pb.gz 2> notes; echo $?)" 1 "status for $1"
    [ ! -e filled.pb.gz ] || fail "wrote a file without anything new"
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

# ---- split DWARF ------------------------------------------------------------------------------------------------------

# like_reference PROGRAM OPTIONS...: the same frames as "reference", the same program with its debug information inside.
like_reference() {
    rows reference 2000 > asked
    fill reference; mv frames wanted
    fill "$@"
    cmp frames wanted || fail "$1: other frames than with the debug information inside"
}
for version in 4 5; do
    for compiler in g++ clang++; do
        it "reads .dwo files: $compiler, DWARF $version"
        $compiler -g -gdwarf-$version -O2 -c calls.cc -o calls.o && $compiler -x c -g -gdwarf-$version -O2 -c other.c -o other.o
        $compiler calls.o other.o -o reference
        $compiler -g -gdwarf-$version -gsplit-dwarf -O2 -c calls.cc -o calls.o && $compiler -x c -g -gdwarf-$version -gsplit-dwarf -O2 -c other.c -o other.o
        $compiler calls.o other.o -o program
        [ -s calls.dwo ] && [ -s other.dwo ] || fail "$compiler did not split: it does not test it"
        like_reference program

        it "reads a .dwp file: $compiler, DWARF $version"
        if [ "$compiler$version" = g++4 ]; then dwp -e program -o program.dwp; else llvm-dwp -e program -o program.dwp; fi
        rm calls.dwo other.dwo
        like_reference program
        mkdir -p packages && mv program.dwp packages/
        like_reference program --debug-dir packages

        it "has lines, and says what is missing, without them"
        rm -r packages; fill program
        grep -q 'dwo files are missing' notes || fail "nothing said of the missing files: $(cat notes)"
        [ "$(grep -cE ':[1-9][0-9]*	[0-9]+$' frames)" -gt 500 ] || fail "few lines"
    done
done

# ---- places of debug files ----------------------------------------------------------------------------------------

it "finds a debug file by .gnu_debuglink: beside the program, in .debug/, under --debug-dir"
g++ -g -O2 -c calls.cc -o calls.o && gcc -g -O2 -c other.c -o other.o
g++ calls.o other.o -Wl,--build-id -o reference
objcopy --only-keep-debug reference program.debug
objcopy --strip-debug --add-gnu-debuglink=program.debug reference program
like_reference program
mkdir .debug && mv program.debug .debug/
like_reference program
mkdir -p "dir$PWD" && mv .debug/program.debug "dir$PWD/"
like_reference program --debug-dir dir

it "finds one by build id: under --debug-dir, in the cache of debuginfod"
id=$(readelf -n reference | sed -n 's/.*Build ID: //p')
mkdir -p "ids/.build-id/${id:0:2}" && mv "dir$PWD/program.debug" "ids/.build-id/${id:0:2}/${id:2}.debug"
strip -g -o program reference
like_reference program --debug-dir ids
mkdir -p "cache/$id" && mv "ids/.build-id/${id:0:2}/${id:2}.debug" "cache/$id/debuginfo"
export DEBUGINFOD_CACHE_PATH=$PWD/cache
like_reference program
unset DEBUGINFOD_CACHE_PATH
mkdir -p home/.cache/debuginfod_client && mv "cache/$id" home/.cache/debuginfod_client/
HOME=$PWD/home like_reference program
XDG_CACHE_HOME=$PWD/home/.cache like_reference program

it "finds names as well when the program has no symbol table at all"
strip -s -o program reference
DEBUGINFOD_CACHE_PATH=$PWD/home/.cache/debuginfod_client like_reference program

it "finds the program and its debug file when the program is not on this machine"
rows reference 2000 > asked && fill reference && mv frames wanted
tool profile_file make asked.pb.gz reference /nowhere/bin/program < asked
DEBUGINFOD_CACHE_PATH=$PWD/home/.cache/debuginfod_client "$gumshoe" symbolize -o filled.pb.gz asked.pb.gz
tool profile_file frames filled.pb.gz | cmp - wanted || fail "other frames by the debug file alone"
mkdir -p copy/nowhere/bin && cp reference copy/nowhere/bin/program
"$gumshoe" symbolize -o filled.pb.gz --debug-dir copy asked.pb.gz
tool profile_file frames filled.pb.gz | cmp - wanted || fail "other frames by a copy of the machine's files"

it "takes a debug file without build id by the CRC in .gnu_debuglink, and no other"
g++ calls.o other.o -Wl,--build-id=none -o reference
objcopy --only-keep-debug reference program.debug
objcopy --strip-debug --add-gnu-debuglink=program.debug reference program
like_reference program
printf x >> program.debug
fill program
! grep -q 'calls.cc' frames || fail "took a file with another CRC"

it "finds names in MiniDebugInfo"
g++ calls.o other.o -Wl,--build-id -o reference
nm reference --format=posix --defined-only | awk '$2 ~ /[TtWDd]/ { print $1 }' > keep_symbols
objcopy -S --remove-section .gdb_index --remove-section .comment --keep-symbols=keep_symbols reference mini
xz -k mini
strip -s -o program reference
objcopy --add-section .gnu_debugdata=mini.xz program
! nm program 2> /dev/null | grep -q . || fail "the program has a symbol table: it does not test it"
rows reference 2000 > asked
fill program
cut -f1-3 frames > names
strip -g -o named reference && fill named && cut -f1-3 frames | cmp - names || fail "other names than in the symbol table"
grep -q '_ZNK4deep5Thing3sumEv' names || fail "no names"

it "ignores MiniDebugInfo that is damaged or unpacks to more than 64 MiB"
strip -s -o program reference
head -c 300 mini.xz > cut.xz && objcopy --add-section .gnu_debugdata=cut.xz program damaged
finds_nothing damaged
head -c 200000000 /dev/zero | xz > large.xz && objcopy --add-section .gnu_debugdata=large.xz program large
finds_nothing large

it "reads what dwz moved to a supplementary file, in one file and in several"
cp reference one && dwz one && like_reference one
cp reference first && cp "$build/libgumshoe.so" second && cp reference third
dwz -m common.debug -M "$PWD/common.debug" first second third 2> /dev/null
readelf -SW first | grep -q gnu_debugaltlink || fail "dwz moved nothing: it does not test it"
like_reference first
rm common.debug
fill first
grep -q 'supplementary file' notes || fail "nothing said of the missing file: $(cat notes)"
