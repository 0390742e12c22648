#!/bin/sh
# make-archive.sh EXPORTS ARCHIVE OBJECT… - libgumshoe.a: all objects and the archives they lean on joined into one, in
# which every name is local but the library's API and those that it takes over from the C library. A host that uses
# jansson, zlib or protobuf-c itself, in whatever version, never meets ours.
set -eu
exports=$1 archive=$2 joined=$2.o
shift 2
ld -r -o "$joined" "$@"
{
    sed -n 's/^ *\([A-Za-z0-9_]*\);.*/\1/p' "$exports"
    nm -g --defined-only "$joined" | sed -n 's/.* \(gumshoe_[a-z_]*\)$/\1/p'
} > "$joined.keep"
objcopy --keep-global-symbols="$joined.keep" "$joined"
rm -f "$archive"
ar rcs "$archive" "$joined"
rm -f "$joined" "$joined.keep"
