#!/bin/bash
# One program, built with every linker and layout that people use: each frame of its heap profile has the name that nm gives
# the address, or FILE+0xADDRESS where nm knows none, and addr2line agrees. The program itself prints where it is mapped.
their_path=$PATH
. "$(dirname "$0")/lib.sh"
cd "$tmp"
export GUMSHOE_DIR=$tmp/incidents
export GUMSHOE_RULES; GUMSHOE_RULES=$(rules never '{ "version": 1, "rules": [ { "name": "never", "every": "24h" } ] }')

# Functions far enough apart to fill several pages; a chain of calls through all of them, a library, and code that has no symbol.
cat > program.c <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "gumshoe/gumshoe.h"
extern void *(*const nameless)(size_t);   /* grab and return: a function of assembler that no symbol tells of */
void *in_library(void *(*grab)(size_t), size_t size, void **own_address);
void *volatile kept[64], *library;
#define STEP(name, next, linkage) \
    __attribute__((noinline, aligned(1024))) linkage void name(int depth) \
    { kept[depth] = malloc(200000); next(depth + 1); __asm__ volatile("" ::: "memory"); }
static __attribute__((noinline)) void last(int depth)
{
    kept[depth] = nameless(200000);
    kept[depth + 1] = in_library(nameless, 200000, &library);
}
STEP(flush, last, static) STEP(commit, flush, ) STEP(encode, commit, static) STEP(parse, encode, ) STEP(accept_one, parse, static)
__attribute__((cold, noinline)) void refuse(int depth) { kept[depth] = malloc(200000); accept_one(depth + 1); __asm__(""); }
STEP(serve, refuse, )
int main(int argc, char **argv)
{
    if (argc > 2) /* one page of the code changes hands: what was one mapping is three */
        if (mprotect((void *)((size_t)parse & ~4095UL), 4096, PROT_READ | PROT_WRITE | PROT_EXEC))
            return 2;
    for (int i = 0; i < 60; i++)
        serve(0); /* 12 MB from each function: at a sample in 512 KiB one is missed once in 10^10 runs */
    printf("program %p main\nlibrary %p in_library\n", (void *)main, library);
    int fd = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0600), maps = open("/proc/self/maps", O_RDONLY);
    char text[65536];
    for (ssize_t got; (got = read(maps, text, sizeof text)) > 0;)
        fwrite(text, 1, (size_t)got, stdout);
    int (*write_profile)(enum gumshoe_kind, int) = (int (*)(enum gumshoe_kind, int))dlsym(RTLD_DEFAULT, "gumshoe_write_profile");
    return write_profile && write_profile(GUMSHOE_HEAP, fd) == 0 ? 0 : 3;
}
C
cat > library.c <<'C'
#include <stddef.h>
__attribute__((aligned(4096))) void *in_library(void *(*grab)(size_t), size_t size, void **own_address)
{
    void *block = grab(size);
    *own_address = (void *)in_library;
    __asm__ volatile("" ::: "memory");
    return block;
}
C
cat > nameless.s <<'S'
    .text
    .globl before
    .type before, @function
before: ret
    .size before, . - before
    .balign 64
.Lcode: .cfi_startproc
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    call malloc@plt
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
    ret
    .cfi_endproc
    .section .data.rel.ro, "aw"
    .balign 8
    .globl nameless
    .type nameless, @object
nameless: .quad .Lcode
    .size nameless, 8
    .section .note.GNU-stack, "", @progbits
S
cat > check.py <<'P'
# check.py PROFILE OUT SYMBOLS KIND=FILE… NAME…: every frame of PROFILE in one of the files, of which OUT, what the program said, has
# the address of one function each. SYMBOLS: "all"; "dynamic" for files that were stripped; "linked" if their debug files are there. Each NAME is there, by the symbol table.
import re, subprocess, sys
profile, out, symbols, *rest = sys.argv[1:]
run = lambda *a: subprocess.run(a, check=True, capture_output=True, text=True).stdout
said, lines = {}, []
for line in open(out):
    said.update({m[1]: (int(m[2], 16), m[3]) for m in [re.match(r"(program|library) 0x(\w+) (\w+)", line)] if m})
    m = re.match(r"(\w+)-(\w+) (\S+) (\w+) \S+ \d+ +(/.*)", line)
    if m: lines.append((int(m[1], 16), int(m[2], 16), m[3], int(m[4], 16), m[5]))
class File:
    def __init__(self, path, reference, address, name):
        self.table = []
        for line in run("nm", "-S", "--defined-only", reference).splitlines():
            m = re.match(r"(\w+) (\w+) [tTwWiu] (.*)", line)
            if m: self.table.append((int(m[1], 16), int(m[2], 16), m[3]))
        self.bias = address - next(start for start, size, n in self.table if n == name)
        self.segments = [tuple(int(x, 16) for x in m) for m in re.findall(r"LOAD +0x(\w+) 0x(\w+) 0x\w+ 0x(\w+)", run("readelf", "-lW", path))]
        self.seen = run("nm", "--defined-only", *(["-D"] if symbols == "dynamic" else []), reference if symbols == "linked" else path)
    def named(self, at): return {n for start, size, n in self.table if start <= at < start + size and re.search(r"\b%s\b" % re.escape(n), self.seen)}
files = {path: File(path, path + ".full", *said[kind]) for kind, path in (word.split("=") for word in rest if "=" in word)}
raw = run("go", "tool", "pprof", "-raw", profile)
locations, mappings = raw.split("\nLocations\n")[1].split("\nMappings\n")
mapping = {int(m[0]): (int(m[1], 16), int(m[2], 16), int(m[3], 16), m[4]) for m in re.findall(r"(\d+): 0x(\w+)/0x(\w+)/0x(\w+) (\S+)", mappings)}
names = {}
for number, address, which, name in re.findall(r"\d+: (0x)(\w+) M=(\d+) (.*)", locations):
    address, (start, end, offset, path) = int(address, 16), mapping[int(which)]
    assert any(l[:2] == (start, end) and l[3] == offset and "x" in l[2] and l[4] == path for l in lines), ("no such mapping", start, end, offset, path)
    if path not in files: continue
    file, at = files[path], address - files[path].bias
    # what pprof makes of start and offset: the segment that holds the byte of the file
    byte = address - start + offset
    assert at in [vaddr + byte - off for off, vaddr, size in file.segments if off <= byte < off + size], ("offset", hex(address))
    name = re.sub(r" :0(:0)? s=0(?:\((.*)\))?$", lambda m: "\n" + (m[2] or ""), name).split("\n")
    name = name[1] or name[0] # as the symbol table has it
    wanted = file.named(at) or {"%s+%#x" % (path.rsplit("/")[-1], at)}
    assert name in wanted, "%s %#x: wanted %s, got %r" % (path, at, wanted, name)
    names.setdefault(path, []).append((name, file.named(at), at))
for path, frames in names.items(): # and addr2line's own opinion, of the file with all its symbols
    told = run("addr2line", "-f", "-e", path + ".full", *[hex(at) for name, known, at in frames]).split("\n")[::2]
    for (name, known, at), other in zip(frames, told): assert not known or other in known, ("addr2line", hex(at), other)
seen = {name for frames in names.values() for name, known, at in frames}
missing = [word for word in rest if "=" not in word and not any(re.search(r"(^|\d)%s(\d|$)" % word, name) for name in seen)]
nameless = sum(not known for frames in names.values() for name, known, at in frames)
assert not missing, ("missing", missing, seen)
print(len(seen), "names,", nameless, "frames without")
P

# holds NAME SYMBOLS NAMES [ARGUMENT]: run it, and check.
holds() {
    local name=$1 symbols=$2 names=$3; shift 3
    LD_PRELOAD=$build/libgumshoe.so "./$name" "$name.pb.gz" "$@" > "$name.out" || fail "$name: ends with $?"
    python3 check.py "$name.pb.gz" "$name.out" "$symbols" program="$tmp/$name" library="$tmp/lib$name.so" $names > said 2>&1 ||
        fail "$name: $(tail -1 said); $(readelf -lW "$name" | grep LOAD)"
    grep -q ', [1-9][0-9]* frames without$' said || fail "$name: the code without a symbol is not in the profile"
    row "$name${*:+, cut}" "$symbols"
}
# row LAYOUT SYMBOLS: a row of the table: what check.py said of it.
row() { printf '    %-22s %-8s %s\n' "$1" "$2" "$(cat said)"; checked=$((checked + 1)); }
all="_start main serve refuse accept_one parse encode commit flush last in_library"
checked=0
# layout NAME COMPILER OPTIONS...: build it so, and check that names are right.
layout() {
    local name=$1 compiler=$2; shift 2
    "$compiler" -O1 -fPIC -shared library.c -o "lib$name.so" "${@/#-no-pie/-fPIC}" -Wl,-soname,"lib$name.so" 2> build.err || { cat build.err; fail "$name: the library"; }
    "$compiler" -O1 -I"$source_dir/include" program.c nameless.s -o "$name" "$@" "./lib$name.so" -Wl,-rpath,"$tmp" 2> build.err || { cat build.err; fail "$name"; }
    cp "$name" "$name.full"; cp "lib$name.so" "lib$name.so.full" # for the check to look at when these are stripped
    holds "$name" all "$all"
}

it "names every frame of what GNU's linkers made"
layout bfd gcc -fuse-ld=bfd
layout bfd-fixed gcc -fuse-ld=bfd -no-pie
layout bfd-together gcc -fuse-ld=bfd -Wl,-z,noseparate-code
layout bfd-huge gcc -fuse-ld=bfd -Wl,-z,max-page-size=0x200000,-z,common-page-size=0x200000
layout bfd-elsewhere gcc -fuse-ld=bfd -Wl,-Ttext-segment=0x10000000
layout bfd-separate gcc -fuse-ld=bfd -Wl,-z,separate-code
layout gold gcc -fuse-ld=gold
layout gold-fixed gcc -fuse-ld=gold -no-pie
layout gold-rosegment gcc -fuse-ld=gold -Wl,--rosegment
layout gold-huge gcc -fuse-ld=gold -Wl,-z,max-page-size=0x200000
layout gold-elsewhere gcc -fuse-ld=gold -Wl,-Ttext=0x10001000
it "names those of LLVM's linker, and mold's"
layout lld gcc -fuse-ld=lld
layout lld-fixed gcc -fuse-ld=lld -no-pie
layout lld-norosegment gcc -fuse-ld=lld -Wl,--no-rosegment
layout lld-separate gcc -fuse-ld=lld -Wl,-z,separate-code
layout lld-loadable gcc -fuse-ld=lld -Wl,-z,separate-loadable-segments
layout lld-huge gcc -fuse-ld=lld -Wl,-z,max-page-size=0x200000
layout lld-anonymous gcc -fuse-ld=lld -Wl,--build-id=none
layout mold gcc -fuse-ld=mold
layout mold-fixed gcc -fuse-ld=mold -no-pie
layout mold-norosegment gcc -fuse-ld=mold -Wl,--no-rosegment
layout mold-separate gcc -fuse-ld=mold -Wl,-z,separate-code
layout mold-huge gcc -fuse-ld=mold -Wl,-z,max-page-size=0x200000
layout mold-loadable gcc -fuse-ld=mold -Wl,-z,separate-loadable-segments
it "names those of programs built by clang"
layout clang clang
layout clang-lld clang -fuse-ld=lld
layout clang-lld-fixed clang -fuse-ld=lld -no-pie
it "names those of code that mprotect divided"
for name in bfd bfd-huge bfd-elsewhere gold gold-rosegment lld lld-fixed lld-norosegment lld-huge mold clang-lld; do
    holds "$name" all "$all" split
done
it "names those of a stripped program with a debug file, beside it or in a folder .debug"
for name in bfd bfd-fixed gold lld lld-anonymous mold; do
    for file in "$name" "lib$name.so"; do
        objcopy --only-keep-debug "$file" "$file.debug"
        objcopy --strip-all --add-gnu-debuglink="$file.debug" "$file"
    done
    mkdir -p .debug; mv "lib$name.so.debug" .debug/
    holds "$name" linked "$all"
    rm "$name.debug" ".debug/lib$name.so.debug"
done
it "gives FILE+0xADDRESS, as addr2line takes it, for what a stripped file does not name"
for name in bfd bfd-fixed gold lld lld-fixed mold; do
    strip "$name" "lib$name.so"; holds "$name" dynamic in_library
done

if rustc=$(PATH=$their_path command -v rustc) && PATH=$their_path "$rustc" --version > rust.version 2>&1; then
    it "names Rust's functions, linked as Rust links: $(cat rust.version)"
    cat > server.rs <<'R'
use std::collections::HashMap;
extern "C" { fn dlsym(from: *mut u8, name: *const u8) -> *mut u8; }
#[no_mangle] pub extern "C" fn here() {}
#[inline(never)]
fn session_leak(cache: &mut HashMap<u64, Vec<u8>>, key: u64) { cache.insert(key, vec![1; 1_000_000]); }
#[inline(never)]
fn handle_login(cache: &mut HashMap<u64, Vec<u8>>) { for key in 0..30 { session_leak(cache, key); } }
fn main() {
    use std::os::unix::io::AsRawFd;
    let mut cache = HashMap::new();
    handle_login(&mut cache);
    let file = std::fs::File::create(std::env::args().nth(1).unwrap()).unwrap();
    let write: extern "C" fn(i32, i32) -> i32 = unsafe { std::mem::transmute(dlsym(std::ptr::null_mut(), b"gumshoe_write_profile\0".as_ptr())) };
    println!("program {:p} here\n{}", here as *const u8, std::fs::read_to_string("/proc/self/maps").unwrap());
    std::process::exit(write(1, file.as_raw_fd()) + cache.len() as i32 - 30);
}
R
    PATH=$their_path "$rustc" -O server.rs -o rust 2> build.err || { cat build.err; fail "rustc"; }
    strip --strip-debug -o rust.full rust # addr2line would tell the innermost inlined function instead
    LD_PRELOAD=$build/libgumshoe.so ./rust rust.pb.gz > rust.out || fail "rust: ends with $?"
    python3 check.py rust.pb.gz rust.out all program="$tmp/rust" session_leak handle_login main > said 2>&1 || fail "rust: $(tail -1 said)"
    row rust all
else
    echo "  (no rustc here: Rust's link is not tried; lld's is)"
fi
it "names the functions of a Go program, C's and Go's"
mkdir -p go && cat > go/main.go <<'G'
package main

/*
#cgo CFLAGS: -O1
#cgo LDFLAGS: -ldl
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
void *kept[64];
__attribute__((noinline)) void session_leak(int i) { kept[i] = memset(malloc(1000000), 1, 1000000); __asm__ volatile(""); }
__attribute__((noinline)) void handle_login(int i) { session_leak(i); __asm__ volatile(""); }
void here(void) {}
static void *address_of_here(void) { return here; }
static int write_profile(int fd) { int (*write)(int, int) = dlsym(RTLD_DEFAULT, "gumshoe_write_profile"); return write(1, fd); }
*/
import "C"
import ("fmt"; "os")

func main() {
	for i := 0; i < 40; i++ { C.handle_login(C.int(i)) }
	maps, _ := os.ReadFile("/proc/self/maps")
	fmt.Printf("program %p here\n%s\n", C.address_of_here(), maps)
	file, _ := os.Create(os.Args[1])
	if C.write_profile(C.int(file.Fd())) != 0 { os.Exit(3) }
}
G
(cd go && GOCACHE=$tmp/cache HOME=$tmp GO111MODULE=off go build -o ../golang main.go) 2> build.err || { cat build.err; fail "go build"; }
cp golang golang.full
LD_PRELOAD=$build/libgumshoe.so ./golang golang.pb.gz > golang.out || fail "golang: ends with $?"
python3 check.py golang.pb.gz golang.out all program="$tmp/golang" session_leak handle_login > said 2>&1 || fail "golang: $(tail -1 said)"
row golang all
echo "$checked layouts"
