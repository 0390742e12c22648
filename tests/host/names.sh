#!/bin/bash
# What the library exports: its API and the names that it wraps, and nothing else.
. "$(dirname "$0")/lib.sh"
cd "$tmp"

it "needs only the C library"
equal "$(readelf -d "$build/libgumshoe.so" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')" libc.so.6 "NEEDED"
equal "$(readelf -d "$build/libgumshoe.so" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')" libgumshoe.so.1 "SONAME"
it "exports its API and the functions that it takes over, and nothing else"
exported() { nm -D --defined-only "$1" | awk '$2 != "A" && $3 !~ /@GUMSHOE_/ { print $3 }' | sort; }
{ sed -n 's/^GUMSHOE_API.*[ *]\(gumshoe_[a-z_]*\)(.*/\1/p' "$source_dir/include/gumshoe/gumshoe.h"
  echo gumshoe_anchor # for readers of core files
  printf '%s\n' malloc free calloc realloc reallocarray posix_memalign aligned_alloc memalign valloc pvalloc cfree malloc_usable_size pthread_create dlclose mmap mmap64 munmap mremap mprotect brk sbrk shmat shmdt _exit _Exit; } | sort > wanted
printf '%s\n' setuid seteuid setreuid setresuid setgid setegid setregid setresgid setgroups initgroups capset prctl unshare setns chroot \
    execve execvpe fexecve execveat execv execvp execl execlp execle pthread_sigmask sigprocmask \
    sigaction __sigaction signal ssignal bsd_signal sysv_signal __sysv_signal sigset sigaltstack mlockall setrlimit setrlimit64 prlimit prlimit64 > identity
[ "$(uname -m)" != x86_64 ] || printf '%s\n' swapcontext setcontext vfork __vfork syscall \
    open open64 __open __open64 __open_2 __open64_2 openat openat64 __openat_2 __openat64_2 creat creat64 memfd_create mkstemp mkstemp64 \
    mkostemp mkostemp64 fopen fopen64 freopen freopen64 opendir socket socketpair accept accept4 pipe pipe2 popen eventfd epoll_create \
    epoll_create1 inotify_init inotify_init1 timerfd_create signalfd dup dup2 __dup2 dup3 fcntl fcntl64 close __close close_range \
    closefrom fclose pclose closedir >> identity
nm -D --defined-only "$(g++ -print-file-name=libstdc++.so.6)" | sed -n 's/.* [TW] \(_Z\(n[wa]m\|d[la]P\)[^@]*\).*/\1/p' | sort > operators
equal "$(wc -l < operators)" 20 "forms of new and delete in libstdc++"
exported "$build/libgumshoe.so" | diff <(sort wanted operators identity) - || fail "exported names"
it "hides the names that only some allocators have"
nm -D --defined-only "$build/libgumshoe.so" | sed -n 's/.* T \(.*\)@GUMSHOE_ALLOCATOR$/\1/p' | sort > hidden
sed -n '/GUMSHOE_ALLOCATOR/,$ s/^ *\([a-z_]*\);.*/\1/p' "$source_dir/agent/packaging/versions.map" | sort | diff - hidden || fail "hidden names"
equal "$(wc -l < hidden)" 7 "hidden names"
it "has the same names in the static library, except C++'s and those of credentials and exec; jansson's, zlib's and protobuf-c's are in neither"
nm "$build/libgumshoe.a" | awk '$2 ~ /^[TDBRVW]$/ { print $3 }' > archive
grep -v '^__wrap_' archive | sort | diff wanted - || fail "names of libgumshoe.a"
equal "$(sed -n 's/^__wrap_//p' archive | sort)" "$(grep -v '^gumshoe_' wanted)" "what ld's --wrap may ask for"
equal "$(nm "$build/libgumshoe.a" | awk '$2 == "W" { print $3 }' | sort)" "$(grep -v '^gumshoe_' wanted)" "names that give way to the program's own"
it "keeps its thread-local storage small and static, so that it can be opened late"
readelf -d "$build/libgumshoe.so" | grep -q STATIC_TLS || fail "no STATIC_TLS"
size=$((16#$(readelf -lW "$build/libgumshoe.so" | awk '$1 == "TLS" { print substr($6, 3) }')))
[ "$size" -le 512 ] || fail "TLS of $size bytes"
it "catches a name that is exported by mistake (this check can fail)"
printf 'void gumshoe_start(void) {} void json_loads(void) {}\n' > leak.c
gcc -shared -fPIC leak.c -o leak.so
! exported leak.so | diff wanted - >/dev/null || fail "the check passes a library that shows json_loads"
it "works with a host's own json-c, whose names clash with jansson's"
cat > clash.c <<'C'
#include <json-c/json.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>
int main(void)
{
    struct pollfd input = {.fd = 0, .events = POLLIN};
    for (int i = 0; i < 1000 || poll(&input, 1, 0) == 0; i++) {
        struct json_object *o = json_object_new_object();
        json_object_object_add(o, "key", json_object_new_int(i));
        struct json_object *back = json_tokener_parse(json_object_to_json_string(o));
        if (json_object_get_int(json_object_object_get(back, "key")) != i)
            return 1;
        json_object_put(back);
        json_object_put(o);
        usleep(1000);
    }
    puts("json-c is itself");
    return 0;
}
C
gcc clash.c -o clash -ljson-c
printf '{ "version": 1, "interval": "50ms", "rules": [ { "name": "n", "every": "1s", "cooldown": "0s", "metric": "rss", "above": "1TiB" } ] }' > r.json
mkfifo input
"$gumshoe" run --rules r.json --dir d -- ./clash < input > out & host=$!; started=$host
exec 3> input
wait_until has_incident d
exec 3>&-
wait $host || fail "the host failed"
equal "$(cat out)" "json-c is itself"
complete "$(incident d)"
