# needs: clang ld.lld
. "$HOSTS_LIB"
cat > a.c <<'C'
#include <math.h>
#include <stdio.h>
int main(void) { double s = 0; for (int i = 1; i < 1000; i++) s += sqrt(i); printf("%.6f\n", s); return 0; }
C
host clang -O2 -S a.c -o - | sha256sum
host clang -O2 -g -c a.c -o a.o
host ld.lld --version | cut -d' ' -f1,2
host clang -fuse-ld=lld a.o -o a -lm && ./a
host clang -O2 -flto=thin -fuse-ld=lld a.c -o lto -lm && ./lto
host clang --analyze -Xclang -analyzer-output=text a.c
