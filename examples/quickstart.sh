#!/bin/bash
# examples/quickstart.sh - from a clean clone to an incident: sets up, builds, runs a leaking server under watch, and shows
# the incident. It ends by itself and can be run again. Each run writes its incidents to a new directory.
set -eu
cd "$(dirname "$0")/.."

echo "== setting up and building (the first time takes a minute or two)"
tests/setup.sh build
cmake -S . -B build -DGUMSHOE_TESTS=OFF -DGUMSHOE_EXAMPLES=ON >/dev/null
cmake --build build --parallel "$(nproc)" | tail -n 1

dir=$(mktemp -d "${TMPDIR:-/tmp}/gumshoe-quickstart-XXXXXX")
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true' EXIT

echo
echo "== starting build/examples/leaky_server, which watches itself: examples/leaky_server.json"
build/examples/leaky_server --seconds 50 --rules examples/leaky_server.json --dir "$dir" >"$dir.out" 2>"$dir.log" &
server=$!
for _ in $(seq 100); do
    port=$(sed -n 's/listening on 127.0.0.1://p' "$dir.out")
    [ -z "$port" ] || break
    sleep 0.1
done
[ -n "$port" ] || { cat "$dir.log" >&2; echo "the server did not come up" >&2; exit 1; }

echo "== sending requests: each new session adds an entry to a cache that never evicts"
build/examples/client "$port" 500 200
build/examples/client "$port" 8000 4000

for _ in $(seq 100); do
    build/gumshoe ls "$dir" >/dev/null 2>&1 && break
    sleep 0.1
done
# The agent lets `gumshoe symbolize` fill in the source lines, at low priority.
for _ in $(seq 200); do
    grep -q 'leaky_server.c:' "$dir"/2*/summary.txt 2>/dev/null && break
    sleep 0.1
done
kill "$server" 2>/dev/null || true
wait "$server" 2>/dev/null || true
server=

echo
echo "== gumshoe ls $dir"
build/gumshoe ls "$dir" || { cat "$dir.log" >&2; echo "no incident was captured" >&2; exit 1; }
echo
echo "== gumshoe show --dir $dir"
build/gumshoe show --dir "$dir" | tee "$dir.summary"
grep -q cache_insert "$dir.summary" || { echo "the summary does not name cache_insert" >&2; exit 1; }
incident=$(ls -d "$dir"/2* | tail -n 1)
echo
echo "== gumshoe list cache_insert $incident"
build/gumshoe list cache_insert "$incident" | head -n 8
rm -f "$dir.out" "$dir.log" "$dir.summary"
