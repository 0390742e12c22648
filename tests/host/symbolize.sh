#!/bin/bash
# `gumshoe symbolize INCIDENT`, started by the agent and by hand: the summary names file and line, the original is kept, what was not
# about names stays, and an interruption costs at most the lines.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
cp "$source_dir/tests/host/ways/shop.c" .
line_of() { grep -n "PLANTED: $1" shop.c | cut -d: -f1; }
leak=$(line_of 'the leak') caller=$(line_of 'its caller')
gcc -g -O2 -pthread -o shop shop.c
gcc -g -O2 -pthread -Wl,--build-id -o bare shop.c
mkdir -p debug/.build-id/"$(readelf -n bare | sed -n 's/.*Build ID: \(..\).*/\1/p')"
objcopy --only-keep-debug bare "debug/.build-id/$(readelf -n bare | sed -n 's|.*Build ID: \(..\)\(.*\)|\1/\2|p').debug"
strip bare
mkfifo input

# shop PROGRAM MORE: run it under rules with MORE until it leaked enough for an incident, which is $dir; its input is descriptor 3.
shop() {
    local rules; rules=$(rules heap '{"version": 1, "interval": "50ms", '"$2"' "heap": {"sample": "16KiB", "baseline": "1h"}, "rules": [
        {"name": "leak", "metric": "heap_in_use", "above": "40MiB", "capture": ["heap", "threads", "cpu", "threadcreate"]}], "cpu": {"duration": "1s"}}')
    : > out; rm -rf d
    rm -f out; "$gumshoe" run --rules "$rules" --dir d -- "./$1" < input > out & host=$!; started="$started $host"
    exec 3> input
    wait_until grep -q ready out
    wait_until has_watch d
    take_baseline "$(watched_in d)" "$rules"
    echo burn >&3; echo 60 >&3
    fired() { ls -d d/2*-leak-*; }
    wait_until fired
    dir=$(fired)
}
shop_ends() { exec 3>&-; wait $host || fail "the shop: status $?"; }
has_lines() { jq -e '.notes[] | select(startswith("symbolize: source lines for"))' "$dir/incident.json"; }
# names_the_leak: everywhere, with its line and its caller's.
names_the_leak() {
    grep -q "^Culprit: new_entry in $1, shop.c:$leak: " "$dir/summary.txt" || fail "$(cat "$dir/summary.txt")"
    grep -q "new_entry (shop.c:$leak) ← cache_insert (shop.c:$caller) ← serve (shop.c:" "$dir/summary.txt" || fail "$(cat "$dir/summary.txt")"
    equal "$(jq -r '.culprit | "\(.function) \(.file) \(.line_number)"' "$dir/incident.json")" "new_entry $tmp/shop.c $leak" "the culprit"
    equal "$(jq -r '.culprit.stack[0:2] | join(" ")' "$dir/incident.json")" "new_entry cache_insert" "its stack"
}
state() { find "$1" -type f -printf '%i %T@ %s %f\n' | sort; }

it "is run by the agent: the summary names file and line of the leak, and all files are what their index says"
shop shop '"symbolize": "auto",'
wait_until has_lines
shop_ends
names_the_leak shop
grep -q 'rank_hits' "$dir/summary.txt" || fail "no CPU time: $(cat "$dir/summary.txt")"
complete "$dir"
equal "$(jq -r '.files[].name' "$dir/incident.json" | grep -c 'orig.pb.gz$')" "$(find "$dir" -name '*.orig.pb.gz' | wc -l)" "originals that are listed"
go tool pprof -list new_entry "$dir/heap.pb.gz" 2> /dev/null | grep -q " $leak:.*PLANTED: the leak" || fail "pprof does not list the line"
it "keeps the profiles as they were captured"
go tool pprof -top "$dir/heap.orig.pb.gz" 2> /dev/null | grep -q cache_insert || fail "no original"
! go tool pprof -lines -top "$dir/heap.orig.pb.gz" 2> /dev/null | grep -q 'shop.c:' || fail "the original has lines"
equal "$(heap_bytes "$dir")" "$(cp "$dir/heap.orig.pb.gz" heap.pb.gz; heap_bytes .)" "the heap in use"
it "changes nothing in a second run"
state "$dir" > before
"$gumshoe" symbolize "$dir" 2> /dev/null || fail "status $?"
state "$dir" | diff before - || fail "files were changed"
it "keeps what it has no names for, and the fingerprint; the summary keeps all its lines"
shop shop '"symbolize": "off",'
! grep -q shop.c "$dir/summary.txt" || fail "it has lines already"
! ls "$dir" | grep orig || fail "there are originals"
jq '.future = {"a": [1, 2]} | .culprit.later = "x" | .notes += ["a note"] | .files[0].sha = "y"' "$dir/incident.json" > new && cat new > "$dir/incident.json"
echo "a line of a later version" >> "$dir/summary.txt"
cp -r "$dir" plain
"$gumshoe" symbolize "$dir" 2> /dev/null || fail "status $?"
names_the_leak shop
equal "$(jq -c '[.future, .culprit.later, .notes[0], .files[0].sha, .fingerprint, .value, .started]' "$dir/incident.json")" \
    "$(jq -c '[.future, .culprit.later, .notes[0], .files[0].sha, .fingerprint, .value, .started]' plain/incident.json)" "what is not about names"
equal "$(sed 's/ (shop.c:[0-9]*)//g; s/, shop.c:[0-9]*:/:/; s/new_entry ← //; s/new_entry/cache_insert/' "$dir/summary.txt")" "$(cat plain/summary.txt)" "all the rest of the summary"
complete "$dir"
it "leaves a complete and readable incident wherever it is killed, and the next run does the rest"
renames=$(cp -r plain copy; strace -f -o calls -e trace=renameat,rename "$gumshoe" symbolize copy 2> /dev/null; grep -c 'rename' calls)
[ "$renames" -ge 6 ] || fail "only $renames files were replaced: $(cat calls)"
for n in $(seq "$renames"); do
    rm -rf copy; cp -r plain copy
    ! (strace -f -o calls -e trace=renameat,rename -e inject=renameat,rename:signal=KILL:when="$n" "$gumshoe" symbolize copy) 2> /dev/null || fail "it was not killed"
    jq -e .complete copy/incident.json > /dev/null || fail "incident.json, after $n replacements"
    grep -q '^Culprit: .* in shop' copy/summary.txt || fail "summary.txt, after $n replacements"
    for file in copy/*.pb.gz; do "$gumshoe" top "$file" > /dev/null 2> said || fail "$file, after $n replacements: $(cat said)"; done
    "$gumshoe" symbolize copy 2> /dev/null || fail "the next run: status $?"
    equal "$(jq -cS '.files |= sort_by(.name)' copy/incident.json)" "$(jq -cS '.files |= sort_by(.name)' "$dir/incident.json")" "incident.json, after $n replacements and another run"
    diff copy/summary.txt "$dir/summary.txt" || fail "summary.txt, after $n replacements and another run"
    ! find copy -name '*.new' | grep . || fail "half a file is left"
done
shop_ends
it "names an old incident of a stripped program once there are symbols"
shop bare '"symbolize": "auto",'
wait_until has_lines
shop_ends
grep -qE '^Culprit: bare\+0x[0-9a-f]+ ' "$dir/summary.txt" || fail "$(cat "$dir/summary.txt")"
fingerprint=$(jq -r .fingerprint "$dir/incident.json")
"$gumshoe" symbolize --debug-dir debug "$dir" 2> /dev/null || fail "status $?"
names_the_leak bare
equal "$(jq -r .fingerprint "$dir/incident.json")" "$fingerprint" "the fingerprint"
complete "$dir"
it "removes no names if the symbols are missing later"
state "$dir" > before
"$gumshoe" symbolize "$dir" 2> /dev/null || fail "status $?"
state "$dir" | diff before - || fail "files were changed"
it "refuses an incident that is not complete, or others may write to, or that is a link, or is being written"
refused() { if "$gumshoe" symbolize "$1" > /dev/null 2> said; then fail "$1 was taken"; fi; grep -q "$2" said || fail "$(cat said)"; }
cp -r plain half; sed -i 's/"complete": true/"complete": false/' half/incident.json; refused half 'not complete'
cp -r plain open; chmod 777 open; refused open 'others may write to it'
chmod 755 open; jq '.files += [{"name": "../open/threads.pb.gz"}, {"name": "heap.orig.pb.gz"}, 5]' plain/incident.json > open/incident.json
"$gumshoe" symbolize open 2> /dev/null || fail "status $?"
[ ! -e open/heap.orig.orig.pb.gz ] || fail "an original has an original"
ln -s plain link; refused link '.'
flock plain "$gumshoe" symbolize plain 2> said && fail "two at a time" || grep -q 'another process' said || fail "$(cat said)"
