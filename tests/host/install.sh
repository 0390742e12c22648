#!/bin/bash
# An installed copy, as a user finds it: headers, both libraries, the CMake package, pkg-config, the command.
. "$(dirname "$0")/lib.sh"
prefix=$tmp/prefix
cmake --install "$build" --prefix "$prefix" >/dev/null
mkdir "$tmp/user" && cd "$tmp/user"
cat > app.c <<'C'
#include <gumshoe/gumshoe.h>
#include <stdio.h>
int main(void)
{
    struct gumshoe_options options = {.size = sizeof options, .dir = "incidents"};
    if (gumshoe_start(&options) != 0 || gumshoe_capture("installed", GUMSHOE_HEAP | GUMSHOE_THREADS) != 0)
        return 1;
    gumshoe_stop();
    puts(gumshoe_version());
    return 0;
}
C
printf '#include <gumshoe/gumshoe.h>\nint main() { gumshoe_gauge("x", 1); return gumshoe_version()[0] == 0; }\n' > app.cpp
cat > CMakeLists.txt <<'C'
cmake_minimum_required(VERSION 3.20)
project(user C CXX)
find_package(gumshoe 0.1 REQUIRED)
add_executable(shared app.c)
target_link_libraries(shared PRIVATE gumshoe::gumshoe)
add_executable(static app.c)
target_link_libraries(static PRIVATE gumshoe::static)
add_executable(cpp app.cpp)
target_link_libraries(cpp PRIVATE gumshoe::gumshoe)
C
it "is found by find_package, shared and static, from C and C++"
{ cmake -S . -B b -DCMAKE_PREFIX_PATH="$prefix" && cmake --build b; } > out 2>&1 || { cat out; fail "the user's project does not build"; }
version=$("$prefix/bin/gumshoe" --version | sed 's/gumshoe //')
for app in shared static; do
    rm -rf incidents
    equal "$(b/$app)" "$version" "$app"
    complete "$(incident incidents)"
done
b/cpp || fail "C++"
it "is found by pkg-config, and the program finds the library without further ado"
libdir=$(dirname "$(find "$prefix" -name libgumshoe.so)")
PKG_CONFIG_PATH=$libdir/pkgconfig sh -c 'gcc app.c -o app $(pkg-config --cflags --libs gumshoe)'
rm -rf incidents; equal "$(./app)" "$version" "pkg-config"
complete "$(incident incidents)"
it "may be moved: the package files follow"
mv "$prefix" "$prefix.moved"; prefix=$prefix.moved; libdir=$(dirname "$(find "$prefix" -name libgumshoe.so)")
PKG_CONFIG_PATH=$libdir/pkgconfig sh -c 'gcc app.c -o app $(pkg-config --cflags --libs gumshoe)'
equal "$(./app)" "$version" "pkg-config, moved"
it "gets no run path where ldconfig is told: below /usr and /usr/local"
DESTDIR=$tmp/stage cmake --install "$build" --prefix /usr > /dev/null
! grep -q rpath "$(find "$tmp/stage" -name gumshoe.pc)" || fail "a run path below /usr"
it "has a command that finds its library, valid rules, and a man page"
"$prefix/bin/gumshoe" run --dir "$tmp/d" -- true || fail "the installed command does not find its library"
grep -q watching: "$tmp/log" || fail "not watched"
"$prefix/bin/gumshoe" check "$prefix"/share/gumshoe/rules/*.json >/dev/null || fail "installed rules"
jq -e '.definitions.rule' "$prefix/share/gumshoe/rules/rules.schema.json" >/dev/null || fail "no schema for editors"
for page in man1/gumshoe.1 man5/gumshoe-rules.5 man3/libgumshoe.3; do
    [ -s "$prefix/share/man/$page" ] || fail "no $page"
done
it "has completion where shells look for it"
bash -c '. "$1" && complete -p gumshoe' - "$prefix/share/bash-completion/completions/gumshoe" > /dev/null || fail "bash"
head -1 "$prefix/share/zsh/vendor-completions/_gumshoe" | grep -qx '#compdef gumshoe' || fail "zsh"
grep -q '^complete -c gumshoe' "$prefix/share/fish/vendor_completions.d/gumshoe.fish" || fail "fish"
