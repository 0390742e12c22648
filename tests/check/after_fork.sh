#!/bin/bash
# Every file of the agent that remembers something says what becomes of it in the child of a fork.
. "$(dirname "$0")/../host/lib.sh"
allow=$source_dir/tests/check/after_fork.allow
# remembering OBJECT…: the files with variables that can be written after the start.
remembering() {
    for object in "$@"; do
        if objdump -t "$object" | awk '/ O / { for (i = 1; i <= NF; i++) if ($i ~ /^\.(data|bss|tbss|tdata)/ && $i !~ /rel\.ro/) found = 1 } END { exit !found }'; then
            echo "$object" | sed 's|.*\.dir/agent/||; s|\.c\.o$||'
        fi
    done
}
mapfile -t objects < <(find "$build"/CMakeFiles/{core,probe,hooks,hooks_shared,hooks_archive,agent}.dir -path '*/agent/*' -name '*.c.o' | while read -r object; do
    source=$(echo "$object" | sed 's|.*\.dir/||; s|\.o$||'); [ ! -e "$source_dir/$source" ] || echo "$object"; done)
[ ${#objects[@]} -gt 40 ] || fail "objects not found"

it "lists every variable, and none that does not exist"
diff <(remembering "${objects[@]}" | sort -u) <(sed '/^#/d; s/ .*//' "$allow" | sort) || fail "files above are missing in $allow (<), or too many (>)"
it "finds the row of each that needs one"
sed -n 's/^[^#].* row \([a-z_]*\).*/\1/p' "$allow" | sort -u | while read -r module; do
    grep -qE "^ *\{ \"$module\", " "$source_dir/agent/watch/after_fork.c" || fail "agent/watch/after_fork.c has no row \"$module\""
done
it "notices a new variable (this check can fail)"
mkdir -p "$tmp/x.dir/agent"
echo 'static int seen; int next(void) { return ++seen; }' | gcc -c -x c -O1 - -o "$tmp/x.dir/agent/seen.c.o"
echo 'int next(int seen) { return ++seen; }' | gcc -c -x c -O1 - -o "$tmp/x.dir/agent/none.c.o"
equal "$(remembering "$tmp"/x.dir/agent/*.o)" seen "files that remember"
