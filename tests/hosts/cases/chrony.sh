# A time daemon that does not touch the clock: drops root, keeps what it needs, and locks itself in (seccomp), as in Debian's unit.
# needs: chronyd python3 root
. "$HOSTS_LIB"
port=$(a_free_port)
chmod 755 .; install -d -m 750 -o _chrony -g _chrony varies/c
cat > varies/conf <<END
port $port
bindaddress 127.0.0.1
allow 127.0.0.1
cmdport 0
bindcmdaddress /
pidfile $PWD/varies/c/pid
driftfile $PWD/varies/c/drift
local stratum 10
END
host chronyd -F 1 -x -d -u _chrony -f varies/conf 2> varies/log & pid=$!
wait_for grep -q 'Disabled control of system clock' varies/log
sleep 1.5
witness $pid | grep -vE '^fd [0-9]+ (socket|pipe)'
kill $pid
ended $pid
sed 's/^[^ ]* //' varies/log | sed -E 's/-?[0-9.]+ ppm//g'
