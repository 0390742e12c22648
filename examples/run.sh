#!/bin/bash
# examples/run.sh NAME [DIR] - runs one example server under load until its rule fires, and shows the incident.
#
#   leaky_server     a cache that never evicts                                    C
#   session_server   a leak through a container                                   C++
#   bank_server      a deadlock                                                   C++
#   timer_server     a worker that spins                                          C++
#   pprof_server     an HTTP server that serves its own profiles, and leaks       C
#
# Incidents go to DIR (default: a new directory in /tmp). Everything is on loopback and ends by itself. The first run builds.
set -eu
cd "$(dirname "$0")/.."
build=${GUMSHOE_BUILD:-build}     # a build directory
patience=${GUMSHOE_PATIENCE:-60}  # seconds after which this gives up

case ${1:-} in
leaky_server | session_server | bank_server | timer_server | pprof_server) name=$1 ;;
*) sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
dir=${2:-$(mktemp -d "${TMPDIR:-/tmp}/gumshoe-$name-XXXXXX")}
if [ ! -x "$build/examples/$name" ]; then
    tests/setup.sh build
    cmake -S . -B "$build" -DGUMSHOE_TESTS=OFF -DGUMSHOE_EXAMPLES=ON > /dev/null
    cmake --build "$build" --parallel "$(nproc)" | tail -n 1
fi

work=$(mktemp -d)
started=
finish() {
    for pid in $started; do kill "$pid" 2> /dev/null || true; done
    wait 2> /dev/null || true
    rm -rf "$work"
}
trap finish EXIT
wait_for() { # wait_for COMMAND…: until it succeeds
    local until=$((SECONDS + patience))
    until "$@" > /dev/null 2>&1; do
        [ $SECONDS -lt $until ] || { cat "$work/log" >&2; echo "after $patience s still not: $*" >&2; exit 1; }
        sleep 0.1
    done
}
in_background() { "$@" > /dev/null 2>&1 & started="$! $started"; }

# ---- the load of each server ---------------------------------------------------------------------------------------
load_leaky_server() {
    "$build/examples/client" "$port" 500 200
    "$build/examples/client" "$port" 8000 4000
}

# Visitors log in, and close the connection without a LOGOUT.
load_session_server() {
    local visit user
    for visit in {1..40}; do
        exec 3<> "/dev/tcp/127.0.0.1/$port"
        for user in {1..250}; do
            echo "LOGIN visitor-$visit-$user" >&3
            read -r <&3
        done
        exec 3>&-
    done
}

# Six clients transfer from 0 to 1, six from 1 to 0.
transfer() {
    exec 3<> "/dev/tcp/127.0.0.1/$port"
    while echo "TRANSFER $1 $2 1" >&3 && read -r <&3; do :; done
}
load_bank_server() {
    for _ in {1..6}; do
        in_background transfer 0 1
        in_background transfer 1 0
    done
}

load_timer_server() {
    exec 3<> "/dev/tcp/127.0.0.1/$port"
    printf 'SET invoice 200\nHOLD invoice\nSET reminder 400\n' >&3
    read -r <&3
}

load_pprof_server() {
    local picture
    for picture in {1..4000}; do
        exec 3<> "/dev/tcp/127.0.0.1/$port"
        printf 'GET /thumbnail/%d HTTP/1.0\r\n\r\n' "$picture" >&3
        while read -r <&3; do :; done
        exec 3>&-
    done
}

# ---- run, wait, show -----------------------------------------------------------------------------------------------
listens() { port=$(sed -n 's/listening on 127.0.0.1://p' "$work/out") && [ -n "$port" ]; }
has_incident() { [ -n "$(incident)" ]; }
incident() { find "$dir" -maxdepth 1 -name '2*' -type d | sort | tail -n 1; }
# The agent runs `gumshoe symbolize` on each incident, for source lines, and notes the outcome.
has_lines() { grep -q '"symbolize: ' "$(incident)/incident.json"; }

echo "== $build/examples/$name --rules examples/$name.json --dir $dir"
"$build/examples/$name" --seconds 600 --rules "examples/$name.json" --dir "$dir" > "$work/out" 2> "$work/log" &
started=$!
wait_for listens
sleep 1.2 # for the baseline, which leaky, session and pprof_server take after their first second
"load_$name"
wait_for has_incident
wait_for has_lines

if [ "$name" = pprof_server ] && command -v go > /dev/null; then
    echo
    echo "== go tool pprof -top http://127.0.0.1:$port/debug/pprof/heap"
    PPROF_TMPDIR=$work go tool pprof -top "http://127.0.0.1:$port/debug/pprof/heap" 2> /dev/null | head -n 14
fi
echo
echo "== $build/gumshoe show --dir $dir"
"$build/gumshoe" show --dir "$dir"
