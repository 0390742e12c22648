# A manager that forks and restarts its worker, which compiles and loads libraries.
# needs: varnishd varnishadm gcc python3 root
. "$HOSTS_LIB"
port=$(a_free_port) back=$(a_free_port)
mkdir varies/www; seq 10000 > varies/www/page; chmod 755 . varies
(cd varies/www && exec python3 -m http.server --bind 127.0.0.1 $back > /dev/null 2>&1) & backend=$!
wait_for listens $back
host varnishd -F -n "$PWD/varies/v" -a 127.0.0.1:$port -b 127.0.0.1:$back -s malloc,16m -j none > varies/log 2>&1 & pid=$!
wait_for listens $port
load() { python3 - $port <<'P'
import http.client, sys, zlib
answers = 0
for i in range(300):
    c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
    c.request("GET", "/page")
    r = c.getresponse()
    answers = zlib.crc32(r.read(), answers ^ r.status)
    c.close()
print("%08x" % answers)
P
}
load
wait_for varnishadm -n "$PWD/varies/v" ping
varnishadm -n "$PWD/varies/v" status
varnishadm -n "$PWD/varies/v" stop
varnishadm -n "$PWD/varies/v" start
wait_for listens $port
load
kill $pid
ended $pid
kill $backend; wait $backend 2> /dev/null
