# A daemon that keeps a capability over setuid, and drops the rest.
# needs: dnsmasq python3 root
. "$HOSTS_LIB"
port=$(a_free_port)
printf '127.0.0.9 nine.test\n' > varies/hosts; chmod 755 . varies; chmod 644 varies/hosts
host dnsmasq -k -C /dev/null --no-resolv --no-hosts --addn-hosts=$PWD/varies/hosts --listen-address=127.0.0.1 --bind-interfaces -p $port --user=nobody --group=nogroup --pid-file= --log-facility=$PWD/varies/log & pid=$!
wait_for listens $port
python3 - $port <<'P'
import socket, struct, sys
def ask(name):
    q = struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\0\0\1\0\1"
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(60)
    s.sendto(q, ("127.0.0.1", int(sys.argv[1])))
    return s.recv(512).hex()
for n in ["nine.test", "none.test"] * 20: print(ask(n))
P
witness $pid | grep -vE '^fd [0-9]+ (socket|pipe)' | sed "s/$port/PORT/g"
kill -HUP $pid
kill $pid
ended $pid
