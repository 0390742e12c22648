#!/bin/bash
# A host that forks while its threads allocate and are sampled: the children work, and none of them watches in its turn
# or writes into its parent's incidents.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
rules_file=$(rules forks '{ "version": 1, "interval": "20ms", "heap": { "sample": "1KiB" }, "rules": [
    { "name": "every-second", "every": "1s", "capture": ["heap", "threads"], "cooldown": "0s" } ] }')

it "has children that work, out of eyeshot and under watch alike"
equal "$("$build/hosts/forks")" "forks: 320 children, 320 right" "without the watch"
equal "$("$gumshoe" run --rules "$rules_file" --dir d -- "$build/hosts/forks")" "forks: 320 children, 320 right" "watched"
it "has one watcher, whose incidents are all of one process"
equal "$(grep -c watching: log)" 1 "watchers"
complete "$(incident d)"
equal "$(cat d/*/incident.json | jq -s 'map(.pid) | unique | length')" 1 "processes that left incidents"
it "leaves no unfinished folder behind"
equal "$(find d -name '.2*' | wc -l)" 0 "dot-folders"
