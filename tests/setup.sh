#!/bin/sh
# tests/setup.sh [build|test|hosts|bench|fuzz|analyze] - install what is missing to build gumshoe, to build and test it (the
# default), for the other people's programs of tests/hosts, for the benchmarks beside its peers, to fuzz its readers, or for the
# presets of CMakePresets.json.
# Debian 12; as root, or through sudo. Asks the network only when something is missing.
set -eu

build="gcc g++ make cmake pkg-config binutils libjansson-dev zlib1g-dev libprotobuf-c-dev protobuf-c-compiler
 libunwind-dev libiberty-dev libdw-dev liblzma-dev libmicrohttpd-dev libcurl4-openssl-dev libarchive-dev"
test="libcmocka-dev golang-go redis-server redis-tools memcached python3 jq procps util-linux libjson-c-dev
 libjemalloc2 libgoogle-perftools4 libmimalloc2.0 gdb python3-jsonschema
 nginx-light postgresql sqlite3 lld mold clang llvm elfutils dwz xz-utils strace meson ninja-build autoconf automake
 curl openssl apache2-utils prometheus prometheus-alertmanager sysstat chromium lintian mandoc zsh fish bash-completion"

hosts="libclang-rt-14-dev musl-tools gcc-multilib busybox-static dash libjemalloc-dev
 libgoogle-perftools-dev libmimalloc-dev git rsync tmux openssh-server openssh-client haproxy mariadb-server dnsmasq-base
 chrony varnish php8.2-fpm php8.2-cli libfcgi-bin ruby nodejs default-jdk-headless cargo stress-ng libpython3.11-testsuite
 valgrind"

bench="valgrind heaptrack libmemcached-tools"

case "${1:-test}" in
build) wanted=$build ;;
test) wanted="$build $test" ;;
hosts) wanted="$build $test $hosts" ;;
bench) wanted="$build $test $bench" ;;
fuzz) wanted="$build $test libclang-rt-14-dev" ;;
analyze) wanted="$build $test cppcheck valgrind gcc-aarch64-linux-gnu libc6-dev-arm64-cross" ;;
*) echo "usage: $0 [build|test|hosts|bench|fuzz|analyze]" >&2; exit 2 ;;
esac

missing=
for package in $wanted; do
    dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "missing:$missing; install them, or run this as root" >&2; exit 3; }
    as_root="sudo"
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)

# The tests start the servers that they need; the packages' own services stay down.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap '$as_root rm -f $policy' EXIT
    printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null
    $as_root chmod +x $policy
fi
if ! { $as_root apt-get -q update && $as_root apt-get -q install -y --no-install-recommends $missing; } >"$log" 2>&1; then
    cat "$log" >&2
    exit 3
fi
rm -f "$log"
