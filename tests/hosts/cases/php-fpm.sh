# A master with a pool of forked workers.
# needs: /usr/sbin/php-fpm8.2 cgi-fcgi
# varies: s|^\[[0-9].*[0-9]\] NOTICE|NOTICE|
. "$HOSTS_LIB"
echo '<?php $a = range(1, 100000); echo array_sum($a), " ", strlen(str_repeat("x", 1 << 20)), "\n";' > varies/a.php
cat > varies/conf <<END
[global]
error_log = $PWD/varies/log
daemonize = no
[pool]
listen = $PWD/varies/s
pm = static
pm.max_children = 3
pm.max_requests = 20
$([ "$(id -u)" != 0 ] || printf 'user = root\ngroup = root\n')
END
host /usr/sbin/php-fpm8.2 -F -n -y varies/conf $([ "$(id -u)" != 0 ] || echo -R) & pid=$!
wait_for test -S varies/s
for i in $(seq 100); do
    SCRIPT_FILENAME=$PWD/varies/a.php REQUEST_METHOD=GET cgi-fcgi -bind -connect "$PWD/varies/s" | tail -n 1
done | sort | uniq -c
kill -USR2 $pid # it execs itself; until then the old one still answers
wait_for sh -c '[ "$(grep -c "ready to handle" varies/log)" = 2 ]'
wait_for sh -c "SCRIPT_FILENAME=$PWD/varies/a.php REQUEST_METHOD=GET cgi-fcgi -bind -connect $PWD/varies/s | grep -q 5000050000"
kill -QUIT $pid
ended $pid
