#!/bin/bash
# Includes point the way evidence flows, and only at doors: the tree keeps it, and whoever breaks it is named.
. "$(dirname "$0")/../host/lib.sh"
layers=$source_dir/tests/check/layers

it "finds no violation in this tree"
"$layers" "$source_dir" || fail "the includes above go the wrong way"

# caught WHAT FILE INCLUDE: one more include in a file of a copied tree, and that file is named. Then it is taken out again.
caught() {
    cp "$tmp/agent/$2" "$tmp/before"
    sed -i "1i $3" "$tmp/agent/$2"
    if "$layers" "$tmp" > "$tmp/said"; then fail "nobody minds $1: $3 in $2"; fi
    equal "$(cat "$tmp/said")" "agent/$2:1:$3" "what is said of $1"
    cp "$tmp/before" "$tmp/agent/$2"
}
cp -r "$source_dir/agent" "$source_dir/CONTRIBUTING.md" "$tmp"
it "catches an include against the direction of the evidence"
caught "a folder below that opens one above" probe/unwind/walk.c '#include "metrics/metrics.h"'
caught "the rules that read an incident" rules/judge.c '#include "incident/incident.h"'
caught "the shelf that opens a folder" base/text.c '#include "profile/profile.h"'
caught "the library that opens the command" watch/loop.c '#include "reader/reader.h"'
caught "the way in that opens the command" gumshoe.c '#include "cli/cli.h"'
it "catches an include of another header than the folder's own"
caught "another folder's inside" incident/culprit.c '#include "profile/inside.h"'
caught "a way around the door" incident/culprit.c '#  include "../profile/inside.h"'
caught "a folder of the probe that looks inside another" probe/hooks/mmap.c '#include "probe/heap/inside.h"'
it "catches a use of jansson outside base/json.h"
caught "another way to jansson" watch/status.c '#include <jansson.h>'
it "accepts everything else"
"$layers" "$tmp" || fail "the copied tree is as clean as this one"
it "fails on an empty tree"
mkdir -p "$tmp/nothing/agent" && cp "$source_dir/CONTRIBUTING.md" "$tmp/nothing"
! "$layers" "$tmp/nothing" || fail "nothing was checked, and it said yes"
cp -r "$source_dir/agent" "$tmp/nothing" && echo > "$tmp/nothing/CONTRIBUTING.md"
! "$layers" "$tmp/nothing" 2> /dev/null || fail "there is no plan, and it said yes"
