#!/bin/bash
# Debug information that dwz split names its supplementary file in .gnu_debugaltlink, which anybody may have written: only a regular
# file with the named build id is opened. libdw by itself would open whatever lies there, and take it without a look at its build id.
. "$(dirname "$0")/lib.sh"
tool() { python3 "$source_dir/tests/cli/$1.py" "${@:2}"; }
mkdir here && cd here
cat > program.c <<'C'
#include <stdio.h>
struct entry { int key, size; char name[16]; struct entry *next; };
static inline __attribute__((always_inline)) int square(int x) { volatile int y = x; return y * y; }
int of_c(struct entry *e) { return square(e->key) + square(e->size); }
int main(int c, char **v) { struct entry e = {c, c, "", 0}; return of_c(&e) == 7 || !v; }
C
gcc -g -O2 -Wl,--build-id -o reference program.c
for name in first second third; do cp reference $name; done
dwz -m common.debug -M "$PWD/common.debug" first second third
readelf -SW first | grep -q gnu_debugaltlink || fail "dwz moved nothing: it does not test it"
common=$(readelf -n common.debug | sed -n 's/.*Build ID: //p')
objdump -d reference | sed -n '/<of_c>:/,/^$/s/^ *\([0-9a-f]*\):.*/0x\1/p' > asked
# fill PROGRAM OPTIONS…: frames, what `gumshoe symbolize` says of the addresses in "asked"; notes.
fill() {
    tool profile_file make asked.pb.gz "$(realpath "$1")" < asked; rm -f filled.pb.gz
    within_patience strace -f -o calls -e trace=openat,open "$gumshoe" symbolize -o filled.pb.gz "${@:2}" asked.pb.gz > /dev/null 2> notes || true
    [ ! -e filled.pb.gz ] || tool profile_file frames filled.pb.gz | sed "s|$PWD|.|g" > frames
}
# named NAME ID: the section that says NAME and ID (hex). link_to NAME ID: the program "hostile" with it.
named() { python3 -c 'import sys; sys.stdout.buffer.write(sys.argv[1].encode() + b"\0" + bytes.fromhex(sys.argv[2]))' "$1" "$2" > section; }
link_to() { named "$1" "$2"; objcopy --update-section .gnu_debugaltlink=section first hostile; }
reads_it() { fill "$@"; cmp frames wanted || fail "other frames: $(cat notes)"; }
refuses_it() { fill hostile; grep -q 'supplementary file' notes || fail "$1: $(cat notes)"; ! grep program.c frames || fail "$1: it was read"; }
fill reference && mv frames wanted
grep -q 'square.*program.c:3' wanted || fail "no lines: it does not test it"

it "reads the file that it names, by an absolute path, a relative one, and in another folder with .."
reads_it first
mkdir -p away/.dwz near/bin
mv common.debug away/.dwz/
for name in "$PWD/away/.dwz/common.debug" away/.dwz/common.debug near/bin/../../away/.dwz/common.debug; do
    link_to "$name" "$common"; reads_it hostile
done
link_to nowhere/common.debug "$common"; reads_it hostile --debug-dir away
cp away/.dwz/common.debug .

it "refuses a FIFO, a device, a folder, no name, too long a path, a file that is no ELF file; special files are not opened"
mkfifo fifo
long=$(printf '/%.0sa' $(seq 3000))
for name in "$PWD/fifo" fifo ../here/fifo /dev/zero /dev/tty /dev .. / "" "$long" ../../../../../../../../etc/passwd; do
    link_to "$name" "$common"; refuses_it "\"${name:0:40}\""
    ! grep -E '"(/dev/(zero|tty)|[^"]*/fifo)".*= [0-9]' calls || fail "\"${name:0:40}\" was opened"
done

it "refuses a file of another build, and a build id that is too long or only begins like the right one"
cp reference other
for id in "${common%??}00" "$common$common$common$common" "${common}00" "${common%??}"; do
    link_to "$PWD/common.debug" "$id"; refuses_it "build id $id"
done
link_to "$PWD/other" "$common"; refuses_it "another build"

it "refuses a file with the right build id that has no debug information, or names another supplementary file"
objcopy -w --remove-section '.debug_*' common.debug empty
link_to "$PWD/empty" "$common"; refuses_it "without debug information"
named "$PWD/fifo" "$common"
objcopy --add-section .gnu_debugaltlink=section common.debug chained
link_to "$PWD/chained" "$common"; refuses_it "a chain"
