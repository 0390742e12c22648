#!/bin/bash
# The library holds what a host needs: nothing of what only the command does (agent/reader/, agent/cli/) is in it.
. "$(dirname "$0")/../host/lib.sh"
# names OBJECT…: the functions that they define.
names() { nm --defined-only "$@" | awk '$2 ~ /^[Tt]$/ && $3 !~ /\./ { print $3 }' | sort -u; }
# shared_with FILE: functions of the command that FILE has as well. Global ones: files have static functions of one name (`add`).
shared_with() { comm -12 "$tmp/of_command" <(names "$1"); }
mapfile -t objects < <(find "$build"/CMakeFiles/{reader,gumshoe_command}.dir -path '*/agent/reader/*.o' -o -path '*/agent/cli/*.o')
[ ${#objects[@]} -gt 20 ] || fail "objects not found"
nm -g --defined-only "${objects[@]}" | awk '$2 == "T" && $3 != "main" { print $3 }' | sort -u > "$tmp/of_command"

it "finds nothing of the command in either library"
equal "$(shared_with "$build/libgumshoe.so")" "" "the command's functions in libgumshoe.so"
equal "$(shared_with "$build/libgumshoe.a")" "" "the command's functions in libgumshoe.a"

it "catches an object of the command in a library (this check can fail)"
cp "$build/libgumshoe.a" "$tmp/more.a"
pprof=$(printf '%s\n' "${objects[@]}" | grep '/reader/pprof\.c\.o$')
ar r "$tmp/more.a" "$pprof" 2> /dev/null
shared_with "$tmp/more.a" | grep -q . || fail "nobody minds"
