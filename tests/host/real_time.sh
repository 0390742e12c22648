#!/bin/bash
# A host in real time: none of the agent's threads is, and no program that it starts.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
chrt -f 1 true 2> /dev/null || { echo "no real time here"; exit 77; }
cd "$tmp"
file=$(rules every "{ \"version\": 1, \"interval\": \"100ms\", \"on_incident\": [\"$tmp/hook\"],
    \"rules\": [ { \"name\": \"first\", \"metric\": \"rss\", \"above\": \"1MiB\", \"cooldown\": \"1h\", \"capture\": [\"heap\"] } ] }")
printf '#!/bin/sh\nchrt -p $$ > %s/hooks_policy.new; mv %s/hooks_policy.new %s/hooks_policy\n' "$tmp" "$tmp" "$tmp" > hook
chmod +x hook
policies() { for thread in /proc/"$1"/task/*; do echo "$(cat "$thread/comm") $(sed 's/.*) //' "$thread/stat" | cut -d' ' -f38,39)"; done; } # rt_priority, policy

it "schedules the threads of the agent as normal, and leaves the host's alone"
for policy in fifo rr; do # each in a directory of its own: the host before still runs
    rm -f hooks_policy
    chrt --$policy 1 "$gumshoe" run --rules "$file" --dir $policy -- python3 -c 'import time; x = bytearray(10 << 20); time.sleep(1000)' & started="$started $!"
    wait_until has_incident $policy
    pid=$(watched_in $policy); started="$started $pid"
    wait_until test -e hooks_policy
    policies "$pid" > seen
    grep -q '^gumshoe 0 0$' seen || fail "the watcher: $(cat seen)"
    ! grep '^gumshoe' seen | grep -v ' 0 0$' || fail "a thread of the agent: $(cat seen)"
    grep -q '^python3 1 [12]$' seen || fail "the host: $(cat seen)"
    grep -q "SCHED_OTHER" hooks_policy || fail "on_incident: $(cat hooks_policy)"
done

it "does so for the threads that unshare has had created again"
chrt --fifo 1 "$gumshoe" run --rules "$file" --dir again.d -- python3 -c '
import ctypes, os, time
tasks = lambda: set(os.listdir("/proc/self/task"))
before = tasks()
while len(before) < 2: time.sleep(0.01); before = tasks()
ctypes.CDLL(None).unshare(0x20000) # CLONE_NEWNS
while len(tasks()) < 2 or tasks() & before - {str(os.getpid())}: time.sleep(0.01)
open("again", "w").close()
time.sleep(1000)' & started="$started $!"
wait_until test -e again
pid=$(watched_in again.d); started="$started $pid"
is_normal() { policies "$pid" | grep -q '^gumshoe 0 0$'; }
wait_until is_normal
