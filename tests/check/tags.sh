#!/bin/bash
# The tag of a struct, union or enum stands once in the tree.
. "$(dirname "$0")/../host/lib.sh"
tags=$source_dir/tests/check/tags

it "finds each tag once"
"$tags" "$source_dir" || fail "the tags above stand in several files"

it "catches one that is defined twice, also inside one file (this check can fail)"
cp -r "$source_dir/agent" "$source_dir/include" "$tmp"
echo 'struct gs_rule { int other; };' >> "$tmp/agent/store/store.h"
! "$tags" "$tmp" > "$tmp/said" || fail "nobody minds"
equal "$(cat "$tmp/said")" "gs_rule: agent/rules/rules.h agent/store/store.h" "what is said"

it "accepts a comment and a use, and fails if there are no files"
cp "$source_dir/agent/store/store.h" "$tmp/agent/store/store.h"
echo '// struct gs_rule { int other; };' >> "$tmp/agent/store/store.h"
echo 'struct gs_rule; void gs_store_use(struct gs_rule *rule);' >> "$tmp/agent/store/store.h"
"$tags" "$tmp" || fail "it minds what is none"
mkdir "$tmp/nothing"
! "$tags" "$tmp/nothing" 2> /dev/null || fail "nothing was checked, and it said yes"
