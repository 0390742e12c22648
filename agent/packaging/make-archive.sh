#!/bin/sh
# make-archive.sh EXPORTS ARCHIVE OBJECT… - libgumshoe.a: all objects and the archives they lean on joined into one, in
# which every name is local but the library's API and those that it takes over from the C library. A host that uses
# jansson, zlib or protobuf-c itself, in whatever version, never meets ours.
#
# The names that are taken over are weak: where the program brings its own (a static allocator, a sanitizer), those are the
# program's, and ours give way (agent/probe/hooks/next_function.c). Each is there under the name that ld's --wrap asks for as well.
set -eu
exports=$1 archive=$2 joined=$2.o
shift 2
sed -n 's/^ *\([A-Za-z_][A-Za-z0-9_]*\);.*/\1/p' "$exports" | grep -v '^_Z' > "$joined.taken"
ld -r -o "$joined" $(sed 's/.*/--defsym=__wrap_&=&/' "$joined.taken") "$@"
{
    cat "$joined.taken"
    sed 's/^/__wrap_/' "$joined.taken"
    nm -g --defined-only "$joined" | sed -n 's/.* \(gumshoe_[a-z_]*\)$/\1/p'
} > "$joined.keep"
objcopy --keep-global-symbols="$joined.keep" --weaken-symbols="$joined.taken" "$joined"
rm -f "$archive"
ar rcs "$archive" "$joined"
rm -f "$joined" "$joined.keep" "$joined.taken"
