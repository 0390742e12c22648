#!/bin/bash
# --plumbing in the commands that show a profile: functions that work for their callers are passed over, and nothing is lost.
#
#   pool_get ← parse ← main 600      pool_get ← render ← main 300      pool_get, inline in render ← main 70      pool_get 30
. "$(dirname "$0")/lib.sh"
cat > make.py <<'P'
import gzip, sys
sys.path.insert(0, sys.argv[1])
from profile_file import field
strings = [""]
def text(value):
    if value not in strings:
        strings.append(value)
    return strings.index(value)
names = ["pool_get", "parse", "render", "main"]
out = field(1, field(1, text("inuse_space")) + field(2, text("bytes")))
for location, value in (([1, 2, 4], int(sys.argv[3])), ([1, 3, 4], 300), ([5, 4], 70), ([1], 30)):
    out += field(2, b"".join(field(1, at) for at in location) + field(2, value))
for number, functions in enumerate(([1], [2], [3], [4], [1, 3]), 1):
    out += field(4, field(1, number) + field(3, 0x1000 * number) + b"".join(field(4, field(1, at)) for at in functions))
for number, name in enumerate(names, 1):
    out += field(5, field(1, number) + field(2, text(name)) + field(3, text(name)))
out += b"".join(field(6, value.encode()) for value in strings)
open(sys.argv[2], "wb").write(gzip.compress(out))
P
python3 make.py "$source_dir/tests/cli" heap.pb.gz 600
python3 make.py "$source_dir/tests/cli" base.pb.gz 100
rows() { "$gumshoe" top --json "$@" | jq -r '[.total, (.rows[] | "\(.function) \(.flat) \(.cum)")] | join(", ")'; }

it "charges what they hold to their callers, also where they are inline; a stack of nothing else stays"
equal "$(rows heap.pb.gz)" "1000, pool_get 1000 1000, main 0 970, parse 0 600, render 0 370"
equal "$(rows --plumbing 'pool_*' heap.pb.gz)" "1000, parse 600 600, render 370 370, pool_get 30 30, main 0 970"
it "takes several patterns, and names the filter"
equal "$(rows --plumbing 'pool_*' --plumbing render heap.pb.gz)" "1000, parse 600 600, main 370 970, pool_get 30 30"
"$gumshoe" top --plumbing 'pool_*' heap.pb.gz | grep -qx '   plumbing=pool_\*' || fail "the filter is not shown"
it "works in peek, traces, list, tree, export and diff"
"$gumshoe" peek --plumbing 'pool_*' render heap.pb.gz | grep -qE '^ +370B .*\| +render$|^ +370B +37.00% .* render$' || fail "$("$gumshoe" peek --plumbing 'pool_*' render heap.pb.gz)"
equal "$("$gumshoe" export --collapsed --plumbing 'pool_*' heap.pb.gz | sort)" "$(printf 'main;parse 600\nmain;render 370\npool_get 30')" export
equal "$("$gumshoe" diff --json --plumbing 'pool_*' base.pb.gz heap.pb.gz | jq -c '[.before, .after, (.stacks[] | [.change, .stack])]')" '[500,1000,[500,["parse","main"]]]' diff
"$gumshoe" traces --plumbing 'pool_*' heap.pb.gz > traces
equal "$(grep -c pool_get traces)" 1 "stacks with the function"
"$gumshoe" tree --plumbing 'pool_*' heap.pb.gz > tree
"$gumshoe" list --plumbing 'pool_*' render heap.pb.gz > list
it "says so if a pattern matches nothing"
"$gumshoe" top --plumbing 'poll_*' heap.pb.gz > /dev/null 2> said
grep -q 'plumbing matches nothing' said || fail "$(cat said)"
