#!/bin/bash
# Bad luck, tried for real: what is complete stays whole, what is not is never shown as such, and the host does not notice.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
host=$build/hosts/linked_luck
export GUMSHOE_DIR=$tmp/d GUMSHOE_RULES=$(rules luck '{ "version": 1, "heap": { "sample": "16KiB" },
  "rules": [ { "name": "never", "metric": "rss", "above": "1TiB" } ] }')

it "captures when there are no descriptors left, also while the host is after each one that comes free"
for pause in 1000 1; do
    rm -rf d
    (ulimit -n 256; "$host" descriptors $pause > out 2> err) || fail "exit status $?"
    equal "$(cat out)" "$(printf 'start ok\ncapture ok\ndone')" "captures"
    complete "$(incident d)"
done
