#!/bin/bash
# picture.sh BUILD [NAME…]: makes pictures of the docs anew, docs/NAME.png, from incidents that happen while it runs: the example servers
# under their load, and Debian's redis-server. Without names: all. Needs chromium; BUILD has the library, the command and the examples.
#
#   report           the page of leaky_server's incident: the README's picture
#   session_server   docs/stories.md: the head of the page, with the history
#   bank_server      docs/stories.md: a deadlock
#   redis            docs/stories.md: what grew, function by function
#   serve            docs/serve.md: the first page of `gumshoe serve`
#   peak             docs/reading-an-incident.md: what redis held before a large list was deleted
#   pages            docs/reading-an-incident.md: memory of redis that was never touched
#   age, lifetimes, waste   docs/reading-an-incident.md: redis after most of its keys were deleted
#   fds              docs/reading-an-incident.md: clients of redis that do not leave
#   outside          docs/reading-an-incident.md: memory that Python maps outside malloc
#   timer_server     docs/reading-an-incident.md: CPU time of a worker that spins
#
# The servers are built anew, so that no path of this machine is in a picture.
. "$(dirname "$0")/../tests/host/lib.sh"
source_dir=$(cd "$(dirname "$0")/.." && pwd)
shift
cd "$tmp"

# shot NAME WIDTH HEIGHT PAGE SCRIPT: docs/NAME.png shows PAGE after SCRIPT has run in it.
shot() {
    python3 - "$source_dir/tests/browser" "$source_dir/docs/$1.png" "$2" "$3" "$4" "$5" <<'P'
import pathlib
import sys
folder, out, width, height, address, script = sys.argv[1:]
sys.path.insert(0, folder)
from browser import Browser
from small_png import small
with Browser() as browser:
    page = browser.page(width=int(width), height=int(height))
    page.open(address)
    page.wait("!document.querySelector('#graph') || document.querySelector('#graph .functions tbody tr')")
    page.evaluate("document.querySelectorAll('.facts dt').forEach((one) => one.textContent === 'File' && one.parentElement.remove())")
    page.evaluate("(() => { %s })()" % script)
    page.screenshot(out)
path = pathlib.Path(out)
path.write_bytes(small(path.read_bytes()))
print("%s: %d bytes" % (path.name, path.stat().st_size))
P
}

# example NAME: an incident of examples/NAME in the directory NAME, once. examples/run.sh finds the servers and the command in run/.
example() {
    local source
    [ ! -d "$1" ] || return 0
    source=$(ls "$source_dir/examples/$1".c*)
    mkdir -p run/examples
    ln -sf "$gumshoe" run/gumshoe
    ln -sf "$build/examples/client" run/examples/client
    case $source in
    *.cc) set -- "$1" g++ -std=c++17 ;;
    *) set -- "$1" cc -D_GNU_SOURCE ;;
    esac
    "${@:2}" -g -ffile-prefix-map="$source_dir=/src" -I"$source_dir/include" "$source" -o "run/examples/$1" -L"$build" -lgumshoe \
        -Wl,-rpath,"$build" -lpthread
    GUMSHOE_BUILD=$tmp/run "$source_dir/examples/run.sh" "$1" "$tmp/$1" > "$1.txt"
}
# page NAME: the page of the newest incident in the directory NAME.
page() { "$gumshoe" report --source "$source_dir/examples" -o "$1.html" "$(find "$1" -maxdepth 1 -name '2*' | sort | tail -n 1)"; }

picture_report() {
    example leaky_server
    page leaky_server
    shot report 1180 1430 leaky_server.html 'document.querySelectorAll("#plots .plot:not(.large), #plots details, #metrics").forEach((one) => one.remove());
        document.querySelectorAll("#profiles details, #profiles .notes").forEach((one) => one.remove());'
}

picture_session_server() {
    example session_server
    page session_server
    shot session_server 1180 645 session_server.html ''
}

picture_bank_server() {
    example bank_server
    page bank_server
    shot bank_server 1100 665 bank_server.html ''
}

redis_incident() { has_file redis/2*-heap-high-*/summary.txt; }
picture_redis() {
    cat > redis.json <<'J'
{ "version": 1, "heap": { "baseline": "5s" }, "plumbing": ["lp*", "quicklist*"], "rules": [
    { "name": "heap-high", "why": "the data of this redis fits into 20 MiB", "metric": "heap_in_use", "above": "32MiB", "capture": ["heap", "threads"] } ] }
J
    "$gumshoe" run --rules redis.json --dir redis -- redis-server --port 0 --unixsocket "$tmp/socket" --save "" > /dev/null 2>&1 &
    started="$! $started"
    wait_until redis-cli -s "$tmp/socket" ping
    started="$(watched_in redis) $started"
    redis-benchmark -s "$tmp/socket" -q -t set -n 20000 -r 10000 -d 512 > /dev/null
    sleep 5 # for the baseline
    redis-benchmark -s "$tmp/socket" -q -n 60000 rpush events:audit "$(head -c 1000 /dev/zero | tr '\0' x)" > /dev/null
    wait_until redis_incident
    page redis
    shot redis 1180 760 redis.html 'document.querySelector("#profiles h2").scrollIntoView();'
}
has_file() { [ -e "$1" ]; }

# watched NAME [--rules FILE --] COMMAND…: COMMAND under watch with its incidents in the directory NAME; its pid in $pid.
watched() {
    local options=(--)
    [ "$2" != --rules ] || options=()
    "$gumshoe" run --dir "$1" "${options[@]}" "${@:2}" > "$1.out" 2>&1 &
    started="$! $started"
    wait_until has_watch "$1"
    pid=$(watched_in "$1")
    started="$pid $started"
}

# A list is deleted before somebody asks: only the peak has it.
picture_peak() {
    watched peak redis-server --port 0 --unixsocket "$tmp/peak.sock" --save ""
    wait_until redis-cli -s "$tmp/peak.sock" ping
    redis-benchmark -s "$tmp/peak.sock" -q -t set -n 20000 -r 10000 -d 512 > /dev/null
    redis-benchmark -s "$tmp/peak.sock" -q -n 60000 rpush events:audit "$(head -c 1000 /dev/zero | tr '\0' x)" > /dev/null
    redis-cli -s "$tmp/peak.sock" del events:audit > /dev/null
    "$gumshoe" capture --kinds heap "$pid" > /dev/null
    page peak
    shot peak 1180 545 "peak.html#view=peak" 'document.querySelector("#profiles h2").scrollIntoView();'
}

# A client announces a value of 256 MB and sends none of it: redis has made room.
picture_pages() {
    watched pages redis-server --port 0 --unixsocket "$tmp/pages.sock" --save ""
    wait_until redis-cli -s "$tmp/pages.sock" ping
    redis-benchmark -s "$tmp/pages.sock" -q -t set -n 20000 -r 10000 -d 512 > /dev/null
    python3 -c 'import socket, sys, time
one = socket.socket(socket.AF_UNIX); one.connect(sys.argv[1]); one.sendall(b"*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$268435456\r\n"); time.sleep(600)' "$tmp/pages.sock" > /dev/null &
    started="$! $started"
    wait_until has_large_buffer
    "$gumshoe" capture --kinds heap,pages "$pid" > /dev/null
    page pages
    shot pages 1180 452 "pages.html#view=untouched" 'document.querySelector("#profiles h2").scrollIntoView();'
}
has_large_buffer() { redis-cli -s "$tmp/pages.sock" client list | grep -qE 'qbuf-free=2[0-9]{8} |tot-mem=2[0-9]{8} '; }

# Seven of eight keys are deleted, and there is other traffic: one incident, once.
churn_incident() {
    [ ! -d churn ] || return 0
    echo '{ "version": 1, "heap": { "baseline": "5s", "sample": "64KiB" }, "rules": [ { "name": "daily", "every": "24h" } ] }' > churn.json
    watched churn --rules churn.json -- redis-server --port 0 --unixsocket "$tmp/churn.sock" --save ""
    wait_until redis-cli -s "$tmp/churn.sock" ping
    seq 40000 | awk '{ printf "SET user:%d %01000d\n", $1, $1 }' | redis-cli -s "$tmp/churn.sock" > /dev/null
    sleep 6 # for the baseline
    seq 40000 | awk '$1 % 8 { printf "DEL user:%d\n", $1 }' | redis-cli -s "$tmp/churn.sock" > /dev/null
    redis-benchmark -s "$tmp/churn.sock" -q -t lpush,lpop,get -n 30000 -d 200 > /dev/null
    "$gumshoe" capture --kinds heap,waste "$pid" > /dev/null
    page churn
}
picture_age() {
    churn_incident
    shot age 1180 500 "churn.html#view=old" 'document.querySelector("#profiles h2").scrollIntoView();'
}
picture_lifetimes() {
    churn_incident
    shot lifetimes 1180 500 "churn.html#view=freed" 'document.querySelector("#profiles h2").scrollIntoView();'
}
picture_waste() {
    churn_incident
    shot waste 1180 452 "churn.html#view=waste" 'document.querySelector("#profiles h2").scrollIntoView();'
}

# 300 clients connect, and stay.
picture_fds() {
    watched fds redis-server --port 0 --unixsocket "$tmp/fds.sock" --save ""
    wait_until redis-cli -s "$tmp/fds.sock" ping
    python3 -c 'import socket, sys, time
all = [socket.socket(socket.AF_UNIX) for _ in range(300)]
for one in all: one.connect(sys.argv[1])
time.sleep(600)' "$tmp/fds.sock" > /dev/null &
    started="$! $started"
    wait_until has_clients
    "$gumshoe" capture --kinds fds,threads "$pid" > /dev/null
    page fds
    shot fds 1180 330 "fds.html#view=fds" 'document.querySelector("#profiles h2").scrollIntoView();'
}
has_clients() { [ "$(redis-cli -s "$tmp/fds.sock" info clients | tr -d '\r' | sed -n 's/^connected_clients://p')" -gt 300 ]; }

# Python maps memory for its small objects itself.
picture_outside() {
    mkfifo outside.in
    exec 4<> outside.in
    watched outside python3 -c 'rows = [{"id": i, "name": str(i)} for i in range(400000)]; print("ready", flush=True); input()' <&4
    wait_until grep -q ready outside.out
    "$gumshoe" capture --kinds heap "$pid" > /dev/null
    page outside
    shot outside 1180 560 outside.html 'document.querySelector("#memory").scrollIntoView();'
}

picture_timer_server() {
    example timer_server
    page timer_server
    shot timer_server 1180 600 timer_server.html 'document.querySelector("#profiles h2").scrollIntoView();'
}

# The incidents of three examples, and a process that is watched.
picture_serve() {
    for name in leaky_server bank_server session_server; do example $name; done
    "$gumshoe" run --dir running -- redis-server --port 0 --unixsocket "$tmp/other" --save "" > /dev/null 2>&1 &
    started="$! $started"
    wait_until has_watch running
    started="$(watched_in running) $started"
    "$gumshoe" serve --listen "unix:$tmp/serve.sock" leaky_server bank_server session_server running > /dev/null 2>&1 &
    started="$! $started"
    wait_until curl -sf --unix-socket "$tmp/serve.sock" http://localhost/ -o serve.html
    curl -sf --unix-socket "$tmp/serve.sock" http://localhost/style.css -o style.css
    shot serve 1180 560 serve.html ''
}

[ $# -gt 0 ] || set -- report session_server bank_server redis serve peak pages age lifetimes waste fds outside timer_server
for picture; do "picture_$picture"; done
