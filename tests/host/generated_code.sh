#!/bin/bash
# Code that a program generates at run time has the name that the program's perf map gives it; without a map it is "[jit PROGRAM]".
their_path=$PATH
. "$(dirname "$0")/lib.sh"
[ "$(uname -m)" = x86_64 ] || { echo "the program writes x86-64 code"; exit 77; }
cd "$tmp"
mkdir -m 700 incidents
export GUMSHOE_DIR=$tmp/incidents
export GUMSHOE_RULES; GUMSHOE_RULES=$(rules never '{ "version": 1, "budget": "100%", "incidents": { "keep": 0, "max_per_hour": 0 },
    "rules": [ { "name": "never", "every": "24h" } ] }')

# run MAP: starts the program, with or without a map, and waits until it has allocated; its pid is in $pid.
run() {
    rm -f out; LD_PRELOAD=$build/libgumshoe.so "$build/hosts/generates_code" "$1" 100 wait > out &
    pid=$!; started="$started $pid"
    wait_until grep -q done out
    wait_until status_of_watch "$pid" true
}
# shown NAME WHAT: NAME is the culprit of the incident in $dir, and the heaviest function by our top and by pprof's.
shown() {
    equal "$(jq -r .culprit.function "$dir/incident.json")" "$1" "the culprit of $2"
    grep -qF "$1" "$dir/summary.txt" || fail "the summary of $2 does not say $1: $(cat "$dir/summary.txt")"
    "$gumshoe" top "$dir/heap.pb.gz" > top; grep -qF "$1" top || fail "top of $2: $(cat top)"
    go tool pprof -top "$dir/heap.pb.gz" > top 2> /dev/null; grep -qF "$1" top || fail "pprof's top of $2: $(cat top)"
    ! grep -F '[[anon' "$dir/summary.txt" top || fail "$2: [[anon]] is no name"
}

it "names the function as the perf map does"
run map
dir=$("$gumshoe" capture --kinds heap "$pid"); shown "JS:*render_page app.js:12" "a program with a perf map"
grep -qF "JS:before" "$dir/summary.txt" && fail "the name of the code before it is used"

it "does not use a perf map that may be another user's, and says so"
mv "/tmp/perf-$pid.map" mine; ln -s "$tmp/mine" "/tmp/perf-$pid.map"
dir=$("$gumshoe" capture --kinds heap "$pid"); shown "[jit generates_code]" "a map that is a symbolic link"
go tool pprof -comments "$dir/heap.pb.gz" 2> /dev/null | grep -qF "/tmp/perf-$pid.map: not a regular file" || fail "nothing is said of the link"
rm -f "/tmp/perf-$pid.map"

it "names code without a map [jit PROGRAM], also in the incident of its death"
dir=$("$gumshoe" capture --kinds heap "$pid"); shown "[jit generates_code]" "a program without a map"
kill -9 "$pid"; wait "$pid" 2> /dev/null || true
box=$(ls "$GUMSHOE_DIR"/.live/*.box)
dir=$("$gumshoe" recover "$box" --dir "$tmp/recovered" | tail -1); dir=$(incident "$tmp/recovered")
shown "[jit generates_code]" "a process that died"

if PATH=$their_path command -v node > /dev/null; then
    it "names node's functions: $(PATH=$their_path node --version)"
    cat > app.js <<'J'
const kept = [];
function render_page(i) { kept.push(Buffer.alloc(100000, i & 255)); return kept.length; }
function serve() { for (let i = 0; i < 1000; i++) render_page(i); }
serve();
console.log("done");
setInterval(() => {}, 1000);
J
    LD_PRELOAD=$build/libgumshoe.so "$(PATH=$their_path command -v node)" --perf-basic-prof --interpreted-frames-native-stack app.js > node.out &
    pid=$!; started="$started $pid"
    wait_until grep -q done node.out
    wait_until status_of_watch "$pid" true
    dir=$("$gumshoe" capture --kinds heap "$pid")
    go tool pprof -traces "$dir/heap.pb.gz" > traces 2> /dev/null
    rm -f "/tmp/perf-$pid.map"
    grep -q 'JS:.*render_page .*app.js' traces || fail "render_page is not in the heap profile: $(head -60 traces)"
    kill "$pid"; wait "$pid" 2> /dev/null || true
else
    echo "  (no node here)"
fi
