#!/bin/bash
# Where the heap in use is: in memory, swapped out, or never touched, by stack; against what the host is known to have written.
#
# Blocks of many times the sampling distance (16 KiB) are all sampled and stand for themselves: their figures are exact but for the
# pages at the two ends of a block. keep_small's 32 MiB are 2048 samples, a standard error of 2.2 %, so that 14 % are six of them.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
mkfifo input
export GUMSHOE_RULES=$(rules pages '{ "version": 1, "heap": { "sample": "16KiB" }, "budget": "100%", "children": "off", "incidents": { "keep": 0 },
    "rules": [ { "name": "never", "metric": "rss", "above": "99%", "for": "1h" } ] }')

begin() {
    rm -f out
    GUMSHOE_DIR=d "$build/hosts/linked_pages" < input > out 2>&1 &
    host=$!; started="$started $host"; told=0
    exec 3> input
}
tell() {
    echo "$1" >&3
    told=$((told + 1))
    wait_until has_answered
    answer=$(tail -n 1 out)
}
has_answered() { [ "$(grep -c '^done ' out)" -ge $told ]; }
# bytes STATE FUNCTION PROFILE
bytes() { "$gumshoe" top -n 1000 --json --sample "inuse_$1" "$3" | jq --arg f "$2" '[.rows[] | select(.function == $f) | .flat] | add // 0'; }
# mib STATE FUNCTION: whole MiB that FUNCTION has in this state, in $found.
mib() { echo $((($(bytes "$1" "$2" "$found/heap.pages.pb.gz") + (1 << 19)) >> 20)); }
# has FUNCTION RESIDENT SWAPPED UNTOUCHED, in MiB
has() { equal "$(mib resident "$1") $(mib swapped "$1") $(mib untouched "$1") $(mib unknown "$1")" "$2 $3 $4 0" "MiB of $1 resident, swapped, untouched, unknown"; }
hold_as_known() {
    has half_table 32 0 32
    has sparse_index 8 0 56
    has cache_init 0 0 48
    local small; small=$(mib resident keep_small)
    [ "$small" -ge 27 ] && [ "$small" -le 37 ] || fail "keep_small has $small MiB in memory, of 32"
}

it "is not read unless it is asked for"
begin
tell hold
found=$("$gumshoe" capture --kinds heap $host)
[ ! -e "$found/heap.pages.pb.gz" ] || fail "there are pages"
equal "$(jq .pages "$found/incident.json")" null

it "is right for what was written, and what was not"
found=$("$gumshoe" capture --kinds heap,pages $host)
complete() { equal "$(jq -c '[.complete, .errors]' "$found/incident.json")" '[true,[]]'; }
complete
has load_table 64 0 0
hold_as_known
it "adds up to the heap in use"
sum() { "$gumshoe" top --json --sample "$1" "$2" | jq .total; }
pages=0; for state in resident swapped untouched unknown; do pages=$((pages + $(sum inuse_$state "$found/heap.pages.pb.gz"))); done
equal "$pages" "$(sum inuse_space "$found/heap.pb.gz")" "the sum"
it "is said in the summary, and in incident.json"
grep -qE '^Of the 27[0-9.]+ MiB in use: 1[0-9.]+ MiB in memory, 136(\.[0-9])? MiB never touched \(sparse_index 56 MiB\)$' "$found/summary.txt" || fail "$(cat "$found/summary.txt")"
equal "$(jq -r '.pages | [.untouched_by.function, .swapped, .swapped_by, .unknown, (.untouched / 1048576 | round)] | @csv' "$found/incident.json")" '"sparse_index",0,,0,136'
it "is a profile that go tool pprof reads"
equal "$(go tool pprof -top -unit=MB -sample_index=inuse_untouched "$found/heap.pages.pb.gz" 2> /dev/null | awk '$6 == "cache_init" { print $1 }')" 48MB "by pprof"

it "has what was not written, or says that this kernel does not record it"
if "$gumshoe" top --json --sample inuse_unwritten "$found/heap.pages.pb.gz" > /dev/null 2>&1; then
    equal "$(mib unwritten load_table)" 0 "MiB that were not written, before the bits are cleared"
    echo 4 > /proc/$host/clear_refs
    tell rewrite
    found=$("$gumshoe" capture --kinds pages $host)
    [ "$(mib unwritten load_table)" -le 32 ] || fail "$(mib unwritten load_table) MiB are not written, of the 32 that are not"
else
    go tool pprof -comments "$found/heap.pages.pb.gz" 2> /dev/null | grep -qx 'which pages were written is not known: this kernel has no soft-dirty bits' ||
        fail "$(go tool pprof -comments "$found/heap.pages.pb.gz")"
fi

it "is what a child shares, too"
tell child
found=$("$gumshoe" capture --kinds pages $host)
has load_table 64 0 0
hold_as_known

it "is right for what was swapped out"
tell childless
equal "$answer" "done childless ok"
tell pageout
equal "$answer" "done pageout ok"
swapped=$(sed -n 's/^VmSwap:[^0-9]*\([0-9]*\) kB/\1/p' /proc/$host/status)
if [ "${swapped:-0}" -gt 0 ]; then
    found=$("$gumshoe" capture --kinds heap,pages $host)
    outside=$((swapped / 1024)) inside=$(mib swapped load_table)
    [ "$inside" -ge $((outside - 2)) ] && [ "$inside" -le $((outside + 1)) ] || fail "$inside MiB are swapped, $outside by the kernel"
    equal $((inside + $(mib resident load_table))) 64 "MiB of load_table"
    hold_as_known
else
    echo "    not checked: the kernel swapped nothing out here"
fi
exec 3>&-; wait $host

it "takes no block that is freed meanwhile for one that was never touched"
begin
tell churn
if [ "$answer" = "done churn EPERM" ] || [ "$answer" = "done churn ENOMEM" ]; then
    echo "    not checked: memory cannot be locked here"
else
    equal "$answer" "done churn ok"
    "$gumshoe" merge -o all.pb.gz churn-*.pb.gz
    [ "$(bytes resident churn_locked all.pb.gz)" -gt 0 ] || fail "nothing was read: $("$gumshoe" top all.pb.gz)"
    equal "$(bytes untouched churn_locked all.pb.gz)" 0 "bytes that were never touched"
fi
exec 3>&-; wait $host
