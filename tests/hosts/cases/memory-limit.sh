# quick
# needs: python3
. "$HOSTS_LIB"
ulimit -v 600000
host python3 -c '
try:
    bytearray(1 << 30)
except MemoryError:
    print("no memory")
print(len(bytearray(1 << 20)))'
