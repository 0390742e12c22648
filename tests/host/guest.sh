#!/bin/bash
# The host is the same with us as without us: its end, its user, the numbers of its descriptors, the readers of its output.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
gcc -O1 -w -pthread "$source_dir/tests/host/ways/guest.c" -o guest
quiet=$(rules quiet '{ "version": 1, "interval": "1h", "rules": [ { "name": "never", "metric": "rss", "below": "1B" } ] }')
busy=$(rules busy '{ "version": 1, "interval": "20ms", "incidents": { "max_per_hour": 0, "keep": 3 },
  "rules": [ { "name": "often", "metric": "rss", "above": "100KiB", "again": "always", "cooldown": "50ms", "capture": ["heap", "threads"] } ] }')

# as_without WAY…: the guest says the same, and ends with the same status, out of watch, under a watch that sleeps, and under
# one that captures all the time.
as_without() {
    local plain rules
    plain=$(timeout 60 ./guest "$@" 2>&1; echo "status $?")
    for rules in $quiet $busy; do
        equal "$(timeout 60 "$gumshoe" run --rules "$rules" --dir d -- ./guest "$@" 2>&1; echo "status $?")" "$plain" "guest $* under $rules"
    done
    echo "$plain" > plain
}

it "ends when the host's last thread ends, with the handlers of atexit, also if main has ended before"
as_without exit 0
as_without exit 500
grep -q atexit plain || fail "the story is not what it should be"
it "ends with the status that the first thread passed to the bare system call"
plain=$(timeout 60 ./guest raw 100; echo "status $?")
equal "$(timeout 60 "$gumshoe" run --rules "$busy" --dir d -- ./guest raw 100 2>&1; echo "status $?")" "$plain" "raw exit"
it "does not keep a SIGTERM from a process whose main thread has left"
for rules in $quiet $busy; do
    LD_PRELOAD=$build/libgumshoe.so GUMSHOE_RULES=$rules GUMSHOE_DIR=$tmp/d ./guest exit 60000 > /dev/null & pid=$!; started="$started $pid"
    wait_until sh -c "grep -q Z /proc/$pid/stat || grep -q 'State:.*Z' /proc/$pid/task/$pid/status"
    kill $pid; status=0; wait $pid || status=$?
    equal $status 143 "status after SIGTERM"
done

it "forks in a signal handler that interrupted malloc"
as_without handler

it "does not change the numbers of new descriptors, and appears in no list of them"
exec 3>&-; as_without numbers
equal "$(cut -d' ' -f1 plain | head -n 1)" 3 "the first number"
mkfifo held
LD_PRELOAD=$build/libgumshoe.so GUMSHOE_RULES=$busy GUMSHOE_DIR=$tmp/d2 ./guest wait <> held & host=$!; started="$started $host"
./guest wait <> held & plain=$!; started="$started $plain"
wait_until has_incident d2
numbers_of() { ls "/proc/$1/fd" | tr '\n' ' '; }
wait_until sh -c "readlink /proc/$plain/exe | grep -q guest"
equal "$(numbers_of "$host")" "$(numbers_of "$plain")" "descriptors of the host"
"$gumshoe" status "$host" > /dev/null || fail "the agent is not found by its host's number"
it "lets a reader of the host's standard error see its end"
mkfifo errors
(sleep 0.2; exec 2> errors; GUMSHOE_LOG=stderr LD_PRELOAD=$build/libgumshoe.so GUMSHOE_RULES=$busy GUMSHOE_DIR=$tmp/d exec python3 -c '
import os, sys, time
print("to the reader", file=sys.stderr, flush=True)
os.dup2(os.open("/dev/null", os.O_WRONLY), 2)
time.sleep(60)') & pid=$!; started="$started $pid"
timeout 60 cat errors > read || fail "the reader got no end"
grep -q "to the reader" read || fail "the reader got nothing"
kill $pid; wait $pid || true

if [ "$(id -u)" = 0 ]; then
    it "lets a daemon keep capabilities over a change of user, and its own threads have no more than the host's"
    chmod 755 "$tmp"
    as_without users
    equal "$(sed -n 1p plain)" 1 "sets of credentials in the process"
    for round in {1..40}; do # a thread of ours that looks in the middle of the change goes all the way, too
        equal "$(GUMSHOE_LOG=$tmp/users.log "$gumshoe" run --rules "$quiet" --dir d -- ./guest users 2>&1 | head -n 1)" 1 "sets of credentials, round $round"
    done
    never_says "$tmp/users.log" 'could not follow' "a thread of ours kept what the program gave up"
    as_without often
    equal "$(timeout 60 "$gumshoe" run --rules "$busy" --dir d -- setpriv --reuid=65534 --regid=65534 --clear-groups id -u; echo $?)" "65534
0" "setpriv"
fi
it "lets a process of one thread enter a user namespace"
if unshare -U true 2> /dev/null; then
    as_without namespaces
    equal "$(timeout 60 "$gumshoe" run --rules "$busy" --dir d -- unshare -U -r id -u)" 0 "unshare -U -r id -u"
else
    echo "    (user namespaces are not to be had here)"
fi
