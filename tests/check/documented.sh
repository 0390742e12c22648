#!/bin/bash
# README.md and the pages of docs/ promise nothing that does not exist.
. "$(dirname "$0")/../host/lib.sh"
check=$source_dir/tests/check/documented

it "finds every file, heading and command that the pages name"
"$check" "$source_dir" "$gumshoe" || fail "the lines above name what does not exist"

it "finds no mark of an unresolved merge"
marks() { grep -nE '^(<<<<<<<|>>>>>>>)( |$)' -r "$@"; }
! marks "$source_dir"/{README.md,docs,agent,include,rules,examples,tests} || fail "these lines"
printf '%s\n' '<<<<<<< HEAD' > "$tmp/merged"
marks "$tmp/merged" > /dev/null || fail "nobody notices one"; rm "$tmp/merged"

it "catches a missing file, a missing heading, and a command that is not built (this check can fail)"
mkdir "$tmp/docs"
printf '# Title\n\n[a](docs/a.md) [b](docs/a.md#second-part) `gumshoe ls`\n' > "$tmp/README.md"
printf '# First\n\n## Second part\n' > "$tmp/docs/a.md"
"$check" "$tmp" "$gumshoe" || fail "it refuses what exists"
# catches LINE: once README.md has it as well.
catches() {
    printf '# Title\n\n%s\n' "$1" > "$tmp/README.md"
    ! "$check" "$tmp" "$gumshoe" > "$tmp/said" || fail "nobody notices $1"
    grep -q '^README.md:3: ' "$tmp/said" || fail "$(cat "$tmp/said")"
}
catches '![a picture](docs/picture.png)'
catches '[a](docs/a.md#third-part)'
catches 'Run `gumshoe frobnicate`.'
catches '`build/gumshoe frobnicate DIR`'
