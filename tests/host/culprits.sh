#!/bin/bash
# The culprit is the function that a person would name: of the program, not of what allocates for it. Programs with one planted
# fault each (blamed.c, and C++ and Rust below), and servers from Debian that are filled.
their_path=$PATH
. "$(dirname "$0")/lib.sh"
cd "$tmp"
export GUMSHOE_DIR=$tmp/incidents
# 4 KiB between samples: what is blamed here is at least 5 MB, which is 1200 samples, and has at least twice what comes next.
quiet='{ "version": 1, "interval": "200ms", "heap": { "sample": "4KiB" }, "budget": "100%", "incidents": { "keep": 0, "max_per_hour": 0 }'
only_asked='"rules": [ { "name": "never", "every": "24h" } ] }'
default_rules=$(rules default "$quiet, $only_asked")

# start RULES COMMAND…: run it watched, until it says "ready"; its pid in $host, its input is 3.
start() {
    local rules=$1; shift
    rm -f input out; mkfifo input
    rm -f out; LD_PRELOAD=$build/libgumshoe.so GUMSHOE_RULES=$rules "$@" < input > out & host=$!; started="$started $host"
    exec 3> input
    wait_until grep -q ready out
}
# look: an incident of the heap, in $found.
look() { wait_until has_watch "$GUMSHOE_DIR"; found=$("$gumshoe" capture --kinds heap "$host"); }
stop() { exec 3>&-; wait "$host" || fail "the host ends with $?"; }
blame() { start "$@"; look; stop; }
of() { jq -r ".culprit.$1" "$found/incident.json"; }
headline() { grep '^Culprit: ' "$found/summary.txt"; }
# culprit FUNCTION: it is the one, and the summary begins with it.
culprit() {
    equal "$(of function)" "$1" "culprit of $(jq -c .culprit "$found/incident.json")"
    headline | grep -qF "$1 in " || fail "$(headline)"
}

it "is the caller of a wrapper that no table knows, found by how it is used"
blame "$default_rules" "$build/hosts/blamed" wrapper
culprit session_leak
equal "$(of 'via|join(" ")')" grab "via"
headline | grep -q ', through grab: ' || fail "$(headline)"
equal "$(of confidence)" high "confidence"
it "is found in a stripped program, too, by address"
strip -o blamed.stripped "$build/hosts/blamed"
blame "$default_rules" ./blamed.stripped wrapper
equal "$(of function | grep -c '^blamed\.stripped+0x')" 1 "culprit $(of function)"
equal "$(addr2line -f -e "$build/hosts/blamed" "$(of 'function|sub(".*[+]"; "")')" | head -n 1)" session_leak "addr2line"

it "is the one function that fills a cache, though twelve functions call it"
blame "$default_rules" "$build/hosts/blamed" cache
culprit cache_insert
equal "$(of 'via|length')" 0 "via"

it "is the caller of functions that the rules call plumbing"
blame "$(rules plumbing "$quiet, \"plumbing\": [\"cache_*\"], $only_asked")" "$build/hosts/blamed" cache
case $(of function) in get_* | put_*) ;; *) fail "culprit $(of function)" ;; esac
equal "$(of 'via|join(" ")')" cache_insert "via"
it "is reported as not certain if twelve have about as much"
equal "$(of confidence)" low "confidence"
[[ $(of runner_up.function) =~ ^(get|put)_ ]] || fail "runner-up: $(of runner_up)"
grep -qE '^  not certain: (get|put)_[a-z]+ has about as much, [0-9.]+ %$' "$found/summary.txt" || fail "$(cat "$found/summary.txt")"
it "is judged by the plumbing of reloaded rules"
reloaded=$(rules reloaded "$quiet, $only_asked")
start "$reloaded" "$build/hosts/blamed" cache
look; culprit cache_insert
change_rules "$host" "$reloaded" '.plumbing = ["cache_*"]'
look; equal "$(of 'via|join(" ")')" cache_insert "via"
stop

it "is judged by the option --plumbing when a black box is read"
start "$default_rules" "$build/hosts/blamed" cache
has_box() { ls "$GUMSHOE_DIR"/.live/*.box; }
wait_until has_box
box=$(has_box)
wait_for_ticks "$box" 1
kill -9 "$host"; wait "$host" || true; exec 3>&-
found=$("$gumshoe" recover --plumbing nothing --plumbing "cache_*" --dir "$tmp/recovered" "$box")
equal "$(of 'via|join(" ")')" cache_insert "via"
rm -f "$box"

it "is not data that is renewed on another path, but the leak beside it"
growing=$(rules growing "$quiet, $only_asked"); jq '.heap.baseline = "1h"' "$growing" > with && mv with "$growing"
start "$growing" "$build/hosts/blamed" catalogue
wait_until has_watch "$GUMSHOE_DIR"
take_baseline "$host" "$growing"
echo >&3; wait_until grep -q stepped out
look; stop
culprit handle_forgotten
equal "$(of kind)" growth "kind"

it "is the program's function that calls a library of the distribution"
blame "$default_rules" "$build/hosts/blamed" library
culprit session_open
headline | grep -q ' in blamed, through libz\.so' || fail "$(headline)"
grep -q ' ← session_open ← ' "$found/summary.txt" || fail "no stack leads to it: $(cat "$found/summary.txt")"
it "is a plug-in's function, where the plug-in is no library of the distribution"
cat > plugin.c <<'C'
#include <stdlib.h>
#include <string.h>
void *all[20000];
__attribute__((noinline)) void image_keep(int i) { all[i] = memset(malloc(1000), 1, 1000); __asm__(""); }
void plugin_run(void) { for (int i = 0; i < 20000; i++) image_keep(i); __asm__(""); }
C
gcc -O1 -fPIC -shared plugin.c -o plugin.so
blame "$default_rules" "$build/hosts/blamed" plugin ./plugin.so
culprit image_keep
equal "$(of module)" plugin.so "module"

it "is a shared helper together with the caller that makes most of it"
blame "$default_rules" "$build/hosts/blamed" helper
culprit score
equal "$(of caller.function)" rank_hits "caller"
headline | grep -q '^Culprit: rank_hits → score in blamed: holds ' || fail "$(headline)"

it "is the function of a C++ program, not of a template that it uses"
cat > server.cc <<'C'
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <vector>
namespace shop {
struct Session { std::string user; std::vector<std::string> basket; };
template <class Key, class Value> struct Store {
    std::map<Key, std::unique_ptr<Value>> all;
    template <class Maker> __attribute__((noinline)) std::pair<typename std::map<Key, std::unique_ptr<Value>>::iterator, bool> put(Key key, Maker make)
    {
        auto result = all.emplace(std::move(key), std::make_unique<Value>(make()));
        __asm__ volatile("" ::: "memory");
        return result;
    }
};
__attribute__((noinline)) Session log_in(int i) { Session s; s.user = std::string(400, 'u') + std::to_string(i); __asm__ volatile("" ::: "memory"); return s; }
}
struct Maker { int i; shop::Session operator()() const { return shop::Session(); } };
int main()
{
    shop::Store<std::string, shop::Session> sessions;
    for (int i = 0; i < 40000; i++)
        sessions.put(std::string(200, 'k') + std::to_string(i), Maker{i});
    std::vector<shop::Session> some;
    for (int i = 0; i < 3000; i++)
        some.push_back(shop::log_in(i));
    std::cout << "ready" << std::endl;
    std::string line;
    std::getline(std::cin, line);
}
C
for optimised in -O0 -O2; do
    g++ $optimised server.cc -o shop
    blame "$default_rules" ./shop
    case $(of function) in shop::Store*::put* | main) ;; *) fail "$optimised: culprit $(of function)" ;; esac # keys are made in main
    ! headline | grep -q 'char_traits' || fail "$(headline)"
done

if rustc=$(PATH=$their_path command -v rustc) && PATH=$their_path "$rustc" --version > /dev/null 2>&1; then
    it "is the function of a Rust program, not of its library"
    cat > server.rs <<'R'
use std::collections::HashMap;
use std::io::Read;
#[derive(Clone)]
pub struct Session { _user: String, _basket: Vec<String> }
#[inline(never)]
pub fn session_open(all: &mut HashMap<u64, Session>, key: u64) {
    all.insert(key, Session { _user: "u".repeat(600), _basket: vec!["item".to_string(); 8] });
}
#[inline(never)]
pub fn load_table() -> Vec<Vec<u8>> { (0..2000).map(|_| vec![1u8; 1000]).collect() }
fn main() {
    let mut all = HashMap::new();
    let table = load_table();
    for key in 0..20000 { session_open(&mut all, key); }
    println!("ready");
    let mut rest = String::new();
    std::io::stdin().read_to_string(&mut rest).unwrap();
    std::process::exit((all.len() + table.len() != 22000) as i32);
}
R
    for options in "-C opt-level=0" "-C opt-level=2" "-C opt-level=2 -C symbol-mangling-version=v0"; do
        PATH=$their_path "$rustc" $options server.rs -o rust 2> build.err || { cat build.err; fail "rustc"; }
        blame "$default_rules" ./rust
        culprit server::session_open
    done
else
    echo "  (no rustc here: Rust is not tried)"
fi

# From here on Debian's files, which are stripped: functions that they do not export are FILE+0xADDRESS. What is held then: the file
# is the program's, and what it exports as its allocator is passed over.
not_plumbing() { ! [[ $(of function) =~ ^(z|ngx_|x|sqlite3_)?[a-z_]*(alloc|calloc|strdup) ]] || fail "culprit $(of function)"; }

it "is a command of redis, not its strings"
port=$(a_free_port)
LD_PRELOAD=$build/libgumshoe.so GUMSHOE_RULES=$default_rules redis-server --port "$port" --bind 127.0.0.1 --save "" --appendonly no --dir "$tmp" > redis.out 2>&1 & host=$!; started="$started $host"
wait_until redis-cli -p "$port" ping
python3 -c 'for i in range(20000): print("SET key:%d %s" % (i, "v" * 700))' | redis-cli -p "$port" --pipe > /dev/null
look
redis-cli -p "$port" shutdown nosave || true; wait "$host" || true
not_plumbing
case "$(of caller.function) $(of function)" in
*tryObjectEncoding* | *createStringObject* | *createRawStringObject* | *createObject* | *createEmbeddedStringObject* | *dbAdd* | *setCommand* | *processInlineBuffer* | *processMultibulkBuffer*) ;;
*) fail "redis: $(headline)" ;;
esac
redis=$(headline)

it "is nginx's function that handles the request, not its pools"
port=$(a_free_port)
cat > nginx.conf <<C
worker_processes 1; master_process off; daemon off; error_log $tmp/error.log; pid $tmp/nginx.pid;
events { worker_connections 1024; }
http {
    access_log off; client_body_buffer_size 128k; client_body_timeout 1h;
    client_body_temp_path $tmp; proxy_temp_path $tmp; fastcgi_temp_path $tmp; uwsgi_temp_path $tmp; scgi_temp_path $tmp;
    server { listen 127.0.0.1:$port; location / { proxy_pass http://127.0.0.1:9; } }
}
C
LD_PRELOAD=$build/libgumshoe.so GUMSHOE_RULES=$default_rules nginx -c "$tmp/nginx.conf" -p "$tmp" > nginx.out 2>&1 & host=$!; started="$started $host"
cat > upload.py <<'P'
import socket, sys, time
all = []
for _ in range(3000):
    try: socket.create_connection(("127.0.0.1", int(sys.argv[1]))).close(); break
    except OSError: time.sleep(0.1)
for i in range(200): # bodies that do not come to an end
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    s.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100)
    all.append(s)
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"GET / HTTP/1.0\r\n\r\n")
assert b"502" in s.recv(100) # one process reads in order: it has read the others
print("ready", flush=True)
sys.stdin.read()
P
mkfifo uploads
python3 upload.py "$port" < uploads > uploaded & client=$!; started="$started $client"
exec 4> uploads
wait_until grep -q ready uploaded
look
exec 4>&-; wait "$client"; kill "$host"; wait "$host" || true
not_plumbing
equal "$(of module)" nginx "module"
[[ "$(of caller.function) $(of function)" = *ngx_http_read_client_request_body* ]] || fail "nginx: $(headline)"
nginx=$(headline)

it "is in memcached, by address"
port=$(a_free_port); user=; [ "$(id -u)" -ne 0 ] || user="-u root"
LD_PRELOAD=$build/libgumshoe.so GUMSHOE_RULES=$default_rules memcached -l 127.0.0.1 -p "$port" -U 0 -m 64 $user 2> memcached.out & host=$!; started="$started $host"
cat > store.py <<'P'
import socket, sys, time
for _ in range(3000):
    try: s = socket.create_connection(("127.0.0.1", int(sys.argv[1]))); break
    except OSError: time.sleep(0.1)
f = s.makefile("rb")
for i in range(8000):
    s.sendall(b"set key-%d 0 0 4000\r\n%s\r\n" % (i, b"x" * 4000))
    assert f.readline() == b"STORED\r\n"
P
python3 store.py "$port"
look
kill "$host"; wait "$host" || true
[[ $(of function) =~ ^memcached\+0x[0-9a-f]+$ ]] || fail "memcached: $(headline)"
equal "$(of module)" memcached "module"
memcached=$(headline)

it "is the function of sqlite3 that runs, not the library that it calls"
mkfifo sql
LD_PRELOAD=$build/libgumshoe.so GUMSHOE_RULES=$default_rules sqlite3 :memory: < sql > sqlite.out & host=$!; started="$started $host"
exec 3> sql
echo "create table t(a, b); with recursive c(x) as (select 1 union all select x + 1 from c where x < 20000) insert into t select x, hex(randomblob(400)) from c;
select 'ready';" >&3
wait_until grep -q ready sqlite.out
look; stop
[[ $(of function) =~ ^sqlite3\+0x[0-9a-f]+$ ]] || fail "sqlite3: $(headline)"
equal "$(of module)" sqlite3 "module"
headline | grep -q ', through libsqlite3\.so' || fail "$(headline)"
sqlite=$(headline)

it "is in Python's interpreter, and not its allocator"
cat > grow.py <<'P'
import sys
kept = [bytearray(5000) for _ in range(4000)]
print("ready", flush=True)
sys.stdin.read()
P
blame "$default_rules" python3 grow.py
not_plumbing
! of function | grep -qE '^_?Py(Mem|Object)_' || fail "python: $(headline)"
[[ $(of module) = python3* ]] || fail "python: $(headline)"
python=$(headline)

if [ -e /usr/bin/ruby ] && ldd /usr/bin/ruby | grep -q libruby; then
    it "is in the library that is the interpreter, where the program is a main that calls it"
    blame "$default_rules" ruby -e 'kept = (1..2000).map { |i| "x" * 5000 + i.to_s }; puts "ready"; $stdout.flush; STDIN.read'
    [[ $(of module) = libruby* ]] || fail "ruby: $(headline)"
    [[ $(of function) = rb_* ]] || fail "ruby: $(headline)"
    not_plumbing
    headline
fi
printf '%s\n' "$redis" "$nginx" "$memcached" "$sqlite" "$python"
