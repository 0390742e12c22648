#!/bin/bash
# The memory account: what resident memory is used for, compared with the kernel's figures from outside, and with what the host
# is known to hold.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
asked='{ "version": 1, "heap": { "sample": "16KiB", "baseline": "1h" }, "budget": "100%", "children": "off",
    "rules": [ { "name": "never", "metric": "rss", "above": "90%" } ] }'
rules_file=$(rules asked "$asked")
mkfifo input
allocator=

# begin COMMAND…: start it under watch, its input in our hands as descriptor 3.
begin() {
    rm -rf d out
    LD_PRELOAD=$allocator "$gumshoe" run --rules "$rules_file" --dir d -- "$@" < input > out 2>&1 &
    host=$!; started="$started $host"
    exec 3> input
}
end() { exec 3>&-; wait $host || fail "the host failed: $(cat out)"; }

# outside NAME: what the kernel says of the host, in a file.
outside() { cat "/proc/$(watched_in d)/smaps_rollup" > "$1"; }

# ask: an incident now, of a host that rests; it is put into $found, and what the kernel said just before and after into files.
ask() {
    wait_until has_watch d
    outside before
    "$gumshoe" capture "$(watched_in d)" --dir d --kinds heap,threads >/dev/null 2>&1 || "$gumshoe" capture "$(watched_in d)" --kinds heap,threads > /dev/null
    outside after
    found=$(incident d)
    complete "$found"
}

# holds PART=LOW-HIGH…: in MiB; all parts are positive, add up to rss, and rss is what the kernel says, within 3 % of
# what it said before and after (an allocator may give pages back meanwhile).
cat > holds.py <<'P'
import json, re, sys
account = json.load(open(sys.argv[1]))
kernel = sorted(int(re.search(r"Rss:\s+(\d+) kB", open(name).read()).group(1)) << 10 for name in ("before", "after"))
parts, rss = account["parts"], account["rss"]
wrong = []
if sorted(parts) != ["agent", "anonymous", "files", "heap_kept", "heap_live", "shared", "stacks"] or min(parts.values()) < 0:
    wrong.append("parts: %s" % parts)
if sum(parts.values()) != rss:
    wrong.append("they add up to %d, not %d" % (sum(parts.values()), rss))
if not 0.97 * kernel[0] <= rss <= 1.03 * kernel[1]:
    wrong.append("rss %d is not within 3 %% of what the kernel says, %s" % (rss, kernel))
for want in sys.argv[2:]:
    part, low, high = re.match(r"(.*)=(.*)-(.*)", want).groups()
    of = sum(parts[p] for p in part.split("+")) / 1048576
    if not float(low) <= of <= float(high):
        wrong.append("%s: %.1f MiB, not %s to %s" % (part, of, low, high))
print("    %.1f MiB (kernel %.1f):" % (rss / 1048576, kernel[1] / 1048576), " ".join("%s %.1f" % (p, v / 1048576) for p, v in parts.items()))
sys.exit("\n".join(wrong) if wrong else 0)
P
holds() { python3 holds.py "$found/memory.json" "$@" || fail "$(cat "$found/memory.json" | head -40)"; }
by_stack() { jq -r "[.anonymous_by_stack[] | select(.function | test(\"$1\")) | .bytes] | add // 0" "$found/memory.json"; }

it "separates the parts of a host's memory: mapped, live, kept, stacks, shared, and a table of zeros"
begin "$build/hosts/account" map heap kept threads shared zeros reserve
wait_until grep -q ready out
ask
# Mapped: 200 MiB less 20 and 30, and 20 in the reservation. Beside them: the program's own .bss, 2.6 MiB at most.
holds heap_live=109-123 heap_live+heap_kept=214-226 stacks=8-10 shared=50-50 anonymous=170-174 files=0.5-8 agent=0.5-8
equal "$(by_stack '^map_table$')" $((150 << 20)) "mapped by map_table"
equal "$(by_stack '^fill_part$')" $((20 << 20)) "of the reservation, by who made it writable"
equal "$(by_stack '^reserve$')" 0 "of who reserved it"
equal "$(jq -c '[.shared_by_stack[] | [.function, .bytes]]' "$found/memory.json")" '[["map_ring",41943040],["map_memfd",10485760]]' "shared memory by stack"
jq -e '.anonymous_by_stack[0].stack | .[0] == "map_table" and index("main") > 0' "$found/memory.json" > /dev/null || fail "$(jq -c '.anonymous_by_stack' "$found/memory.json")"
it "is a step and a file of the incident"
jq -e '[.steps[].name] | index("account") > index("heap")' "$found/incident.json" > /dev/null || fail "$(jq -c .steps "$found/incident.json")"
jq -e '[.files[].name] | index("memory.json")' "$found/incident.json" > /dev/null || fail "not listed"
it "stands in the summary"
grep -qE '^Memory: RSS .* = live heap .* \+ kept by the allocator [0-9.]+ MiB \+ thread stacks 8.* \+ files .* \+ shared memory 50 MiB \+ other anonymous 17.* \+ gumshoe ' "$found/summary.txt" || fail "$(cat "$found/summary.txt")"
end

it "adds up when a child shares every page"
begin "$build/hosts/account" heap child
wait_until grep -q ready out
ask
holds heap_live=93-107 anonymous=0-4
end

it "blames the function that mapped memory outside malloc, if that memory grew, and says so"
begin "$build/hosts/account" heap wait map
wait_until grep -q waits out
wait_until has_watch d
take_baseline "$(watched_in d)" "$rules_file"
echo >&3
wait_until grep -q ready out
rm -rf d/2* # of has_baseline
change_rules "$(watched_in d)" "$rules_file" '.rules = [{ "name": "high", "metric": "rss", "above": "250MiB", "capture": ["heap", "threads"] }]'
wait_until has_incident d
found=$(incident d)
complete "$found"
equal "$(jq -r '.culprit.function + " " + .culprit.kind' "$found/incident.json")" "map_table growth" "culprit"
grep -qE '^  anonymous memory outside the heap grew [12][0-9.]+ MiB in .*, of it [12][0-9.]+ MiB mapped outside malloc by map_table$' "$found/summary.txt" || fail "$(cat "$found/summary.txt")"
end

it "blames the function that mapped shared memory, if that memory grew"
rules asked "$asked" > /dev/null
begin "$build/hosts/account" wait shared
wait_until grep -q waits out
wait_until has_watch d
take_baseline "$(watched_in d)" "$rules_file"
echo >&3
wait_until grep -q ready out
rm -rf d/2*
change_rules "$(watched_in d)" "$rules_file" '.rules = [{ "name": "high", "metric": "rss", "above": "40MiB", "capture": ["heap", "threads"] }]'
wait_until has_incident d
found=$(incident d)
complete "$found"
equal "$(jq -r '.culprit.function + " " + .culprit.kind' "$found/incident.json")" "map_ring growth" "culprit"
grep -qE '^Culprit: map_ring in account: 40 MiB more than .* ago, 80 % of all growth of the shared memory$' "$found/summary.txt" || fail "$(cat "$found/summary.txt")"
grep -qE '^  shared memory grew 50 MiB in .*, of it 40 MiB mapped by map_ring: possibly shared with other processes$' "$found/summary.txt" || fail "$(cat "$found/summary.txt")"
end

it "says that growth is fragmentation, not a leak, when the heap is full of holes"
rules asked "$asked" > /dev/null
begin "$build/hosts/account" map wait holes
wait_until grep -q waits out
wait_until has_watch d
take_baseline "$(watched_in d)" "$rules_file"
echo >&3
wait_until grep -q ready out
ask
end
holds heap_live=63-71 heap_kept=143-150 anonymous=150-153
grep -qE '^  heap grew 1[89][0-9.]+ MiB in .*, of it live [45][0-9.]+ MiB: fragmentation or memory kept by the allocator, not a leak of live blocks$' "$found/summary.txt" || fail "$(cat "$found/summary.txt")"

it "adds up in redis-server, which brings jemalloc"
port=$(a_free_port)
begin redis-server --port "$port" --bind 127.0.0.1 --save "" --appendonly no --dir "$tmp"
wait_until redis-cli -p "$port" ping
python3 -c '
for i in range(40000):
    print("SET key:%012d %s" % (i, ("%d-" % i) * 200))
for i in range(0, 40000, 2):
    print("DEL key:%012d" % i)' | redis-cli -p "$port" --pipe > /dev/null
ask
holds heap_live=18-40 heap_live+heap_kept=25-80 anonymous=0-6
redis-cli -p "$port" shutdown nosave || true
end

it "adds up in python3, whose own pools are mapped outside malloc"
begin python3 -c '
import sys
kept = [str(i) * 3 for i in range(1000000)]
print("ready", flush=True)
sys.stdin.read()'
wait_until grep -q ready out
ask
holds heap_live+heap_kept=6-40 anonymous=40-120
[ "$(by_stack .)" -gt $((40 << 20)) ] || fail "of the pools, only $(by_stack .) bytes have a stack"
end

it "adds up over jemalloc and tcmalloc"
for library in libjemalloc.so.2 libtcmalloc_minimal.so.4; do
    allocator=$(ldconfig -p | awk -v n="$library" '$1 == n { print $NF; exit }')
    [ -n "$allocator" ] || fail "$library is not there"
    begin "$build/hosts/account" map holes
    wait_until grep -q ready out
    ask
    holds heap_live=62-73 heap_live+heap_kept=208-260 anonymous=150-154
    equal "$(by_stack '^map_table$')" $((150 << 20)) "mapped by map_table"
    end
done
