# quick
# needs: memcached python3
. "$HOSTS_LIB"
port=$(a_free_port)
host memcached -l 127.0.0.1 -p $port -U 0 -m 64 $([ "$(id -u)" != 0 ] || echo -k -u root) & pid=$!
wait_for listens $port
python3 - $port <<'P'
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
f = s.makefile("rb")
for i in range(5000):
    s.sendall(b"set key-%d 0 0 4000\r\n%s\r\n" % (i, b"x" * 4000))
    assert f.readline() == b"STORED\r\n"
s.sendall(b"get key-4999\r\nget none\r\nversion\r\n")
print(f.readline(), len(f.readline()), f.readline(), f.readline(), f.readline())
P
witness $pid
kill $pid
ended $pid
