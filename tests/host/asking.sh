#!/bin/bash
# Asking a running process from outside: status, captures; clients that are slow, send garbage or are another user; processes
# without an agent.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
rules=$(rules ask '{"version": 1, "interval": "100ms", "rules": [
    {"name": "rss-high", "metric": "rss", "above": "100GiB"}, {"name": "jump", "metric": "rss", "jitter": {"rise": "50%", "over": 1000}},
    {"name": "held", "metric": "threads", "above": 1, "for": "10m"}, {"name": "hourly", "every": "1h"}]}')
cat > busy.py <<'P'
import threading, time
def wait(): time.sleep(100000)
threads = [threading.Thread(target=wait, name="t%d" % i, daemon=True) for i in range(3)]
for t in threads: t.start()
while True:
    sum(i * i for i in range(10000))
    time.sleep(0.001)
P
"$gumshoe" run --rules "$rules" --dir incidents -- /usr/bin/python3 busy.py &
host=$!; started="$started $host"
live() { ls incidents/.live/*.sock; }
wait_until live
pid=$(basename "$(live)" | cut -d- -f1); started="$started $pid"

it "says what it sees: every metric, and why each rule has not fired"
"$gumshoe" status --json "$pid" > status.json || fail "status"
equal "$(jq -r '[.metrics[0:2][].metric] | join(" ")' status.json)" "rss threads" "metrics that the rules name, which come first"
equal "$(jq '[.metrics[] | select(.metric == "run_delay")] | length' status.json)" 1 "metrics that they do not name"
equal "$(jq -r '[.rules[].rule] | join(" ")' status.json)" "rss-high jump held hourly" "rules"
equal "$(jq -r '.metrics[0].value > 1000000 and .pid == '"$pid" status.json)" true "values"
jq -r '.rules[1].state' status.json | grep -q '^window [0-9]* of 1000' || fail "$(cat status.json)"
jq -r '.rules[2].state' status.json | grep -q '^held .* of 10 min' || fail "$(cat status.json)"
"$gumshoe" status "$pid" > table
grep -q '^rss-high  *rss  *.*iB  *100 GiB  *0' table || fail "$(cat table)"
it "is private"
equal "$(stat -c %a incidents/.live)" 700 "mode of .live"
equal "$(stat -c %a "$(live)")" 600 "mode of the socket"
it "prints the agent's refusal once, and does not stop the process with ptrace instead"
prlimit --pid "$pid" --fsize=1:
status=0; "$gumshoe" capture --kinds threads --dir elsewhere "$pid" > said 2>&1 || status=$?
prlimit --pid "$pid" --fsize=unlimited:
equal "$status: $(cat said)" "1: gumshoe: process $pid: File too large" "what is said"
[ ! -e elsewhere ] || fail "it was captured from outside"
it "captures when asked: heap and threads by default, CPU time for as long as asked"
path=$("$gumshoe" capture "$pid") || fail "capture"
complete "$path"
path=$("$gumshoe" capture --kinds cpu,threads --seconds 1 "$pid") || fail "capture"
go tool pprof -top "$path/cpu.pb.gz" 2>/dev/null | grep -q 'Duration: 1s' || fail "$(go tool pprof -top "$path/cpu.pb.gz" 2>&1 | head -5)"
it "answers others while one waits"
"$gumshoe" capture --kinds cpu --seconds 3 "$pid" > slow & waiting=$!
wait_until status_of_watch "$pid" '.under_way == 1'
wait $waiting || fail "the slow one"
[ -s "$(cat slow)/cpu.pb.gz" ] || fail "no profile: $(cat slow)"
it "refuses invalid requests with a message"
status=0; "$gumshoe" capture --kinds heap,rubbish "$pid" 2> said || status=$?
equal "$status" 2 "exit status"; grep -q '"rubbish" cannot be captured' said || fail "$(cat said)"
status=0; "$gumshoe" status 999999999 2> said || status=$?
equal "$status" 1 "exit status"; grep -q 'there is no process 999999999' said || fail "$(cat said)"
status=0; "$gumshoe" status nonsense 2> /dev/null || status=$?
equal "$status" 2 "exit status"
it "is not delayed by clients that send garbage, are slow, or send nothing"
cat > clients.py <<'P'
import glob, json, socket, sys, time
path = glob.glob("incidents/.live/*.sock")[0]
def connect():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(300)
    time.sleep(0.02) # the queue is short
    s.connect(path)
    return s
def answer(s):
    data = b""
    while part := s.recv(65536): data += part
    return json.loads(data) if data else None
silent = [connect() for _ in range(12)]          # more than there is room for
slow = silent[0]; slow.send(b'{"version"')
time.sleep(3)                                    # their time is up
for rubbish in b"\0" * 100 + b"\n", b"[]\n", b"{}\n", b'{"version": 1}\n', b'{"version": 1, "command": "rm"}\n', b'{"version": 9, "command": "status"}\n', b"[" * 4000 + b"\n", b'{"version":1,"command":"capture","seconds":1e99}\n', b'{"version":1,"command":"capture","kinds":[7]}\n', \
        b'{"version":1,"command":"profile"}\n', b'{"version":1,"command":"profile","kind":["heap"]}\n', b'{"version":1,"command":"profile","kind":"cpu","seconds":1e99}\n', \
        b'{"version":1,"command":"profile","kind":"heap","text":true}\n':
    s = connect(); s.send(rubbish)
    assert "error" in answer(s), rubbish
s = connect(); s.send(b'{"version":1,"command":"profile","kind":"threads"}\n')
line, _, profile = b"".join(iter(lambda: s.recv(65536), b"")).partition(b"\n")
assert json.loads(line)["bytes"] == len(profile) and profile.startswith(b"\x1f\x8b"), line
long = []                                        # as many as are made at a time; then one is refused
while len(long) < 5:
    s = connect(); s.send(b'{"version":1,"command":"profile","kind":"cpu","seconds":3000}\n'); long.append(s)
assert b"too many profiles" in long[4].recv(1000)
for s in long: s.close()
while True:                                      # their places are free again
    s = connect(); s.send(b'{"version":1,"command":"profile","kind":"threads"}\n')
    if b'"error"' not in s.recv(1000): break
s = connect()
try:
    s.send(b"x" * 100000)
except OSError: pass
s.close()
hasty = connect(); hasty.send(b'{"version":1,"command":"capture","kinds":["threads"]}\n'); hasty.close()
s = connect(); s.send(b'{"version":1,"command":"status"}\n')
assert answer(s)["version"] == 1
P
python3 clients.py || fail "clients"
if [ "$(id -u)" = 0 ]; then
    it "answers only its own user and root"
    chmod 711 "$tmp" incidents incidents/.live; chmod 666 "$(live)"
    cat > stranger.py <<'P'
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(300)
s.connect(sys.argv[1])
try:
    s.send(b'{"version":1,"command":"status"}\n')
    sys.exit(len(s.recv(10)) != 0)
except (BrokenPipeError, ConnectionResetError):
    sys.exit(0)
P
    status=0; setpriv --reuid=65534 --clear-groups /usr/bin/python3 stranger.py "$(live)" 2> said || status=$?
    equal $status 0 "an answer for a stranger"
fi
kill "$pid"; wait $host || true
it "leaves no socket behind, and removes those of processes that were killed"
GUMSHOE_RULES=$rules GUMSHOE_DIR=$PWD/incidents LD_PRELOAD=$build/libgumshoe.so /usr/bin/python3 busy.py & killed=$!; started="$started $killed"
left() { [ "$(ls incidents/.live | grep -c "^$1-.*sock")" = "$2" ]; }
wait_until left $killed 1
kill -9 $killed; wait $killed 2> /dev/null || true
left $killed 1 || fail "it was removed by nobody"
mkfifo input
GUMSHOE_RULES=$rules GUMSHOE_DIR=$PWD/incidents LD_PRELOAD=$build/libgumshoe.so /usr/bin/python3 -c 'import sys; sys.stdin.read()' < input & next=$!; started="$started $next"
exec 3> input
wait_until left $killed 0
exec 3>&-
wait $next
equal "$(find incidents/.live -name '*.sock')" "" "what is left"

it "starts beside an agent that is stopped and whose queue is full; whoever asks that agent gets a message"
cat > paused.py <<'P'
import os, socket, time
os.chdir("incidents/.live") # a socket's path is short
agent = socket.socket(socket.AF_UNIX); agent.bind("1-1-1.sock"); agent.listen(0)
callers = []
while True: # until one has to wait
    caller = socket.socket(socket.AF_UNIX); caller.setblocking(False)
    try: caller.connect("1-1-1.sock")
    except BlockingIOError: break
    callers.append(caller)
print("full", flush=True)
time.sleep(600)
P
/usr/bin/python3 paused.py > full & paused=$!; started="$started $paused"
wait_until grep -q full full
GUMSHOE_RULES=$rules GUMSHOE_DIR=$PWD/incidents LD_PRELOAD=$build/libgumshoe.so /usr/bin/python3 busy.py & beside=$!; started="$started $beside"
asked() { "$gumshoe" status --json $beside > status.json; }
wait_until asked
[ -S incidents/.live/1-1-1.sock ] || fail "the stopped one's socket was removed"
kill -STOP $beside
/usr/bin/python3 - "$(ls incidents/.live/$beside-*.sock)" <<'P' & callers=$!; started="$started $callers"
import os, socket, sys, time
os.chdir(os.path.dirname(sys.argv[1]))
callers = []
while True:
    caller = socket.socket(socket.AF_UNIX); caller.setblocking(False)
    try: caller.connect(os.path.basename(sys.argv[1]))
    except BlockingIOError: break
    callers.append(caller)
open("../../queue", "w").close()
time.sleep(600)
P
wait_until test -e queue
status=0; timeout 60 "$gumshoe" status $beside 2> said || status=$?
equal $status 3 "exit status"; grep -q "process $beside: Connection timed out" said || fail "$(cat said)"
kill -9 $beside $paused $callers; rm incidents/.live/*.sock

it "captures the threads of a process without an agent; the process continues"
/usr/bin/python3 busy.py & plain=$!; started="$started $plain"
# Its threads have begun, and sleep.
begun() { path=$("$gumshoe" capture --dir foreign "$plain") && grep -q 'in clock_nanosleep\|in pselect6\|in select' "$path/threads.txt" && [ "$(sed -n 's/^threads: //p' "$path/threads.txt")" = 4 ]; }
wait_until begun
equal "$(jq -r '.complete, .pid, (.errors | length)' "$path/incident.json" | tr '\n' ' ')" "true $plain 0 " "the incident"
go tool pprof -traces "$path/threads.pb.gz" 2>/dev/null | grep -q 'main\|_start' || fail "no stacks"
equal "$(sed -n 's/^threads: //p' "$path/threads.txt")" 4 "threads"
grep -q 'in clock_nanosleep\|in pselect6\|in select' "$path/threads.txt" || fail "$(head -20 "$path/threads.txt")"
kill -0 $plain || fail "it was ended"
equal "$(sed -n 's/^TracerPid:\t//p' /proc/$plain/status)" 0 "tracer"
status=0; "$gumshoe" capture --kinds heap "$plain" 2> said || status=$?
equal "$status" 1 "exit status"; grep -q 'has no agent' said || fail "$(cat said)"
"$gumshoe" show "$path" > shown; grep -q 'has no agent' shown || fail "$(cat shown)"
