#!/bin/bash
# `gumshoe top`, `tree`, `peek` and `traces` against `go tool pprof`, line by line: our own profiles and Go's, every sample type,
# with and without -base and filters, cut and uncut, by function and by line, by flat and by cum.
. "$(dirname "$0")/lib.sh"

# same_as OURS THEIRS FILE...: `gumshoe OURS FILE...` prints what `go tool pprof THEIRS FILE...` prints. Both are lists of words. pprof does
# not look for lines where a profile has names already.
compared=0
same_as() {
    local ours=$1 theirs=$2; shift 2
    "$gumshoe" $ours --no-symbolize "$@" > ours 2> ours.err || fail "gumshoe $ours $*: $(cat ours.err)"
    go tool pprof $theirs "$@" > theirs 2> theirs.err
    case $theirs in # pprof marks inlined calls, which a table by function does not need
    -top*) sed -E -i 's/ \((partial-)?inline\)$//' theirs ;;
    esac
    diff ours theirs || fail "gumshoe $ours $* differs from pprof $theirs"
    compared=$((compared + 1))
}
# same OURS-OPTIONS THEIRS-OPTIONS FILE...: as tables.
same() { local ours=$1 theirs=$2; shift 2; same_as "top $ours" "-top $theirs" "$@"; }

cat > grow.py <<'P'
import json, re, sys, time
kept = []
for i in range(40):
    kept.append([str(j) * 20 for j in range(4000)])
    json.dumps(kept[-1]); re.compile("a%db*" % i)
    time.sleep(0.06)
sys.stdin.read()
P
printf '{ "version": 1, "interval": "100ms", "symbolize": "off", "heap": { "sample": "4KiB", "baseline": "1s" }, "rules": [
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
it "prints callers and callees as pprof's -tree and -peek do"
for file in "$found/heap.pb.gz" "$found/threads.pb.gz" go.heap go.cpu; do
    same_as "tree" "-tree" "$file"
    same_as "tree --cum -n 9" "-tree -cum -nodecount=9" "$file"
    same_as "tree --lines" "-tree -lines" "$file"
    same_as "peek ." "-peek=." "$file"
    same_as "peek --lines main" "-peek=main -lines" "$file"
    same_as "traces" "-traces" "$file"
    same_as "traces --lines" "-traces -lines" "$file"
    same "--lines" "-lines" "$file"
done
same_as "tree --base go.base" "-tree -base=go.base" go.heap
same_as "peek --base go.base ." "-peek=. -base=go.base" go.heap
same_as "tree --base $found/heap.base.pb.gz" "-tree -base=$found/heap.base.pb.gz" "$found/heap.pb.gz"
same_as "top --diff-base $found/heap.base.pb.gz" "-top -diff_base=$found/heap.base.pb.gz" "$found/heap.pb.gz"
same_as "top --diff-base go.base" "-top -diff_base=go.base" go.heap
it "lists sources as pprof's -list does"
same_as "list grow|recurse|Repeat" "-list=grow|recurse|Repeat" go.heap
same_as "list --sample alloc_space main" "-list=main -sample_index=alloc_space" go.heap
same_as "list sort|main" "-list=sort|main" go.cpu
it "adds up profiles as pprof does"
"$gumshoe" merge -o sum go.base go.heap || fail "merge"
for type in alloc_objects inuse_space; do
    "$gumshoe" top --sample $type sum > ours
    go tool pprof -top -sample_index=$type go.base go.heap 2> /dev/null | sed -E 's/ \((partial-)?inline\)$//' > theirs
    diff ours theirs || fail "the sum differs from pprof's"
    compared=$((compared + 1))
done
go tool pprof -raw sum > /dev/null 2> err || fail "pprof cannot read the sum: $(cat err)"
it "filters as pprof does"
for filter in focus ignore hide show; do
    for command in top tree traces; do
        same_as "$command --$filter=grow|sort" "-$command -$filter=grow|sort" go.heap
        same_as "$command --$filter=sort|Repeat" "-$command -$filter=sort|Repeat" go.cpu
        same_as "$command --$filter=Py|list" "-$command -$filter=Py|list" "$found/heap.pb.gz"
        same_as "$command --$filter=libc" "-$command -$filter=libc" "$found/heap.pb.gz"
    done
done
same_as "top --focus main --ignore sort --hide ^runtime" "-top -focus=main -ignore=sort -hide=^runtime" go.cpu
for tag in 1kB: :1kB 1kB:64kB bytes=1kB: bytes=1024b; do
    same_as "top --tagfocus $tag" "-top -tagfocus=$tag" go.heap
    same_as "top --tagignore $tag" "-top -tagignore=$tag" go.heap
done
same_as "traces --tagfocus state=S" "-traces -tagfocus=state=S" "$found/threads.pb.gz"
same_as "traces --tagignore name:pyth" "-traces -tagignore=name:pyth" "$found/threads.pb.gz"

it "takes an incident's folder for its heap profile"
"$gumshoe" top "$found" > a; "$gumshoe" top "$found/heap.pb.gz" > b; cmp a b
it "says the same to machines"
total=$("$gumshoe" top --json "$found" | jq .total)
equal "$total" "$(heap_bytes "$found")" "total"
equal "$("$gumshoe" top --json -n 3 "$found" | jq '.rows | length')" 3 "rows"
it "is read by pprof's other commands, too"
for file in heap threads; do
    for way in -raw -traces -tree '-peek=.' ; do go tool pprof $way "$found/$file.pb.gz" >/dev/null 2>err || fail "pprof $way $file: $(cat err)"; done
done
echo "$compared tables compared"
