#!/bin/bash
# gumshoe serve among the tools that people have: Debian's Prometheus scrapes it and fires an alert through Alertmanager on a planted
# leak; nginx puts TLS and a password in front of it. With the files of examples/fleet.
. "$(dirname "$0")/lib.sh"
fleet=$source_dir/examples/fleet
rules=$(rules leak '{"version": 1, "interval": "100ms", "incidents": {"keep": 0, "max_per_hour": 0}, "labels": {"service": "shop"},
    "rules": [{"name": "heap-high", "metric": "heap_in_use", "above": "40MiB", "capture": ["heap"]}]}')
mkfifo go
cat > leak.py <<'P'
import time
kept = [bytearray(100000) for _ in range(50)]
open("go").read()
for _ in range(1000): kept.append(bytearray(100000))
time.sleep(100000)
P
GUMSHOE_RULES=$rules GUMSHOE_DIR=$PWD/incidents LD_PRELOAD=$build/libgumshoe.so /usr/bin/python3 leak.py & host=$!; started="$started $host"
serving() { # FILE ARGUMENT…
    local file=$1; shift
    "$gumshoe" serve "$@" incidents > served.out 2> "$file" & server=$!; started="$started $server"
    wait_until grep -q 'serving at' "$file"
}
serving said --listen 127.0.0.1:0
url=$(sed -n 's/.*serving at //p' said)

it "has a configuration and alerts that promtool accepts, and that fire on their faults alone"
promtool check config "$fleet/prometheus.yml" > said.promtool 2>&1 || fail "$(cat said.promtool)"
promtool test rules "$fleet/alerts_test.yml" > said.promtool 2>&1 || fail "$(cat said.promtool)"

it "is scraped by Prometheus"
address=${url#http://}; address=${address%/}
prometheus_port=$(a_free_port) alertmanager_port=$(a_free_port) hook_port=$(a_free_port)
sed -e 's/15s/1s/' -e "s/127.0.0.1:9093/127.0.0.1:$alertmanager_port/" -e "s/127.0.0.1:6060/$address/" "$fleet/prometheus.yml" > prometheus.yml
cp "$fleet/alerts.yml" .
cat > alertmanager.yml <<Y
route: {receiver: hook, group_wait: 0s, group_interval: 1s}
receivers: [{name: hook, webhook_configs: [{url: "http://127.0.0.1:$hook_port/"}]}]
Y
cat > hook.py <<'P'
import http.server, sys
class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        open("alerts", "ab").write(self.rfile.read(int(self.headers["Content-Length"])) + b"\n")
        self.send_response(200); self.end_headers()
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Hook).serve_forever()
P
/usr/bin/python3 hook.py "$hook_port" & started="$started $!"
prometheus-alertmanager --config.file=alertmanager.yml --storage.path="$tmp/am" --cluster.listen-address= --web.listen-address="127.0.0.1:$alertmanager_port" > am.log 2>&1 & started="$started $!"
prometheus --config.file=prometheus.yml --storage.tsdb.path="$tmp/tsdb" --web.listen-address="127.0.0.1:$prometheus_port" > prometheus.log 2>&1 & started="$started $!"
query() { curl -sS -G "http://127.0.0.1:$prometheus_port/api/v1/query" --data-urlencode "query=$1" 2> /dev/null | jq -e -r '.data.result[] | .value[1]'; }
is_scraped() { [ "$(query "gumshoe_up{service=\"shop\",pid=\"$host\"}")" = 1 ] && [ "$(query 'gumshoe_incidents_total{rule="heap-high"}')" = 0 ]; }
wait_until is_scraped
curl -sS "http://127.0.0.1:$prometheus_port/api/v1/targets/metadata?metric=process_cpu_seconds_total" > metadata
curl -sS "http://127.0.0.1:$prometheus_port/api/v1/targets/metadata?metric=process_cpu_seconds" >> metadata
grep -q '"type":"counter"' metadata || fail "$(cat metadata)"

it "fires an alert through Alertmanager on a planted leak"
has_baseline_scrapes() { [ "$(query 'count_over_time(gumshoe_incidents_total{rule="heap-high"}[1m])')" -ge 3 ]; }
wait_until has_baseline_scrapes
echo go > go
alerted() { jq -e '.alerts[] | select(.labels.alertname == "GumshoeIncident" and .labels.rule == "heap-high" and .labels.service == "shop" and .status == "firing")' alerts; }
wait_until alerted
alerted | jq -r .annotations.summary | grep -q "($host): rule heap-high fired" || fail "$(alerted)"

it "is reached through nginx with TLS and a password, as the example has it"
serving said.unix --listen "unix:$tmp/serve.sock"
nginx_port=$(a_free_port)
openssl req -x509 -newkey rsa:2048 -nodes -keyout gumshoe.key -out gumshoe.crt -days 2 -subj /CN=localhost > /dev/null 2>&1
htpasswd -bc htpasswd prometheus 'a password' 2> /dev/null
{
    echo "daemon off; master_process off; pid $tmp/nginx.pid; error_log $tmp/nginx.log; worker_processes 1;"
    [ "$(id -u)" != 0 ] || echo "user root;"
    echo "events {} http { access_log off; client_body_temp_path $tmp/n1; proxy_temp_path $tmp/n2; fastcgi_temp_path $tmp/n3; uwsgi_temp_path $tmp/n4; scgi_temp_path $tmp/n5;"
    sed -e "s|6061|127.0.0.1:$nginx_port|" -e "s|/etc/nginx/gumshoe.htpasswd;|$tmp/htpasswd;|" -e "s|/etc/nginx/|$tmp/|" -e "s|/run/gumshoe/serve.sock:|$tmp/serve.sock:|" "$fleet/nginx.conf"
    echo "}"
} > nginx.conf
/usr/sbin/nginx -e "$tmp/nginx.log" -c "$tmp/nginx.conf" & started="$started $!"
through() { curl -sS --cacert gumshoe.crt --resolve "localhost:$nginx_port:127.0.0.1" -u "prometheus:${2:-a password}" -o body -w '%{http_code}' "https://localhost:$nginx_port/$1" 2>> curl.err; }
reached() { [ "$(through healthz)" = 200 ]; }
wait_until reached
equal "$(through metrics wrong)" 401 "a wrong password"
equal "$(through metrics)" 200 "metrics"; grep -q '^gumshoe_up' body || fail "$(cat body)"
equal "$(through '')" 200 "the page"; grep -q 'heap-high' body || fail "$(cat body)"
go tool pprof -proto -output heap.pb.gz "https+insecure://prometheus:a%20password@localhost:$nginx_port/debug/pprof/heap" > /dev/null 2> pprof.err || fail "$(cat pprof.err)"
[ -s heap.pb.gz ] || fail "no profile"
