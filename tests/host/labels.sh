#!/bin/bash
# pprof separates tenants by the labels that the host set on its threads: 300 MB, 100 MB, and 50 MB without a label.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
GUMSHOE_DIR=d "$build/hosts/linked_labels" > heap.pb.gz

# near TENANT MEGABYTES: what pprof finds under the label is within 1 % of it. Blocks of 100 kB at a sample every 8 KiB: all but
# 5 in a million are sampled, and 1 % is 140 standard errors for 1000 of them.
near() {
    local bytes
    bytes=$(go tool pprof -top -unit=B -tagfocus="$1" heap.pb.gz 2>/dev/null | sed -n 's/.*accounting for \([0-9]*\)B.*/\1/p')
    python3 -c 'import sys; b, m = float(sys.argv[1]), float(sys.argv[2]) * 1e6; sys.exit(abs(b - m) > m / 100)' "${bytes:-0}" "$2" || fail "$1 holds ${bytes:-nothing} bytes"
}
it "shows what each tenant holds"
near tenant=acme 300
near tenant=initech 100
it "lists the labels"
go tool pprof -tags heap.pb.gz 2>/dev/null | grep -q 'tenant:' || fail "no tags"
it "leaves allocations without a label unlabelled"
bytes=$(go tool pprof -top -unit=B -tagignore=tenant heap.pb.gz 2>/dev/null | sed -n 's/.*accounting for \([0-9]*\)B.*/\1/p')
python3 -c 'import sys; sys.exit(not 50e6 <= float(sys.argv[1]) <= 54e6)' "$bytes" || fail "$bytes bytes without a label"
