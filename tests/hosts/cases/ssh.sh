# sshd on the loopback: a process for each connection, which becomes the user.
# needs: /usr/sbin/sshd ssh ssh-keygen scp root
. "$HOSTS_LIB"
port=$(a_free_port)
mkdir -p /run/sshd; cd varies
ssh-keygen -q -t ed25519 -N '' -f hostkey && ssh-keygen -q -t ed25519 -N '' -f key && cp key.pub authorized
printf 'Port %s\nListenAddress 127.0.0.1\nHostKey %s/hostkey\nAuthorizedKeysFile %s/authorized\nStrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin yes\nSubsystem sftp internal-sftp\n' $port "$PWD" "$PWD" > sshd_config
host /usr/sbin/sshd -D -f sshd_config -E log & pid=$!
wait_for listens $port
to="-p $port -i key -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -F none root@127.0.0.1"
for i in 1 2 3 4 5; do host ssh $to "echo command $i; exit $i"; echo "status $?"; done
seq 100000 | host ssh $to sha256sum
host ssh $to 'kill -9 $$'; echo "status $?"
seq 1000 > a; host scp -q -P $port -i key -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -F none a root@127.0.0.1:"$PWD/b" && cmp a b && echo copied
kill $pid
ended $pid
