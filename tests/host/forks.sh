#!/bin/bash
# A host that forks while its threads allocate and are sampled: the children work, with a thread of ours in each that is still
# asleep when they end, and none of them writes into its parent's incidents.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
rules_file=$(rules forks '{ "version": 1, "interval": "20ms", "heap": { "sample": "1KiB" }, "rules": [
    { "name": "every-second", "every": "1s", "capture": ["heap", "threads"], "cooldown": "0s" } ] }')

it "has children that work, with and without the watch"
equal "$("$build/hosts/forks")" "forks: 320 children, 320 right" "without the watch"
equal "$("$gumshoe" run --rules "$rules_file" --dir d -- "$build/hosts/forks")" "forks: 320 children, 320 right" "watched"
it "leaves complete incidents, each of a process that was watched"
parent=$(sed -n 's/^[^ ]* gumshoe\[\([0-9]*\) [^]]*\]: info: watching: 1 rule from.*/\1/p' log)
complete "$(incident d)"
cat d/*/incident.json | jq -r .pid | sort -u | while read -r pid; do
    [ "$pid" = "$parent" ] || grep -q " gumshoe.$pid [^]]*.: info: watching: forked by $parent," log || fail "$pid was not watched"
done
it "leaves no unfinished folder of the parent"
equal "$(find d -name ".2*-$parent" | wc -l)" 0 "dot-folders"
