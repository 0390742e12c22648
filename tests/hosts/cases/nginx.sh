# nginx: a master that forks workers, reloads, and ends them.
# quick
# needs: nginx python3 root
. "$HOSTS_LIB"
port=$(a_free_port)
mkdir -p varies/www; head -c 100000 /dev/zero | tr '\0' x > varies/www/page
v=$PWD/varies
cat > varies/nginx.conf <<END
user nobody nogroup; daemon off; worker_processes 2; pid $v/pid; error_log $v/error.log;
events { worker_connections 64; }
http { access_log off; client_body_temp_path $v/t1; proxy_temp_path $v/t2; fastcgi_temp_path $v/t3; uwsgi_temp_path $v/t4; scgi_temp_path $v/t5;
    server { listen 127.0.0.1:$port; root $v/www; location /copy { gzip on; gzip_min_length 1; gzip_types *; alias $v/www; } } }
END
chmod 755 varies
host nginx -e $v/error.log -p $v -c $v/nginx.conf & pid=$!
wait_for listens $port
load() {
    python3 - $port <<'END'
import http.client, sys, zlib
answers = 0
for i in range(300):
    c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
    c.request("GET", ["/page", "/copy/page", "/none"][i % 3], headers={"Accept-Encoding": "gzip"})
    r = c.getresponse()
    answers = zlib.crc32(r.read(), answers ^ r.status)
    c.close()
print("%08x" % answers)
END
}
workers() { ps -o pid= --ppid $pid | sort -n; }
load
for p in $pid $(workers); do witness $p | grep -vE '^fd [0-9]* (socket|anon_inode)' | sed "s/$port/PORT/g"; done
old=$(workers | head -n 1)
kill -HUP $pid
wait_for sh -c "! kill -0 $old"
load
kill -9 $(workers | head -n 1)
wait_for sh -c "[ \$(ps -o pid= --ppid $pid | wc -l) = 2 ]"
load
kill -QUIT $pid
ended $pid
