#!/bin/bash
# The Debian packages: made, checked by lintian, installed into a directory of their own, used there, and removed again.
. "$(dirname "$0")/lib.sh"
cd "$build"
it "are made by cpack"
cpack -G DEB -B "$tmp/packages" > "$tmp/cpack" 2>&1 || { cat "$tmp/cpack"; fail "cpack"; }
cd "$tmp/packages"
version=$("$gumshoe" --version | sed 's/gumshoe //')
equal "$(dpkg-deb -W --showformat '${Package} ${Version}\n' libgumshoe1_*.deb | xargs)" "libgumshoe1 $version"
equal "$(ls ./*.deb | sed 's|.*/||; s/_.*//' | xargs)" "gumshoe libgumshoe-dev libgumshoe1"
dpkg-deb -f gumshoe_*.deb Depends | grep -q "libgumshoe1 (= $version)" || fail "the command does not depend on its library"
it "are without errors, by lintian"
lintian --allow-root --fail-on error ./*.deb > "$tmp/lintian" 2>&1 || { cat "$tmp/lintian"; fail "lintian"; }
in_root() { unshare --mount sh -c 'mount --bind /proc "$0/proc" && exec chroot "$0" "$@"' "$root" "$@"; }
if [ "$(id -u)" -ne 0 ] || ! unshare --mount true 2> /dev/null; then echo "  installing needs root, and a mount namespace"; exit 0; fi

# A root directory with what the packages depend on: the C library, the libraries of the command, a shell, and ldconfig.
root=$tmp/root
mkdir -p "$root"/{bin,sbin,etc,tmp,proc,dev,usr/lib,usr/bin,usr/sbin,var/lib/dpkg/{info,updates,triggers},var/cache/ldconfig}
touch "$root/var/lib/dpkg/status" "$root/var/lib/dpkg/available" "$root/dev/null"
copy() { for file; do mkdir -p "$root$(dirname "$file")"; cp -L "$file" "$root$file"; done; }
needs() { ldd "$@" 2> /dev/null | grep -oE '/[^ ]+\.so[^ ]*' | sort -u; }
copy /bin/sh /bin/sleep /sbin/ldconfig $(needs /bin/sh /bin/sleep "$build/gumshoe")
[ ! -e /sbin/ldconfig.real ] || copy /sbin/ldconfig.real
files() { (cd "$root" && find usr/lib usr/bin usr/share usr/include ! -type d 2> /dev/null | sort); }
files > "$tmp/before"
dpkg_root() { dpkg --root="$root" --force-depends --log="$tmp/dpkg.log" "$@" > "$tmp/dpkg" 2>&1 || { cat "$tmp/dpkg"; fail "dpkg $*"; }; }

it "are installed"
dpkg_root --install ./*.deb
chroot "$root" /sbin/ldconfig
chroot "$root" /sbin/ldconfig -p | grep -q 'libgumshoe.so.1 ' || fail "the loader does not know the library"
it "work: the command runs a program under watch, and makes an incident of it"
equal "$(in_root /usr/bin/gumshoe --version)" "gumshoe $version"
status=0; GUMSHOE_LOG=/tmp/log within_patience unshare --mount sh -c 'mount --bind /proc "$0/proc" && exec chroot "$0" "$@"' "$root" \
    /usr/bin/gumshoe run --dir /tmp/incidents -- /bin/sh -c 'until [ -e /tmp/incidents/.live/*.box ]; do sleep 0.1; done; kill -9 $$' || status=$?
equal $status 137 "status of the program: $(cat "$root/tmp/log")"
in_root /usr/bin/gumshoe ls /tmp/incidents | grep -q 'previous-run-died' || fail "no incident: $(cat "$root/tmp/log")"
it "work: a program is built with the files of the packages, and runs"
cat > app.c <<'C'
#include <gumshoe/gumshoe.h>
#include <stdio.h>
int main(void)
{
    puts(gumshoe_version());
    return 0;
}
C
flags=$(PKG_CONFIG_LIBDIR=$root/usr/lib/pkgconfig pkg-config --cflags --libs gumshoe)
gcc app.c -o "$root/tmp/app" $flags
equal "$(in_root /tmp/app)" "$version" "shared"
gcc app.c -o "$root/tmp/static" -I"$root/usr/include" "$root/usr/lib/libgumshoe.a"
equal "$(in_root /tmp/static)" "$version" "static"
it "have their man pages, compressed"
for page in man1/gumshoe.1 man5/gumshoe-rules.5 man3/libgumshoe.3; do gzip -t "$root/usr/share/man/$page.gz" || fail "$page"; done
it "are removed, and leave nothing"
dpkg_root --purge gumshoe libgumshoe-dev libgumshoe1
files | diff "$tmp/before" - || fail "left behind"
