#!/bin/bash
# Each file of the library compiles for aarch64, as CMakeLists.txt chooses files there, but for the walk, which is libunwind's then.
# Needs a cross compiler (tests/setup.sh analyze). The static libraries' headers are those of this machine: they are the same there.
. "$(dirname "$0")/../host/lib.sh"
compiler=aarch64-linux-gnu-gcc
command -v $compiler > /dev/null || { echo "this check needs $compiler: tests/setup.sh analyze installs it" >&2; exit 77; }
mkdir "$tmp/headers"
for header in jansson.h jansson_config.h zlib.h zconf.h protobuf-c libiberty; do
    found=$(find /usr/include -maxdepth 2 -name "$header" ! -path '*/node/*' | head -n 1)
    [ -n "$found" ] || fail "no header $header"
    ln -s "$found" "$tmp/headers/$header"
done
$compiler -E -dM -include sys/syscall.h -x c /dev/null | sed -n 's/^#define __NR_\([a-z0-9_]*\) \([0-9]*\)$/[\2] = "\1",/p' > "$tmp/headers/calls.inc"
grep -qx '\[98\] = "futex",' "$tmp/headers/calls.inc" || fail "no system calls of aarch64: $(head -n 3 "$tmp/headers/calls.inc")"
cp "$build"/generated/*.pb-c.h "$tmp/headers"
export compiler tmp source_dir
# compiles FILE…: each of them. What does not is in $tmp/FAILED.
compiles() {
    printf '%s\n' "$@" | xargs -P 2 -n 8 bash -c 'for file; do
        $compiler -std=gnu11 -D_GNU_SOURCE -fPIC -fvisibility=hidden -O1 -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Werror \
            -DGS_DEFAULT_RULES_FILE="\"$source_dir/rules/default.json\"" -iquote "$source_dir/agent" -iquote "$tmp/headers" -I "$source_dir/include" \
            -isystem "$tmp/headers" -c "$file" -o /dev/null 2>> "$tmp/errors" || echo "$file" >> "$tmp/FAILED"
    done' files
}
not_there() { grep -vE 'probe/hooks/context\.c|probe/unwind/(walk|search|rows|frame_entry|expression|cursor|walk_libunwind)\.c'; }

it "compiles each file of the library for aarch64"
mapfile -t files < <(cd "$source_dir/agent" && ls -d "$PWD"/*.c "$PWD"/{base,sys,metrics,history,rules,symbol,profile,gather,account,store,box,incident,host,watch}/*.c \
    "$PWD"/probe/*.c "$PWD"/probe/{heap,threads,unwind,hooks}/*.c | not_there)
[ ${#files[@]} -gt 200 ] || fail "only ${#files[@]} files"
compiles "${files[@]}"
[ ! -e "$tmp/FAILED" ] || fail "$(cat "$tmp/FAILED"; grep error "$tmp/errors" | head -n 20)"
it "catches a file that does not (this check can fail)"
compiles "$source_dir/agent/probe/hooks/context.c" > /dev/null
grep -q context.c "$tmp/FAILED" || fail "context.c compiles for aarch64: then it belongs there"
