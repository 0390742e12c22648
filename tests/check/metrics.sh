#!/bin/bash
# docs/metrics.md lists the metrics that exist, as they are.
. "$(dirname "$0")/../host/lib.sh"
check=$source_dir/tests/check/metrics

it "finds the page equal to the table"
"$check" "$source_dir" || fail "docs/metrics.md differs from agent/metrics/table.c (<: the table, >: the page)"

it "catches a metric without a row, another unit, another share, other words, and a missing section (this check can fail)"
mkdir -p "$tmp/agent/metrics" "$tmp/docs"
# differs SED-EXPRESSION FILE: once FILE is changed by it.
differs() {
    cp "$source_dir/agent/metrics/table.c" "$tmp/agent/metrics/table.c"
    cp "$source_dir/docs/metrics.md" "$tmp/docs/metrics.md"
    "$check" "$tmp" || fail "the copy differs"
    sed -i "$1" "$tmp/$2"
    ! cmp -s "$source_dir/$2" "$tmp/$2" || fail "$1 changes nothing in $2"
    ! "$check" "$tmp" > "$tmp/said" || fail "$1 in $2 is not noticed"
}
differs '/^| `threads`/d' docs/metrics.md
differs 's/"fds", GS_COUNT/"fds", GS_BYTES/' agent/metrics/table.c
differs 's/"rss", GS_BYTES, GS_OF_MEMORY_LIMIT/"rss", GS_BYTES, GS_OF_NOTHING/' agent/metrics/table.c
differs 's/"open file descriptors"/"files"/' agent/metrics/table.c
differs '/^## cpu$/d' docs/metrics.md
differs 's/"fds", GS_COUNT/"fds", GS_NEW_UNIT/' agent/metrics/table.c
