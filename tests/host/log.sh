#!/bin/bash
# The lines of the log: when, which process, which program, how bad. In systemd's journal, which knows the time itself, the level is
# the entry's priority.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
rules=$(rules vain '{ "version": 1, "rules": [ { "name": "vain", "metric": "cpu", "above": "100%" } ] }')
now() { date -u +%Y-%m-%dT%H:%M:%S.%3NZ; }

it "begins each line with the time in UTC, the process and its program"
before=$(now)
"$gumshoe" run --rules "$rules" --dir d -- sh -c 'echo $$; exec sleep 0.2' > pid
after=$(now)
grep -vE "^20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\\.[0-9]{3}Z gumshoe\\[$(cat pid) (sh|sleep)\\]: (info|warning): ." log && fail "lines that do not: $(cat log)"
equal "$(grep -c ' sleep\]: warning: .*/vain.json:1:[0-9]*: warning: "above" cannot be reached' log)" 1 "the warning: $(cat log)"
equal "$( (echo "$before"; cut -d' ' -f1 log; echo "$after") | sort -c 2>&1)" "" "times in order"
it "names a script by its own name, without what could be taken for the line's own signs"
printf '#!/usr/bin/python3\n' > 'my [app]'; chmod +x 'my [app]'
rm log; "$gumshoe" run --rules "$rules" --dir d -- './my [app]'
grep -q ' gumshoe\[[0-9]* my__app_\]: info: watching: 1 rule from ' log || fail "$(cat log)"

it "leaves the time out in the journal, where the level is the entry's priority; only where standard error is the journal"
cat > journal.py <<'P'
import os, socket, subprocess, sys
ours, theirs = socket.socketpair()
status = os.fstat(theirs.fileno())
other = len(sys.argv) > 2
env = dict(os.environ, JOURNAL_STREAM="%d:%d" % (status.st_dev, status.st_ino + other), GUMSHOE_LOG="stderr", GUMSHOE_DISABLE="1")
subprocess.run([sys.argv[1]], stderr=theirs, stdout=subprocess.DEVNULL, env=env)
theirs.close()
sys.stdout.write(ours.makefile().read())
P
# It is not watched, on purpose: then its own thread says so, which may write to a socket in any sandbox.
python3 journal.py "$build/hosts/linked_start" > said
grep -qxE '<3>gumshoe\[[0-9]+ linked_start\]: error: not watching: GUMSHOE_DISABLE is set' said || fail "$(cat said)"
python3 journal.py "$build/hosts/linked_start" other > said
grep -qxE '20[0-9T:.-]*Z gumshoe\[[0-9]+ linked_start\]: error: not watching: GUMSHOE_DISABLE is set' said || fail "$(cat said)"
for stream in rubbish 8: :8 ''; do
    JOURNAL_STREAM=$stream GUMSHOE_LOG=stderr GUMSHOE_DISABLE=1 "$build/hosts/linked_start" 2> said > /dev/null || true
    grep -q '^20.*Z gumshoe\[' said || fail "JOURNAL_STREAM=$stream: $(cat said)"
done
