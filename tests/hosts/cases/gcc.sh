# What compilers write is the same to the byte, and so are their messages.
# quick
# needs: gcc g++
. "$HOSTS_LIB"
cat > a.cc <<'C'
#include <map>
#include <string>
#include <iostream>
#include <stdexcept>
int main() { std::map<std::string, int> m; for (int i = 0; i < 1000; i++) m[std::to_string(i)] = i;
    try { m.at("x"); } catch (const std::out_of_range &) { std::cout << m.size() << "\n"; } }
C
echo 'int main(void) { return undeclared; }' > bad.c
host g++ -O2 -g a.cc -o a; ./a
host g++ -O2 -S a.cc -o - | sha256sum
host gcc -c bad.c -o bad.o; echo "status $?"
host gcc -O2 -pipe -xc - -c -o piped.o <<< 'int f(int x) { return x * 3; }'
host strip a -o stripped && host ar rcs lib.a piped.o && host nm lib.a
