#!/bin/sh
# make-archive.sh EXPORTS ARCHIVE OBJECT… - makes libgumshoe.a: all objects and the archives they need, joined into one
# object. Every name in it is local, except the API and the replaced C library functions. So a host may use any version of
# jansson, zlib or protobuf-c itself.
#
# The replaced functions are weak: if the program has its own (a static allocator, a sanitizer), the linker takes those, and
# ours are not used (agent/probe/hooks/next_function.c). Each also has the name __wrap_NAME, for ld's --wrap.
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
