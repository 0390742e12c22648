#!/bin/bash
# Children that go on to work are watched as processes of their own; those that only exec are not, and what daemons do to
# themselves first is survived. All of it ends, and says, what it does without us.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
mkdir jail
gcc -O1 -w "$source_dir/tests/host/ways/children.c" -o children
ticking='"interval": "50ms", "heap": { "sample": "16KiB" }, "incidents": { "max_per_hour": 0 },
    "rules": [ { "name": "tick", "metric": "heap_in_use", "above": "16KiB", "again": "always", "cooldown": "300ms", "capture": ["heap", "threads"] } ]'
forks=$(rules forks "{ \"version\": 1, $ticking }")
all=$(rules all "{ \"version\": 1, \"children\": \"all\", $ticking }")
off=$(rules off "{ \"version\": 1, \"children\": \"off\", $ticking }")

run() { local rules=$1; shift; rm -rf d log; timeout -s KILL 60 "$gumshoe" run --rules "$rules" --dir d -- "$@"; }
# outcome COMMAND…: what it said, and how it ended.
outcome() { local status=0; "$@" 2>&1 || status=$?; echo "status $status"; }
# as_without RULES ARGUMENT…: the host of this test, under watch and out of it: the same words and status.
as_without() {
    local rules=$1; shift
    mkdir -p apart/jail
    (cd apart && outcome ../children "$@" > ../wanted) &
    outcome run "$rules" ./children "$@" > got
    wait
    diff wanted got || fail "children $*"
}
watched() { sed -n 's/^gumshoe\[\([0-9]*\)\]: info: watching: .*/\1/p' log | sort -u; }
forked() { sed -n 's/^gumshoe\[\([0-9]*\)\]: info: watching: forked by .*/\1/p' log; }
incidents_of() { find d -maxdepth 1 -name "2*-$1" | sort; }
# child_left_incidents: the one forked child has incidents of its own, complete, that know its function.
child_left_incidents() {
    local child; child=$(forked)
    equal "$(echo "$child" | wc -w)" 1 "watched children"
    local its; its=$(incidents_of "$child" | tail -n 1)
    [ -n "$its" ] || fail "child $child left no incident"
    complete "$its"
    equal "$(jq .pid "$its/incident.json")" "$child" "its pid"
    go tool pprof -top "$its/heap.pb.gz" 2>/dev/null | grep -q grow_in_the_child || fail "the child's function is not in its profile"
}

it "watches a child that sleeps now and then, and one that never does"
for way in work spin; do as_without "$forks" fork $way 700; child_left_incidents; done
equal "$(watched | wc -l)" 2 "watchers: the parent's and the child's"
it "gives each a control socket, and the child's profile holds what it inherited"
(run "$forks" ./children fork work 2000 > /dev/null || true) & background=$!
wait_for 20 sh -c 'grep -q "forked by" log && ls d/.live/*.sock'
child=$(forked); parent=$(watched | grep -vx "$child")
for pid in $parent $child; do equal "$("$gumshoe" status --json $pid | jq .pid)" "$pid" "status"; done
wait $background
it "watches the grandchild, and a daemon, whose parents are gone"
as_without "$forks" twice work 700
first=$(watched | grep -vxF "$(forked)"); middle=$(sed -n "s/^gumshoe.\([0-9]*\).: .*forked by $first,.*/\1/p" log)
grandchild=$(forked | grep -vx "$middle"); complete "$(incidents_of "$grandchild" | tail -n 1)"
rm -rf d log; equal "$(outcome run "$forks" ./children daemon work 700)" "status 0" "daemon"
wait_for 20 grep -q 'forked by' log
child=$(forked); wait_for 20 sh -c "ls -d d/2*-$child"
while kill -0 "$child" 2> /dev/null; do sleep 0.1; done

it "watches none of 400 children that exec at once, and one that stays and comes from another place"
as_without "$forks" execs 400
equal "$(forked | wc -l)" 1 "watched children"
it "has learned by then to give no more than one in sixteen of them a thread"
equal "$(cat apart/with-thread)" 0 "threads without us"
[ "$(cat with-thread)" -ge 10 ] && [ "$(cat with-thread)" -le 30 ] || fail "$(cat with-thread) of the last 300"
it "leaves no descriptor to a child that execs, and no preload either"
as_without "$forks" fds
equal "$(run "$forks" python3 -c 'import os
if os.fork() == 0: os.execlp("sh", "sh", "-c", "echo ${LD_PRELOAD-none}")
os.wait()')" none "LD_PRELOAD in a program that a child execs"

it "watches no child under \"off\", and what children exec under \"all\""
as_without "$off" fork work 400
equal "$(watched | wc -l)" 1 "watchers"
as_without "$all" fork work 400
equal "$(watched | wc -l)" 2 "watchers"
run "$all" sh -c 'python3 -c "import time; time.sleep(0.3)"; true'
equal "$(watched | wc -l)" 2 "watchers: the shell's and python's"
it "watches only those programs that are named, by their file or as they were called"
only() { rules only "{ \"version\": 1, \"children\": \"$1\", \"only\": [\"$2\"], $ticking }"; }
run "$(only forks children)" sh -c 'exec ./children fork work 400' > /dev/null || true
equal "$(watched | wc -l)" 2 "watchers: the program in the shell's place, and its child"
grep -q 'info: not watching sh: "only" in the rules names other programs' log || fail "no word of the shell"
run "$(only all "$(basename "$(readlink -f "$(command -v python3)")")")" sh -c 'python3 -c 1; sleep 0.1' 
equal "$(watched | wc -l)" 1 "watchers: python's"
run "$(only forks another-name)" bash -c 'exec -a another-name ./children work 200' > /dev/null || true
equal "$(watched | wc -l)" 1 "watchers, by the name that it was called by"
run "$(only forks nobody)" ./children fork work 400 > /dev/null || true
equal "$(watched | wc -l)" 0 "watchers"

it "survives a child, and a first process, that closes all descriptors, and writes into none that became its own"
for way in closefrom close; do
    as_without "$forks" fork $way work 700; child_left_incidents
    as_without "$forks" $way work 700; has_incident d || fail "no incident after $way"
done
if [ "$(id -u)" = 0 ]; then
    it "goes on after chroot and without capabilities, and under a filter of the program's own thread"
    as_without "$forks" fork drop work 700; child_left_incidents
    as_without "$forks" fork chroot work 700; [ -n "$(incidents_of "$(forked)")" ] || fail "no incident after chroot"
    as_without "$forks" seccomp work 700; has_incident d || fail "no incident under seccomp"
    it "says why it does not go on: another user, a filter of all threads"
    as_without "$forks" fork setuid work 400
    grep -q "error: not watching: $tmp/d: .*it belongs to another user" log || fail "$(cat log)"
    chmod 755 "$tmp"; as_without "$forks" setuid work 700
    grep -q "error: .*the incident could not be written: Permission denied" log || fail "$(cat log)"
    as_without "$forks" tsync work 700
    grep -q "error: .*the incident could not be written: Operation not permitted" log || fail "$(cat log)"
    it "ignores the environment in a program that gains privileges"
    chmod 755 "$tmp"; cp children privileged; cp "$build/hosts/linked_start" "$build/libgumshoe.so.1" .
    for program in privileged linked_start; do chown root "$program"; chmod 4755 "$program"; done
    mkdir -m 777 nobodys
    rm -f log; as_nobody() { (cd nobodys && env GUMSHOE_DIR="$tmp/nobodys/d" GUMSHOE_LOG="$tmp/nobodys/log" setpriv --reuid=65533 --clear-groups "$@"); }
    equal "$(outcome as_nobody env LD_PRELOAD="$tmp/libgumshoe.so.1" ../privileged work 300)" "status 7"
    [ ! -e nobodys/d ] && [ ! -e nobodys/log ] || fail "the preload had its way"
    as_nobody env GUMSHOE_RULES=/none LD_LIBRARY_PATH="$tmp" ../linked_start dir="$tmp/roots" 2> /dev/null | grep -qx 'start ok' || fail "the environment had its way"
    [ ! -e nobodys/d ] && [ ! -e nobodys/log ] && [ -e roots ] || fail "the environment had its way"
fi

it "does the same for a program that is linked with the library"
rm -rf d log; GUMSHOE_LOG=$tmp/log "$build/hosts/linked_children" "$(cat "$forks")" d > said
printf 'start 0\nworks 0\nstops ESRCH\nstarts 0\nstarts 0\nparent 0\nafter ESRCH\n' | diff - said || fail "a linked program's children"
equal "$(ls -d d/*-by-* | wc -l), $(ls -d its-own/*-by-* | wc -l)" "2, 1" "incidents: by the parent and its child, by the child on its own"
