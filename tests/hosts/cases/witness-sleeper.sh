# What a program that only sleeps is to the kernel: descriptors, signals, limits, credentials, environment.
# quick
# needs: sleep
. "$HOSTS_LIB"
host sleep 60 & pid=$!
wait_for grep -qx sleep /proc/$pid/comm
sleep 1.5
witness $pid
kill $pid
ended $pid
