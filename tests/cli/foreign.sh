#!/bin/bash
# Profiles that other programs write: whatever the shape of the file, the figures are those that pprof prints; what nobody can read is refused.
. "$(dirname "$0")/lib.sh"
mkdir shapes
python3 "$source_dir/tests/cli/foreign.py" shapes

it "reads the shapes that other programs write, with pprof's figures"
for shape in packed unpacked plain members mapped no-mapping wide-ids strings-first many-types unknown-fields; do
    for how in top tree traces; do
        "$gumshoe" $how --no-symbolize shapes/$shape > ours 2> err || fail "$how $shape: $(cat err)"
        go tool pprof -$how shapes/$shape > theirs 2> err || fail "pprof -$how $shape: $(cat err)"
        diff ours theirs || fail "$how of $shape differs from pprof's"
    done
done
equal "$("$gumshoe" top --json shapes/many-types | jq -c '[.sample_type, .total]')" '["kind-15",12]'
it "reads a line that has no function, from a writer that knows none"
"$gumshoe" top --json shapes/no-function > rows.json
equal "$(jq -c '[.rows[] | .function, .flat]' rows.json)" "$("$gumshoe" top --json shapes/packed | jq -c '[.rows[] | .function, .flat]')"

it "refuses what is not a profile as a whole"
equal "$(status_of "$gumshoe" top shapes/trailing)" 3
"$gumshoe" top shapes/trailing 2>&1 | grep -q 'its gzip data is damaged' || fail "$("$gumshoe" top shapes/trailing 2>&1)"
head -c 200 shapes/members > cut
equal "$(status_of "$gumshoe" top cut)" 3
it "refuses what unpacks to 1 GiB, in bounded memory"
(ulimit -v 1500000; "$gumshoe" top shapes/bomb) > out 2>&1 && fail "it was read"
grep -q 'larger than 512 MiB when unpacked' out || fail "$(cat out)"
