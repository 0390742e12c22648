#!/bin/bash
# Children that keep running are watched as processes of their own; those that only exec are not. The watch survives what daemons do
# to themselves. Output and exit status are the same as without us.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
mkdir jail
gcc -O1 -w "$source_dir/tests/host/ways/children.c" -o children
ticking='"interval": "50ms", "heap": { "sample": "16KiB" }, "incidents": { "max_per_hour": 0, "keep": 0 },
    "rules": [ { "name": "tick", "metric": "heap_in_use", "above": "16KiB", "again": "always", "cooldown": "300ms", "capture": ["heap", "threads"] } ]'
forks=$(rules forks "{ \"version\": 1, $ticking }")
all=$(rules all "{ \"version\": 1, \"children\": \"all\", $ticking }")
off=$(rules off "{ \"version\": 1, \"children\": \"off\", $ticking }")

run() { local rules=$1; shift; rm -rf d log; within_patience "$gumshoe" run --rules "$rules" --dir d -- "$@"; }
# outcome COMMAND…: what it said, and how it ended.
outcome() { local status=0; "$@" 2>&1 || status=$?; echo "status $status"; }
# as_without CONDITION RULES ARGUMENT…: the host of this test, under watch and out of it: the same words and status. Under watch
# it works until CONDITION succeeds.
as_without() {
    local condition=$1 rules=$2; shift 2
    rm -rf d log enough jail/enough
    outcome run "$rules" ./children "$@" > got & local host=$!; started="$started $host"
    wait_until $condition
    touch enough jail/enough
    wait $host
    mkdir -p apart/jail; touch apart/enough apart/jail/enough
    (cd apart && outcome ../children "$@" > ../wanted)
    diff wanted got || fail "children $*"
}
watched() { sed -n 's/^[^ ]* gumshoe\[\([0-9]*\) [^]]*\]: info: watching: .*/\1/p' log | sort -u; }
forked() { sed -n 's/^[^ ]* gumshoe\[\([0-9]*\) [^]]*\]: info: watching: forked by .*/\1/p' log; }
incidents_of() { find d -maxdepth 1 -name "2*-$1" | sort; }
# Conditions: how far the watch has come.
has_watchers() { [ "$(watched | wc -l)" -ge "$1" ]; }
child_has_left() { local child; child=$(forked) && [ -n "$child" ] && incidents_of "$child" | grep -q .; }
has_left() { has_incident d; }
says() { grep -q "$1" log; }
a_while() { sleep 0.5; } # for what is not to come
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
for way in work spin; do as_without child_has_left "$forks" fork $way; child_left_incidents; done
equal "$(watched | wc -l)" 2 "watchers: the parent's and the child's"
it "gives each a control socket, and the child's profile holds what it inherited"
rm -rf d log enough
(run "$forks" ./children fork work > /dev/null || true) & background=$!; started="$started $background"
wait_until sh -c 'grep -q "forked by" log && [ "$(ls d/.live/*.sock | wc -l)" = 2 ]'
child=$(forked); parent=$(watched | grep -vx "$child")
for pid in $parent $child; do equal "$("$gumshoe" status --json $pid | jq .pid)" "$pid" "status"; done
touch enough; wait $background
it "watches the grandchild, and a daemon, whose parents are gone"
grandchild_has_left() { # first, middle, grandchild
    first=$(watched | grep -vxF "$(forked)") && middle=$(sed -n "s/^[^ ]* gumshoe.\([0-9]*\) [^]]*.: .*forked by $first,.*/\1/p" log) &&
        grandchild=$(forked | grep -vx "$middle") && incidents_of "$grandchild" | grep -q .
}
as_without grandchild_has_left "$forks" twice work
first=$(watched | grep -vxF "$(forked)"); middle=$(sed -n "s/^[^ ]* gumshoe.\([0-9]*\) [^]]*.: .*forked by $first,.*/\1/p" log)
grandchild=$(forked | grep -vx "$middle"); complete "$(incidents_of "$grandchild" | tail -n 1)"
rm -rf d log enough; outcome run "$forks" ./children daemon work > got; equal "$(cat got)" "status 0" "daemon"
wait_until grep -q 'forked by' log
child=$(forked); wait_until sh -c "ls -d d/2*-$child"
touch enough
gone() { ! kill -0 "$child"; }
wait_until gone

it "watches none of 400 children that exec at once, and one that stays and comes from another place"
# A child that comes to its exec after more than 100 ms only, on a busy machine, is not one that execs at once: that run tells
# nothing.
for tries in 1 2 3 4 5; do
    as_without "has_watchers 2" "$forks" execs 400
    read -r with_thread slowest_ms < with-thread
    [ "$slowest_ms" -ge 50 ] || break
done
if [ "$slowest_ms" -lt 50 ]; then
    equal "$(forked | wc -l)" 1 "watched children"
    it "has learned by then, and gives only one in sixteen of them a thread"
    equal "$(cut -d' ' -f1 apart/with-thread)" 0 "threads without us"
    [ "$with_thread" -ge 10 ] && [ "$with_thread" -le 30 ] || fail "$with_thread of the last 300"
else
    echo "  (this machine is too busy to exec at once: $slowest_ms ms; passed over)"
fi
it "leaves no descriptor to a child that execs, and no preload either"
as_without true "$forks" fds
equal "$(run "$forks" python3 -c 'import os
if os.fork() == 0: os.execlp("sh", "sh", "-c", "echo ${LD_PRELOAD-none}")
os.wait()')" none "LD_PRELOAD in a program that a child execs"

it "watches no child under \"off\", and what children exec under \"all\""
as_without a_while "$off" fork work
equal "$(watched | wc -l)" 1 "watchers"
as_without "has_watchers 2" "$all" fork work
equal "$(watched | wc -l)" 2 "watchers"
run "$all" sh -c 'python3 -c "import time; time.sleep(0.3)"; true'
equal "$(watched | wc -l)" 2 "watchers: the shell's and python's"
it "watches only the programs that are named, by file or by the name they were called by"
only() { rules only "{ \"version\": 1, \"children\": \"$1\", \"only\": [\"$2\"], $ticking }"; }
rm -rf d log enough; run "$(only forks children)" sh -c 'exec ./children fork work' > /dev/null & host=$!; started="$started $host"
wait_until has_watchers 2
touch enough; wait $host || true
equal "$(watched | wc -l)" 2 "watchers: the program in the shell's place, and its child"
grep -q 'info: not watching sh: "only" in the rules names other programs' log || fail "no word of the shell"
run "$(only all "$(basename "$(readlink -f "$(command -v python3)")")")" sh -c 'python3 -c 1; sleep 0.1' 
equal "$(watched | wc -l)" 1 "watchers: python's"
run "$(only forks another-name)" bash -c 'exec -a another-name ./children work' > /dev/null || true
equal "$(watched | wc -l)" 1 "watchers, by the name that it was called by"
run "$(only forks nobody)" ./children fork work > /dev/null || true
equal "$(watched | wc -l)" 0 "watchers"

it "survives when a child or the first process closes all descriptors, and writes into none of its new ones"
for way in closefrom close; do
    as_without child_has_left "$forks" fork $way work; child_left_incidents
    as_without has_left "$forks" $way work
done
if [ "$(id -u)" = 0 ]; then
    it "continues after chroot, without capabilities, and under a filter for one thread of the program"
    as_without child_has_left "$forks" fork drop work; child_left_incidents
    as_without child_has_left "$forks" fork chroot work
    as_without has_left "$forks" seccomp work
    it "continues as another user, in a directory for that user"
    chmod 755 "$tmp"
    user_has_left() { has_incident d/.users/65534-65534; }
    as_without user_has_left "$forks" fork setuid work
    as_without user_has_left "$forks" setuid work
    it "says why it does not continue: no directory for another user, a filter for all threads"
    chgrp 1 "$tmp"; chmod g+s "$tmp" # the new directories are of this group, too
    as_without 'says error:.not.watching:.*/d:.*it.belongs.to.another.user' "$forks" fork setuid work
    as_without 'says warning:.*/d:.no.directory.for.user.65534,.group.65534:.Operation.not.permitted' "$forks" setuid work
    as_without 'says error:.*the.incident.could.not.be.written:.Permission.denied' "$forks" setuid work
    chgrp 0 "$tmp"; chmod g-s "$tmp"
    as_without 'says error:.*the.incident.could.not.be.written:.Operation.not.permitted' "$forks" tsync work
    it "ignores the environment in a program that gains privileges"
    chmod 755 "$tmp"; cp children privileged; cp "$build/hosts/linked_start" "$build/libgumshoe.so.1" .
    for program in privileged linked_start; do chown root "$program"; chmod 4755 "$program"; done
    mkdir -m 777 nobodys; touch nobodys/enough
    rm -f log; as_nobody() { (cd nobodys && env GUMSHOE_DIR="$tmp/nobodys/d" GUMSHOE_LOG="$tmp/nobodys/log" setpriv --reuid=65533 --clear-groups "$@"); }
    equal "$(outcome as_nobody env LD_PRELOAD="$tmp/libgumshoe.so.1" ../privileged work)" "status 7"
    [ ! -e nobodys/d ] && [ ! -e nobodys/log ] || fail "the preload had its way"
    as_nobody env GUMSHOE_RULES=/none LD_LIBRARY_PATH="$tmp" ../linked_start dir="$tmp/roots" 2> /dev/null | grep -qx 'start ok' || fail "the environment had its way"
    [ ! -e nobodys/d ] && [ ! -e nobodys/log ] && [ -e roots ] || fail "the environment had its way"
fi

it "does the same for a program that is linked with the library"
rm -rf d log; GUMSHOE_LOG=$tmp/log "$build/hosts/linked_children" "$(cat "$forks")" d > said
printf 'start 0\nworks 0\nstops ESRCH\nstarts 0\nstarts 0\nparent 0\nafter ESRCH\n' | diff - said || fail "a linked program's children"
equal "$(ls -d d/*-by-* | wc -l), $(ls -d its-own/*-by-* | wc -l)" "2, 1" "incidents: by the parent and its child, by the child on its own"
