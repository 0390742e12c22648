#!/bin/bash
# gumshoe serve: Go's endpoints by go tool pprof and curl, /metrics by promtool, incidents as pages; agents that are stopped or
# hostile, clients that are slow, many or rude.
. "$(dirname "$0")/lib.sh"
ulimit -n 4096
rules=$(rules served '{"version": 1, "interval": "100ms", "incidents": {"keep": 0, "max_per_hour": 0},
    "labels": {"service": "a\"b\\c", "team-name": "<script>alert(1)</script>", "pid": "mine"},
    "rules": [{"name": "at-once", "metric": "rss", "above": "1MiB", "capture": ["heap", "threads"]},
              {"name": "far", "metric": "heap_in_use", "above": "1GiB"}]}')
cat > busy.py <<'P'
import threading, time
def wait(): time.sleep(100000)
for _ in range(3): threading.Thread(target=wait, daemon=True).start()
kept = [bytearray(100000) for _ in range(300)]
while True:
    sum(i * i for i in range(20000))
    time.sleep(0.001)
P
watched() { # DIR: a process under watch, its pid in $host
    GUMSHOE_RULES=$rules GUMSHOE_DIR=$PWD/$1 LD_PRELOAD=$build/libgumshoe.so /usr/bin/python3 busy.py secret-argument &
    host=$!; started="$started $host"
    wait_until has_socket "$1" $host
}
has_socket() { ls "$1"/.live/"$2"-*.sock; }
serve() { # NAME ARGUMENT…: a server, its pid in $server and its address in $url
    local name=$1; shift
    "$gumshoe" serve --listen 127.0.0.1:0 "$@" > "$name.out" 2> "$name.err" & server=$!; started="$started $server"
    wait_until grep -q 'serving at' "$name.err"
    url=$(sed -n 's/.*serving at //p' "$name.err")
}
get() { curl -sS --max-time "$patience" "$@"; }
code() { curl -sS --max-time "$patience" -o body -w '%{http_code}' "$@"; }
answers() { equal "$(code "$2")" "$1" "$2: $(head -c 200 body | tr -d '\0')"; }

watched one; first=$host
serve plain one; plain=$url plain_pid=$server

# Connections that send a byte now and then, more than there is room for: checked at the end.
serve slow one; slow=$url
cat > loris.py <<'P'
import socket, sys, time
port = int(sys.argv[1])
def connect():
    s = socket.socket(); s.settimeout(300); s.connect(("127.0.0.1", port)); s.send(b"GET / HTTP/1.1\r\nX: "); return s
clients = [connect() for _ in range(100)]
open("crawling", "w").close()
while True:
    for i, s in enumerate(clients):
        try: s.send(b"x")
        except OSError: pass
    time.sleep(1)
P
port_of() { echo "$1" | sed 's|.*:\([0-9]*\)/|\1|'; }
/usr/bin/python3 loris.py "$(port_of "$slow")" & loris=$!; started="$started $loris"

it "gives go tool pprof each profile, as Go does"
pprof() { go tool pprof -top -nodecount 5 "$@" > pprof.out 2> pprof.err || fail "$*: $(cat pprof.err)"; }
wait_until has_incident one
pprof "${plain}debug/pprof/heap"; grep -q '^Type: inuse_space' pprof.out || fail "$(cat pprof.out)"
pprof "${plain}debug/pprof/allocs"; grep -q '^Type: alloc_space' pprof.out || fail "$(cat pprof.out)"
pprof "${plain}debug/pprof/heap?seconds=1"; grep -q 'Duration: 1s' pprof.out || fail "$(cat pprof.out)"
pprof "${plain}debug/pprof/profile?seconds=1"; grep -q '^Type: cpu' pprof.out || fail "$(cat pprof.out)"
pprof "${plain}debug/pprof/goroutine"; grep -q '100%.* 4 ' pprof.out || grep -q 'of 4 total' pprof.out || fail "$(cat pprof.out)"
pprof "${plain}debug/pprof/fds"; grep -q '^Type: descriptors' pprof.out || fail "$(cat pprof.out)"
get "${plain}debug/pprof/fds?debug=1" > text; grep -q '^descriptors: ' text || fail "$(head -3 text)"
pprof "${plain}debug/pprof/threads"; pprof "${plain}debug/pprof/threadcreate"; pprof "${plain}pid/$first/debug/pprof/heap"
get "${plain}debug/pprof/goroutine?debug=2" > text; grep -q '^threads: 4' text || fail "$(head -3 text)"
get "${plain}debug/pprof/threadcreate?debug=1" > text; grep -q '^threadcreate profile: ' text || fail "$(head -3 text)"
grep -q '^#	0x[0-9a-f]*	' text || fail "no frames: $(head -3 text)"
get "${plain}debug/pprof/" > text; grep -q 'href="heap"' text || fail "$(cat text)"
equal "$(get -o /dev/null -w '%{http_code} %{redirect_url}' "${plain}debug/pprof")" "301 ${plain}debug/pprof/" "without the slash"
it "says what it has not"
answers 404 "${plain}debug/pprof/mutex"; grep -q 'does not record' body || fail "$(cat body)"
answers 404 "${plain}debug/pprof/nonsense"; answers 404 "${plain}debug/pprof/trace"; answers 404 "${plain}nothing"
answers 400 "${plain}debug/pprof/heap?seconds=-1"; answers 400 "${plain}debug/pprof/heap?seconds=1e9"; answers 400 "${plain}debug/pprof/heap?seconds=601"
answers 403 "${plain}debug/pprof/cmdline"; ! grep -q secret-argument body || fail "it was told anyway"
answers 200 "${plain}healthz"; equal "$(cat body)" ok "healthz"

it "exposes metrics that promtool finds clean, in both formats"
get "${plain}metrics" > metrics
promtool check metrics < metrics > said 2>&1 || fail "$(cat said)"
equal "$(cat said)" "" "promtool"
program=$("$gumshoe" status --json "$first" | jq -r .program)
labels='pid="'$first'",program="'$program'",service="a\"b\\c",team_name="<script>alert(1)</script>",label_pid="mine"'
for line in "gumshoe_up{$labels} 1" "process_threads{$labels} 4" "gumshoe_incidents_total{$labels,rule=\"at-once\"} 1" \
    "gumshoe_rule_line{$labels,rule=\"far\"} 1073741824" "gumshoe_rule_armed{$labels,rule=\"far\"} 1" "gumshoe_rule_armed{$labels,rule=\"at-once\"} 0" \
    "gumshoe_samples_dropped_total{$labels} 0" "gumshoe_build_info{$labels,version=\"$("$gumshoe" --version | cut -d' ' -f2)\"} 1" 'gumshoe_stored_incidents{dir="one",rule="at-once"} 1'; do
    grep -qxF "$line" metrics || fail "no line $line: $(grep "${line%%\{*}" metrics)"
done
for name in process_cpu_seconds_total process_resident_memory_bytes process_open_fds process_max_fds process_start_time_seconds gumshoe_heap_in_use_bytes gumshoe_rule_value gumshoe_agent_cpu_seconds_total; do
    grep -q "^$name{.*} [0-9]" metrics || fail "no $name"
done
get -D headers -H 'Accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3' "${plain}metrics" > open
grep -qi '^content-type: application/openmetrics-text; version=1.0.0' headers || fail "$(cat headers)"
equal "$(tail -n 1 open)" "# EOF" "the end"
grep -qx '# TYPE process_cpu_seconds counter' open && grep -qx '# UNIT process_cpu_seconds seconds' open || fail "$(cat open)"
get -D headers -H 'Accept: text/plain,application/openmetrics-text;q=0' "${plain}metrics" > /dev/null
grep -qi '^content-type: text/plain; version=0.0.4' headers || fail "$(cat headers)"

it "shows incidents as pages, with their files"
name=$(basename "$(incident one)")
get -D headers "$plain" > page; grep -q "incident/0/$name/" page || fail "$(cat page)"
grep -qi "^content-security-policy: default-src 'none'; style-src 'self'" headers || fail "$(cat headers)"
! grep -qi '<script' page || fail "a script"
answers 200 "${plain}incident/0/$name/"; grep -q 'at-once: rss' body && grep -q 'gumshoe-data' body || fail "no report: $(head -c 2000 body)"
answers 200 "${plain}incident/0/$name/files"; grep -q 'at-once: rss' body || fail "no summary: $(cat body)"
! grep -qi '<script' body || fail "a script"
answers 301 "${plain}incident/0/$name"
get "${plain}incident/0/$name/heap.pb.gz" | cmp - "one/$name/heap.pb.gz" || fail "the file differs"
get "${plain}incidents.json" | jq -e 'length == 1 and .[0].rule == "at-once" and (.[0].dir | startswith("one/"))' > /dev/null || fail "$(get "${plain}incidents.json" | head -c 500)"
cp -r "one/$name" "one/20260101T000000.000Z-planted-7"
jq '.reason = "<img src=x onerror=alert(1)>" | .exe = "/bin/<b>\u001b[31m" | .culprit.function = "f<int>&\"" | .rule = "planted" | .fingerprint = "other" | .files += [{"name": "../secret", "size": 1, "crc32": "0"}, {"name": "link.txt", "size": 1, "crc32": "0"}]' "one/$name/incident.json" > "one/20260101T000000.000Z-planted-7/incident.json"
printf 'a <script>\xe2\x80\xaeevil\n' >> "one/20260101T000000.000Z-planted-7/summary.txt"
echo secret > one/secret; ln -s ../secret "one/20260101T000000.000Z-planted-7/link.txt"
get "${plain}incident/0/20260101T000000.000Z-planted-7/" > page; ! grep -q '<img src=x' page || fail "text became HTML"
get "$plain" > page; get "${plain}incident/0/20260101T000000.000Z-planted-7/files" >> page
! grep -qE '<img|<b>|<int>'$'|\e' page || fail "text became HTML"
grep -q 'f&lt;int&gt;&amp;&quot;' page || fail "$(cat page)"
grep -qF 'a &lt;script&gt;\u{202e}evil' page || fail "the summary turns text around: $(grep evil page)"

it "gives out nothing but the incidents' own files"
for path in incident/0/../../../etc/passwd incident/0/$name/../../secret incident/0/$name/..%2f..%2fsecret incident/0/20260101T000000.000Z-planted-7/..%2fsecret \
    incident/0/20260101T000000.000Z-planted-7/link.txt incident/1/$name/ incident/99999999999999999999/$name/ incident/-1/$name/ incident/0/.live/ incident/0/$name/.live incident//0/$name/ \
    %2e%2e/%2e%2e/etc/passwd pid/../1/debug/pprof/heap pid/0/debug/pprof/heap pid/$first/../../secret "incident/0/$name/heap.pb.gz%00.txt" incident/0/%ff%fe/ \
    "$(head -c 3000 /dev/zero | tr '\0' a)"; do
    case $(code --path-as-is "$plain$path") in 40[04]|414|431) ;; *) fail "$path: $(head -c 300 body)" ;; esac
    ! grep -q 'root:\|^secret' body || fail "$path gave $(head -c 300 body)"
done

it "answers GET and HEAD alone, and only under its own name"
for method in POST PUT DELETE OPTIONS PATCH TRACE NONSENSE; do equal "$(code -X $method "$plain")" 405 "$method"; done
equal "$(code -T /dev/zero "$plain" 2> /dev/null || true)" 405 "an endless body"
equal "$(code -I "${plain}debug/pprof/profile")" 200 "HEAD"
for host in evil.example "evil.example:$(port_of "$plain")" 127.0.0.1:1 '[::1]:6060' '' 127.0.0.1.evil.example; do equal "$(code -H "Host: $host" "$plain")" 421 "Host: $host"; done
equal "$(code -H "Host: localhost:$(port_of "$plain")" "$plain")" 200 "localhost"
it "survives garbage, and a load"
cat > garbage.py <<'P'
import random, socket, sys
random.seed(1)
for i in range(200):
    s = socket.socket(); s.settimeout(300); s.connect(("127.0.0.1", int(sys.argv[1])))
    try:
        s.send([random.randbytes(random.randrange(2000)), b"GET " + random.randbytes(300) + b" HTTP/1.1\r\n\r\n", b"GET / HTTP/9.9\r\n" + b"a: b\r\n" * 500 + b"\r\n",
                b"\r\n\r\n\r\n", b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"][i % 6])
        if i % 6 == 1: s.recv(1000)
    except OSError: pass
    s.close()
P
/usr/bin/python3 garbage.py "$(port_of "$plain")" || fail "garbage"
ab -q -n 2000 -c 20 "${plain}metrics" > ab.out 2>&1 || fail "$(cat ab.out)"
grep -q '^Failed requests:  *0$' ab.out || { grep -q '^Non-2xx' ab.out && fail "$(cat ab.out)"; }
grep -q '^Complete requests:  *2000$' ab.out || fail "$(cat ab.out)"
answers 200 "$plain"
[ "$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' /proc/$plain_pid/status)" -lt 51200 ] || fail "memory: $(grep VmHWM /proc/$plain_pid/status)"

it "serves several processes apart, also where some are stopped or hostile: those cost a time-out"
watched many; second=$host
watched many; stopped=$host
serve crowd many one; crowd=$url
wait_until sh -c "curl -s ${crowd}metrics | grep -q '^gumshoe_up{pid=\"$stopped\".* 1'"
kill -STOP $stopped
cat > hostile.py <<'P'
import os, socket, threading, time
os.chdir("many/.live")
def answer(c, how):
    try:
        if how == "garbage": c.recv(1000); c.send(b"\0\xff" * 3000)
        elif how == "endless":
            while True: c.send(b"[" * 65536)
        elif how == "slow":
            while True: c.send(b" "); time.sleep(0.1)
        elif how == "deep": c.recv(1000); c.send(b'{"version":1,"rules":' + b"[" * 400000)
        elif how == "never": time.sleep(100000)
        elif how == "liar": c.recv(1000); c.send(b'{"version":1,"bytes":99999999999,"rules":[{"rule":"x\\n} 1","value":1e308},7],"program":"\\"} 1\\nx","gauges":{"a":"b"},"process":[]}\nxx')
        elif how == "bomb": c.recv(1000); c.send(b'{"version":1,"bytes":20}\n' + b"\x1f\x8b" + b"\0" * 18)
    except OSError: pass
    c.close()
def listen(number, how):
    s = socket.socket(socket.AF_UNIX); s.bind("%d-5-7.sock" % number); s.listen(8)
    while True: threading.Thread(target=answer, args=(s.accept()[0], how), daemon=True).start()
for number, how in enumerate(["garbage", "endless", "slow", "deep", "never", "liar", "bomb", "hangup"], 1):
    threading.Thread(target=listen, args=(number, how), daemon=True).start()
while len([n for n in os.listdir(".") if "-5-7.sock" in n]) < 8: time.sleep(0.01)
open("../../ready", "w").close()
time.sleep(100000)
P
/usr/bin/python3 hostile.py & hostile=$!; started="$started $hostile"
wait_until test -e ready
for n in 1 2 3 4 5 6 7 8 $stopped; do code "${crowd}pid/$n/debug/pprof/allocs" -o "body.$n" > "code.$n" & done
all_seen() { get "${crowd}metrics" > metrics; [ "$(grep -c '^gumshoe_up{' metrics)" = 11 ] && grep -q "^gumshoe_up{pid=\"$second\".*} 1" metrics && grep -q "^gumshoe_up{pid=\"$first\".*} 1" metrics; }
wait_until all_seen
promtool check metrics < metrics > said 2>&1 || fail "$(cat said)"
was_stopped() { get "${crowd}metrics" | grep -q "^gumshoe_up{pid=\"$stopped\",program=\"$program\",.*} 0"; }
wait_until was_stopped # with the labels that it had
answers 200 "$crowd"; grep -q 'does not answer\|did not answer' body || fail "$(cat body)"
answers 404 "${crowd}debug/pprof/heap"; grep -q '11 processes are watched: use /pid/PID' body || fail "$(cat body)"
pprof "${crowd}pid/$second/debug/pprof/heap"
have_codes() { for n in 1 2 3 4 5 6 7 8 $stopped; do [ -s code.$n ] || return 1; done; }
wait_until have_codes
for n in 1 2 3 4 5 6 7 8 $stopped; do case $(cat code.$n) in 50[234]) ;; *) fail "agent $n: $(cat code.$n)" ;; esac; done
equal "$(cat code.$stopped)" 504 "the stopped one"
kill -CONT $stopped
it "makes incidents of those who die beside it"
kill -9 $stopped; wait $stopped 2> /dev/null || true
wait_until sh -c "curl -s ${crowd}metrics | grep -qxF 'gumshoe_stored_incidents{dir=\"many\",rule=\"previous-run-died\"} 1'"
get "$crowd" | grep -q "previous-run-died-$stopped" || fail "not on the page"

it "answers others while a CPU profile is made, and ends that when its client has gone"
curl -s -o /dev/null "${plain}debug/pprof/profile?seconds=600" & waiting=$!; started="$started $waiting"
profiling() { grep -lx gumshoe-profile /proc/"$first"/task/*/comm; }
wait_until profiling
answers 200 "${plain}debug/pprof/heap"
kill $waiting; wait $waiting 2> /dev/null || true
idle() { ! profiling; }
wait_until idle

it "listens at a socket of mode 0600, which it removes; and at no other machine's reach unless told so"
"$gumshoe" serve --listen "unix:$tmp/web.sock" --allow-cmdline one 2> said & server=$!; started="$started $server"
wait_until test -S web.sock
equal "$(stat -c %a web.sock)" 600 "mode"
status=0; "$gumshoe" serve --listen "unix:$tmp/web.sock" one 2> said.2 || status=$?; equal $status 3 "a second one's exit status"
get --unix-socket web.sock http://any.name/debug/pprof/cmdline | tr '\0' ' ' > text; grep -q '^/usr/bin/python3 busy.py secret-argument$' text || fail "$(cat text)"
kill $server; status=0; wait $server || status=$?
equal "$status $(ls web.sock 2>&1 | grep -c 'No such')" "0 1" "exit status and socket"
status=0; "$gumshoe" serve --listen 0.0.0.0:0 one 2> said || status=$?
equal $status 2 "exit status"; grep -q 'add --allow-remote' said || fail "$(cat said)"
for place in nonsense 127.0.0.1 127.0.0.1:99999 example.com:80 unix:; do equal "$(status_of "$gumshoe" serve --listen $place one)" 2 "$place"; done
"$gumshoe" serve --listen 0.0.0.0:0 --allow-remote one 2> said & server=$!; started="$started $server"
wait_until grep -q 'serving at' said
grep -q 'warning: whoever can reach' said || fail "$(cat said)"
kill $server; wait $server || fail "exit status $?"

it "is not held up by clients that send a byte now and then"
wait_until test -e crawling
answers 200 "${slow}healthz"
it "ends when asked, also with a request under way"
curl -s -o /dev/null "${plain}debug/pprof/heap?seconds=600" & waiting=$!; started="$started $waiting"
kill $plain_pid; status=0; wait $plain_pid || status=$?
equal $status 0 "exit status"
wait $waiting 2> /dev/null || true
equal "$(cat plain.out slow.out)" "" "what it said about nobody's death"
