#!/bin/bash
# An incident names its process as its owner knows it: the program by the name that it was called by, its pod, its host. Nothing
# else of the environment is kept.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
mkfifo input
rules_file=$(rules never '{ "version": 1, "rules": [ { "name": "never", "metric": "rss", "above": "1TiB" } ] }')
ln -s "$build/hosts/account" shop-cache
export POD_NAME=cache-0 POD_NAMESPACE=shop PASSWORD=hunter2
headline() { sed -n 2p "$1/summary.txt"; }
names() { jq -c '[.program, .namespace, .pod, .host]' "$1/incident.json"; }

it "names program, pod and host of the watched process"
"$gumshoe" run --rules "$rules_file" --dir d -- ./shop-cache wait < input > out 2>&1 &
host=$!; started="$started $host"
exec 3> input
wait_until has_watch d
pid=$(watched_in d)
"$gumshoe" capture "$pid" > /dev/null
found=$(incident d)
equal "$(names "$found")" "[\"shop-cache\",\"shop\",\"cache-0\",\"$(uname -n)\"]"
headline "$found" | grep -q "Z  shop-cache (account), pid $pid on $(uname -n), pod shop/cache-0[,;]" || fail "$(headline "$found")"

it "names them when the process was killed"
wait_for_ticks d/.live/*.box 1
rm -rf "$found"
kill -9 "$pid"
wait $host || true
exec 3>&-
found=$(incident d)
equal "$(names "$found")" "[\"shop-cache\",\"shop\",\"cache-0\",\"$(uname -n)\"]"
jq -r .reason "$found/incident.json" | grep -q "^shop-cache (account), pid $pid, died: killed by signal 9" || fail "$(jq .reason "$found/incident.json")"

it "names a process that has no agent"
rm out; HOSTNAME=web-3 ./shop-cache wait < input > out 2>&1 &
pid=$!; started="$started $pid"
exec 3> input
wait_until grep -q waits out
"$gumshoe" capture "$pid" --dir e > /dev/null
found=$(incident e)
equal "$(names "$found")" "[\"shop-cache\",\"shop\",\"cache-0\",\"$(uname -n)\"]"

it "names the process of a core file, and its host by its environment"
gcore -o core "$pid" > said 2>&1 || fail "$(cat said)"
"$gumshoe" recover "core.$pid" --dir f > said 2>&1 || fail "$(cat said)"
found=$(incident f)
equal "$(names "$found")" '["shop-cache","shop","cache-0","web-3"]'
headline "$found" | grep -q "Z  shop-cache (account), pid $pid on web-3, pod shop/cache-0" || fail "$(headline "$found")"
kill -9 "$pid"; wait "$pid" || true
exec 3>&-

it "names a host if none is known, and says which machine it is"
rm out; env -u HOSTNAME ./shop-cache wait < input > out 2>&1 &
pid=$!; started="$started $pid"
exec 3> input
wait_until grep -q waits out
gcore -o core "$pid" > said 2>&1 || fail "$(cat said)"
"$gumshoe" recover "core.$pid" --dir g > said 2>&1 || fail "$(cat said)"
found=$(incident g)
equal "$(jq -r .host "$found/incident.json")" "$(uname -n)"
headline "$found" | grep -q " on $(uname -n) (the machine that read this), pod shop/cache-0" || fail "$(headline "$found")"
jq -r '.notes[]' "$found/incident.json" | grep -q "^the process's host is not known: $(uname -n) is the machine that read this" || fail "$(jq -c .notes "$found/incident.json")"
kill -9 "$pid"; wait "$pid" || true
exec 3>&-

it "keeps nothing else of the environment"
! grep -rqa hunter2 d e f g || fail "$(grep -rla hunter2 d e f g)"
