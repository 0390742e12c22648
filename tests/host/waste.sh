#!/bin/bash
# Who pins the heap's free memory, held against hosts whose answer is known: which part of the free memory belongs to whose blocks, over
# four allocators; that more of it is without an owner as samples thin; what malloc_trim would return against what it does return; how
# many arenas there are; that live memory is not called free.
#
# Of 72 MiB each eighth block stays: in two thirds of them those of keep_session, in the rest those of keep_route. A sample every 64 KiB
# shows 96 and 48 of them: 86 % of the windows of 1 MiB have one, and keep_session's part of what has an owner is 67 % with a standard
# error below 3 points: six of them are 17.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
mkfifo input
lib=/usr/lib/x86_64-linux-gnu

# begin NAME SAMPLE [LIBRARY]: the host, watched, over an allocator's library.
begin() {
    dir=$1
    rules_file=$(rules "$1" '{ "version": 1, "interval": "1h", "heap": { "sample": "'"$2"'" }, "budget": "100%", "incidents": { "keep": 0 },
        "rules": [ { "name": "never", "metric": "rss", "above": "1TiB" } ] }')
    : > out
    LD_PRELOAD="$build/libgumshoe.so ${3:-}" GUMSHOE_RULES=$rules_file GUMSHOE_DIR=$dir MALLOC_ARENA_MAX=9 "$build/hosts/waste" < input > out 2>&1 &
    host=$!; started="$started $host"; told=0
    exec 3> input
    wait_until has_watch "$dir"
}
# tell WORD: the host does WORD; its result in $answer.
tell() {
    echo "$1" >&3
    told=$((told + 1))
    wait_until has_answered
    answer=$(tail -n 1 out | cut -d ' ' -f 3)
}
has_answered() { [ "$(grep -c '^done ' out)" -ge $told ]; }
end() { exec 3>&-; wait $host || fail "the host failed"; }
# look [KINDS]: an incident, in $found.
look() {
    found=$("$gumshoe" capture --kinds "${1:-heap,threads}" "$host") || fail "no capture"
    complete "$found"
}
# free_of FUNCTION: bytes of free memory that it pins, by pprof.
free_of() { go tool pprof -top -unit=B -nodefraction=0 "$found/waste.pb.gz" 2> /dev/null | awk -v f="$1" '$6 == f { print $1 + 0 }'; }
# distance: between the samples of the incident's heap, in bytes.
distance() { go tool pprof -raw "$found/heap.pb.gz" 2> /dev/null | sed -n 's/^Period: //p'; }
# within VALUE LEAST MOST WHAT
within() { python3 -c 'import sys; v, a, b = map(float, sys.argv[1:]); sys.exit(not a <= v <= b)' "$1" "$2" "$3" || fail "$4: $1 is not in $2 to $3: $(cat "$found/summary.txt")"; }
share() { python3 -c 'import sys; a, b = map(float, sys.argv[1:]); print(a / b)' "$1" "$2"; }

# shows_who_pins: keep_session pins two thirds of what has an owner; most has one.
shows_who_pins() {
    local session route none
    session=$(free_of keep_session) route=$(free_of keep_route) none=$(free_of '[unattributed]')
    [ -n "$session" ] && [ -n "$route" ] || fail "$(go tool pprof -top "$found/waste.pb.gz" 2>&1)"
    within "$(share "$session" $((session + route)))" 0.50 0.84 "keep_session's part"
    within "$(share "${none:-0}" $((session + route + ${none:-0})))" 0 0.5 "the part without an owner"
    within $((session + route + ${none:-0})) 50e6 75e6 "free memory"
    equal "$(jq -r '[.waste.pinned_by.function, .waste.free > 50000000, .waste.pinned <= .waste.free, .waste.free <= .waste.heap] | @csv' "$found/incident.json")" \
        '"keep_session",true,true,true' "waste in $found/incident.json"
    equal "$(jq -c '.waste | del(.pinned_by)' "$found/incident.json")" "$(jq -c .waste "$found/memory.json")" "waste in memory.json"
    grep -qE '^Heap: [0-9.]+ MiB of [0-9.]+ MiB resident is free; blocks of keep_session pin [0-9.]+ MiB of it' "$found/summary.txt" || fail "$(cat "$found/summary.txt")"
}

it "names whose blocks pin free memory, by glibc's headers"
begin glibc 64KiB
tell pin
look
shows_who_pins
equal "$(jq '.waste | .headers_read > 0 and .trimmable < 1000000' "$found/incident.json")" true "$(jq -c .waste "$found/incident.json")"
tell trim
within "$answer" -2000000 2000000 "what malloc_trim returned" # the agent's own memory comes and goes meanwhile
end
for library in libjemalloc.so.2 libtcmalloc_minimal.so.4 libmimalloc.so.2; do
    it "names them by pages and samples alone over $library"
    begin $library 64KiB $lib/$library
    tell pin
    look
    shows_who_pins
    equal "$(jq -c '.waste | [.headers_read, .trimmable, .arenas]' "$found/incident.json")" "[0,0,0]"
    end
done
it "has no owner for most of it when samples are thin, and says how thin"
begin thin 512KiB
tell pin
look
within "$(share "$(free_of '[unattributed]')" "$(jq .waste.free "$found/incident.json")")" 0.5 1 "the part without an owner"
within "$(jq .waste.samples "$found/incident.json")" 1 60 "samples"
go tool pprof -comments "$found/waste.pb.gz" 2> /dev/null | grep -qE '^[0-9]+ live samples?, 0\.[0-9]+ for each resident MiB' || fail "$(go tool pprof -comments "$found/waste.pb.gz" 2>&1)"

it "samples eight times as densely after that, for as long as the rules say"
change_rules $host "$rules_file" '.interval = "100ms" | .heap.focus = "30d"'
look heap,threads,waste
equal "$(distance)" $((512 << 10)) "the distance of samples"
tell leak
look
equal "$(distance)" $((64 << 10)) "the distance of samples, afterwards"
within "$(heap_bytes "$found")" 42e6 78e6 "the heap in use" # 9 MiB sampled every 512 KiB, 48 MiB every 64 KiB: 6 standard errors of 2.8 MiB
change_rules $host "$rules_file" '.heap.focus = "0s"'
is_over() { look && [ "$(distance)" -eq $((512 << 10)) ]; }
wait_until is_over
end

it "says what malloc_trim would return, and is right"
begin gaps 64KiB
tell gaps
look heap,threads,waste
claimed=$(jq .waste.trimmable "$found/incident.json")
grep -qE '^  malloc_trim would return 2[0-9.]+ MiB: whole free pages' "$found/summary.txt" || fail "$(cat "$found/summary.txt")"
tell trim
within "$(share "$claimed" "$answer")" 0.85 1.15 "what it claims of what malloc_trim returned"
end

it "does not call live memory free, and counts arenas"
begin leak 64KiB
tell leak
tell threads
look heap,threads,waste
within "$(jq .waste.free "$found/incident.json")" 0 4000000 "free memory"
equal "$(jq .waste.arenas "$found/incident.json")" 9
end
it "does not call live memory free without headers either"
begin leak-jemalloc 64KiB $lib/libjemalloc.so.2
tell leak
look
within "$(jq .waste.free "$found/incident.json")" 0 12e6 "free memory" # of 48 MiB; 6 standard errors of 1.7 MiB
end
