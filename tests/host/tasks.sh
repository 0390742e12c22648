#!/bin/bash
# A server with many workers in a cgroup that allows few tasks: the watch leaves them to the workers.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
cd "$tmp"
file=$(rules any '{ "version": 1, "rules": [ { "name": "never", "metric": "rss", "above": "80%" } ] }')
at=
for hierarchy in $(findmnt -nt cgroup -O pids -o TARGET) $(findmnt -nt cgroup2 -o TARGET); do
    made=$hierarchy/gumshoe-tasks-$$
    if mkdir "$made" 2> /dev/null; then
        trap 'for pid in $started; do kill -9 "$pid" 2> /dev/null || true; done; started=; for _ in $(seq 100); do rmdir "$made" 2> /dev/null && break; sleep 0.1; done; finish' EXIT
        if echo 40 > "$made/pids.max"; then at=$made; break; fi
        rmdir "$made"
    fi
done 2> /dev/null
[ -n "$at" ] || { echo "no cgroup with pids.max can be made here"; exit 77; }
cat > server.py <<'P'
import os, signal, sys, time
workers = []
for _ in range(24):
    try:
        pid = os.fork()
    except OSError as error:
        print("fork:", error.strerror)
        break
    if pid == 0:
        time.sleep(1000)
        os._exit(0)
    workers.append(pid)
    time.sleep(0.2)  # so that each is old enough to be watched before the next comes
print(len(workers), "workers")
for pid in workers:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
P
run() { within_patience sh -c 'echo $$ > "$0/cgroup.procs" && exec "$@"' "$at" "$@"; }

it "has as many workers as without us"
run python3 server.py > wanted
equal "$(cat wanted)" "24 workers" "without us"
run "$gumshoe" run --rules "$file" --dir d -- python3 server.py > got
diff wanted got || fail "$(cat log)"
it "watches the first, and says why it does not watch the others"
[ "$(grep -c 'info: watching: forked by' log)" -ge 1 ] || fail "no child was watched"
[ "$(grep -c 'not watching: forked by .*pids.max' log)" -ge 10 ] || fail "the log does not say it"
