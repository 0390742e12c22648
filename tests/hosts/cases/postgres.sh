# A cluster of its own: initdb, a load by pgbench, a crash of one backend, a fast shutdown.
# needs: /usr/lib/postgresql/15/bin/postgres root
. "$HOSTS_LIB"
bin=/usr/lib/postgresql/15/bin
port=$(a_free_port)
chmod 755 .; install -d -o postgres varies/pg; cd varies/pg
as="setpriv --reuid=postgres --regid=postgres --clear-groups"
$as host $bin/initdb -D data -A trust --no-sync -E UTF8 --locale=C 2>&1 | grep -vE 'port|pg_ctl|data/|data ' 
$as host $bin/postgres -D data -p $port -k "$PWD" -c fsync=off -c listen_addresses=127.0.0.1 > log 2>&1 & pid=$!
wait_for $bin/pg_isready -h 127.0.0.1 -p $port
sql() { $as $bin/psql -X -h 127.0.0.1 -p $port -At postgres "$@" 2>&1; }
$as $bin/pgbench -h 127.0.0.1 -p $port -i -q -s 1 postgres 2>&1 | grep -cE 'done'
$as host $bin/pgbench -h 127.0.0.1 -p $port -n -c 4 -j 2 -t 200 postgres | grep -E 'transactions actually|failed'
sql -c 'select count(*) from pgbench_history; select sum(abalance) = (select sum(delta) from pgbench_history) from pgbench_accounts'
sql -c 'set max_parallel_workers_per_gather = 2; set parallel_setup_cost = 0; set min_parallel_table_scan_size = 0; select count(*), sum(aid) from pgbench_accounts'
sql -c "select 1 / 0; select pg_terminate_backend(pg_backend_pid())" | head -n 3
backend=$(sql -c "select pid from pg_stat_activity where backend_type = 'checkpointer'")
kill -9 $backend
wait_for sh -c "$bin/pg_isready -h 127.0.0.1 -p $port && ! kill -0 $backend"
wait_for sql -c 'select 1'
sql -c 'select count(*) from pgbench_accounts'
kill -INT $pid
ended $pid
grep -oE 'LOG: +(database system is (ready|shut).*|.* was terminated by signal.*|all server.*)' log | sed -E 's/\(PID [0-9]+\)//'
