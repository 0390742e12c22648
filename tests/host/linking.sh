#!/bin/bash
# examples/linking: a program that is linked with an installed gumshoe by CMake, Meson and autotools, as docs/linking.md says.
. "$(dirname "$0")/lib.sh"
prefix=$tmp/prefix
cmake --install "$build" --prefix "$prefix" > /dev/null
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
unset CC CFLAGS LDFLAGS LIBS 2> /dev/null || true

by_cmake() { cmake -S . -B build -DCMAKE_PREFIX_PATH="$prefix" && cmake --build build; }
by_meson() { meson setup build && meson compile -C build; }
by_meson_static() {
    sed -i "s/version: '>=0.1')/version: '>=0.1', static: true)/" meson.build && grep -q 'static: true' meson.build && by_meson
}
by_autotools() { autoreconf -i && mkdir build && cd build && ../configure && make; }

ways="cmake meson meson_static autotools" pid=()
for way in $ways; do
    cp -r "$source_dir/examples/linking" "$tmp/$way"
    (cd "$tmp/$way" && by_$way) > "$tmp/$way.out" 2>&1 &
    pid[${#pid[@]}]=$! started="$started $!"
done
i=0
for way in $ways; do
    wait "${pid[i++]}" || { cat "$tmp/$way.out"; fail "$way"; }
done

# Without `gumshoe symbolize`, which the program's end would interrupt.
export GUMSHOE_RULES; GUMSHOE_RULES=$(rules daily '{"version": 1, "rules": [{"name": "daily", "every": "24h"}]}')

# runs WAY NEEDED: the program starts with the installed library, is watched, and needs libgumshoe.so NEEDED times.
runs() {
    cd "$tmp/$1"
    equal "$(LD_LIBRARY_PATH=$prefix/lib build/server)" "watched by gumshoe $("$gumshoe" --version | sed 's/gumshoe //')" "the program"
    complete "$(incident incidents)"
    equal "$(readelf -d build/server | grep -c 'NEEDED.*libgumshoe.so.1')" "$2" "libgumshoe.so.1 among what it needs"
}
it "is found by CMake";                         runs cmake 1
it "is found by Meson";                         runs meson 1
it "is linked in statically by Meson";          runs meson_static 0
it "is found by autoconf, through pkg-config";  runs autotools 1
