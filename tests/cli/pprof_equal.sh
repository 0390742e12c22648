#!/bin/bash
# `gumshoe top` against `go tool pprof -top`, line by line: our own profiles and Go's, every sample type, with and
# without -base, cut and uncut, by flat and by cum.
. "$(dirname "$0")/lib.sh"

# same OURS-OPTIONS THEIRS-OPTIONS FILES...
compared=0
same() {
    local ours=$1 theirs=$2; shift 2
    "$gumshoe" top $ours "$@" > ours 2> ours.err || fail "gumshoe top $ours $*: $(cat ours.err)"
    go tool pprof -top $theirs "$@" > theirs 2>/dev/null
    # pprof marks inlined calls, which a table by function does not need
    sed -E -i 's/ \((partial-)?inline\)$//; s/^Active filters.*//' theirs
    diff ours theirs || fail "gumshoe top $ours $* differs from pprof $theirs"
    compared=$((compared + 1))
}

cat > grow.py <<'P'
import json, re, sys, time
kept = []
for i in range(40):
    kept.append([str(j) * 20 for j in range(4000)])
    json.dumps(kept[-1]); re.compile("a%db*" % i)
    time.sleep(0.06)
sys.stdin.read()
P
printf '{ "version": 1, "interval": "100ms", "heap": { "sample": "4KiB", "baseline": "1s" }, "rules": [
  { "name": "n", "every": "2s", "cooldown": "0s", "capture": ["heap", "threads"] } ] }' > r.json
mkfifo input
"$gumshoe" run --rules r.json --dir d -- python3 grow.py < input & host=$!; started=$host
exec 3> input
has_base() { [ -s "$(incident d)/heap.base.pb.gz" ]; }
wait_until has_base
exec 3>&-
wait $host || fail "the host failed"
found=$(dirname "$(ls d/2*/heap.base.pb.gz | tail -n 1)")

cat > alloc.go <<'G'
package main

import ("os"; "runtime"; "runtime/pprof"; "sort"; "strings"; "time")

var kept []string

func grow(n int) { for i := 0; i < n; i++ { kept = append(kept, strings.Repeat("x", 1000+i%700)) } }
func recurse(n int) { if n > 0 { recurse(n - 1) } else { grow(20000) } }

func main() {
	runtime.MemProfileRate = 4096
	cpu, _ := os.Create("go.cpu"); pprof.StartCPUProfile(cpu)
	recurse(7)
	base, _ := os.Create("go.base"); pprof.WriteHeapProfile(base)
	grow(30000)
	for end := time.Now().Add(600 * time.Millisecond); time.Now().Before(end); { sort.Strings(append([]string{}, kept...)) }
	pprof.StopCPUProfile()
	heap, _ := os.Create("go.heap"); pprof.WriteHeapProfile(heap)
}
G
GOCACHE=$tmp/cache GOFLAGS=-mod=mod HOME=$tmp go run alloc.go || fail "the Go program"

it "prints what pprof prints of our heap profiles"
for type in alloc_objects alloc_space inuse_objects inuse_space; do
    same "--sample $type" "-sample_index=$type" "$found/heap.pb.gz"
    same "--sample $type --cum" "-sample_index=$type -cum" "$found/heap.pb.gz"
    same "--sample $type -n 7" "-sample_index=$type -nodecount=7" "$found/heap.pb.gz"
    same "--sample $type --base $found/heap.base.pb.gz" "-sample_index=$type -base $found/heap.base.pb.gz" "$found/heap.pb.gz"
done
same "" "" "$found/heap.pb.gz"
it "and of our thread profiles"
same "" "" "$found/threads.pb.gz"
it "and of Go's own heap and CPU profiles"
for type in alloc_objects alloc_space inuse_objects inuse_space; do
    same "--sample $type" "-sample_index=$type" go.heap
    same "--sample $type --base go.base" "-sample_index=$type -base go.base" go.heap
done
same "" "" go.cpu
same "--sample samples" "-sample_index=samples" go.cpu
it "takes an incident's folder for its heap profile"
"$gumshoe" top "$found" > a; "$gumshoe" top "$found/heap.pb.gz" > b; cmp a b
it "says the same to machines"
total=$("$gumshoe" top --json "$found" | jq .total)
equal "$total" "$(heap_bytes "$found")" "total"
equal "$("$gumshoe" top --json -n 3 "$found" | jq '.rows | length')" 3 "rows"
it "lets pprof read every file in its other ways, too"
for file in heap threads; do
    for way in -raw -traces -tree '-peek=.' ; do go tool pprof $way "$found/$file.pb.gz" >/dev/null 2>err || fail "pprof $way $file: $(cat err)"; done
done
echo "$compared tables compared"
