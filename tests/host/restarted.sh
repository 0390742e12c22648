#!/bin/bash
# A server that died is started again, and forks its workers at once, while its watcher makes an incident of the dead one. The
# workers outlive the next death as well. Whoever else makes incidents of the dead in that store goes on.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
rules=$(rules quiet '{"version": 1, "interval": "200ms", "incidents": {"max_per_hour": 0, "keep": 0},
    "rules": [{"name": "rss-high", "metric": "rss", "above": "99%", "for": "1h"}]}')
preloaded() { exec env GUMSHOE_RULES="$rules" GUMSHOE_DIR="$1" LD_PRELOAD="$build/libgumshoe.so" "${@:2}"; }
died() { [ "$(find store -maxdepth 1 -name '2*-previous-run-died-*' | wc -l)" = "$1" ]; }
has_box() { ls store/.live/$1-*.box; }
# serve WORKERS: a server in the background, $server; it has a box and all of its workers.
serve() {
    rm -f out # of the one before: its list is not this one's
    preloaded store "$build/hosts/prefork" "$1" 3 > out & server=$!; started="$started $server"
    wait_until grep -q serving out
    workers=$(grep -v serving out || true); started="$started $workers"
    wait_until has_box $server
}
die() { kill -9 $server; wait $server 2> /dev/null || true; }
# The lock of those who make incidents of the dead, of either kind, is free.
cat > free.py <<'P'
import fcntl
lock = open("store/.live/.lock", "r+")
fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
P
is_free() { /usr/bin/python3 free.py; }

it "makes an incident of the server that died, and its workers hold no lock of ours afterwards"
serve 0; cp store/.live/$server-*.box by-hand.box; die
serve 30
wait_until died 1
wait_until is_free
it "makes one of the next server, whose workers continue"
die
serve 30
wait_until died 2
for worker in $workers; do kill -0 $worker || fail "worker $worker is gone"; done
it "makes one by hand, and one under gumshoe run"
within_patience "$gumshoe" recover --dir store by-hand.box > by-hand || fail "recover: $?"
mkfifo input
# run ERRORS: gumshoe run, $runner, of a program that has its box there and aborts.
run() {
    "$gumshoe" run --rules "$rules" --dir store -- "$build/hosts/spike" 1 1 abort < input > /dev/null 2> "$1" & runner=$!; started="$started $runner"
    exec 3> input
    wait_until ends_in_a_box
    exec 3>&-
}
ends_in_a_box() { local pid; pid=$(pgrep -P $runner) && has_box "$pid"; }
run err
status=0; wait $runner || status=$?
equal $status 134 "exit status of run: $(cat err)"
died 4 || fail "$(ls store)"

it "does not wait for ever for a process that does not end, and stops waiting when it is asked to end"
cat > hold.py <<'P'
import fcntl, time
lock = open("store/.live/.lock", "r+")
fcntl.lockf(lock, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(600)
P
/usr/bin/python3 hold.py > held & holder=$!; started="$started $holder"
wait_until grep -q held held
"$gumshoe" recover --dir store by-hand.box 2> patient & patient=$!
"$gumshoe" recover --dir store by-hand.box 2> told & told=$!
started="$started $patient $told"
run run
waits="store: waiting up to 10 s while process $holder makes an incident of a process that died"
wait_until grep -q "$waits" told; kill -TERM $told
status=0; wait $told || status=$?; equal $status 143 "exit status of recover"
wait_until grep -q "$waits" run; kill -TERM $runner
status=0; wait $runner || status=$?; equal $status 134 "exit status of run: the program's"
grep -q "store: the black box is kept; the next start makes an incident of it, or run gumshoe recover store/.live/.*.box" run || fail "$(cat run)"
status=0; wait $patient || status=$?; equal $status 3 "exit status of the patient one"
grep -q "store: process $holder still makes an incident: not waiting any longer" patient || fail "$(cat patient)"
died 4 || fail "$(ls store)"
kill -9 $holder
serve 0
wait_until died 5
