#!/bin/bash
# A service under a filter that kills for calls of @resources and @debug, as Debian's unit of redis has one: it lives on through
# incidents of every kind, with the log on its standard error.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
cat > server.py <<'P'
import time
kept = []
for _ in range(3000):
    kept.append(bytearray(100000 if len(kept) < 300 else 1))
    time.sleep(0.1)
P
rules_file=$(rules every '{ "version": 1, "interval": "100ms", "cpu": { "duration": "200ms" }, "incidents": { "keep": 0, "max_per_hour": 0 },
    "symbolize": "auto", "rules": [
    { "name": "all", "metric": "rss", "above": "1MiB", "cooldown": "1h", "capture": ["heap", "threads", "threadcreate", "cpu"] },
    { "name": "files", "metric": "fds", "above": 0, "cooldown": "1h", "capture": ["threads"] } ] }')

it "lives through captures of every kind, descriptors, source lines, and the writing of the history file"
unset GUMSHOE_LOG
"$build/hosts/filtered" /usr/bin/env LD_PRELOAD="$build/libgumshoe.so" GUMSHOE_RULES="$rules_file" GUMSHOE_DIR="$tmp/d" \
    /usr/bin/python3 server.py 2> log & host=$!
started="$started $host"
of_rule() { ls -d d/2*-"$1"-*; }
both() { kill -0 "$host" || fail "the server has ended"; of_rule all && of_rule files; }
wait_until both
[ -s "$(of_rule files)/fds.txt" ] || fail "no list of descriptors"
symbolized() { kill -0 "$host" || fail "the server has ended"; jq -e '.notes | map(select(startswith("symbolize"))) | length > 0' "$(of_rule all)/incident.json"; }
wait_until symbolized
complete "$(of_rule all)" # now that no file is replaced any more
"$gumshoe" capture --kinds heap,threads,cpu --seconds 1 "$host" > /dev/null || fail "no capture on demand: $(cat log)"
has_history() { kill -0 "$host" || fail "the server has ended"; ls d/.history/*.gsh; }
wait_until has_history
kill -0 "$host" || fail "the server has ended"
kill "$host"
status=0; wait "$host" || status=$?
equal "$status" 143 "the status after SIGTERM"

it "is killed by the filter if it makes such a call itself (this check can fail)"
equal "$("$build/hosts/filtered" /usr/bin/python3 -c 'import os; os.setpriority(os.PRIO_PROCESS, 0, 1)' 2> /dev/null; echo $?)" 159 "the filter"
