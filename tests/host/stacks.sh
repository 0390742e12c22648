#!/bin/bash
# Samples taken on small stacks, alternate signal stacks, stacks that the host made itself, and deep in a recursion: the
# host is not harmed, and these samples are in the profile.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
rules_file=$(rules stacks '{ "version": 1, "interval": "50ms", "heap": { "sample": "1KiB", "depth": 64 }, "rules": [
    { "name": "every-second", "every": "1s", "capture": ["heap", "threads"], "cooldown": "0s" } ] }')

it "damages none of these stacks"
equal "$("$gumshoe" run --rules "$rules_file" --dir d -- "$build/hosts/stacks")" "stacks: sound"
found=$(incident d)
complete "$found"
it "has the samples that were taken there, each on its own stack"
go tool pprof -traces -sample_index=alloc_space "$found/heap.pb.gz" > traces 2>/dev/null
for name in on_small_thread on_signal_stack on_own_context deep; do
    grep -qw "$name" traces || fail "$name is not in the profile"
done
it "keeps as many frames of a deep stack as the rules say"
longest=$(awk '/-----/ { n = 0 } $NF == "deep" { n++ } n > most { most = n } END { print most }' traces)
[ "$longest" -ge 60 ] && [ "$longest" -le 64 ] || fail "$longest frames of deep, wanted nearly 64"
