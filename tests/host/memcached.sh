#!/bin/bash
# memcached from Debian: it mallocs slabs of a megabyte as it fills.
. "$(dirname "$0")/lib.sh"

dir=$tmp/incidents
port=$(a_free_port)
rules_file=$(rules memcached '{ "version": 1, "interval": "200ms", "heap": { "sample": "64KiB" }, "rules": [
    { "name": "heap-high", "metric": "heap_in_use", "above": "40MiB", "capture": ["heap", "threads"] } ] }')
user=; [ "$(id -u)" -ne 0 ] || user="-u root"

"$gumshoe" run --rules "$rules_file" --dir "$dir" -- memcached -l 127.0.0.1 -p "$port" -U 0 -m 128 $user &
server=$!
started="$server"
python3 - "$port" <<'P'
import socket, sys, time
for _ in range(3000):
    try:
        s = socket.create_connection(("127.0.0.1", int(sys.argv[1]))); break
    except OSError: time.sleep(0.1)
f = s.makefile("rb")
value = b"x" * 4000
for i in range(12000):
    s.sendall(b"set key-%d 0 0 4000\r\n%s\r\n" % (i, value))
    assert f.readline() == b"STORED\r\n"
s.sendall(b"get key-11999\r\n")
assert f.readline() == b"VALUE key-11999 0 4000\r\n" and f.readline() == value + b"\r\n" and f.readline() == b"END\r\n"
P
it "answers while it is watched"
wait_until has_incident "$dir"
it "ends by SIGTERM as without the watch"
pkill -TERM -P "$server" memcached
wait "$server" && status=0 || status=$?
equal "$status" 0 "exit status of memcached after SIGTERM"
it "leaves a complete incident that pprof reads"
found=$(incident "$dir")
complete "$found"
it "lists all of memcached's threads with their stacks"
threads=$(jq -r '.culprit.function' "$found/incident.json")
[ "$(sed -n 's/^threads: //p' "$found/threads.txt")" -ge 5 ] || fail "too few threads: $(head -n 1 "$found/threads.txt")"
echo "memcached: $(jq -r .reason "$found/incident.json"); culprit $threads"
