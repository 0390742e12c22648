#!/bin/bash
# Third-party servers whose work is done by forked children: nginx's workers, postgres' backends, redis' BGSAVE.
# The workers make incidents of their own; answers and exit statuses are those of an unwatched server.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
# Servers refuse to be root, and workers that become another user are not watched: all of this is one plain user's.
[ "$(id -u)" = 0 ] || { echo "this test needs root, to be another user" >&2; exit 77; }
user=postgres; home=$tmp/home
chmod 711 "$tmp"; install -d -o $user "$home"
mkdir lib && cp "$gumshoe" "$build/libgumshoe.so.1" lib && chmod -R a+rX lib && chmod -R go-w lib # where nobody may read them
as() { env GUMSHOE_LOG="$home/log" setpriv --reuid=$user --regid=$user --clear-groups "$@"; }
rules_file=$(rules workers '{ "version": 1, "interval": "100ms", "heap": { "sample": "16KiB" }, "incidents": { "keep": 0, "max_per_hour": 0 }, "rules": [
    { "name": "tick", "every": "1s", "cooldown": "0s", "capture": ["heap", "threads"] } ] }'); chmod 644 "$rules_file"
run() { as timeout -s KILL $patience lib/gumshoe run --rules "$rules_file" --dir "$home/d" -- "$@"; }
forked_by() { sed -n "s/^[^ ]* gumshoe.\([0-9]*\) [^]]*.: info: watching: forked by $1,.*/\1/p" "$home/log"; }
# left_incidents PID…: every one of these processes has left an incident that is complete.
left_incidents() {
    for pid in "$@"; do
        wait_until sh -c "ls -d $home/d/2*-tick-$pid"
        complete "$(find "$home/d" -maxdepth 1 -name "2*-tick-$pid" | sort | head -n 1)"
        equal "$(jq .pid "$(find "$home/d" -maxdepth 1 -name "2*-tick-$pid" | sort | head -n 1)/incident.json")" "$pid" "whose incident it is"
    done
}
outcome() { local status=0; "$@" 2>&1 || status=$?; echo "status $status"; }
listens() { (exec 3<> "/dev/tcp/127.0.0.1/$1") 2> /dev/null; }

nginx_conf() { # PORT DIR
    mkdir -p "$2/www"; head -c 100000 /dev/zero | tr '\0' x > "$2/www/page"
    cat > "$2/nginx.conf" <<END
daemon off; master_process on; worker_processes 2; pid $2/pid; error_log $2/error.log;
events { worker_connections 64; }
http { access_log off; client_body_temp_path $2/t1; proxy_temp_path $2/t2; fastcgi_temp_path $2/t3; uwsgi_temp_path $2/t4; scgi_temp_path $2/t5;
    server { listen 127.0.0.1:$1; root $2/www; location /copy { gzip on; gzip_min_length 1; gzip_types *; alias $2/www; } } }
END
    chown -R $user "$2"
}
# load PORT: 200 requests, and what came back in sum.
load() {
    python3 - "$1" <<'END'
import http.client, sys, zlib
answers = 0
for i in range(200):
    c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
    c.request("GET", ["/page", "/copy/page", "/none"][i % 3], headers={"Accept-Encoding": "gzip"})
    r = c.getresponse(); body = r.read(); c.close()
    answers = zlib.crc32(body, answers ^ r.status)
print("%08x" % answers)
END
}
# serve PREFIX…: nginx behind PREFIX, loaded, then told to end; what it answered and how it ended.
serve() {
    local port; port=$(a_free_port); rm -rf "$home/n"; mkdir "$home/n"; nginx_conf "$port" "$home/n"
    "$@" nginx -e "$home/n/error.log" -p "$home/n" -c "$home/n/nginx.conf" & local server=$!
    started="$started $server"
    wait_until listens "$port"
    load "$port" > answers
    if [ "$1" = run ]; then
        master=$(cat "$home/n/pid")
        wait_until sh -c "[ \$(grep -c 'forked by $master,' $home/log) = 2 ]"
        left_incidents $(forked_by "$master")
        load "$port" >> answers2 && cmp answers answers2
    fi
    kill -QUIT "$(cat "$home/n/pid")"
    local status=0; wait $server || status=$?
    echo "$(cat answers) status $status"
}
it "watches each of nginx's workers; its answers and its end are the same"
serve as > wanted 2>&1; serve run > got 2>&1 || { cat got; false; }
diff wanted got

it "watches postgres' backends; its answers and its end are the same"
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
as "$bin/initdb" -D "$home/pg" -A trust --no-sync > initdb.log 2>&1 || { cat initdb.log; fail initdb; }
# queries PORT COMMAND: a session which allocates, and which lasts until COMMAND has ended.
queries() {
    {
        echo 'select 6 * 7;'
        echo 'create temp table t as select i, repeat(md5(i::text), 8) as word from generate_series(1, 50000) i;'
        echo 'select count(*), sum(length(word)) from t;'
        echo 'select md5(string_agg(word, chr(44) order by i)) from t;'
        "$2"
        echo 'select 1/0;'
    } | as psql -h "$home" -p "$1" -At postgres 2>&1
}
# has_backend: a backend that serves a session has left an incident, $backend.
has_backend() {
    local pid its
    for pid in $(sed -n 's/^[^ ]* gumshoe.\([0-9]*\) [^]]*.: info: watching: forked by .*/\1/p' "$home/log"); do
        for its in "$home"/d/2*-tick-"$pid"; do
            if [ -d "$its" ] && go tool pprof -traces "$its/heap.pb.gz" 2> /dev/null | grep -q PostgresMain; then backend=$its; return 0; fi
        done
    done
    return 1
}
wait_for_backend() { wait_until has_backend; }
database() {
    local port; port=$(a_free_port)
    "$@" "$bin/postgres" -D "$home/pg" -c listen_addresses= -c unix_socket_directories="$home" -p "$port" -c fsync=off -c log_min_messages=fatal > /dev/null 2>&1 & local server=$!
    started="$started $server"
    wait_until as "$bin/pg_isready" -h "$home" -p "$port"
    outcome queries "$port" "$([ "$1" = run ] && echo wait_for_backend || echo true)" > answers
    kill -INT "$(head -n 1 "$home/pg/postmaster.pid")"
    local status=0; wait $server || status=$?
    echo "$(cat answers) status $status"
}
rm -f "$home/log"
database as > wanted; database run > got
diff wanted got
grep -q 'division by zero' got || fail "the session went otherwise: $(cat got)"
has_backend || fail "no incident of a backend that served the session"
complete "$backend"

it "lets redis save in a child, and the file is the same"
child_is_watched() { grep -q 'info: watching: forked by' "$home/log"; }
save() {
    local port; port=$(a_free_port); rm -rf "$home/r"; install -d -o $user "$home/r"
    "$@" redis-server --port "$port" --bind 127.0.0.1 --save '' --dir "$home/r" --rdbcompression no > /dev/null 2>&1 & local server=$!
    started="$started $server"
    wait_until redis-cli -p "$port" ping
    for i in $(seq 20000); do printf 'set key:%d %d-%0100d\n' "$i" "$i" "$i"; done | redis-cli -p "$port" --pipe > /dev/null
    for delay_us in 50 200 800 3200; do # 50 are a second for the whole; longer, until the child has lived long enough to be watched
        redis-cli -p "$port" config set rdb-key-save-delay $delay_us > /dev/null
        redis-cli -p "$port" bgsave > began
        wait_until sh -c "redis-cli -p $port info persistence | grep -q rdb_bgsave_in_progress:0"
        if [ "$1" != run ] || child_is_watched; then break; fi
    done
    cat began
    redis-cli -p "$port" info persistence | grep -o 'rdb_last_bgsave_status:[a-z]*'
    redis-cli -p "$port" config set rdb-key-save-delay 0 > /dev/null
    redis-cli -p "$port" shutdown nosave 2> /dev/null || true
    local status=0; wait $server || status=$?
    as redis-check-rdb "$home/r/dump.rdb" | grep -o '[0-9]* keys read'
    echo "status $status"
}
rm -f "$home/log"
save as > wanted; save run > got
diff wanted got
child_is_watched || fail "the child was not watched: $(cat "$home/log")"
