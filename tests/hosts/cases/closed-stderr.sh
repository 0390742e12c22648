# A program that closes its stderr: whoever reads there gets the end of the file while the program lives on.
# quick
# needs: bash
. "$HOSTS_LIB"
mkfifo varies/err varies/in
host bash -c 'exec 2>&-; read -r line; echo "$line"' 2> varies/err < varies/in & pid=$!
exec 5<> varies/in
timeout 30 cat varies/err
echo "end of file: $?"
echo done >&5
ended $pid
