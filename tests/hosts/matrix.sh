#!/bin/bash
# tests/hosts/matrix.sh BUILD: every kind of program, by itself and with the library: prints the table of docs/compatibility.md. Rows
# whose compiler or program is not installed are left out, and named on stderr.
#   itself: output and exit status are those without the library (what the agent itself says goes to a log)
#   watched: the agent runs in it; no: it says in one line why not
#   heap: its allocations are sampled
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$(cd "${1:?usage: matrix.sh BUILD}" && pwd) || exit 2
source_dir=$(cd "$here/../.." && pwd)
t=$(mktemp -d "${TMPDIR:-/tmp}/gumshoe-matrix-XXXXXX")
trap 'rm -rf "$t"' EXIT
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:$PATH GUMSHOE_LOG=$t/log GUMSHOE_DIR=$t/d GUMSHOE_RULES=$t/rules.json
unset LD_PRELOAD GUMSHOE_PID GUMSHOE_DISABLE
chmod 711 "$t"; cd "$t" || exit 2
mkdir -m 755 lib && cp "$build/gumshoe" "$build/libgumshoe.so.1" lib
gumshoe=$t/lib/gumshoe library=$t/lib/libgumshoe.so.1 archive=$build/libgumshoe.a
echo '{ "version": 1, "interval": "100ms", "rules": [ { "name": "n", "every": "1s", "capture": ["heap", "threads"] },
    { "name": "heap", "metric": "heap_in_use", "above": "1TiB" } ] }' > rules.json

cat > app.c <<'C'
#define _GNU_SOURCE
#ifdef LINKED
#include <gumshoe/gumshoe.h>
#endif
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static void *work(void *given)
{
    long sum = 0;
    for (int i = 1; i < 5000; i++) {
        char *block = malloc(i);
        memset(block, i, i);
        sum += (unsigned char)block[i / 2];
        free(block);
    }
    *(long *)given = sum;
    return given;
}
int main(void)
{
#ifdef LINKED
    gumshoe_start(NULL);
#endif
    pthread_t thread[3];
    long sums[3];
    for (int i = 0; i < 3; i++)
        pthread_create(&thread[i], NULL, work, &sums[i]);
    for (int i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
    usleep(100000);
    printf("%ld %ld %ld\n", sums[0], sums[1], sums[2]);
    return 7;
}
C

row() { printf '| %s | %s | %s | %s | %s |\n' "$@"; }
left_out() { echo "left out: $*" >&2; }
have() { # NAME COMMAND…: are they all here?
    local name=$1 command; shift
    for command in "$@"; do command -v "$command" > /dev/null || { left_out "$name: no $command"; return 1; }; done
}
compiled() { # NAME COMMAND…: does it build?
    local name=$1; shift
    "$@" > said 2>&1 || { left_out "$name: $(tail -n 1 said)"; return 1; }
}

# judged NAME HOW PLAIN-COMMAND… -- COMMAND…: run both, print the row.
judged() {
    local name=$1 how=$2 plain=() a b itself=yes watched=no heap=–; shift 2
    while [ "$1" != -- ]; do plain+=("$1"); shift; done; shift
    rm -rf log d
    a=$(env -u GUMSHOE_DIR GUMSHOE_DISABLE=1 timeout 120 "${plain[@]}" 2> a.err < /dev/null | sed 's/process [0-9]*//'; echo "status ${PIPESTATUS[0]}")
    rm -rf log d
    b=$(timeout 120 "$@" 2> b.err < /dev/null | sed 's/process [0-9]*//'; echo "status ${PIPESTATUS[0]}")
    [ "$a" = "$b" ] && diff a.err <(grep -v '^gumshoe: warning: .*: it runs unwatched$' b.err) > /dev/null || itself="**no**"
    if [ "$itself" != yes ]; then { echo "$name, $how: plain: $a"; cat a.err; echo "with us: $b"; cat b.err log 2> /dev/null; } | cut -c 1-300 >&2; fi
    if grep -q 'info: watching: ' log 2> /dev/null; then
        watched=yes heap=yes
        ! grep -q 'not available: heap_in_use' log || heap="no, said"
    elif grep -qE 'it runs unwatched$' b.err || grep -q 'not watching: ' log 2> /dev/null; then
        watched="no, said"
    fi
    row "$name" "$how" "$itself" "$watched" "$heap"
}
run() { local name=$1; shift; judged "$name" "gumshoe run" "$@" -- "$gumshoe" run -- "$@"; }
preloaded() { local name=$1; shift; judged "$name" LD_PRELOAD "$@" -- env "LD_PRELOAD=$library" "$@"; }
linked() { local name=$1; shift; judged "$name" "$1" ./plain -- ./app; }

row program how 'itself' watched heap
echo '| --- | --- | --- | --- | --- |'

# ---- how it is linked
for flags in -pie -no-pie -static -static-pie -m32; do
    compiled "C, $flags" gcc $flags app.c -o app -pthread && run "C, \`gcc $flags\`" ./app
done
if have musl musl-gcc && compiled musl musl-gcc app.c -o app; then run "C, musl" ./app; fi
if have lld clang ld.lld && compiled lld clang -fuse-ld=lld app.c -o app -pthread; then run "C, clang and lld" ./app; fi
if have gold ld.gold && compiled gold gcc -fuse-ld=gold app.c -o app -pthread; then run "C, gold" ./app; fi
if [ "$(id -u)" = 0 ] && compiled setuid gcc app.c -o suid -pthread; then
    install -d -o nobody theirs; chmod 4755 suid
    judged "C, setuid" "gumshoe run" setpriv --reuid=nobody --regid=nogroup --clear-groups ./suid -- \
        env GUMSHOE_LOG=off GUMSHOE_DIR="$t/theirs/d" setpriv --reuid=nobody --regid=nogroup --clear-groups "$gumshoe" run -- ./suid
else left_out setuid; fi
pkg="$(sed -n 's/^Libs.private: *//p' "$build/package/gumshoe.pc")"
include="-I $source_dir/include -pthread"
gcc app.c -o plain -pthread
compiled "linked" gcc $include -DLINKED app.c -o app -L"$build" -lgumshoe -Wl,-rpath,"$build" && linked "C" '`-lgumshoe`'
compiled "archive" gcc $include -DLINKED app.c -o app "$archive" && linked "C" '`libgumshoe.a`'
for flags in -static -static-pie; do
    compiled "$flags" gcc $include $flags -DLINKED app.c -o app "$archive" && linked "C, \`gcc $flags\`" '`libgumshoe.a`'
    compiled "$flags wrapped" gcc $include $flags -DLINKED app.c -o app "$archive" $pkg && linked "C, \`gcc $flags\`" '`libgumshoe.a`, `--wrap`'
done

# ---- sanitizers
for compiler in gcc clang; do
    for sanitizer in address thread memory leak undefined; do
        have "$compiler" $compiler || continue
        [ $compiler-$sanitizer != gcc-memory ] || continue
        compiled "$compiler $sanitizer" $compiler -fsanitize=$sanitizer app.c -o app -pthread || continue
        run "C, \`$compiler -fsanitize=$sanitizer\`" ./app
        cp app plain
        compiled "$compiler $sanitizer" $compiler $include -fsanitize=$sanitizer -DLINKED app.c -o app "$archive" && linked "C, \`$compiler -fsanitize=$sanitizer\`" '`libgumshoe.a`'
    done
done
gcc app.c -o plain -pthread

# ---- allocators
for allocator in jemalloc:libjemalloc.so.2 tcmalloc:libtcmalloc_minimal.so.4 mimalloc:libmimalloc.so.2; do
    file=$(ldconfig -p | awk -v f="${allocator#*:}" '$1 == f { print $NF; exit }')
    [ -n "$file" ] || { left_out "${allocator%:*}: no ${allocator#*:}"; continue; }
    compiled "${allocator%:*}" gcc app.c -o app -pthread -Wl,--no-as-needed "$file" && run "C, ${allocator%:*}, shared" ./app
done
for allocator in jemalloc:libjemalloc.a tcmalloc:libtcmalloc_minimal.a; do
    file=$(gcc -print-file-name="${allocator#*:}")
    [ -e "$file" ] || { left_out "${allocator#*:}"; continue; }
    compiled "${allocator#*:}" gcc app.c -o app "$file" -lstdc++ -lm -pthread && run "C, ${allocator%:*}, static" ./app
    compiled "${allocator#*:}" gcc $include -DLINKED app.c -o app "$archive" "$file" -lstdc++ -lm && linked "C, ${allocator%:*}, static" '`libgumshoe.a` before it'
    compiled "${allocator#*:}" gcc $include -DLINKED app.c -o app "$file" "$archive" -lstdc++ -lm && linked "C, ${allocator%:*}, static" '`libgumshoe.a` after it'
done
run "C, an allocator of its own" "$build/hosts/ownmalloc" "$build/hosts/ownmalloc"

# ---- languages
if have Go go; then
    mkdir -p go && printf 'module p\n\ngo 1.19\n' > go/go.mod
    printf 'package main\n\nimport ("fmt"; "time")\n\nfunc main() { a := [][]byte{}; for i := 0; i < 1000; i++ { a = append(a, make([]byte, i)) }; time.Sleep(1e8); fmt.Println(len(a)) }\n' > go/main.go
    export GOCACHE=$t/gocache GOPATH=$t/gopath GOFLAGS=-mod=mod
    (cd go && CGO_ENABLED=0 compiled Go go build -o ../app .) && run "Go, pure" ./app
    sed -i 's/^import/\/\/ #include <stdlib.h>\nimport "C"\nimport/; s/{ a := /{ for i := 0; i < 1000; i++ { C.free(C.malloc(1000)) }; a := /' go/main.go
    (cd go && CGO_ENABLED=1 compiled Go go build -o ../app .) && run "Go, cgo" ./app
fi
if have Rust rustc; then
    printf 'fn main() { let v: Vec<Vec<u8>> = (0..1000).map(|i| vec![1; i]).collect(); std::thread::sleep(std::time::Duration::from_millis(100)); println!("{}", v.len()); std::process::exit(7) }\n' > a.rs
    compiled Rust rustc -O a.rs -o app && run Rust ./app
fi
if have Java java javac; then
    printf 'public class A { public static void main(String[] a) throws Exception { Thread.sleep(100); System.out.println("java"); System.exit(7); } }\n' > A.java
    compiled Java javac A.java && run Java java -cp . A
fi
have node node && run "node" node -e 'setTimeout(() => { console.log("node"); process.exit(7) }, 100)'
have python python3 && run "python" python3 -c 'import time; time.sleep(0.1); print("python"); exit(7)'
have perl perl && run "perl" perl -e 'select undef, undef, undef, 0.1; print "perl\n"; exit 7'
have ruby ruby && run "ruby" ruby -e 'sleep 0.1; puts "ruby"; exit 7'
have php php && run "php" php -r 'usleep(100000); echo "php\n"; exit(7);'
have bash bash && run "bash" bash -c 'x=$(echo a | cat); y=$(echo b | cat); sleep 0.1; echo $x$y; exit 7'
have dash dash && run "dash" dash -c 'x=$(echo a | cat); sleep 0.1; echo $x; exit 7'
if have busybox busybox; then run "busybox" busybox sh -c 'x=$(echo a | cat); sleep 0.1; echo $x; exit 7'; fi

# ---- wrappers, and those who look on
gcc app.c -o app -pthread
printf '#!/bin/sh\nexec "%s/app"\n' "$t" > wrapper; chmod +x wrapper
run "a shell script that execs the program" ./wrapper
mkdir -p image/lib && cp app image/program && cp "$(ldd app | awk '/libc.so/ { print $3 }')" image/lib && cp /lib64/ld-linux-x86-64.so.2 image/lib
printf '#!/bin/sh\nhere=%s/image\nLD_LIBRARY_PATH=$here/lib exec $here/lib/ld-linux-x86-64.so.2 --library-path $here/lib $here/program\n' "$t" > wrapper
run "an image that brings its loader and its C library" ./wrapper
compiled 32 gcc -m32 app.c -o child -pthread && run "a program with 32-bit children" sh -c './child; echo $?'
have musl musl-gcc && compiled musl musl-gcc app.c -o child && run "a program with children of musl" sh -c './child; echo $?'
have strace strace && preloaded "C, under strace" strace -f -o /dev/null ./app
have gdb gdb && judged "C, under gdb" LD_PRELOAD gdb -q -batch -ex 'set confirm off' -ex 'set print thread-events off' -ex run -ex 'print $_exitcode' ./app -- \
    gdb -q -batch -ex 'set confirm off' -ex 'set print thread-events off' -ex "set environment LD_PRELOAD $library" -ex run -ex 'print $_exitcode' ./app
have valgrind valgrind && preloaded "C, under valgrind" valgrind -q --error-exitcode=1 ./app
true
