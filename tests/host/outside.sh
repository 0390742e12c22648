#!/bin/bash
# Growth outside malloc: whoever mapped it, whatever it is, the incident names it. Each host grows by 60 MiB in one way; all of
# them run at the same time, each with its own rules and incidents.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
declare -A pid input rule
hosts=

# plant NAME KIND…: a host that does KIND…, in a folder of its own; one of the kinds is "wait".
plant() {
    local name=$1; shift
    mkdir "$name"; mkfifo "$name/input"
    rule[$name]=$(rules "$name/asked" '{ "version": 1, "heap": { "sample": "64KiB", "baseline": "1s" }, "budget": "100%", "children": "off", "rules": [ { "name": "never", "metric": "rss", "above": "90%" } ] }')
    (cd "$name"; GUMSHOE_LOG=$tmp/$name/log exec "$gumshoe" run --rules "${rule[$name]}" --dir d -- "$build/hosts/outside" "$@" < input > out 2>&1) & pid[$name]=$!
    started="$started ${pid[$name]}"
    exec {input[$name]}> "$name/input"
    hosts="$hosts $name"
}
# reload EXPRESSION: jq's EXPRESSION changes the rules of all hosts; until they are in force.
reload() {
    local name; declare -A reloads
    for name in $hosts; do
        reloads[$name]=$("$gumshoe" status --json "$(watched_in "$name/d")" | jq .file.reloads)
        jq "$1" "${rule[$name]}" > "$name/new" && mv "$name/new" "${rule[$name]}"
    done
    for name in $hosts; do wait_until status_of_watch "$(watched_in "$name/d")" ".file.reloads > ${reloads[$name]}"; done
}
# grow: all hosts get a baseline, and go on from "wait"; then each has an incident.
grow() {
    local name
    for name in $hosts; do wait_until grep -q waits "$name/out"; wait_until has_watch "$name/d"; done
    for name in $hosts; do wait_until has_baseline "$(watched_in "$name/d")"; rm -rf "$name"/d/2*; done
    reload '.heap.baseline = "1h"'
    for name in $hosts; do rm -rf "$name"/d/2*; echo >&"${input[$name]}"; done
    for name in $hosts; do wait_until grep -q ready "$name/out"; done
    reload '.rules = [{ "name": "high", "metric": "rss", "above": "3MiB", "capture": ["heap", "threads"] }]'
    for name in $hosts; do wait_until has_incident "$name/d"; jq -e .complete "$(incident "$name/d")/incident.json" > /dev/null || fail "$name: not complete"; done
}
end() { local name; for name in $hosts; do echo >&"${input[$name]}"; wait "${pid[$name]}" || fail "$name failed: $(cat "$name/out")"; done; hosts=; }

# blames NAME FUNCTION [LOW HIGH]: the culprit of NAME's incident, with so many MiB of growth; LOW is 40, HIGH 66, if it is not said.
blames() {
    found=$(incident "$1/d")
    equal "$(jq -r '.culprit | "\(.function) \(.kind)"' "$found/incident.json")" "$2 growth" "culprit of $1: $(cat "$found/summary.txt")"
    jq -e ".culprit.bytes >= ${3:-40} * 1048576 and .culprit.bytes <= ${4:-66} * 1048576" "$found/incident.json" > /dev/null || fail "$1: $(jq -c .culprit "$found/incident.json")"
}
# holds NAME EXPRESSION: jq's EXPRESSION holds for its memory.json.
holds() { jq -e "$2" "$1"/d/2*/memory.json > /dev/null || fail "$1: not $2: $(cat "$1"/d/2*/memory.json | head -60)"; }
says() { grep -qE -- "$1" "$found/summary.txt" || fail "the summary does not say '$1': $(cat "$found/summary.txt")"; }

plant raw wait raw
plant static wait static
plant read wait read
plant lend wait lend
plant arena arena wait fill
plant populate arena wait populate
plant written wait written
plant pieces wait pieces
plant sysv wait sysv
plant posix wait posix
plant memfd wait memfd
plant break wait break
plant deep wait deep
plant dived wait dived
plant wide wait wide
plant crowd wait crowd
grow
it "names what is known of memory that was mapped by a bare system call"
blames raw "[anonymous mapping]"
says '^  anonymous memory outside the heap grew [56][0-9.]* MiB in .*, of it 60 MiB in \[anonymous mapping\]: 6[0-9.]+ MiB at 0x[0-9a-f]+; the call that made it was not seen$'
it "names the static array that is filled"
blames static "[static table of outside]"
it "names the file whose pages are read"
blames read "$tmp/read/data.file"
says "^  files grew 6[0-9.]+ MiB in .*, of it 60 MiB of $tmp/read/data.file: mapped files, whose unwritten pages the kernel takes back"
it "names who mapped memory that is filled later, by writing or by madvise"
blames arena arena_init
blames populate arena_init
it "names who mapped shared memory: System V's, POSIX's, a memfd"
blames sysv attach_segment
says '^  shared memory grew 60 MiB in .*, of it 60 MiB mapped by attach_segment: possibly shared with other processes$'
blames posix map_posix
blames memfd map_memfd
it "names who moved the program break"
blames break move_break
holds break '.parts.heap_live + .parts.heap_kept < 4 * 1048576'
it "names who wrote to a file that it mapped privately"
blames written patch_file
it "names who mapped many small pieces, by a sample of them"
# 45 of 60 MiB in some 1400 pieces, one in 8 of them sampled: the standard error is 3.1 MiB
blames pieces map_most 26 61
holds pieces '[.anonymous_by_stack[] | select(.function == "map_briefly")] | length == 0'
it "names the function that calls itself, on the thread whose stack is deep"
blames deep descend
says '^  thread stacks grew 48 MiB in .*, of it 4[78][0-9.]* MiB under frames of descend; the largest: 4[78][0-9.]* MiB of diver \([0-9]+\)$'
holds deep '.stacks_by_thread[0] | .name == "diver" and .growth > 47 * 1048576 and .in_use > 47 * 1048576'
it "names the function that has large local variables"
blames wide use_much
it "names who created the threads, if there are many"
blames crowd launch 38 42
it "names who created a thread that was deep, and says that it is not any more"
blames dived launch
says 'of it 4[78][0-9.]* MiB of threads created by launch; the largest: 4[78][0-9.]* MiB of diver \([0-9]+\), which uses [0-9.]+ KiB now and was deeper before$'
it "blames nobody for memory that was given back"
found=$(incident lend/d)
says '^  no part of it grew by 1 MiB in the last'
end
