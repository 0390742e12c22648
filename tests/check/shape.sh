#!/bin/bash
# Files and functions stay small, and a function's name says in which folder it lives.
. "$(dirname "$0")/../host/lib.sh"
shape=$source_dir/tests/check/shape

it "finds no violation in this tree"
"$shape" "$source_dir" || fail "the places above"

# caught WHAT SAID: with what standard input adds to store/list.c of a copied tree, SAID is all that is said.
cp -r "$source_dir/agent" "$tmp"
caught() {
    cat "$source_dir/agent/store/list.c" - > "$tmp/agent/store/list.c"
    ! "$shape" "$tmp" > "$tmp/said" || fail "nobody minds $1"
    equal "$(sed 's/:[0-9]*:/:/' "$tmp/said")" "$2" "what is said of $1"
}
lines() { yes '    other();' | head -n "$1"; }
it "catches a function that is too long, and a file (this check can fail)"
caught "41 lines" "agent/store/list.c: list_long has 41 lines" < <(printf 'static void list_long(void)\n{\n'; lines 38; echo '}')
lines 500 > "$tmp/agent/store/long.h"
caught "500 lines and one" "agent/store/long.h: 501 lines" < <(echo >> "$tmp/agent/store/long.h")
rm "$tmp/agent/store/long.h"
it "catches a name of another folder, and of none"
caught "a name of none" "agent/store/list.c: gs_list_other does not say where it lives" < <(printf 'void gs_list_other(void)\n{\n}\n')
caught "a name of another folder" "agent/store/list.c: gs_rules_list does not say where it lives" < <(printf 'int *gs_rules_list(struct gs_store *store)\n{\n}\n')
it "accepts 40 lines and a declaration, and fails if there are no files"
{ cat "$source_dir/agent/store/list.c"; printf 'void gs_rules_list(void);\nstatic void list_long(void)\n{\n'; lines 37; echo '}'; } > "$tmp/agent/store/list.c"
"$shape" "$tmp" || fail "it minds what is none"
mkdir "$tmp/nothing"
! "$shape" "$tmp/nothing" 2> /dev/null || fail "nothing was checked, and it said yes"
