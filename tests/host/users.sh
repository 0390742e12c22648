#!/bin/bash
# Servers that start as root, and whose workers become another user: nginx as Debian has it, and a program of ours whose workers then
# turn hostile. Each worker is watched in a directory of its user's, which leads nowhere else.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || { echo "this test needs root, to become another user" >&2; exit 77; }
getent passwd www-data > passwd.out 2> /dev/null || { echo "this test needs a user www-data" >&2; exit 77; }
rm -f passwd.out
cd "$tmp"
chmod 711 "$tmp" # as /var/lib is: that nobody reaches the incidents is not this folder's doing
uid=$(id -u www-data); gid=$(id -g www-data); own=.users/$uid-$gid
mkdir lib && cp "$build/libgumshoe.so.1" "$build/hosts/users" lib && chmod -R a+rX,go-w lib # workers resolve names in files that they may read
rules_file=$(rules users '{ "version": 1, "interval": "100ms", "heap": { "sample": "16KiB" }, "incidents": { "keep": 0, "max_per_hour": 0 }, "rules": [
    { "name": "leak", "metric": "heap_in_use", "above": "16MiB", "cooldown": "0s", "again": "1000%", "capture": ["heap", "threads"] } ] }')
# watch DIR COMMAND…: COMMAND under the preload, its pid in $server.
watch() {
    local dir=$1; shift
    GUMSHOE_RULES=$rules_file GUMSHOE_DIR=$tmp/$dir LD_PRELOAD=$tmp/lib/libgumshoe.so.1 "$@" & server=$!
    started="$started $server"
}
has_folder() { ls -d "$1"/2*-"$2"-"$3"; } # DIR RULE PID
folder_of() { find "$1" -maxdepth 1 -name "2*-$2-$3*" | sort | head -n 1; }
has_box() { ls "$1"/.live/"$2"-*.box; }
worker_number() { sed -n 's/^worker //p' "$1" | sed -n "$2p"; } # FILE N
has_worker() { [ -n "$(worker_number "$1" "$2")" ]; }
end_server() { kill -TERM "$server"; local status=0; wait "$server" || status=$?; equal "$status" "${1:-0}" "exit status of the server"; }

it "watches a worker that becomes another user, and names its culprit"
watch d lib/users "$uid" "$gid" "$tmp/d/probe" > said
wait_until has_worker said 1
worker=$(worker_number said 1)
wait_until has_folder d/$own leak "$worker"
found=$(folder_of d/$own leak "$worker")
complete "$found"
equal "$(jq -r '[.pid, .culprit.function] | join(" ")' "$found/incident.json")" "$worker leak_in_worker" "the incident"
equal "$(find "$found" ! -uid "$uid" -o ! -gid "$gid" | wc -l)" 0 "files of others than the worker's user"
equal "$(stat -c '%a %u' d d/.users)" "$(printf '700 0\n700 0')" "the directories above it"
equal "$(stat -c '%a %u %g' d/$own)" "770 0 $gid" "the user's directory"
grep -q " gumshoe.$worker [^ ]*: info: watching: forked by $server, incidents in $tmp/d/$own" log || fail "the log does not say where"
equal "$(find d -maxdepth 1 -name '2*' | wc -l)" 0 "incidents of the server"

it "answers status and capture for such a worker"
status_of_watch "$worker" '.rules[0].fired == 1' || fail "$(cat status.json)"
equal "$(jq -r .dir status.json)" "$tmp/d/$own" "the directory that status says"
path=$("$gumshoe" capture "$worker"); complete "$path"
equal "$(dirname "$path")" "$tmp/d/$own" "where a capture goes"

it "gives the worker no right on anything else, whatever it tries"
"$gumshoe" capture "$server" > path; probe=$(cat path); complete "$probe"
end_server
watch d lib/users "$uid" "$gid" "$probe" > said
wait_until has_worker said 1
worker=$(worker_number said 1)
wait_until has_folder d/$own leak "$worker"
before=$(find d -path "d/$own" -prune -o -print | sort)
kill -USR1 "$worker"
wait_until grep -q '^tried ' said
! grep '^reached' said || fail "a worker reached what is not its user's"
grep -qx "directory $tmp/d/$own" said || fail "the worker's own directory was not among what was tried: $(cat said)"
grep -q "^directory" said && ! grep "^directory" said | grep -vq "^directory $tmp/d/$own" || fail "another directory is open: $(cat said)"
equal "$(find d -path "d/$own" -prune -o -print | sort)" "$before" "what is in the directory of the server"
complete "$probe"

it "makes the incident of a worker that was killed, when the next one starts"
kill -KILL "$worker"
wait_until has_folder d/$own previous-run-died "$worker"
found=$(folder_of d/$own previous-run-died "$worker")
jq -r .reason "$found/incident.json" | grep -q "pid $worker, died: killed by SIGKILL\|pid $worker, died: " || fail "$(jq .reason "$found/incident.json")"
equal "$(jq -r .culprit.function "$found/incident.json")" leak_in_worker "the culprit"
wait_until has_worker said 2
wait_until has_folder d/$own leak "$(worker_number said 2)"

it "serves such a worker's profiles, and no socket that is named after another process"
worker=$(worker_number said 2)
agent=$(basename "$(ls d/.live/"$server"-*.sock)")
ln -s "$tmp/d/.live/$agent" "d/$own/.live/$agent"                       # the server's own socket, under its name
ln -s "$tmp/d/.live/$agent" "d/$own/.live/1-1-0.sock"                    # and under that of a process elsewhere
"$gumshoe" serve --listen 127.0.0.1:0 d > serve.out 2> serve.err & web=$!; started="$started $web"
wait_until grep -q 'serving at' serve.err
url=$(sed -n 's/.*serving at //p' serve.err)
curl -sS --max-time "$patience" -o heap.pb.gz "${url}pid/$worker/debug/pprof/heap"
go tool pprof -top heap.pb.gz 2> pprof.err | grep -q leak_in_worker || fail "$(cat pprof.err)"
curl -sS --max-time "$patience" "${url}metrics" > metrics
equal "$(grep '^gumshoe_up{' metrics | sed 's/.*pid="\([^"]*\)".* /\1 /' | sort)" "$(printf '%s\n' "1 0" "$server 1" "$worker 1" | sort)" "which processes are up"
rm "d/$own/.live/$agent" "d/$own/.live/1-1-0.sock"

it "leaves no box when server and worker end"
end_server
equal "$(find d -name '*.box' -o -name '*.sock' | wc -l)" 0 "boxes and sockets"

it "moves the watch of a worker that changes its user late"
watch late lib/users "$uid" "$gid" none late > late.said
wait_until has_worker late.said 1
worker=$(worker_number late.said 1)
wait_until has_box late "$worker"
kill -USR2 "$worker"
wait_until has_folder late/$own leak "$worker"
complete "$(folder_of late/$own leak "$worker")"
grep -q " gumshoe.$worker [^ ]*: info: the process is user $uid now: incidents in $tmp/late/$own" log || fail "the log does not say that it moved"
wait_until has_box late/$own "$worker"
equal "$(find late/.live -name "$worker-*")" "" "what is left where it was"
"$gumshoe" capture --kinds threads "$worker" > path
equal "$(dirname "$(cat path)")" "$tmp/late/$own" "where a capture goes"
"$gumshoe" capture --kinds threads "$server" > path
equal "$(dirname "$(cat path)")" "$tmp/late" "where a capture of the server goes"

it "collects the box of a worker that was killed and not replaced, as the worker's user"
kill -HUP "$server"; kill -KILL "$worker"; wait "$server"
"$gumshoe" collect late > collected
found=$(folder_of late/$own previous-run-died "$worker")
equal "$(cat collected)" "$tmp/$found" "what is collected"
complete_of_dead() { equal "$(jq -r '[.complete, .culprit.function] | join(" ")' "$1/incident.json")" "true leak_in_worker" "$1"; }
complete_of_dead "$found"
equal "$(stat -c %u "$found" "$found/incident.json" | sort -u)" "$uid" "who wrote it"
equal "$(find late -name '*.box' | wc -l)" 0 "boxes that are left"

it "lists, shows and counts such incidents with the others"
"$gumshoe" ls --json late > list.json
equal "$(jq -r '.[].dir' list.json | grep -c "/$own/2")" 3 "incidents of the user"
equal "$(jq length list.json)" 4 "incidents"
"$gumshoe" ls late > list; grep -q "^  late/$own/2" list || fail "$(cat list)"
"$gumshoe" show --dir late "$(basename "$found")" | grep -q leak_in_worker || fail "it is not shown by its name"

it "watches a server that becomes another user itself"
watch m memcached -l 127.0.0.1 -p "$(a_free_port)" -U 0 -u www-data
wait_until has_box m/$own "$server"
"$gumshoe" capture "$server" > path; complete "$(cat path)"
equal "$(dirname "$(cat path)")" "$tmp/m/$own" "where a capture goes"
end_server

it "does not read what another user has put there"
forged=late/$own/20261127T000000.000Z-forged-1
cp -a "$found" "$forged"; chown -R 65534 "$forged"
ln -s "$probe" late/$own/20261127T000001.000Z-link-1
"$gumshoe" ls late > list 2> err
grep -q '2 incidents are damaged and not shown' err || fail "$(cat err)"
! grep -q 'forged\|link' list || fail "$(cat list)"
linked=late/$own/20261127T000002.000Z-hard-1
cp -a "$found" "$linked"; rm "$linked/summary.txt"; echo secret > secret; ln secret "$linked/summary.txt"
"$gumshoe" show "$linked" > shown 2> err || true
! grep -q secret shown || fail "a hard link to a file of root's is read"

it "holds the limits there, whatever is there, and touches nothing else"
number_of() { find "$1" -maxdepth 1 -name "$2" | wc -l; }
is_limited() { [ "$(number_of late/$own '2*')" -le "$1" ] && [ ! -e late/$own/junk ]; }
mkdir late/$own/junk; seq 17000 | sed "s:^:late/$own/junk/:" | xargs touch
for i in $(seq 10); do mkdir "late/$own/20261101T00000$((i % 10)).000Z-forged.$i-1"; echo secret > "late/$own/20261101T00000$((i % 10)).000Z-forged.$i-1/x"; done
ln secret late/$own/junk/hard; ln -s "$tmp/web" late/$own/junk/soft; ln -s "$probe" late/$own/junk/probe
chown -hR "$uid:$gid" late/$own/2* late/$own/junk; chown root secret
rules_file=$(rules few '{ "version": 1, "interval": "100ms", "heap": { "sample": "16KiB" }, "incidents": { "keep": 4, "max_per_hour": 0 }, "symbolize": "auto", "rules": [
    { "name": "leak", "metric": "heap_in_use", "above": "16MiB", "cooldown": "0s", "again": "1000%", "capture": ["heap", "threads"] } ] }')
cp "$gumshoe" lib/gumshoe 2> /dev/null || true
before=$(find late -path "late/$own" -prune -o -path late/.live -prune -o -name '2*' -print | sort)
watch late lib/users "$uid" "$gid" none late > late.said
wait_until is_limited 4
grep -q "/$own exceeded the limits of the store: [0-9]* incidents removed" log || fail "the log does not say it"
grep -q "/$own had more other files than agents write" log || fail "the log does not say it of the rest"
equal "$(cat secret)" secret "a file of root's"
complete "$probe"
equal "$(find late -path "late/$own" -prune -o -path late/.live -prune -o -name '2*' -print | sort)" "$before" "incidents of the server"

it "gives a worker's incident source lines, as the worker's user"
worker=$(worker_number late.said 1)
kill -USR2 "$worker"
wait_until has_folder late/$own leak "$worker"
found=$(folder_of late/$own leak "$worker")
has_lines() { jq -e '.notes[] | select(startswith("symbolize: source lines for"))' "$1/incident.json"; }
wait_until has_lines "$found"
equal "$(jq -r '.culprit.file' "$found/incident.json" | sed 's:.*/::')" users.c "the culprit's file"
wait_until status_of_watch "$worker" '.symbolize | startswith("runs ")'
equal "$(find "$found" ! -uid "$uid" | wc -l)" 0 "files that are not the worker's user's"
equal "$(jq -r '.errors | length' "$found/incident.json")" 0 "errors"
end_server

it "watches nginx's workers as Debian runs them, and its answers and its end are the same"
cat > page.py <<'P'
import http.client, sys, zlib
answers = 0
for i in range(200):
    c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1])); c.request("GET", ["/page", "/none"][i % 2]); r = c.getresponse()
    answers = zlib.crc32(r.read(), answers ^ r.status); c.close()
print("%08x" % answers)
P
rules_file=$(rules nginx '{ "version": 1, "interval": "100ms", "heap": { "sample": "16KiB" }, "incidents": { "keep": 0, "max_per_hour": 0 }, "rules": [
    { "name": "planted", "metric": "rss", "above": "1MiB", "cooldown": "0s", "again": "1000%", "capture": ["heap", "threads"] } ] }')
listens() { (exec 3<> "/dev/tcp/127.0.0.1/$1") 2> /dev/null; }
serve() { # PREFIX…: nginx behind PREFIX; what it answered, and how it ended
    local port; port=$(a_free_port); rm -rf n; mkdir -p n/www; head -c 100000 /dev/zero | tr '\0' x > n/www/page; chmod -R a+rX n
    cat > n/nginx.conf <<C
user www-data; daemon off; worker_processes 2; pid $tmp/n/pid; error_log $tmp/n/error.log;
events { worker_connections 64; }
http { access_log off; client_body_temp_path $tmp/n/t1; proxy_temp_path $tmp/n/t2; fastcgi_temp_path $tmp/n/t3; uwsgi_temp_path $tmp/n/t4; scgi_temp_path $tmp/n/t5;
    server { listen 127.0.0.1:$port; root $tmp/n/www; } }
C
    "$@" nginx -e "$tmp/n/error.log" -p "$tmp/n" -c "$tmp/n/nginx.conf" & server=$!
    started="$started $server"
    wait_until listens "$port"
    started="$started $(workers | tr '\n' ' ')" # they outlive a master that is killed
    python3 page.py "$port" > answers
    if [ $# -gt 0 ]; then
        wait_until workers_left_incidents
        killed=$(workers | head -n 1); kill -KILL "$killed"
        wait_until has_folder web/$own previous-run-died "$killed"
        wait_until workers_are_watched
        started="$started $(workers | tr '\n' ' ')"
        python3 page.py "$port" > again; cmp answers again
    fi
    kill -QUIT "$server"
    local status=0; wait "$server" || status=$?
    echo "$(cat answers) status $status" > outcome
}
workers() { ps -o pid= --ppid "$server" | tr -d ' ' | sort -n; }
workers_left_incidents() {
    local pid
    [ "$(workers | wc -l)" = 2 ] || return 1
    for pid in $(workers); do has_folder web/$own planted "$pid" || return 1; done
}
workers_are_watched() {
    local pid
    [ "$(workers | wc -l)" = 2 ] || return 1
    for pid in $(workers); do has_box web/$own "$pid" || return 1; done
}
serve; mv outcome wanted
serve env GUMSHOE_RULES="$rules_file" GUMSHOE_DIR="$tmp/web" LD_PRELOAD="$tmp/lib/libgumshoe.so.1"
diff wanted outcome
for found in web/$own/2*-planted-*; do complete "$found"; done
equal "$(find web/$own -maxdepth 1 -name '2*-planted-*' ! -uid "$uid" | wc -l)" 0 "incidents that are not the workers' user's"
equal "$(find web -maxdepth 1 -name '2*-planted-*' | wc -l)" 1 "incidents of the master"
