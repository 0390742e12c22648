#!/bin/bash
# mmap, munmap, mremap, mprotect, brk, sbrk, shmat and shmdt return what they return without us, in every corner case, at every moment.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
rules_file=$(rules often '{ "version": 1, "interval": "50ms", "heap": { "sample": "4KiB", "baseline": "1s" }, "rules": [
    { "name": "often", "every": "1s", "capture": ["heap"], "cooldown": "0s" } ] }')

it "gives the same results and errors, before initialisation, in handlers, from 8 threads, in children"
"$build/hosts/mapping" > plain
grep -q 'storm: 40 children well, 0 wrong' plain || fail "without the agent: $(cat plain)"
"$gumshoe" run --rules "$rules_file" --dir d -- "$build/hosts/mapping" > watched || fail "the host failed: $(tail -3 watched)"
diff plain watched || fail "results differ"
it "does so over jemalloc, which maps with the same functions"
LD_PRELOAD=$(ldconfig -p | awk '$1 == "libjemalloc.so.2" { print $NF; exit }') "$gumshoe" run --rules "$rules_file" --dir d2 -- "$build/hosts/mapping" > over
diff plain over || fail "results differ over jemalloc"
