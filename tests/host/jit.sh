#!/bin/bash
# Real compilers of generated code and the perf maps that they write themselves: node's, as it goes, and Java's. Frames have the
# names of scripts and classes.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
rules=$(rules never '{"version": 1, "interval": "50ms", "incidents": {"keep": 0, "max_per_hour": 0}, "rules": [
    {"name": "never", "metric": "threads", "above": 1000000, "capture": ["threads"]}]}')
mkfifo input
maps=
trap 'rm -f $maps; finish' EXIT
# burns COMMAND…: run it watched until it says that it is warm; $pid.
burns() {
    rm -rf d; : > out
    "$gumshoe" run --rules "$rules" --dir d -- "$@" < input > out 2> err & host=$!; started="$started $host"
    exec 3> input
    wait_until has_watch d
    pid=$(watched_in d); maps="$maps /tmp/perf-$pid.map"
    wait_until grep -q warm out
}
names_frames() { go tool pprof -top -nodecount=100000 "$dir/cpu.pb.gz" 2> /dev/null | grep -qE "$1" || fail "no $1: $(go tool pprof -top "$dir/cpu.pb.gz" 2> /dev/null | head -n 15)"; }

it "names JavaScript functions by the map that node --perf-basic-prof writes"
if command -v node > /dev/null; then
    cat > burn.js <<'J'
function rankHits(n) { let sum = 0; for (let i = 0; i < n; i++) sum = (sum * 31 + i) % 1000003; return sum; }
let rounds = 0;
function scorePages() { for (let i = 0; i < 20; i++) rankHits(200000); if (++rounds === 20) console.log("warm"); setImmediate(scorePages); }
process.stdin.on("data", () => {}).on("end", () => process.exit(0));
scorePages();
J
    burns node --perf-basic-prof burn.js
    dir=$("$gumshoe" capture --kinds cpu --seconds 2 "$pid")
    exec 3>&-; wait $host || fail "node ended with $?"
    names_frames 'rankHits .*burn\.js'
    [ -z "$(jq -r '.culprit.function // ""' "$dir/incident.json" | grep -v -e rankHits -e scorePages)" ] || fail "the culprit: $(jq -c .culprit "$dir/incident.json")"
else
    echo "    skipped: there is no node"
fi

it "names Java methods by the map that the virtual machine dumps"
if command -v java > /dev/null && command -v jcmd > /dev/null; then
    cat > Burn.java <<'J'
public class Burn {
    static volatile long sum;
    static long rankHits(int n) { long s = 0; for (int i = 0; i < n; i++) s = (s * 31 + i) % 1000003; return s; }
    public static void main(String[] arguments) throws Exception {
        Thread reader = new Thread(() -> { try { while (System.in.read() >= 0) { } } catch (Exception e) { } System.exit(0); });
        reader.setDaemon(true);
        reader.start();
        for (int round = 0; ; round++) { sum += rankHits(1000000); if (round == 200) System.out.println("warm"); }
    }
}
J
    burns java -XX:+PreserveFramePointer Burn.java
    jcmd "$pid" Compiler.perfmap > said 2>&1 || fail "$(cat said)"
    dir=$("$gumshoe" capture --kinds cpu --seconds 2 "$pid")
    exec 3>&-; wait $host || fail "java ended with $?"
    names_frames 'Burn\.rankHits'
else
    echo "    skipped: there is no java with jcmd"
fi
