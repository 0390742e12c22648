# needs: mariadbd mariadb mariadb-install-db root
. "$HOSTS_LIB"
chmod 755 .; install -d -o mysql varies/m; cd varies/m
mariadb-install-db --no-defaults --user=mysql --datadir="$PWD/data" --auth-root-authentication-method=normal --skip-test-db > said 2>&1 || { tail -n 3 said; exit 1; }
host mariadbd --no-defaults --user=mysql --datadir="$PWD/data" --socket="$PWD/s" --skip-networking --pid-file="$PWD/pid" > log 2>&1 & pid=$!
sql() { mariadb --no-defaults -u root -S "$PWD/s" -N -B "$@" 2>&1; }
wait_for sql -e 'select 1'
sql <<'S'
create database d; use d;
create table t (a int primary key auto_increment, b varchar(100), key (b)) engine=innodb;
insert into t (b) select concat('row ', seq) from seq_1_to_50000;
select count(*), sum(a), max(b) from t;
delete from t where a % 3 = 0;
select count(*), sum(a) from t;
select 1/0, no_such_column from t;
S
for i in 1 2 3 4; do sql d -e "update t set b = concat(b, '$i') where a % 5 = $i" & done; wait $(jobs -p | grep -v "^$pid\$")
sql d -e 'check table t; select count(*), crc32(group_concat(b order by a)) from t'
kill $pid
ended $pid
