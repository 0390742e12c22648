# lib.sh - what the host tests share. A test sources it with the build directory as $1, and says what it checks with
# "it"; the first thing that is not so ends it. Everything it starts is ended by pid; everything it writes is removed.
set -eu
build=$(cd "$1" && pwd)
source_dir=$(cd "$(dirname "$0")/../.." && pwd)
gumshoe=$build/gumshoe
tmp=$(mktemp -d "${TMPDIR:-/tmp}/gumshoe-test-XXXXXX")
started=
export GUMSHOE_LOG=$tmp/log
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin # programs from Debian, not wrappers around them
unset GUMSHOE_RULES GUMSHOE_DIR GUMSHOE_DISABLE GUMSHOE_PID LD_PRELOAD 2>/dev/null || true

finish() {
    status=$?
    for pid in $started; do kill -9 "$pid" 2>/dev/null || true; done
    if [ $status -ne 0 ]; then
        echo "--- agent's log"; cat "$tmp/log" 2>/dev/null || true
        echo "--- files"; find "$tmp" -maxdepth 3 2>/dev/null | head -50
    fi
    for _ in $(seq 100); do # what was killed, or ends with what was killed, may be writing still
        rm -rf "$tmp" 2> /dev/null && return
        sleep 0.1
    done
    rm -rf "$tmp"
}
trap finish EXIT

# GUMSHOE_UNDER="valgrind …": the command runs under that. The programs that it starts do not.
if [ -n "${GUMSHOE_UNDER:-}" ]; then
    printf '#!/bin/sh\nexec %s %s "$@"\n' "$GUMSHOE_UNDER" "$gumshoe" > "$tmp/under"
    chmod +x "$tmp/under"
    gumshoe=$tmp/under
fi

it() { echo "  it $*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }
equal() { [ "$1" = "$2" ] || fail "${3:-values}: wanted '$2', got '$1'"; }

# wait_until COMMAND…: until COMMAND succeeds. This is how a test waits for what another process does. The limit is for events that
# never come: it says nothing of how fast a machine has to be, so that the tests pass on one that is busy. Nothing else of a test
# may depend on time: what is fast or slow is measured in tests/bench.
patience=${GUMSHOE_PATIENCE:-300} # seconds
wait_until() {
    local until=$((SECONDS + patience))
    until "$@" > /dev/null 2>&1; do
        [ $SECONDS -lt $until ] || fail "still not after $patience s: $*"
        sleep 0.1
    done
}
# within_patience COMMAND…: COMMAND, killed when it has not ended by then.
within_patience() { timeout -s KILL $patience "$@"; }

# never_says FILE TEXT WHAT: no line of FILE has TEXT. Some string in agent/ has to have it: when a message changes, a test that looks
# for its old words would pass whatever happens.
never_says() {
    grep -rqF --include='*.c' -- "$2" "$source_dir/agent" || fail "no message has the words '$2' any more"
    ! grep -F -- "$2" "$1" || fail "$3"
}

# has_watch DIR: a process is watched that has DIR for its incidents; watched_in DIR: the pid of the one that is.
has_watch() { ls "$1"/.live/*.sock; }
watched_in() { basename "$(has_watch "$1")" | cut -d- -f1; }

# status_of_watch PID EXPRESSION: jq's EXPRESSION holds for what `gumshoe status` says of the process PID.
status_of_watch() { "$gumshoe" status --json "$1" > "$tmp/status.json" 2> /dev/null && jq -e "$2" "$tmp/status.json" > /dev/null; }

# after_a_turn PID: until the watch of PID has gone through its loop once: what was due before has been seen to.
after_a_turn() {
    wait_until status_of_watch "$1" true
    wait_until status_of_watch "$1" '.under_way == 0'
}

# all_sleep PID: each of its threads.
all_sleep() { ! grep -L '^State:.S' /proc/"$1"/task/*/status | grep -q .; }

# wait_for_ticks BOX N: until a running process has written N more ticks into its black box. The second began after the call.
ticks_in() { "$gumshoe" replay --json "$1" 2> /dev/null | jq .history.rows; }
holds_ticks() { local ticks; ticks=$(ticks_in "$1") && [ "$ticks" -ge "$2" ]; }
wait_for_ticks() {
    wait_until holds_ticks "$1" 1
    wait_until holds_ticks "$1" $(($(ticks_in "$1") + $2))
}

# change_rules PID FILE EXPRESSION: jq's EXPRESSION changes the rules file that PID is watched by; until they are in force.
change_rules() {
    local reloads; reloads=$("$gumshoe" status --json "$1" | jq .file.reloads)
    jq "$3" "$2" > "$2.new" && mv "$2.new" "$2"
    wait_until status_of_watch "$1" ".file.reloads > $reloads"
}

# take_baseline PID FILE: the watch of PID, whose rules file says "baseline": "1h", takes a baseline while the process rests, and no
# other one afterwards.
take_baseline() {
    change_rules "$1" "$2" '.heap.baseline = "1s"'
    wait_until has_baseline "$1"
    change_rules "$1" "$2" '.heap.baseline = "1h"'
}
has_baseline() { local path; path=$("$gumshoe" capture --kinds heap "$1") && [ -e "$path/heap.base.pb.gz" ]; }

# rules NAME TEXT: a rules file in $tmp; prints its path. Unless they speak of it, incidents get no source lines afterwards: a test would
# look at files that are being replaced, and a culprit is named by what the compiler has put inline.
rules() {
    local text=$2
    case $text in *'"symbolize"'*) ;; *[\]\}]*\}) text=${text%\}}', "symbolize": "off"}' ;; esac
    printf '%s\n' "$text" > "$tmp/$1.json"; echo "$tmp/$1.json"
}

# a_free_port: one that nobody listens on now.
a_free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# incident DIR: the one complete incident in DIR.
incident() {
    local found; found=$(find "$1" -maxdepth 1 -mindepth 1 -type d -name '2*' | sort | tail -n 1)
    [ -n "$found" ] || fail "no incident in $1"
    echo "$found"
}
has_incident() { [ -n "$(find "$1" -maxdepth 1 -mindepth 1 -type d -name '2*' 2>/dev/null)" ]; }

# complete INCIDENT: everything that an incident of heap and threads holds is there and is what its index says.
complete() {
    local dir=$1 file
    equal "$(jq -r .complete "$dir/incident.json")" true "complete"
    equal "$(jq -r '.errors | length' "$dir/incident.json")" 0 "errors of $dir: $(jq -c .errors "$dir/incident.json")"
    for file in summary.txt heap.pb.gz threads.pb.gz threads.txt metrics.json rules.json maps.txt; do
        [ -s "$dir/$file" ] || fail "$dir/$file is missing or empty"
    done
    jq -r '.files[] | "\(.crc32) \(.size) \(.name)"' "$dir/incident.json" | while read -r crc size name; do
        equal "$(python3 -c 'import sys, zlib; b = open(sys.argv[1], "rb").read(); print("%08x %d" % (zlib.crc32(b), len(b)))' "$dir/$name")" "$crc $size" "crc32 and size of $name"
    done
    equal "$(stat -c %a "$dir")" 700 "mode of the folder"
    equal "$(find "$dir" -type f ! -perm 600 | wc -l)" 0 "files that are not 0600"
    for file in heap threads; do
        go tool pprof -top "$dir/$file.pb.gz" > "$tmp/pprof.$file" 2> "$tmp/pprof.err" || { cat "$tmp/pprof.err"; fail "pprof does not read $file"; }
    done
}

# heap_bytes INCIDENT: the sum of inuse_space, by pprof.
heap_bytes() {
    go tool pprof -top -sample_index=inuse_space -unit=B "$1/heap.pb.gz" 2>/dev/null | sed -n 's/.*% of \([0-9]*\)B total.*/\1/p'
}
