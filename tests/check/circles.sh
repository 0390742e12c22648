#!/bin/bash
# The files of a folder call each other in one direction: who reads one of them has not to read them all.
. "$(dirname "$0")/../host/lib.sh"
circles=$source_dir/tests/check/circles
mapfile -t folders < <(printf '%s\n' "$build"/CMakeFiles/{core,reader,probe,hooks,hooks_shared,hooks_archive,agent,gumshoe_command}.dir)

it "finds no circle but those that are allowed"
"$circles" "$source_dir" "${folders[@]}" || fail "the circles above"

it "catches two files that call each other (this check can fail)"
mkdir -p "$tmp/objects/agent/store" "$tmp/tree/agent/store"
offender() { # NAME CALLS
    echo "void gs_store_$2(void); void gs_store_$1(void); void gs_store_$1(void) { gs_store_$2(); }" > "$tmp/tree/agent/store/$1.c"
    gcc -c "$tmp/tree/agent/store/$1.c" -o "$tmp/objects/agent/store/$1.c.o"
}
offender ping pong
offender pong ping
! "$circles" "$tmp/tree" "$tmp/objects" > "$tmp/said" || fail "nobody minds"
grep -qx 'call each other in a circle: store/ping.c store/pong.c' "$tmp/said" || fail "$(cat "$tmp/said")"

it "fails if there are no objects"
! "$circles" "$source_dir" "$tmp/tree" 2> /dev/null || fail "nothing was checked, and it said yes"
