#!/bin/bash
# tests/soak.sh [MINUTES]: the repetitions that are too long for tests/run.sh, on a build that is there. Ends early at the first thing
# that is not so. At least once through, then over again, with other moments, until MINUTES (0) are over:
#   each system call and each allocation failing at every turn; 200 kills in the middle of a capture, and 200 of a write of the
#   black box; incidents sent to servers that fail and are killed; two processes at one directory for a minute; climbs to the
#   memory limit in 300 ms, ended by the OOM killer (figures);
#   other people's programs (tests/hosts), as they are watched, under captures all the time, with their children watched as well;
#   what a capture costs a host that serves requests meanwhile (figures, no judgement).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=$PWD/build
inject=$PWD/tests/host/ways/fault_injection.py
host=$build/hosts/linked_fault_injection
[ -x "$host" ] || { echo "build it first: tests/run.sh" >&2; exit 2; }
until=$(($(date +%s) + ${1:-0} * 60))
tmp=$(mktemp -d "${TMPDIR:-/tmp}/gumshoe-soak-XXXXXX")
trap 'rm -rf "$tmp"' EXIT
rules() { printf '{ "version": 1, "heap": { "sample": "16KiB" }, "symbolize": "off", "incidents": { "keep": %s }, "rules": [ { "name": "never", "metric": "rss", "above": "80%%" } ] }' "$1" > "$tmp/$1.json"; echo "$tmp/$1.json"; }

seed=1
while :; do
    echo "== round $seed"
    GUMSHOE_STRIDE=1 tests/host/faults.sh "$build"
    GUMSHOE_STRIDE=1 tests/host/memory_fails.sh "$build"
    GUMSHOE_ROUNDS=200 GUMSHOE_SEED=$seed tests/host/box_kills.sh "$build"
    GUMSHOE_ROUNDS=10 tests/host/memory_lines.sh "$build"
    for _ in 1 2 3 4 5; do tests/cli/ship.sh "$build"; done
    cd "$tmp"
    export GUMSHOE_DIR=$tmp/d GUMSHOE_LOG=$tmp/log
    GUMSHOE_RULES=$(rules 50) python3 "$inject" "$host" kills 200 "$seed"
    GUMSHOE_RULES=$(rules 3) python3 "$inject" "$host" two 60
    GUMSHOE_RULES=$(rules 50) python3 "$inject" "$host" latency 100
    rm -rf "$tmp/d" "$tmp/log"
    cd - > /dev/null
    tests/hosts/run.sh "$build"
    tests/hosts/run.sh --busy "$build"
    tests/hosts/run.sh --all "$build"
    seed=$((seed + 1))
    [ "$(date +%s)" -lt "$until" ] || break
done
