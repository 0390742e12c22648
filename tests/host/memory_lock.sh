#!/bin/bash
# mlockall locks the host's memory, and not the agent's: it says what it says without us, and takes as much.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
cd "$tmp"
chmod 777 .
gcc -O1 -w "$source_dir/tests/host/ways/mlockall.c" -o mlockall
touch enough
for arguments in "3 none" "3 8"; do
    ./mlockall $arguments | grep -q '^mlockall: 0' || { echo "mlockall is not allowed here"; exit 77; }
done
file=$(rules ticking '{ "version": 1, "interval": "50ms", "heap": { "sample": "16KiB" }, "incidents": { "max_per_hour": 0, "keep": 0 },
    "rules": [ { "name": "tick", "metric": "rss", "above": "1MiB", "again": "always", "cooldown": "100ms", "capture": ["heap", "threads"] } ] }')

said() { sed -n "s/^$2: //p" "$1"; }
kib() { said "$1" "$2" | sed "s/.*$3 \([0-9]*\) KiB.*/\1/"; }
# within A B LIMIT WHAT: A is at most LIMIT KiB more than B.
within() { [ "$1" -ge 0 ] && [ $(($1 - $2)) -le "$3" ] || fail "$4: $1 KiB, and $2 KiB without us"; }
has_captures() { [ "$(find d -name incident.json | wc -l)" -ge 3 ]; }
# locks FLAGS LIMIT: as without us.
locks() {
    rm -rf d log enough
    within_patience "$gumshoe" run --rules "$file" --dir d -- ./mlockall "$@" > got & local host=$!; started="$started $host"
    wait_until has_captures
    touch enough
    wait $host || fail "mlockall $*: its status"
    ./mlockall "$@" > wanted
    for what in mlockall "1 MiB more"; do equal "$(said got "$what")" "$(said wanted "$what")" "mlockall $*: $what"; done
    for when in then "at the end"; do
        within "$(kib got "$when" resident)" "$(kib wanted "$when" resident)" 16384 "mlockall $*, $when: resident"
        [ "$2" = none ] || within "$(kib got "$when" locked)" "$(kib wanted "$when" locked)" 1024 "mlockall $*, $when: locked"
        within "$(kib wanted "$when" locked)" "$(kib got "$when" locked)" 1024 "mlockall $*, $when: not locked"
    done
}

it "locks what is there, what comes later, both, and what is touched (MCL_CURRENT 1, MCL_FUTURE 2, MCL_ONFAULT 4)"
for flags in 1 2 3 5 6 7; do locks $flags none; done
it "locks it where RLIMIT_MEMLOCK has room for the host's memory, but none for ours"
for flags in 1 2 3; do locks $flags 8; done
it "is refused as without us: no room, no right, bad flags"
for arguments in "1 1" "3 1" "1 0" "0 none" "9 none"; do locks $arguments; done
