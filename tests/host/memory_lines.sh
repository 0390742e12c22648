#!/bin/bash
# Lines on memory are judged between ticks: the hosts here have an interval of an hour, so that no tick comes.
#   in a real group of cgroup v1, where the kernel gives notice by thresholds
#   in a group of cgroup v2 that the test makes up (files in place of /proc/PID/cgroup and /proc/PID/mountinfo, in a mount namespace of
#   its own), where the watcher looks by itself
# What this machine does not allow is skipped, and said. GUMSHOE_ROUNDS: this many hosts climb from half of their limit to the limit
# within 300 ms and are ended by the OOM killer; nine of ten must have been captured before (tests/soak.sh: it is a race, and no test
# for a busy machine; GUMSHOE_HOST_UNDER="chrt -f 5" takes the machine's other work out of the figures).
. "$(dirname "$0")/lib.sh"
cd "$tmp"
rounds=${GUMSHOE_ROUNDS:-0}
mkfifo input
groups=
# A process that was killed may be in its group for a moment more.
leave_groups() {
    local at tries pid
    for pid in $started; do kill -9 "$pid" 2> /dev/null || true; done
    for at in $groups; do
        for tries in $(seq 50); do rmdir "$at" 2> /dev/null && break || sleep 0.1; done
    done
}
trap 'code=$?; leave_groups; set +e; (exit $code); finish' EXIT
# one_rule METRIC LINE: a rules file with an interval of an hour.
one_rule() {
    rules "line" '{ "version": 1, "interval": "1h", "incidents": { "keep": 0, "max_per_hour": 0 }, "rules": [
        { "name": "near", "metric": "'"$1"'", "above": "'"$2"'", "cooldown": "1h", "capture": ["heap", "threads"] } ] }'
}
# watched_host PROGRAM…: PROGRAM, watched by the rules $rules, with its input open as descriptor 3; $host.
watched_host() {
    : > out
    GUMSHOE_RULES=$rules GUMSHOE_DIR=$tmp/d "$@" < input > out & host=$!; started="$started $host"
    exec 3> input
    wait_until grep -q calm out
    wait_until has_watch d
}
enter='echo $$ > "$0/cgroup.procs" && LD_PRELOAD=$1 && export LD_PRELOAD && shift && exec "$@"'
library=$build/libgumshoe.so
end_host() { exec 3>&-; kill -9 $host 2> /dev/null || true; wait $host 2> /dev/null || true; }
thresholds_wait() { status_of_watch "$host" '.memory_lines.kernel[] | select(.source == "thresholds").unavailable == null' && status_of_watch "$host" '.memory_lines.thresholds == 15'; }
incidents_of() { find d -maxdepth 1 -type d -name "2*-$1-*" 2> /dev/null | wc -l; }

# ---- cgroup v1 ----------------------------------------------------------------------------------------------------------
limit_mib=128
memory=$(findmnt -nt cgroup -O memory -o TARGET | head -n 1)
group=$memory/gumshoe-test-$$
v1=no
if [ -z "$memory" ]; then echo "  skipped: cgroup v1 does not count memory here"
elif ! mkdir "$group" 2> /dev/null; then echo "  skipped: no group can be made in $memory"
else
    groups=$group
    if ! echo $((limit_mib << 20)) > "$group/memory.limit_in_bytes" 2> /dev/null; then echo "  skipped: $group takes no limit"
    elif ! sh -c 'echo $$ > "$0/cgroup.procs"' "$group" 2> /dev/null; then echo "  skipped: no process can enter $group"
    else v1=yes; fi
fi

in_v1() {
    for metric in group_memory rss; do
        it "captures a climb past the line without a tick, $metric in a group of cgroup v1"
        rm -rf d; rules=$(one_rule $metric 80%)
        watched_host sh -c "$enter" "$group" "$library" "$build/hosts/climb" $((limit_mib / 4)) $((limit_mib * 5 / 8)) 300
        wait_until thresholds_wait
        equal "$(incidents_of near)" 0 "incidents below the line"
        echo >&3 # to 7/8 of the limit, and stays there
        wait_until has_incident d
        complete "$(incident d)"
        equal "$(jq -r .rule "$(incident d)/incident.json")" near "rule"
        equal "$(jq -r .metric "$(incident d)/incident.json")" $metric "metric"
        status_of_watch "$host" '.memory_lines.notices > 0' || fail "no notice of the kernel: $(jq -c .memory_lines "$tmp/status.json")"
        after_a_turn "$host"
        equal "$(incidents_of near)" 1 "incidents within the cooldown"
        "$gumshoe" status "$host" > shown
        grep -q 'between ticks: notices of the kernel by cgroup thresholds' shown || fail "$(head -n 5 shown)"
        end_host
    done

    it "follows a limit that changes, and a process that is moved to another group"
    rm -rf d; rules=$(rules moved '{ "version": 1, "interval": "100ms", "rules": [ { "name": "never", "metric": "group_memory", "above": "99%" } ] }')
    mkdir "$group/inner"; groups="$group/inner $group"
    watched_host sh -c "$enter" "$group/inner" "$library" "$build/hosts/climb" 8 8 0
    wait_until status_of_watch "$host" ".limit == $((limit_mib << 20))"
    echo $((64 << 20)) > "$group/inner/memory.limit_in_bytes"
    wait_until status_of_watch "$host" ".limit == $((64 << 20)) and (.limit_from | endswith(\"inner/memory.limit_in_bytes\"))"
    wait_until status_of_watch "$host" '.memory_lines.kernel[0].path | endswith("inner/memory.usage_in_bytes")'
    wait_until thresholds_wait
    echo $host > "$group/cgroup.procs"
    rmdir "$group/inner"; groups=$group
    wait_until status_of_watch "$host" ".limit == $((limit_mib << 20))"
    wait_until status_of_watch "$host" '.metrics[] | select(.metric == "group_memory").value > 0'
    wait_until thresholds_wait
    end_host
    echo $((limit_mib << 20)) > "$group/memory.limit_in_bytes"
}
[ $v1 = no ] || in_v1

# ---- a made-up group of cgroup v2 -----------------------------------------------------------------------------------------
fake='mount --bind "$0/cgroup" /proc/$$/cgroup && mount --bind "$0/mountinfo" /proc/$$/mountinfo && LD_PRELOAD=$1 && export LD_PRELOAD && shift && exec "$@"'
in_v2() {
    it "captures a line that is crossed between ticks in a group of cgroup v2"
    rm -rf d; rules=$(one_rule group_memory 80%)
    mkdir -p v2/web
    echo 0::/web > cgroup
    echo "1 1 0:1 / $tmp/v2 rw - cgroup2 cgroup2 rw" > mountinfo
    echo $((512 << 20)) > v2/web/memory.max
    echo $((256 << 20)) > v2/web/memory.current
    printf 'low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n' > v2/web/memory.events.local
    printf 'inactive_file 0\n' > v2/web/memory.stat
    if ! unshare -m sh -c "$fake" "$tmp" "" true 2> /dev/null; then echo "    skipped: no mount namespace can be made"; return; fi
    watched_host unshare -m sh -c "$fake" "$tmp" "$library" "$build/hosts/climb" 8 8 0
    wait_until status_of_watch "$host" ".limit == $((512 << 20)) and .memory_lines.look_ms > 0"
    wait_until status_of_watch "$host" '.memory_lines.kernel[] | select(.source == "events").path | endswith("web/memory.events.local")'
    equal "$(incidents_of near)" 0 "incidents below the line"
    echo $((500 << 20)) > v2/web/memory.current.new && cat v2/web/memory.current.new > v2/web/memory.current
    wait_until has_incident d
    complete "$(incident d)"
    equal "$(jq -r '.metric, .value' "$(incident d)/incident.json" | xargs)" "group_memory $((500 << 20))" "metric and value"
    after_a_turn "$host"
    equal "$(incidents_of near)" 1 "incidents within the cooldown"
    end_host
}
in_v2

# ---- without a line that fires at once --------------------------------------------------------------------------------------
it "runs nothing where no rule needs it, and begins and ends with the rules"
rm -rf d; rules=$(rules later '{ "version": 1, "rules": [ { "name": "later", "metric": "rss", "above": "1TiB", "for": "10s" } ] }')
LD_PRELOAD=$library watched_host "$build/hosts/climb" 8 8 0
has_thread() { grep -qx gumshoe-notice /proc/"$host"/task/*/comm; }
has_none() { ! has_thread; }
status_of_watch "$host" '.memory_lines.between_ticks == false' || fail "$(jq -c .memory_lines "$tmp/status.json")"
has_none || fail "a thread waits for notices that no rule needs"
change_rules "$host" "$rules" 'del(.rules[0].for)'
wait_until has_thread
wait_until status_of_watch "$host" '.memory_lines.between_ticks'
change_rules "$host" "$rules" '.rules[0].for = "10s"'
wait_until has_none
end_host

it "asks the kernel for no notices in the first second: a process that has a PSI trigger ends later"
cat > short.py <<'P'
import os, time
began = float(open("/proc/self/stat").read().rsplit(")", 1)[1].split()[19]) / os.sysconf("SC_CLK_TCK")
time.sleep(0.3)
names = [open("/proc/self/task/%s/comm" % tid).read().strip() for tid in os.listdir("/proc/self/task")]
print("short" if time.clock_gettime(time.CLOCK_BOOTTIME) - began < 0.9 else "long", "gumshoe" in names, "gumshoe-notice" in names)
P
rules=$(rules now '{ "version": 1, "rules": [ { "name": "now", "metric": "memory_pressure", "above": "99%" }, { "name": "rss", "metric": "rss", "above": "1TiB" } ] }')
is_short() { GUMSHOE_RULES=$rules GUMSHOE_DIR=$tmp/short LD_PRELOAD=$library python3 short.py > short.out && grep -q ^short short.out; }
wait_until is_short # on a busy machine it may take longer
equal "$(cat short.out)" "short True False" "length, watched, with a thread for notices"

# ---- the race ----------------------------------------------------------------------------------------------------------------
[ "$rounds" -gt 0 ] && [ $v1 = yes ] || exit 0
# A read-only cgroup tree takes no thresholds: the watcher looks by itself, as with cgroup v2.
read_only='echo $$ > "$0/cgroup.procs" && mount -o remount,bind,ro "${0%/*}" && LD_PRELOAD=$1 && export LD_PRELOAD && shift && exec "$@"'
looks_wait() { status_of_watch "$host" '.memory_lines | .look_ms > 0 and .thresholds == 0 and .kernel[0].unavailable != null'; }
# race METRIC HOW COMMAND…: $rounds climbs of a host that COMMAND starts.
race() {
    local metric=$1 how=$2 captured=0 killed=0 round status; shift 2
    rules=$(one_rule $metric 80%)
    for round in $(seq "$rounds"); do
        rm -rf d
        watched_host ${GUMSHOE_HOST_UNDER:-} "$@" "$group" "$library" "$build/hosts/climb" $((limit_mib / 2 - 4)) $((limit_mib / 2)) 300
        wait_until ${how}_wait
        echo >&3; echo >&3
        status=0; wait $host 2> /dev/null || status=$?
        exec 3>&-
        [ $status -ne 137 ] || killed=$((killed + 1))
        [ "$(incidents_of near)" -eq 0 ] || [ "$(jq .complete "$(incident d)/incident.json")" != true ] || captured=$((captured + 1))
    done
    echo "    $metric, limit $limit_mib MiB, by $how: $captured of $rounds captured, complete and before the kill; $killed of $rounds were killed"
    equal $killed "$rounds" "hosts that the OOM killer ended"
    [ $((10 * captured)) -ge $((9 * rounds)) ] || fail "captured $captured of $rounds"
}
it "captures $rounds climbs from half of the limit to the limit within 300 ms, before the OOM killer ends the host"
for limit_mib in 128 512; do
    echo $((limit_mib << 20)) > "$group/memory.limit_in_bytes"
    for metric in group_memory rss; do
        race $metric thresholds sh -c "$enter"
        ! unshare -m true 2> /dev/null || race $metric looks unshare -m sh -c "$read_only"
    done
done
