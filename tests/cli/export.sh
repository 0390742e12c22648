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
