#!/bin/bash
# The black box: a process that is killed leaves what an incident is made of, at once under gumshoe run, at the next start in
# the same directory otherwise, and by hand. A process that ends normally leaves nothing.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
spike=$build/hosts/spike
# Rules that do not fire.
rules=$(rules quiet '{"version": 1, "interval": "1s", "heap": {"sample": "64KiB", "baseline": "1h"}, "budget": "100%",
    "labels": {"service": "checkout"}, "incidents": {"max_per_hour": 3},
    "rules": [{"name": "rss-high", "metric": "rss", "above": "99%", "for": "1h"}]}')
mkfifo input
# preloaded DIR PROGRAM …: for the background, so that $! is the program itself.
preloaded() { exec env GUMSHOE_RULES="$rules" GUMSHOE_DIR="$1" LD_PRELOAD="$build/libgumshoe.so" "${@:2}"; }
died() { ls "$1" | grep -c -- '-previous-run-died-' || true; }
has_died() { [ "$(died "$1")" = "$2" ]; }
has_box() { ls "$1"/.live/"${2:-}"*.box; }
said() { grep -q "^$1\$" "$2"; }
# stands DIR HOST ARGUMENT…: spike, watched, with its box there; it holds what it will hold, and stays. HOST is set to its pid.
stands() {
    preloaded "$1" "$spike" "${@:3}" stay < /dev/null > "out-$2" & printf -v "$2" %s $!; started="$started $!"
    wait_until said full "out-$2"
    wait_until has_box "$1" $!-
}
# ends DIR HOW COMMAND…: spike under COMMAND ends by HOW, when its box is there; its status.
ends() {
    rm -f out; "${@:3}" "$spike" 1 1 "$2" < input > out & local ending=$!; started="$started $ending"
    exec 3> input
    wait_until has_box "$1"
    exec 3>&-
    status=0; wait $ending || status=$?
}
# next_start DIR [DEAD]: one more start in the directory, which ends as it should when it has looked at what was left there, and
# when there are DEAD incidents of those who died.
next_start() {
    rm -f out; preloaded "$1" "$spike" 1 1 exit < input > out & local next=$!; started="$started $next"
    exec 3> input
    wait_until has_box "$1" $next-
    after_a_turn $next
    [ $# = 1 ] || wait_until has_died "$1" "$2"
    exec 3>&-
    wait $next
}

it "diagnoses a host that is killed when a cache of 1 GiB has been filled: at once, and with the host's own status"
"$gumshoe" run --rules "$rules" --dir spiked -- "$spike" 20 1024 kill < input > out & runner=$!; started="$started $runner"
exec 3> input
wait_until said calm out
wait_until has_watch spiked
take_baseline "$(watched_in spiked)" "$rules"
rm -rf spiked/2* # of has_baseline
echo >&3
wait_until said full out
wait_for_ticks "$(has_box spiked)" 2
exec 3>&-
status=0; wait $runner || status=$?
equal $status 137 "exit status"
found=$(incident spiked)
equal "$(jq -r '[.rule, .condition, .complete, .died.how, .died.signal, (.errors | length)] | @csv' "$found/incident.json")" \
    '"previous-run-died","died",true,"killed by signal 9 (SIGKILL)",9,0' "the incident"
equal "$(jq -r '.culprit | .kind + " " + .function + " " + .stack[1]' "$found/incident.json")" "growth fill_cache main" "culprit"
go tool pprof -top "$found/heap.pb.gz" 2> /dev/null > top || fail "pprof"
equal "$(awk '/flat%/ { getline; print $NF }' top)" fill_cache "on top"
total=$(heap_bytes "$found")
# 1044 MiB at death, in 16704 blocks, 63 % of which are sampled: a standard error of 0.6 %
[ "$total" -gt $((1044 * 1048576 * 95 / 100)) ] && [ "$total" -lt $((1044 * 1048576 * 105 / 100)) ] || fail "the box has $total bytes of $((1044 * 1048576))"
echo "    spike: the box has $((total >> 20)) MiB of 1044; baseline $(jq .baseline_age_s "$found/incident.json") s old"
it "has what grew since the baseline, the rules, the map and the labels"
grown=$(go tool pprof -top -unit=B -base "$found/heap.base.pb.gz" "$found/heap.pb.gz" 2> /dev/null | sed -n 's/.*% of \([0-9]*\)B total.*/\1/p')
[ "$grown" -gt $((1024 * 1048576 * 95 / 100)) ] || fail "$grown bytes of growth"
cmp -s "$rules" "$found/rules.json" || fail "rules.json"
grep -q "r-xp .*hosts/spike" "$found/maps.txt" || fail "maps.txt"
equal "$(jq -r .labels.service "$found/incident.json")" checkout "label"
equal "$(jq -r .build_id "$found/incident.json")" "$(readelf -n "$spike" | sed -n 's/.*Build ID: //p')" "build id"
it "has the history to the last tick"
jq -e '.series.rss | length >= 3' "$found/metrics.json" > /dev/null || fail "$(cat "$found/metrics.json")"
python3 - "$found" <<'P' || fail "the last tick is not that of the last write"
import datetime, json, sys
seen = datetime.datetime.fromisoformat(json.load(open(sys.argv[1] + "/incident.json"))["died"]["last_seen"].replace("Z", "+00:00")).timestamp()
ticks = [t for t, v in json.load(open(sys.argv[1] + "/metrics.json"))["series"]["rss"]]
sys.exit(not ticks[0] < ticks[-1] <= seen + 0.01)
P
equal "$(ls spiked/.live)" "" "what is left beside it"

it "makes no incident of a process that ends normally: by return, exit, or _exit under gumshoe run"
for how in exit _exit; do
    ends ended $how "$gumshoe" run --rules "$rules" --dir ended --
    ends ended $how preloaded ended
    equal "$status" 0 "exit status"
done
(preloaded ended /usr/bin/python3 -c 'import os, time
if os.fork() == 0:
    while "forked by" not in open("log").read():
        time.sleep(0.1)
    os._exit(0)
os.wait()')
next_start ended
equal "$(died ended)" 0 "incidents"
equal "$(ls ended/.live | grep -c box || true)" 0 "boxes"

rm -f out; "$gumshoe" run --rules "$rules" --dir ended -- "$spike" 1 1 stay < /dev/null > out & runner=$!; started="$started $runner"
wait_until said full out
wait_until has_box ended
kill -TERM $runner; status=0; wait $runner || status=$?
equal "$status $(died ended) $(ls ended/.live)" "143 0 " "of one that was asked to stop: status, incidents, what is left"

it "says which signal it was"
ends aborted abort "$gumshoe" run --rules "$rules" --dir aborted --
equal $status 134 "exit status"
equal "$(jq -r .died.how "$(incident aborted)/incident.json")" "killed by signal 6 (SIGABRT)" "how"

it "turns the box of a killed process into an incident at the next start, once"
stands store host 10 30
wait_for_ticks store/.live/$host-*.box 2
equal "$(stat -c %a store/.live/$host-*.box)" 600 "mode of the box"
kill -9 $host; wait $host 2> /dev/null || true
cp store/.live/$host-*.box by-hand.box
next_start store 1
equal "$(died store)" 1 "incidents after the next start"
found=$(incident store)
equal "$(jq -r '[.pid, .complete, .died.how, .died.signal] | @csv' "$found/incident.json")" \
    "$host,true,\"unknown: it ended without stopping the watch (a signal, or _exit)\"," "the incident"
equal "$(jq -r .culprit.function "$found/incident.json")" fill_cache "culprit"
next_start store
equal "$(died store)" 1 "incidents after one more start"
equal "$(ls store/.live)" "" "what is left"
grep -q "incident: .*$host\$" log || fail "the log does not tell"

it "makes one of a process that has allocated more than 2^45 bytes on one stack"
cat > churn.py <<'P'
import ctypes, time
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
for _ in range(9000): # of 4 GiB each, which nobody touches
    libc.free(libc.malloc(4 << 30))
print("full", flush=True)
time.sleep(600)
P
rm -f out; preloaded churned /usr/bin/python3 churn.py > out & host=$!; started="$started $host"
wait_until said full out
touch full
is_written() { [ -n "$(find churned/.live -name "$host-*.box" -newer full)" ]; }
wait_until is_written
kill -9 $host; wait $host 2> /dev/null || true
next_start churned 1
churned=$(go tool pprof -top -sample_index=alloc_space -unit=B "$(incident churned)/heap.pb.gz" 2> /dev/null | sed -n 's/.*% of \([0-9]*\)B total.*/\1/p')
[ "$churned" -gt $((1 << 45)) ] || fail "$churned bytes"

it "does not touch a running process's box, and distinguishes it from a dead one's"
stands shared first 10 1
next_start shared
equal "$(died shared)" 0 "incidents"
[ -e shared/.live/$first-*.box ] || fail "it was taken"
status=0; "$gumshoe" recover shared/.live/$first-*.box 2> err || status=$?
equal $status 1 "exit status"; grep -q 'its process still runs' err || fail "$(cat err)"
kill -9 $first; wait $first 2> /dev/null || true

it "makes one incident of each of several that died, in one process of several that start"
for i in 1 2; do # at once
    preloaded shared "$spike" 5 1 stay < /dev/null > /dev/null & pids[i]=$!; started="$started ${pids[i]}"
done
for i in 1 2; do wait_until has_box shared ${pids[i]}-; done
wait_until has_died shared 1 # the first one's, by one of them
kill -9 ${pids[1]} ${pids[2]}; wait ${pids[1]} ${pids[2]} 2> /dev/null || true
for i in 1 2 3; do preloaded shared "$spike" 1 1 exit < input > /dev/null & pids[i]=$!; started="$started ${pids[i]}"; done
exec 3> input
wait_until has_died shared 3
for i in 1 2 3; do wait_until has_box shared ${pids[i]}-; after_a_turn ${pids[i]}; done
exec 3>&-
wait ${pids[1]} ${pids[2]} ${pids[3]}
equal "$(died shared)" 3 "incidents"
equal "$(for i in shared/2*; do jq .pid $i/incident.json; done | sort -u | wc -l)" 3 "processes"
it "does not fill the disk of a host that is killed again and again: at most incidents.max_per_hour of them"
stands shared host 1 1
kill -9 $host; wait $host 2> /dev/null || true
next_start shared
equal "$(died shared)" 3 "incidents"
grep -q "no incident is made: the limit of 3 an hour is reached" log || fail "the log does not tell"
equal "$(ls shared/.live)" "" "what is left"

it "can be replayed, as a copied file or that of a running process"
echo '{"version": 1, "rules": [{"name": "big", "metric": "rss", "above": "1MiB"}, {"name": "half", "metric": "rss", "above": "50%"}]}' > tried.json
"$gumshoe" replay --rules tried.json --json by-hand.box > replayed || fail "replay"
equal "$(jq -r '[.rules[] | .rule + " " + (.fired | length | tostring)] | join(", ")' replayed)" "big 1, half 0" "what would have fired"

it "keeps a damaged box aside, and says so"
mkdir -p spoilt/.live; chmod 700 spoilt spoilt/.live
cp by-hand.box spoilt/.live/$host-1.box; printf x | dd of=spoilt/.live/$host-1.box bs=1 seek=20 conv=notrunc 2> /dev/null
printf 'no box at all' > spoilt/.live/$host-2.box
ln -s "$PWD/by-hand.box" spoilt/.live/$host-3.box
next_start spoilt
equal "$(died spoilt)" 0 "incidents"
equal "$(ls spoilt/.live | tr '\n' ' ')" "$host-1.bad $host-2.bad $host-3.box " "what is left"
grep -q "$host-1.box .*it contains no complete write; it was kept as $host-1.bad" log || fail "the log does not tell"

it "makes an incident by hand"
path=$("$gumshoe" recover --dir hand by-hand.box) || fail "recover"
equal "$(jq -r .rule "$path/incident.json")" previous-run-died "rule"
equal "$(jq -r .culprit.function "$path/incident.json")" fill_cache "culprit"
"$gumshoe" show "$path" > shown; grep -q "died: unknown" shown || fail "$(cat shown)"
status=0; "$gumshoe" recover --dir hand "$rules" 2> err || status=$?
equal $status 3 "exit status for a file that is none"; grep -q 'neither a black box nor a core file' err || fail "$(cat err)"
status=0; "$gumshoe" recover --dir hand none.box 2> err || status=$?
equal $status 3 "exit status for one that is not there"
status=0; "$gumshoe" recover 2> err || status=$?
equal $status 2 "exit status without one"

it "treats a program that execs another in its own process as the same one"
rm -f out; preloaded exec "$spike" 1 1 exec "$spike" 2 1 exit < input > out & host=$!; started="$started $host"
exec 3> input
wait_until has_box exec
echo >&3
wait_until said full out
echo >&3
second_calm() { [ "$(grep -c calm out)" = 2 ]; }
wait_until second_calm
after_a_turn $host
exec 3>&-
wait $host || fail "status $?"
equal "$(died exec) $(ls exec/.live)" "0 " "incidents, and what is left"

# cgroup_of LIMIT: a group of version 1 or 2 with that limit, made below our own or at the top.
cgroup_of() {
    local v1=/sys/fs/cgroup/memory v2=/sys/fs/cgroup
    if mkdir "$v1/gumshoe-test-$$" 2> /dev/null; then group=$v1/gumshoe-test-$$ file=memory.limit_in_bytes
    elif [ -e $v2/cgroup.controllers ] && mkdir "$v2/gumshoe-test-$$" 2> /dev/null; then group=$v2/gumshoe-test-$$ file=memory.max
    else return 1; fi
    echo "$1" > "$group/$file" 2> /dev/null
}
if cgroup_of 209715200; then
    trap 'code=$?; set +e; kill -9 $(cat "$group/cgroup.procs") 2> /dev/null; sleep 0.2; rmdir "$group"; (exit $code); finish' EXIT
    it "says that the OOM killer killed it: when its end was seen, and when it was found afterwards"
    enter='echo $$ > "$0/cgroup.procs"; exec "$@"'
    rm -f out; sh -c "$enter" "$group" "$gumshoe" run --rules "$rules" --dir oom -- "$spike" 20 140 more < input > out & runner=$!; started="$started $runner"
    exec 3> input
    echo >&3
    wait_until said full out
    wait_until has_box oom
    wait_for_ticks "$(has_box oom)" 2
    exec 3>&-
    status=0; wait $runner || status=$?
    equal $status 137 "exit status"
    found=$(incident oom)
    jq -r .died.how "$found/incident.json" | grep -q "^killed by signal 9 (SIGKILL), the OOM killer: the oom_kill count in $group/.* has grown" || fail "$(jq .died "$found/incident.json")"
    equal "$(jq -r '.limit, .culprit.function' "$found/incident.json" | tr '\n' ' ')" "209715200 fill_cache " "limit and culprit"
    total=$(heap_bytes "$found")
    # 160 MiB, and what was seen of the rest; a standard error of 1.5 %
    [ "$total" -gt $((140 * 1048576)) ] || fail "the box has $total bytes of 160 MiB and more"
    rm -f out; preloaded oom2 sh -c "$enter" "$group" "$spike" 20 1 more < input > out 2> /dev/null & host=$!; started="$started $host"
    exec 3> input
    wait_until said calm out
    wait_until has_box oom2 $host-
    exec 3>&-
    wait $host || true
    next_start oom2 1
    jq -r .died.how "$(incident oom2)/incident.json" | grep -q "^the OOM killer: the oom_kill count" || fail "$(jq .died "$(incident oom2)/incident.json")"
else
    echo "  (no control group can be made here: the OOM killer was not tried)"
fi
