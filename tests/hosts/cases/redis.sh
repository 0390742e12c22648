# redis-server under a load, with a snapshot in a forked child.
# quick
# needs: redis-server redis-cli python3
. "$HOSTS_LIB"
port=$(a_free_port)
host redis-server --port $port --save '' --dir "$PWD/varies" --bind 127.0.0.1 > varies/log & pid=$!
wait_for redis-cli -p $port ping
ask() { redis-cli -p $port "$@"; }
seq 50000 | sed 's/.*/SET key:& value-&-&-&/' | ask --pipe | tail -n 1
ask debug digest
ask bgsave
wait_for sh -c "redis-cli -p $port info persistence | grep -q rdb_bgsave_in_progress:0"
ask info persistence | grep -E 'rdb_last_bgsave_status'
ask eval 'local s = 0 for i = 1, 1000 do s = s + redis.call("strlen", "key:" .. i) end return s' 0
ask nonsense 2>&1
witness $pid | sed "s/$port/PORT/g"
ask shutdown nosave
ended $pid
