#!/bin/bash
# Incidents about CPU time and descriptors: the watch continues while CPU time is sampled, and an early end keeps the samples.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
rules=$(rules spin '{"version": 1, "interval": "100ms", "cpu": {"duration": "5s", "before": "2s"}, "incidents": {"max_per_hour": 0, "keep": 0}, "rules": [
    {"name": "spin", "metric": "cpu", "above": "2%", "for": "300ms"},
    {"name": "often", "every": "1s", "cooldown": "0s", "capture": ["threads"]},
    {"name": "leak", "metric": "fds", "above": 300, "capture": ["threads"]}]}')
# Opens files and spins for each line of input, and until the input ends.
cat > spin.py <<'P'
import select, socket, sys
sys.stdin.readline()
files = [open("/dev/null") for _ in range(200)] + [open(__file__) for _ in range(50)]
server = socket.create_server(("127.0.0.1", 0))
pairs = [socket.create_connection(server.getsockname()) for _ in range(60)]
while not select.select([sys.stdin], [], [], 0)[0]:
    sum(i * i for i in range(1000))
P
mkfifo input
# begin DIR: the program under watch, at rest; $host and $pid.
begin() {
    "$gumshoe" run --rules "$rules" --dir "$1" -- /usr/bin/python3 spin.py < input & host=$!; started="$started $host"
    exec 3> input
    wait_until has_watch "$1"
    pid=$(watched_in "$1")
}
end() { exec 3>&-; wait $host; }
of() { find incidents -mindepth 1 -maxdepth 1 -name "2*-$1-*"; }
has() { [ "$(of "$1" | wc -l)" -ge "$2" ]; }

begin incidents
sleep 3 # for there to be a time before the trigger
echo >&3
wait_until has spin 1
wait_until has often 5
wait_until has leak 1
end
spin=$(of spin)
it "captures CPU time for a rule about it, and finds the interpreter's loop"
equal "$(jq -r '[.steps[].name] | join(" ")' "$spin/incident.json")" "threads cpu context summary" "steps"
equal "$(jq -r .culprit.kind "$spin/incident.json")" cpu "the culprit's kind"
grep -q 'CPU time by function' "$spin/summary.txt" || fail "$(cat "$spin/summary.txt")"
go tool pprof -top "$spin/cpu.pb.gz" > top 2> err || { cat err; fail "pprof"; }
grep -q _PyEval_EvalFrameDefault top || fail "$(cat top)"
it "has the time before the trigger as well"
awk '/^Duration:/ { sub("s,", "", $2); exit !($2 + 0 >= 6.9) }' top || fail "$(cat top)"
go tool pprof -comments "$spin/cpu.pb.gz" 2> /dev/null | grep -q 'the first 2.0 s were sampled before the trigger' || fail "no word of before"
it "watches meanwhile: there are other incidents in between, and ticks in the history"
python3 - "$spin" $(of often) <<'P' || fail "$(ls incidents)"
import datetime, json, sys
def began(path):
    return datetime.datetime.fromisoformat(json.load(open(path + "/incident.json"))["triggered"].replace("Z", "+00:00")).timestamp()
spin = began(sys.argv[1])
ticks = [t for t, v in json.load(open(sys.argv[1] + "/metrics.json"))["series"]["cpu"] if spin < t < spin + 5]
sys.exit(not (any(spin < began(other) < spin + 5 for other in sys.argv[2:]) and len(ticks) >= 5))
P
it "lists the descriptors by kind for a rule about them"
leak=$(of leak)
head -n 3 "$leak/fds.txt" | grep -q '20[0-9]  path /dev/null' || fail "$(cat "$leak/fds.txt")"
grep -q '50  file .*/spin.py' "$leak/fds.txt" || fail "$(cat "$leak/fds.txt")"
grep -q 'socket tcp to 127.0.0.1:\|socket tcp of port' "$leak/fds.txt" || fail "$(cat "$leak/fds.txt")"
it "ends the profile early when the program exits, and keeps its samples"
rules=$(rules long '{"version": 1, "interval": "100ms", "cpu": {"duration": "1h"}, "rules": [{"name": "spin", "metric": "cpu", "above": "2%", "for": "300ms"}]}')
begin early
echo >&3
wait_until status_of_watch "$pid" '.under_way == 1'
# 40 or so samples later.
cpu_ticks() { awk '{ print $14 + $15 }' "/proc/$pid/stat"; }
enough=$(($(cpu_ticks) + 40))
has_worked() { [ "$(cpu_ticks)" -ge $enough ]; }
wait_until has_worked
end
early=$(incident early)
equal "$(jq -r .complete "$early/incident.json")" true complete
jq -r '.notes[]' "$early/incident.json" | grep -q 'ended early' || fail "$(jq .notes "$early/incident.json")"
[ "$(go tool pprof -top "$early/cpu.pb.gz" 2>/dev/null | sed -n 's/.*Total samples = \([0-9]*\).*/\1/p')" -ge 1 ] || fail "no samples"
