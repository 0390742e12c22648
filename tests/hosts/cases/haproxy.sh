# needs: haproxy python3
. "$HOSTS_LIB"
port=$(a_free_port) back=$(a_free_port)
mkdir varies/www; seq 10000 > varies/www/page
(cd varies/www && exec python3 -m http.server --bind 127.0.0.1 $back > /dev/null 2>&1) & backend=$!
cat > varies/cfg <<END
global
    maxconn 100
    nbthread 2
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
listen l
    bind 127.0.0.1:$port
    server s 127.0.0.1:$back
END
host haproxy -c -f varies/cfg; echo "status $?"
host haproxy -W -db -f varies/cfg 2> varies/log & pid=$!
wait_for listens $port; wait_for listens $back
python3 - $port <<'P'
import http.client, sys, zlib
answers = 0
for i in range(300):
    c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
    c.request("GET", ["/page", "/none"][i % 2])
    r = c.getresponse()
    answers = zlib.crc32(r.read(), answers ^ r.status)
    c.close()
print("%08x" % answers)
P
kill -USR1 $pid
ended $pid
kill $backend; wait $backend 2> /dev/null
