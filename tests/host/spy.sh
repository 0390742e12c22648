#!/bin/bash
# The agent's threads call neither the host's malloc nor a mutex of the C library's, whatever they do: captures of every kind, the
# black box, the history file, new rules, answers, programs after an incident, a death in the store, a host that has set another locale.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
gcc -shared -fPIC -O1 -w "$source_dir/tests/host/ways/spy.c" -o spy.so
cat > host.py <<'P'
import locale, socket, sys, threading, time
locale.setlocale(locale.LC_ALL, "")
threads = [threading.Thread(target=time.sleep, args=(600,), daemon=True) for _ in range(5)]
for t in threads: t.start()
sockets = [socket.socket() for _ in range(5)]
kept = []
while True:
    kept.append(bytearray(300000))
    if len(kept) > 300: kept = []
    time.sleep(0.001)
P
file() { printf '{"version": 1, "interval": "50ms", "heap": {"sample": "16KiB", "baseline": "1s"}, "cpu": {"duration": "1s", "before": "2s"},
    "incidents": {"max_per_hour": 0, "keep": 0}, "on_incident": ["/bin/true", "{dir}"], "rules": [
    {"name": "%s", "metric": "heap_in_use", "above": "1MiB", "again": "always", "cooldown": "300ms", "capture": ["heap", "threads", "threadcreate", "cpu"]},
    {"name": "many", "metric": "fds", "above": 2, "again": "always", "cooldown": "500ms"},
    {"name": "slope", "metric": "rss", "growth": {"rate": "1MiB/min", "over": "10s"}}, {"name": "odd", "metric": "cpu", "unusual": {"score": 6, "over": "10s", "min": "20%%"}}]}\n' "$1" > rules.json; }
file first
watch() { exec env LD_PRELOAD="$build/libgumshoe.so:$tmp/spy.so" GUMSHOE_RULES=rules.json GUMSHOE_DIR=d /usr/bin/python3 host.py; }
watch 2> errors & dead=$!; started=$dead
wait_until has_incident d
has_box() { ls d/.live/*.box; }
wait_until has_box
kill -9 $dead; wait $dead 2> /dev/null || true
watch 2> errors & host=$!; started="$started $host"
lives() { kill -0 $host 2> /dev/null || fail "$(cat errors)"; }
has() { lives; ls -d d/2*-"$1"-*; }

it "captures, and reports a death"
wait_until has first; wait_until has many; wait_until has previous-run-died
it "reloads rules, and answers requests"
file second
wait_until has second
"$gumshoe" status "$host" > /dev/null
"$gumshoe" capture "$host" --kinds heap,threads,cpu --seconds 1 > /dev/null
ended() { lives; grep -q 'on_incident: /bin/true finished' log; }
wait_until ended
has_history() { lives; ls d/.history/*.gsh; }
wait_until has_history
lives
it "notices such a call (this test can fail)"
printf '#include <stdlib.h>\n#include <sys/prctl.h>\nint main(void) { prctl(PR_SET_NAME, "gumshoe-not"); return malloc(1) == 0; }\n' > caught.c
gcc -O0 caught.c -o caught
status=0; LD_PRELOAD=$tmp/spy.so ./caught 2> errors || status=$?
equal "$status $(cat errors)" "99 malloc by a thread of the agent's" "a program that gives itself away"
