#!/bin/bash
# What `gumshoe symbolize` does to files: a profile is replaced as a whole and its original kept; an incident's profiles all; another
# build is refused. Debug information that crashes its reader costs only the lines of its file.
. "$(dirname "$0")/lib.sh"
tool() { python3 "$source_dir/tests/cli/$1.py" "${@:2}"; }

cat > program.c <<'C'
#include <stdio.h>
static inline __attribute__((always_inline)) int square(int x) { volatile int y = x; return y * y; }
int of_c(int x) { return square(x) + square(x + 1); }
int main(int c, char **v) { (void)v; return of_c(c) == 7; }
C
gcc -g -O2 -Wl,--build-id -o program program.c
objdump -d program | sed -n '/<of_c>:/,/^$/s/^ *\([0-9a-f]*\):.*/0x\1/p;/<main>:/,/^$/s/^ *\([0-9a-f]*\):.*/0x\1/p' > asked
profile() { tool profile_file make "$1" "$PWD/program" "${@:2}" < asked; }
has_lines() { [ "$(tool profile_file frames "$1" | grep -c 'program.c:[1-9]')" -gt 0 ]; }

it "replaces the profile, keeps its mode, and keeps the original"
profile heap.pb.gz && cp heap.pb.gz before && chmod 640 heap.pb.gz
"$gumshoe" symbolize heap.pb.gz
has_lines heap.pb.gz || fail "no lines"
equal "$(stat -c %a heap.pb.gz)" 640 mode
cmp heap.orig.pb.gz before || fail "the original is not the original"
equal "$(ls -A | grep -c 'heap')" 2 "files of the profile"

it "has inlined functions, and says that all is known, so that pprof does not look for it again"
[ "$(tool profile_file frames heap.pb.gz | grep -c '^	square	square	.*program.c:2	2$')" -gt 0 ] || fail "square is missing: $(tool profile_file frames heap.pb.gz)"
equal "$(tool profile_file mappings heap.pb.gz)" "$PWD/program 1 1 1 1" "what the mapping says of itself"
go tool pprof -symbolize=none -lines -top heap.pb.gz 2> /dev/null > pprof.out
grep -q 'square .*program.c:2 (inline)' pprof.out || fail "pprof shows no inlined function with its line: $(cat pprof.out)"

it "starts from the original when it is run again, and does not overwrite it"
cp heap.pb.gz first && printf 'not a profile' > heap.pb.gz
"$gumshoe" symbolize heap.pb.gz
cmp heap.orig.pb.gz before || fail "the original was overwritten"
tool profile_file frames heap.pb.gz > again && tool profile_file frames first | cmp - again || fail "other frames the second time"

it "replaces a profile through a link where the profile is, and leaves the link"
mkdir elsewhere && profile elsewhere/cpu.pb.gz && ln -s elsewhere/cpu.pb.gz link.pb.gz
"$gumshoe" symbolize link.pb.gz
[ -L link.pb.gz ] && has_lines elsewhere/cpu.pb.gz && [ -e elsewhere/cpu.orig.pb.gz ] || fail "the profile behind the link"

it "fills in every profile of a folder, once"
mkdir folder && profile folder/heap.pb.gz && profile folder/threads.pb.gz && echo words > folder/summary.txt
"$gumshoe" symbolize folder
has_lines folder/heap.pb.gz && has_lines folder/threads.pb.gz || fail "no lines"
"$gumshoe" symbolize folder
equal "$(ls folder | tr '\n' ' ')" "heap.orig.pb.gz heap.pb.gz summary.txt threads.orig.pb.gz threads.pb.gz " "the folder's files"

it "writes to a file that -o names, and leaves the profile alone"
profile cpu.pb.gz && cp cpu.pb.gz before
"$gumshoe" symbolize -o out.pb.gz cpu.pb.gz
has_lines out.pb.gz && cmp cpu.pb.gz before && [ ! -e cpu.orig.pb.gz ] || fail "-o"
"$gumshoe" symbolize -o /dev/stdout cpu.pb.gz | cat > piped.pb.gz
has_lines piped.pb.gz || fail "-o /dev/stdout"

it "refuses another build, and says so"
cp program kept && gcc -g -O1 -Wl,--build-id -o program program.c
equal "$("$gumshoe" symbolize cpu.pb.gz 2> errors; echo $?)" 1 status
grep -q 'wrong build id' errors || fail "says: $(cat errors)"
cmp cpu.pb.gz before && [ ! -e cpu.orig.pb.gz ] || fail "the profile was changed"
mv kept program

it "refuses a file that is no profile, and one that is missing"
echo nonsense > nonsense.pb.gz
equal "$(status_of "$gumshoe" symbolize nonsense.pb.gz)" 3 "status for nonsense"
equal "$(status_of "$gumshoe" symbolize missing.pb.gz)" 3 "status for a missing file"
equal "$(status_of "$gumshoe" symbolize -o x folder)" 2 "status for -o with a folder"
equal "$(status_of "$gumshoe" symbolize)" 2 "status for no file"

it "fills lines in for top, peek and traces as well, in memory, unless they are told not to"
"$gumshoe" top --json cpu.pb.gz > top.json
equal "$(jq -r '.rows[] | select(.function == "square").file' top.json)" "$PWD/program.c" "the file of an inlined function"
"$gumshoe" top --json --no-symbolize cpu.pb.gz > bare.json
equal "$(jq '[.rows[] | select(.file != "")] | length' bare.json)" 0 "files with --no-symbolize"
"$gumshoe" top --json out.pb.gz | cmp - top.json || fail "top prints something else of the symbolized profile"
"$gumshoe" traces --lines cpu.pb.gz | grep -c 'square.*program.c:2' > count || fail "traces --lines has no lines"
"$gumshoe" peek square cpu.pb.gz | grep -c of_c > count || fail "peek does not know the caller of an inlined function"
cmp cpu.pb.gz before || fail "the profile was changed"

# ---- hostile debug information -----------------------------------------------------------------------------------------

# A program whose debug information is small, and takes a day to read: a million blocks, each with the same million of ranges.
cat > endless.s <<'S'
    .text
    .globl _start
    .type _start, @function
_start: nop
    nop
    nop
end:
    .size _start, end - _start
    .section .debug_abbrev
    .byte 1, 0x11, 1, 0x11, 0x01, 0x12, 0x07, 0, 0 # unit with children: low_pc, high_pc
    .byte 2, 0x0b, 0, 0x55, 0x17, 0, 0             # block: ranges
    .byte 0
    .section .debug_info
    .long unit_end - version
version: .short 4
    .long .debug_abbrev
    .byte 8, 1
    .quad _start
    .quad end - _start
    .rept 1000000
    .byte 2
    .long 0
    .endr
    .byte 0
unit_end:
    .section .debug_ranges
    .rept 1000000
    .quad 0x100000, 0x100001
    .endr
    .quad 0, 0
S
gcc -nostdlib -Wl,--build-id -o endless endless.s
nm endless | awk '$3 == "_start" { print "0x" $1 }' > in_endless
two() { tool profile_file make two.pb.gz endless "$PWD/endless" in_endless program "$PWD/program" asked; }

it "says so when a file takes too long, and ends"
two
"$gumshoe" symbolize --seconds 2 -o out.pb.gz two.pb.gz 2> errors || true
grep -q 'endless: reading its debug information took too long: there are no lines from it' errors || fail "says: $(cat errors)"

it "loses only the lines of a file that crashes its reader"
two
"$gumshoe" symbolize --seconds 80000 -o out.pb.gz two.pb.gz 2> errors & command=$!; started=$command
reader_of() { pgrep -P "$1" > reader && ! grep -q '^Max file size  *unlimited' "/proc/$(cat reader)/limits"; }
is_reading_it() { [ "$(awk '{ print $14 }' "/proc/$(cat reader)/stat")" -gt 10 ]; } # a tenth of a second of CPU time: the rest needs less
wait_until reader_of $command
wait_until is_reading_it
grep -q '^Max core file size  *0 ' "/proc/$(cat reader)/limits" || fail "it may leave a core file"
! grep -q '^Max data size  *unlimited' "/proc/$(cat reader)/limits" || fail "it may take all memory"
kill -SEGV "$(cat reader)"
wait $command || fail "symbolize: $(cat errors)"
grep -q 'endless: reading its debug information ended with signal 11' errors || fail "says: $(cat errors)"
has_lines out.pb.gz || fail "the other file has no lines"

it "ends its reader when it is killed itself"
"$gumshoe" symbolize --seconds 80000 -o out.pb.gz two.pb.gz 2> errors & command=$!; started=$command
wait_until reader_of $command
kill -KILL $command
gone() { ! kill -0 "$(cat reader)"; }
wait_until gone

it "ignores debug information that unpacks to more than its memory limit"
python3 - program large <<'P'
import struct, sys, zlib
data = bytearray(open(sys.argv[1], "rb").read())
offset = struct.unpack_from("<Q", data, 40)[0]
count, names = struct.unpack_from("<HH", data, 60)
strings = struct.unpack_from("<Q", data, offset + 64 * names + 24)[0]
packed = zlib.compressobj(9)
packed = b"".join([struct.pack("<IIQQ", 1, 0, 1 << 30, 1)] + [packed.compress(bytes(1 << 20)) for _ in range(1024)] + [packed.flush()])
for index in range(count):
    at = offset + 64 * index
    name = strings + struct.unpack_from("<I", data, at)[0]
    if data[name:name + 11] == b".debug_str\0":
        struct.pack_into("<Q", data, at + 8, struct.unpack_from("<Q", data, at + 8)[0] | 0x800)  # SHF_COMPRESSED
        struct.pack_into("<QQ", data, at + 24, len(data), len(packed))
open(sys.argv[2], "wb").write(data + packed)
P
tool profile_file make two.pb.gz large "$PWD/large" asked program "$PWD/program" asked
"$gumshoe" symbolize -o out.pb.gz two.pb.gz 2> errors || fail "symbolize: $(cat errors)"
has_lines out.pb.gz || fail "the other file has no lines"
