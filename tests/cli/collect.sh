#!/bin/bash
# gumshoe collect: processes die where nobody starts again, alone or as a whole group. Their boxes become incidents, each exactly one.
. "$(dirname "$0")/lib.sh"
rules=$(rules quick '{"version": 1, "interval": "100ms", "incidents": {"keep": 0, "max_per_hour": 0}, "rules": [{"name": "never", "metric": "rss", "above": "1TiB"}]}')
watched() { # DIR: a process under watch, its pid in $host
    GUMSHOE_RULES=$rules GUMSHOE_DIR=$PWD/$1 LD_PRELOAD=$build/libgumshoe.so /usr/bin/python3 -c 'import time
kept = [bytearray(100000) for _ in range(200)]
time.sleep(100000)' &
    host=$!; started="$started $host"
    wait_until has_box "$1" $host
    wait_for_ticks "$(ls "$1"/.live/$host-*.box)" 1
}
has_box() { ls "$1"/.live/"$2"-*.box; }
no_box() { ! ls "$1"/.live/*.box 2> /dev/null; }
deaths() { find "$1" -maxdepth 1 -name '2*-previous-run-died-*' | wc -l; }
die() { kill -9 "$1"; wait "$1" 2> /dev/null || true; }

it "makes an incident of a process that was killed where nobody starts again, and prints its folder"
watched alone; die $host
"$gumshoe" collect alone > paths || fail "exit status $?"
equal "$(wc -l < paths) $(deaths alone)" "1 1" "incidents"
equal "$(jq -r '.rule, .pid, .complete' "$(cat paths)/incident.json" | tr '\n' ' ')" "previous-run-died $host true " "the incident"
go tool pprof -top "$(cat paths)/heap.pb.gz" > /dev/null 2>&1 || fail "its heap profile"
no_box alone || fail "the box was left"
it "finds nothing the second time, which is no failure"
"$gumshoe" collect alone > paths || fail "exit status $?"
equal "$(cat paths) $(deaths alone)" " 1" "incidents"
it "leaves a process alone that runs"
watched running
"$gumshoe" collect running > paths; equal "$(cat paths)" "" "an incident"
has_box running $host > /dev/null || fail "its box is gone"
die $host

it "makes one of a process whose parent has not waited for it"
cat > no_wait.py <<'P'
import subprocess, sys, time
print(subprocess.Popen(sys.argv[1:]).pid, flush=True)
time.sleep(100000)
P
GUMSHOE_RULES=$rules GUMSHOE_DIR=$PWD/zombie python3 no_wait.py env LD_PRELOAD="$build/libgumshoe.so" sleep 100000 > zombie.pid & parent=$!; started="$started $parent"
wait_until test -s zombie.pid; zombie=$(cat zombie.pid); started="$started $zombie"
wait_until has_box zombie "$zombie"
wait_for_ticks "$(ls zombie/.live/"$zombie"-*.box)" 1
kill -9 "$zombie"
has_ended() { grep -q '^State:.Z' "/proc/$zombie/status" && [ "$(ls "/proc/$zombie/task")" = "$zombie" ]; } # its other threads, too
wait_until has_ended
"$gumshoe" collect zombie > paths || fail "exit status $?"
equal "$(wc -l < paths) $(jq -r .pid "$(cat paths)/incident.json")" "1 $zombie" "incidents"
die $parent

it "does the same when a whole group died, with the command that would have done it"
setsid "$gumshoe" run --rules "$rules" --dir group -- /usr/bin/python3 -c 'import time; time.sleep(100000)' & runner=$!; started="$started $runner"
wait_until has_watch group
wait_until has_box group "$(watched_in group)"
wait_for_ticks "$(ls group/.live/*.box)" 1
pid=$(watched_in group)
kill -9 -- -"$(ps -o pgid= -p "$pid" | tr -d ' ')"; wait $runner 2> /dev/null || true
gone() { ! kill -0 "$1"; }
wait_until gone "$pid"
equal "$(deaths group)" 0 "incidents before"
"$gumshoe" collect group > paths || fail "exit status $?"
equal "$(wc -l < paths) $(deaths group)" "1 1" "incidents"

it "makes one incident of each death when two collectors and an agent that starts look at once"
for _ in 1 2 3; do watched crowd; dead="${dead:-} $host"; done
for pid in $dead; do die "$pid"; done
"$gumshoe" collect crowd > paths.1 & first=$!
"$gumshoe" collect crowd > paths.2 & second=$!
GUMSHOE_RULES=$rules GUMSHOE_DIR=$PWD/crowd LD_PRELOAD=$build/libgumshoe.so /usr/bin/python3 -c 'import time; time.sleep(100000)' & starts=$!; started="$started $starts"
wait $first; wait $second
all_made() { [ "$(deaths crowd)" = 3 ]; }
wait_until all_made
wait_until has_watch crowd
after_a_turn $starts
equal "$(deaths crowd)" 3 "incidents of three deaths"
# Where two made the same folder at once, one was withdrawn, and the other's name ends in "-2".
equal "$(for pid in $dead; do ls -d crowd/*-died-"$pid"*; done | wc -l)" 3 "one of each"
die $starts

it "finds a dead process's box among a thousand that other containers have open"
watched many; die $host
cat > others.py <<'P'
import fcntl, os, resource, time
resource.setrlimit(resource.RLIMIT_NOFILE, (2000, 2000))
os.chdir("many/.live")
files = []
for i in range(1, 1001): # of another pid namespace
    files.append(open("%d-1-7.box" % i, "w")); files[-1].write("x"); files[-1].flush()
    fcntl.lockf(files[-1], fcntl.LOCK_EX)
open("../../locked", "w").close()
time.sleep(100000)
P
/usr/bin/python3 others.py & others=$!; started="$started $others"
wait_until test -e locked
"$gumshoe" collect many > paths || fail "exit status $?"
equal "$(wc -l < paths)" 1 "incidents"
die $others

it "writes ten lines, at most 4 KiB, where Kubernetes shows them"
watched logged; die $host
echo "of the last time, and longer than what comes now: $(head -c 6000 /dev/zero | tr '\0' x)" > termination
inode=$(stat -c %i termination)
"$gumshoe" collect --termination-log termination logged > paths || fail "exit status $?"
equal "$(stat -c %i termination)" "$inode" "the file, which may be mounted: inode"
head -n 10 "$(cat paths)/summary.txt" | cmp - termination || fail "$(cat termination)"
python3 - "$(cat paths)/summary.txt" <<'P'
import sys
text = open(sys.argv[1]).read()
open(sys.argv[1], "w").write("x" + "\u2190" * 3000 + "\n" + text)
P
"$gumshoe" collect --termination-log termination logged # made just now: by another one, such as gumshoe run
[ "$(stat -c %s termination)" -le 4096 ] && [ "$(stat -c %s termination)" -gt 4090 ] || fail "$(stat -c %s termination) bytes"
iconv -f UTF-8 -t UTF-8 termination > /dev/null || fail "cut inside a character"

it "goes on with --follow, and ends when asked"
mkdir -p follow/later
"$gumshoe" collect --follow follow follow/later > followed 2> said & collector=$!; started="$started $collector"
watched follow; die $host
wait_until grep -q "died-$host" followed
watched follow/later; die $host
wait_until grep -q "died-$host" followed
kill $collector; status=0; wait $collector || status=$?
equal "$status $(wc -l < followed)" "0 2" "exit status and incidents"
equal "$(cat said)" "" "complaints"

it "makes no directory, and refuses nonsense"
"$gumshoe" collect nowhere; [ ! -e nowhere ] || fail "it was made"
equal "$(status_of "$gumshoe" collect)" 2 "exit status without a directory"
if [ "$(id -u)" = 0 ]; then
    mkdir -p foreign/.live; chown -R 65534 foreign
    status=0; "$gumshoe" collect foreign 2> said || status=$?
    equal "$status" 3 "exit status for somebody else's directory"
    grep -q 'foreign: ' said || fail "$(cat said)"
fi
