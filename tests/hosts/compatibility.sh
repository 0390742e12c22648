#!/bin/bash
# tests/hosts/compatibility.sh BUILD: what docs/compatibility.md says of each kind of program is what matrix.sh finds here. Rows whose
# compiler or program is not installed are not held against it.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
said=$(mktemp) found=$(mktemp)
trap 'rm -f "$said" "$found"' EXIT
grep '^| ' "$here/../../docs/compatibility.md" > "$said"
"$here/matrix.sh" "$1" > "$found" || exit 1
[ "$(wc -l < "$found")" -gt 20 ] || { echo "matrix.sh printed hardly anything" >&2; exit 1; }
if grep -vxFf "$said" "$found"; then
    echo "the rows above are not in docs/compatibility.md" >&2
    exit 1
fi
echo "$(($(wc -l < "$found") - 2)) of $(($(wc -l < "$said") - 2)) rows are as docs/compatibility.md has them"
