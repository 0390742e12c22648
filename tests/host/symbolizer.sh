#!/bin/bash
# "symbolize": the agent starts the command that is installed with its library after each incident, and the host notices nothing of it,
# however it ends. The command here is a script; what the real one does is tested in symbolize.sh.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
host=$build/hosts/linked_fault_injection
export GUMSHOE_DIR=$tmp/d GUMSHOE_RULES=$tmp/rules.json
mkdir -p prefix/lib/a-triplet prefix/bin
cp "$build/libgumshoe.so.1" prefix/lib/a-triplet/
export LD_LIBRARY_PATH=$tmp/prefix/lib/a-triplet # before the path in the program: it is a RUNPATH
readelf -d "$host" | grep -q RUNPATH || fail "the host does not search LD_LIBRARY_PATH first"
mkfifo input

# command SCRIPT: the command of the library that the host loads.
command() { rm -f prefix/bin/gumshoe; printf '%s\n' '#!/bin/sh' "$1" > prefix/bin/gumshoe; chmod 755 prefix/bin/gumshoe; }
# settings MORE: the rules. Not by `rules`, which would say "off".
settings() {
    printf '%s\n' "{ \"version\": 1, $1 \"incidents\": { \"keep\": 0, \"max_per_hour\": 0 },
      \"rules\": [ { \"name\": \"high\", \"metric\": \"threads\", \"above\": 10000, \"capture\": [\"threads\"] } ] }" > rules.json
    rm -rf d log
}
# host MODE: the host is started; each line of descriptor 3 makes an incident.
host() { rm -f out; "$host" "$1" < input > out & pid=$!; started="$started $pid"; exec 3> input; }
host_ends() { exec 3>&-; wait $pid || fail "the host: status $?"; }
captured() { [ "$(grep -c 'capture ok' out)" = "$1" ]; }
# one INCIDENT is made.
one() { echo go >&3; wait_until captured "${1:-1}"; }
said() { jq -r .notes[] "$(incident d)/incident.json" | grep -q "$1"; }
whole() {
    equal "$(jq -r .complete "$(incident d)/incident.json")" true complete
    equal "$(jq -c .errors "$(incident d)/incident.json")" '[]' errors
    equal "$(find d -name '*.new' | wc -l)" 0 "half a file"
}

it "runs it on the incident once it is complete on disk, at low priority, with an environment of its own, before on_incident's program"
printf '%s\n' '#!/bin/sh' "echo program >> $tmp/order" > program; chmod 755 program
settings "\"on_incident\": [\"$tmp/program\"],"
command "echo symbolized >> $tmp/order; [ \"\$1\" = symbolize ] && jq -r .complete \"\$2/incident.json\" > $tmp/complete
  env > $tmp/env; pwd > $tmp/pwd; ulimit -d > $tmp/data; cat /proc/self/oom_score_adj > $tmp/oom; ls -l /proc/\$\$/fd > $tmp/fds
  cut -d' ' -f19 /proc/self/stat > $tmp/nice; sed 's/.*nice //' /proc/self/autogroup > $tmp/session 2>&1; ionice -p \$\$ > $tmp/io; grep NoNewPrivs /proc/self/status > $tmp/privileges"
before=$(nice)
SECRET=yes HOME=/home/x LD_PRELOAD=/nonexistent.so host parent 2> /dev/null
wait_until grep -q program order
equal "$(paste -sd' ' order)" "symbolized program" "the order"
equal "$(cat complete)" true "complete before it was symbolized"
! grep -qE '^(LD_|SECRET|GUMSHOE_(DIR|RULES|LOG))' env || fail "$(cat env)"
grep -qx GUMSHOE_DISABLE=1 env && grep -qx HOME=/home/x env || fail "$(cat env)"
equal "$(cat pwd oom nice | paste -sd' ')" "/ 1000 19" "folder, share of the blame for memory, priority"
[ ! -e /proc/self/autogroup ] || equal "$(cat session)" 19 "priority of its session"
grep -q idle io || fail "$(cat io)"
grep -q 1 privileges || fail "$(cat privileges)"
[ "$(cat data)" -le $((448 * 1024)) ] || fail "it may use $(cat data) KiB"
equal "$(grep -c /dev/null fds)" 3 "descriptors that are /dev/null: $(cat fds)"
host_ends
it "does not affect the host's SIGCHLD handler, its wait, or its own children"
sed -n '/signals/,$p' out | diff - <(printf '%s\n' 'signals 0, children 0, early 0' 'own child found, signals 1' done) || fail "the host noticed"
whole

# is_left_alone WHY: an incident is made, and no command was run; status says why.
is_left_alone() {
    rm -f ran
    host steps; one
    wait_until status_of_watch "$pid" ".symbolize | test(\"$1\")"
    host_ends
    [ ! -e ran ] || fail "it was run"
    ! said symbolize || fail "$(jq -c .notes "$(incident d)/incident.json")"
    ! grep symbolize log || fail "the log speaks of it"
    whole
}
it "runs nothing when the rules say so, where the command is not installed, or if others may change it"
command "touch $tmp/ran"; settings '"symbolize": "off",'; is_left_alone 'the rules say'
settings ''; mv prefix/bin/gumshoe elsewhere; PATH=$tmp/prefix/other:$PATH is_left_alone 'not installed'
mv elsewhere prefix/bin/gumshoe; chmod 775 prefix/bin/gumshoe; is_left_alone 'not installed'
chmod 755 prefix/bin/gumshoe
it "finds it beside the library, too"
mv prefix/bin/gumshoe prefix/lib/a-triplet/
settings ''; host steps; one; wait_until test -e ran; host_ends
mv prefix/lib/a-triplet/gumshoe prefix/bin/
it "says it when the command fails, or is killed; the incident stays complete"
command 'exit 3'; settings ''; host steps; one; wait_until said 'symbolize: failed with exit status 3'; host_ends; whole
command 'kill -9 $$'; settings ''; host steps; one; wait_until said 'symbolize: killed by signal 9'; host_ends; whole
command 'exit 3'; sed -i 's|/bin/sh|/no/such/shell|' prefix/bin/gumshoe
settings ''; host steps; one; one 2; host_ends; whole
equal "$(grep -c 'symbolize: the command could not be run: No such file' log)" 1 "messages that it cannot be run"
it "stops it when the watch ends, which the host does not wait for, and runs on_incident's program all the same"
command "echo \$\$ > $tmp/running.new; mv $tmp/running.new $tmp/running; sleep 1000"; settings "\"on_incident\": [\"$tmp/program\"],"
rm -f order; host steps; one; wait_until test -e running
host_ends
is_gone() { ! kill -0 "$(cat running)"; }
wait_until is_gone
said 'symbolize: stopped because the watch ended' || fail "$(jq -c .notes "$(incident d)/incident.json")"
wait_until test -e order
it "does not let it outlive a host that is killed"
rm -f running; settings ''; host steps; one; wait_until test -e running
kill -9 $pid; wait $pid 2> /dev/null || true; exec 3>&-
wait_until is_gone
whole
it "symbolizes one at a time; if too many wait the oldest is left out, and its notes say so"
command "echo \"\$2\" >> $tmp/turns; until [ -e $tmp/go ]; do sleep 0.1; done"
settings ''; rm -f go; host steps
one; wait_until test -s turns
for n in 2 3 4 5 6 7; do one $n; done # one runs, six wait, four of them in line
touch go
have_run() { [ "$(wc -l < turns)" = 5 ]; }
wait_until have_run
host_ends
equal "$(jq -r '.notes[]' d/2*/incident.json | grep -c 'symbolize: not done: later incidents')" 2 "incidents that were left out"
equal "$(jq -r '.notes | length' "$(find d -maxdepth 1 -name '2*' | sort | sed -n 2p)/incident.json")" 1 "the oldest that waited"
