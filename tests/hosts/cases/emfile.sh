# A program that opens until it may open no more gets as many descriptors as by itself.
# quick
# needs: python3
. "$HOSTS_LIB"
ulimit -n 40
host python3 -c '
import os
n = 0
try:
    while True:
        os.dup(0)
        n += 1
except OSError as e:
    print(n, e)'
