#!/bin/bash
# `gumshoe diff` and `gumshoe export`: figures that add up, whatever the names in the profile are.
. "$(dirname "$0")/lib.sh"

# A profile by hand, so that every figure is known: two stacks, one of them with names that could break a format or a terminal.
cat > make.go <<'G'
package main

import ("compress/gzip"; "os"; "strconv")

// Enough of protobuf to write a profile.
func varint(v uint64) (b []byte) { for v >= 128 { b = append(b, byte(v)|128); v >>= 7 }; return append(b, byte(v)) }
func num(f int, v uint64) []byte { return append(varint(uint64(f<<3)), varint(v)...) }
func msg(f int, b []byte) []byte { return append(append(varint(uint64(f<<3|2)), varint(uint64(len(b)))...), b...) }
func cat(bs ...[]byte) (b []byte) { for _, x := range bs { b = append(b, x...) }; return }

func main() {
	names := []string{"", "inuse_space", "bytes", "main", "keep;all \x1b[31m", "leak", "/src/leak.c"}
	value, _ := strconv.ParseUint(os.Args[2], 10, 64)
	p := msg(1, cat(num(1, 1), num(2, 2)))
	for i, stack := range [][]uint64{{3, 2, 1}, {2, 1}} {
		s := []byte{}
		for _, l := range stack { s = append(s, num(1, l)...) }
		p = append(p, msg(2, append(s, num(2, []uint64{value, 500}[i])...))...)
	}
	for i := uint64(1); i <= 3; i++ {
		p = append(p, msg(4, cat(num(1, i), num(3, i*16), msg(4, cat(num(1, i), num(2, i*10)))))...)
		p = append(p, msg(5, cat(num(1, i), num(2, i+2), num(3, i+2), num(4, 6)))...)
	}
	for _, n := range names { p = append(p, msg(6, []byte(n))...) }
	f, _ := os.Create(os.Args[1])
	z := gzip.NewWriter(f); z.Write(p); z.Close(); f.Close()
}
G
GOCACHE=$tmp/cache GOFLAGS=-mod=mod HOME=$tmp go build -o make make.go || fail "the Go program"
./make before 1000; ./make after 251000
go tool pprof -raw after > /dev/null || fail "pprof does not read the profile"

it "says what grew, by function and by stack"
"$gumshoe" diff --json before after > diff.json
equal "$(jq -c '[.sample_type, .unit, .before, .after]' diff.json)" '["inuse_space","bytes",1500,251500]'
equal "$(jq -c '[.functions[] | select(.flat != 0) | .function, .flat, .file]' diff.json)" '["leak",250000,"/src/leak.c"]'
equal "$(jq -c '[.stacks[].change]' diff.json)" '[250000]'
"$gumshoe" diff before after > text
head -n 1 text | grep -qx 'inuse_space: from 1.46kB to 245.61kB, +244.14kB' || fail "$(head -n 1 text)"
it "says that nothing grew"
"$gumshoe" diff after after | tail -n 1 | grep -qx 'no difference' || fail "$("$gumshoe" diff after after)"
it "refuses what cannot be compared"
equal "$(status_of "$gumshoe" diff before)" 2
equal "$(status_of "$gumshoe" diff before nothing)" 3

it "folds stacks from the root, with frames that cannot break the line"
"$gumshoe" export --collapsed after > folded
equal "$(grep -c . folded)" 2 "lines"
equal "$(awk '{ n += $NF } END { print n }' folded)" 251500 "the sum"
grep -q '^main;keep:all .*;leak 251000$' folded || fail "$(cat -v folded)"
! grep -q "$(printf '\033')" folded || fail "an escape character"
it "writes what speedscope reads"
"$gumshoe" export --speedscope after > scope.json
equal "$(jq -c '.profiles[0] | [.type, .unit, .endValue, (.weights | add), (.samples | length)]' scope.json)" '["sampled","bytes",251500,251500,2]'
equal "$(jq -c '[.shared.frames as $f | .profiles[0].samples[0][] | $f[.].line]' scope.json)" '[10,20,30]' "from the root"
equal "$(status_of "$gumshoe" export after)" 2 "no format"
it "never leaves half a profile"
equal "$(status_of "$gumshoe" merge -o no/such/place before)" 3
mkdir full
if mount -t tmpfs -o size=4k none full 2> /dev/null; then
    cp before full/sum
    dd if=/dev/zero of=full/rest bs=1k count=8 2> /dev/null || true
    equal "$(status_of "$gumshoe" merge -o full/sum before after)" 3 "a full disk"
    cmp before full/sum
    equal "$(cd full && echo *)" "rest sum" "the files that are left"
    umount full
fi

it "prints the whole profile as pprof's -raw does: with labels, mappings, inlined functions, a time and a duration"
mkdir shapes; python3 "$source_dir/tests/cli/foreign.py" shapes
cat > grow.py <<'P'
import sys, threading, time
kept = [str(i) * 40 for i in range(60000)]
threading.Thread(target=time.sleep, args=(1000,), name="sleeper", daemon=True).start()
sys.stdin.read()
P
printf '{ "version": 1, "interval": "100ms", "heap": { "sample": "4KiB" }, "incidents": { "keep": 0 }, "rules": [
  { "name": "n", "every": "1s", "cooldown": "0s", "capture": ["heap", "threads", "cpu"] } ], "cpu": { "duration": "300ms" } }' > r.json
mkfifo input
"$gumshoe" run --rules r.json --dir d -- python3 grow.py < input & host=$!; started="$started $host"
exec 3> input
captured() { ls d/2*/heap.pb.gz; }
wait_until captured
exec 3>&-
wait $host || fail "the host failed"
found=$(dirname "$(ls d/2*/heap.pb.gz | head -n 1)")
for file in after shapes/packed shapes/no-mapping shapes/mapped shapes/many-types "$found"/heap.pb.gz "$found"/threads.pb.gz "$found"/cpu.pb.gz; do
    "$gumshoe" export --pprof-text --no-symbolize "$file" > ours || fail "$file"
    go tool pprof -raw "$file" > theirs 2> /dev/null
    # We never write an escape character, and always say which sample type is the default one.
    case $file in d/*) ;; *) sed -i 's/\[dflt\]//' ours; tr -d '\033' < theirs > plain; mv plain theirs; sed -i 's/\\x1b//' ours ;; esac
    diff ours theirs || fail "$file differs from pprof's -raw"
done

it "writes what the viewer of DHAT reads: each stack once, all of its fields, frames that are there"
# One stack in two samples, at the same addresses: the viewer refuses a file that has it twice.
"$gumshoe" export --dhat --no-symbolize shapes/packed > packed.dhat
equal "$(jq -c '[.dhatFileVersion, .bklt, (.pps | length), ([.pps[].tb] | add), ([.pps[].tbk] | add)]' packed.dhat)" '[2,false,3,120000000,12]'
"$gumshoe" export --dhat "$found/heap.pb.gz" > heap.dhat
equal "$(jq -c '[.dhatFileVersion, .mode, .bklt, .ftbl[0]]' heap.dhat)" '[2,"heap",true,"[root]"]'
equal "$(jq '[.pps[].eb] | add' heap.dhat)" "$("$gumshoe" top --json "$found/heap.pb.gz" | jq .total)" "what is held"
equal "$(jq '[.pps[].tb] | add' heap.dhat)" "$("$gumshoe" top --json --sample alloc_space "$found/heap.pb.gz" | jq .total)" "what was allocated"
equal "$(jq '([.pps[].fs] | length) - ([.pps[].fs] | unique | length)' heap.dhat)" 0 "stacks that are there twice"
equal "$(jq '(.ftbl | length) as $n | [.pps[].fs[] | select(. < 1 or . >= $n)] | length' heap.dhat)" 0 "frames without a text"
equal "$(jq '[.pps[] | select(has("tb") and has("tbk") and has("mb") and has("mbk") and has("gb") and has("gbk") and has("eb") and has("ebk") | not)] | length' heap.dhat)" 0
it "adds up the samples of one stack"
"$gumshoe" export --dhat --no-symbolize shapes/repeated > repeated.dhat
equal "$(jq -c '[(.pps | length), ([.pps[].tb] | add)]' repeated.dhat)" '[3,240000000]' "points and total of a profile that has each stack twice"
"$gumshoe" merge -o twice "$found/threads.pb.gz" "$found/threads.pb.gz"
"$gumshoe" export --dhat twice > twice.dhat
equal "$(jq '([.pps[].fs] | length) - ([.pps[].fs] | unique | length)' twice.dhat)" 0 "stacks that are there twice"
equal "$(jq '[.pps[].tb] | add' twice.dhat)" "$("$gumshoe" top --json twice | jq .total)" "threads"

it "gives machines the same figures: peek, tree, traces, list"
"$gumshoe" tree --json shapes/packed > tree.json
equal "$(jq -c '[.sample_type, .unit, .total]' tree.json)" '["cpu","nanoseconds",120000000]'
equal "$(jq -c '.nodes[] | select(.function == "work") | [.flat, .cum, .file, [.callers[] | .function, .weight], [.callees[] | .function]]' tree.json)" \
    '[90000000,90000000,"/src/x.rs",["main",90000000],[]]'
equal "$("$gumshoe" peek --json '^idle$' shapes/packed | jq -c '[.nodes[] | .function, .cum, .callers[0].function]')" '["idle",30000000,"main"]'
equal "$(status_of "$gumshoe" peek --json nobody shapes/packed)" 1
"$gumshoe" traces --json shapes/no-mapping > traces.json
equal "$(jq -c '.traces[0] | [.value, .labels.thread, [.frames[] | .function, .line]]' traces.json)" '[70000000,["worker one"],["work",20,"main",10]]'
printf 'one\ntwo\n' > x.rs; for i in $(seq 3 30); do echo "line $i" >> x.rs; done
"$gumshoe" list --json --source . work shapes/packed > list.json
equal "$(jq -c '.functions[] | [.function, .flat, .cum, [.lines[] | .line, .flat, .text]]' list.json)" '["work",90000000,90000000,[20,90000000,"line 20"]]'
equal "$("$gumshoe" list --json --source /nowhere work shapes/packed | jq -c '.functions[0].lines[0].text')" null
it "keeps a link that the output goes to"
ln -s target link; touch target
"$gumshoe" merge -o link after after
[ -L link ] && [ -s target ] || fail "the link was replaced"
