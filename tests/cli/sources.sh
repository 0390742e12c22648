#!/bin/bash
# gumshoe replay and suggest read what other programs wrote: Debian's Prometheus and promtool, pidstat and sar, and exports as Grafana
# and docker have them.
. "$(dirname "$0")/lib.sh"

replay() { "$gumshoe" replay "$@" > "$tmp/out" 2> "$tmp/err" && status=0 || status=$?; }
ask() { jq -r "$1" "$tmp/out"; }
says() { grep -qF -- "$1" "$tmp/out" || fail "not said: $1: $(cat "$tmp/out" "$tmp/err")"; }
complains() { grep -qF -- "$1" "$tmp/err" || fail "not complained: $1: $(cat "$tmp/out" "$tmp/err")"; }
# Rules that never fire, one a metric: replay then says when each came closest, which is at its highest value.
cat > rules.json <<'J'
{ "version": 1, "interval": "1s", "rules": [
  { "name": "rss", "metric": "rss", "above": "4TiB" }, { "name": "fds", "metric": "fds", "above": 1000000 },
  { "name": "threads", "metric": "threads", "above": 1000000 }, { "name": "heap", "metric": "heap_in_use", "above": "4TiB" },
  { "name": "queue", "metric": "gauge:queue", "above": 1000000 }, { "name": "group", "metric": "group_memory", "above": "4TiB" },
  { "name": "cpu", "metric": "cpu", "above": "99%" }, { "name": "switches", "metric": "context_switches", "above": 100000000 } ] }
J
# highest RULE: the highest value of its metric in the history that was replayed.
highest() { ask ".rules[] | select(.rule == \"$1\") | .closest.value"; }

# ---- a server that grows, watched by all of them --------------------------------------------------------------------

cat > grow.py <<'P'
import threading, time
kept = []
threading.Thread(target=time.sleep, args=(100000,), daemon=True).start()
while len(kept) < 400:
    kept.append(b"x" * (1 << 20))
    time.sleep(0.05)
time.sleep(100000)
P
never=$(rules never '{"version": 1, "rules": [{"name": "never", "metric": "rss", "above": "4TiB"}]}')
GUMSHOE_RULES=$never GUMSHOE_DIR=$PWD/incidents LD_PRELOAD=$build/libgumshoe.so /usr/bin/python3 grow.py & host=$!; started="$started $host"
"$gumshoe" serve --listen 127.0.0.1:0 incidents > served.out 2> said & started="$started $!"
S_TIME_FORMAT=ISO pidstat -h -r -u -w -v -p $host 1 > pidstat.h & pidstat=$!; started="$started $pidstat"
LC_ALL=C pidstat -r -w -p $host 1 > pidstat.tables & tables=$!; started="$started $tables"
wait_until grep -q 'serving at' said
address=$(sed -n 's|.*serving at http://\([^/]*\).*|\1|p' said)
port=$(a_free_port)
printf 'global: {scrape_interval: 1s}\nscrape_configs: [{job_name: shop, static_configs: [{targets: ["%s"]}]}]\n' "$address" > prometheus.yml
prometheus --config.file=prometheus.yml --storage.tsdb.path="$tmp/tsdb" --web.listen-address="127.0.0.1:$port" > prometheus.log 2>&1 & prometheus=$!; started="$started $prometheus"
query_range() { curl -sS -G "http://127.0.0.1:$port/api/v1/query_range" --data-urlencode "query=$1" -d "start=$(($(date +%s) - 600))" -d "end=$(date +%s)" -d step=1; }
mine='{job="shop",__name__=~"process_.*|gumshoe_.*"}'
has_five() { query_range "process_resident_memory_bytes{pid=\"$host\"}" > five.json && [ "$(jq '.data.result[0].values | length' five.json)" -ge 5 ]; }
wait_until has_five

it "reads Prometheus' query_range"
query_range "$mine" > matrix.json
replay --rules rules.json --json matrix.json
equal $status 0 "status: $(cat err)"
most() { jq "[.data.result[] | select(.metric.__name__ == \"$1\") | .values[][1] | tonumber] | max" matrix.json; }
equal "$(highest rss)" "$(most process_resident_memory_bytes)" rss
equal "$(highest fds)" "$(most process_open_fds)" fds
equal "$(highest threads)" "$(most process_threads)" threads
equal "$(highest heap | cut -d. -f1)" "$(most gumshoe_heap_in_use_bytes | cut -d. -f1)" heap_in_use
[ "$(highest cpu)" != null ] || fail "no cpu: $(cat out)"
equal "$(ask .history.interval_ms)" 1000 "the step"
ask .history.from | grep -qE '^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.000Z$' || fail "the time: $(ask .history.from)"
complains 'rss is "process_resident_memory_bytes"'
complains 'cpu is the increase of "process_cpu_seconds_total"'
complains 'left out, because they are no metrics: '
equal "$(grep -c process_virtual_memory_bytes err)" 1 "named once"
jq '.data.result' matrix.json > result.json
replay --rules rules.json --json result.json
equal "$(highest rss)" "$(most process_resident_memory_bytes)" "rss of the array alone"
replay --rules rules.json --json --cpus 2 matrix.json
! grep -q 'give --cpus' err || fail "$(cat err)"

it "reads what promtool prints of it: a range, and a dump of the database"
promtool query range --start=$(($(date +%s) - 600)) --end="$(date +%s)" --step=1s "http://127.0.0.1:$port" "process_resident_memory_bytes{pid=\"$host\"}" > range.txt
replay --rules rules.json --json range.txt
equal $status 0 "status: $(cat err)"
equal "$(highest rss)" "$(sed -n 's/ @.*//p' range.txt | sort -g | tail -n 1)" "rss of the range"
kill "$prometheus"; wait "$prometheus" || true
promtool tsdb dump "$tmp/tsdb" > dump.txt
replay --rules rules.json --json dump.txt
equal $status 0 "status: $(cat err)"
equal "$(highest rss)" "$(awk '/__name__="process_resident_memory_bytes"/ { v = $(NF - 1) + 0; if (v > most) most = v } END { printf "%d", most }' dump.txt)" "rss of the dump"
complains "times are milliseconds since 1970"

it "reads pidstat's single table, and its tables one after another"
enough() { [ "$(grep -c " $host " "$1")" -ge "$2" ]; }
wait_until enough pidstat.h 3
wait_until enough pidstat.tables 6
kill -INT $pidstat $tables; wait $pidstat || true; wait $tables || true
for file in pidstat.h pidstat.tables; do
    replay --rules rules.json --json $file
    equal $status 0 "$file: $(cat err)"
    equal "$(highest rss)" "$(awk '/RSS/ { for (i = 1; i <= NF; i++) if ($i == "RSS") at = NF - i } /Command/ && !/RSS/ { at = 0 }
        at && / '$host' / && !/^Average/ && $(NF - at) * 1024 > most { most = $(NF - at) * 1024 } END { printf "%d", most }' $file)" "rss of $file"
    ask .history.from | grep -q "^$(date -u +%Y-)" || fail "the day: $(ask .history.from)"
done
replay --rules rules.json --json pidstat.h
[ "$(highest threads)" -ge 2 ] && [ "$(highest fds)" -ge 1 ] && [ "$(highest cpu)" != null ] && [ "$(highest switches)" != null ] || fail "$(cat out err)"
complains 'cpu is a share of the machine'

it "takes nothing of sar for the process, unless it is told to"
LC_ALL=C sar -r 1 2 > sar.r
replay --rules rules.json --json sar.r
equal $status 3 "sar -r"
complains 'no column is a metric: "kbmemfree"'; complains "sar is about the whole machine: use pidstat, or --column METRIC=NAME"
equal "$(wc -l < err)" 1 "lines of errors"
replay --rules rules.json --json --column group_memory=kbmemused sar.r
equal "$(highest group)" "$(awk '/kbmemused/ { for (i = 1; i <= NF; i++) if ($i == "kbmemused") at = NF - i } !/Average/ && $(NF - at) * 1024 > most { most = $(NF - at) * 1024 } END { printf "%d", most }' sar.r)" "what was mapped"

# ---- exports ----------------------------------------------------------------------------------------------------------

it "reads Grafana's CSV, with units in values and in names, and times without a zone"
printf '\xef\xbb\xbf"Time","RSS (bytes)","CPU %%","Value #A"\r\n2026-11-24 03:05:00,1.2 GiB,85%%,3\r\n2026-11-24 03:05:30,1.3 GiB,12.5%%,4\r\n' > grafana.csv
replay --rules rules.json --json grafana.csv
equal "$(ask '[.history.from, .history.interval_ms] | tostring')" '["2026-11-24T03:05:00.000Z",30000]'
equal "$(highest rss | cut -d. -f1)" 1395864371
equal "$(highest cpu)" 85
equal "$(cat err)" 'gumshoe: grafana.csv: times have no time zone: taken as UTC
gumshoe: grafana.csv: rss is "RSS (bytes)", cpu is "CPU %"
gumshoe: grafana.csv: left out, because they are no metrics: "Value #A"; --column METRIC=NAME takes one
gumshoe: grafana.csv: cpu: if 100 % of "CPU %" is one CPU, give --cpus N, the CPUs that the program may use'
replay --rules rules.json --json --column 'gauge:queue=Value #A' --cpus 4 grafana.csv
equal "$(highest queue)" 4; equal "$(highest cpu)" 21.25
! grep -q 'left out' err || fail "$(cat err)"

it "reads rows of several containers, of which one is chosen, and the limit that docker prints"
printf 'timestamp;Name;CPUPerc;MemUsage;PIDs\n1795489500000;web;150%%;1.2GiB / 7.5GiB;12\n1795489500000;db;1%%;9MiB / 7.5GiB;3\n1795489505000;web;2%%;1.3GiB / 7.5GiB;14\n' > docker.csv
replay --rules rules.json --json docker.csv
equal $status 3 "two containers"; complains "choose one, for example with --series 'Name=web'"
replay --rules rules.json --json --series Name=web docker.csv
equal "$(highest threads)" 14; equal "$(highest group | cut -d. -f1)" 1395864371
equal "$(ask .history.limit)" 8053063680
complains "times are milliseconds since 1970"

it "prints dates for people, and numbers in JSON where the file has numbers"
printf 'time,rss\n1795489500,5\n1795489510,6\n' > epoch.csv
replay --rules "$never" epoch.csv
says "epoch.csv: 2 rows, every 10 s, from 2026-11-24T03:05:00Z to 2026-11-24T03:05:10Z"
says "closest at 2026-11-24T03:05:10Z: value 6 B, line 4 TiB"
replay --rules "$never" --json epoch.csv
equal "$(ask '[.history.from, .rules[0].closest.time] | tostring')" '[1795489500,1795489510]'

it "prints a value and its line so that they differ, and rates in the unit of the rule"
printf 'time,rss\n0,1288490188\n1,1289490188\n' > close.csv
close=$(rules close '{"version": 1, "rules": [{"name": "over", "metric": "rss", "above": "1.2GiB"}, {"name": "under", "metric": "rss", "above": "1289490189B"}]}')
replay --rules "$close" close.csv
says "rss 1.201 GiB is above 1.2 GiB"
says "value 1289490188 B, line 1289490189 B"
awk 'BEGIN { print "time,rss"; for (i = 0; i <= 70; i++) print i * 60 "," 100000000 + i * 20000 }' > slope.csv
slope=$(rules slope '{"version": 1, "interval": "1m", "rules": [{"name": "min", "metric": "rss", "growth": {"rate": "10KiB/min", "over": "1h"}},
    {"name": "h", "metric": "rss", "growth": {"rate": "600KiB/h", "over": "1h"}}, {"name": "s", "metric": "rss", "growth": {"rate": "1MiB/s", "over": "1h"}}]}')
replay --rules "$slope" slope.csv
says "has grown by 19.5 KiB/min over the 1 h before; the rule fires from 10 KiB/min"
says "has grown by 1.1 MiB/h over the 1 h before; the rule fires from 600 KiB/h"
says "grows by 333 B/s over 1 h, fires from 1 MiB/s"

it "fits rules to an export, with the same options"
awk 'BEGIN { print "When;Memory"; for (i = 0; i < 200; i++) printf "2026-11-24 %02d:%02d:00;%d MiB\n", i / 60, i % 60, 300 + i % 7 }' > suggest.csv
"$gumshoe" suggest --column time=When --column rss=Memory --limit 1GiB suggest.csv > out 2> err || fail "$(cat err)"
equal "$(jq -r '[.rules[].metric] | unique | join(" ")' out)" rss
complains 'suggest.csv: rss is "Memory"'

# ---- what is wrong --------------------------------------------------------------------------------------------------------

it "prints one error for each kind of mistake, with its place, however many there are"
awk 'BEGIN { print "time,rss"; for (i = 0; i < 10000; i++) print i ",x" i }' > wrong.csv
replay wrong.csv
equal $status 3 "status"
equal "$(cat err)" 'wrong.csv:2:3: error: expected a number, found "x0"; leave the field empty where the value is missing
wrong.csv: error: 9999 more such errors'
it "says 2 for options that cannot be"
for option in "--column rss" "--column rrs=x" "--column =x" "--series web" "--cpus 0" "--cpus x"; do
    equal "$(status_of "$gumshoe" replay $option grafana.csv)" 2 "$option"
done
replay --column rrs=x grafana.csv
complains 'there is no metric "rrs"; did you mean "rss"?'
it "says which --column is not in the file, and that it is not used for our own histories"
replay --column 'rss=Value #B' grafana.csv
equal $status 3 "status"; complains 'the file has no column or series "Value #B"; it has "CPU %", "RSS (bytes)", "Value #A"'
printf '{"version":1,"interval_ms":1000,"series":{"rss":[[1,2],[2,3]]}}' > metrics.json
replay --cpus 2 metrics.json
equal $status 0; complains "metrics.json is a history of gumshoe: --column, --series and --cpus are not used"
