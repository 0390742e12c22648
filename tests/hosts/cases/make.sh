# quick
# needs: make gcc
. "$HOSTS_LIB"
for i in 1 2 3 4 5 6 7 8; do
    echo "int f$i(int x) { return x + $i; }" > f$i.c
    echo "extern int f$i(int); " >> all.h
done
{ echo '#include "all.h"'; echo 'int main(void) { return f1(f2(f3(f4(f5(f6(f7(f8(6)))))))); }'; } > main.c
printf 'p: $(patsubst %%.c,%%.o,$(wildcard *.c))\n\t$(CC) -o $@ $^\n%%.o: %%.c ; $(CC) -O1 -c $< -o $@\nfails: ; exit 3\nclean: ; rm -f *.o p\n' > Makefile
host make -j4 -Otarget | sort
./p; echo "status $?"
host make -s -j2 fails; echo "status $?"
host make -q; echo "status $?"
host make -s clean
