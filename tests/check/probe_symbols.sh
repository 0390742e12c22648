#!/bin/bash
# Code on host threads calls nothing that could allocate, block or lock: shown by what its objects lean on.
. "$(dirname "$0")/../host/lib.sh"
cd "$tmp"
check=$source_dir/tests/check/probe-symbols
mapfile -t objects < <(find "$build" -path '*/agent/probe/*.o' \( -path '*/probe.dir/*' -o -path '*/hooks.dir/*' -o -path '*/hooks_shared.dir/*' -o -path '*/hooks_archive.dir/*' \))

if grep -q '^GUMSHOE_UNWINDER:STRING=libunwind' "$build/CMakeCache.txt"; then
    echo "libunwind's walk locks: this build does not keep the rule, and its documentation says so" >&2
    exit 77
fi
it "checks every file of the folder, except the walk of other builds"
equal "${#objects[@]}" "$(find "$source_dir/agent/probe" -name '*.c' ! -name walk_libunwind.c | wc -l)" "objects of agent/probe"
it "finds names that are allowed, and no others"
"$check" "$source_dir" "${objects[@]}" || fail "the names above are not in tests/check/probe.allow"

# caught NAME TEXT: an object more, with TEXT in it, and NAME is called out.
caught() {
    printf '%s\n' "$2" > offender.c
    gcc -O1 -fPIC -D_GNU_SOURCE -c offender.c -o offender.o
    if "$check" "$source_dir" "${objects[@]}" offender.o > said; then fail "nobody minds $1"; fi
    equal "$(cat said)" "$1" "what is called out"
}
it "catches one that allocates, although the folder itself defines malloc"
caught malloc '#include <stdlib.h>
void *gs_offend(void); void *gs_offend(void) { return malloc(1); }'
it "catches one that locks, and one that formats"
caught pthread_mutex_lock '#include <pthread.h>
pthread_mutex_t gs_m; void gs_offend(void); void gs_offend(void) { pthread_mutex_lock(&gs_m); }'
caught snprintf '#include <stdio.h>
int gs_offend(char *to, int n); int gs_offend(char *to, int n) { return snprintf(to, 9, "%d", n); }'
it "catches thread-local storage that is allocated at its first use"
caught __tls_get_addr 'extern _Thread_local int gs_thread_local; int gs_offend(void); int gs_offend(void) { return gs_thread_local; }
_Thread_local int gs_thread_local;'
it "catches a weak reference, and a call of another folder of ours"
caught backtrace 'int backtrace(void **, int) __attribute__((weak)); int gs_offend(void); int gs_offend(void) { return backtrace ? backtrace(0, 0) : 0; }'
caught gs_alloc 'void *gs_alloc(unsigned long); void *gs_offend(void); void *gs_offend(void) { return gs_alloc(1); }'
it "fails if there are no objects, or one cannot be read"
! "$check" "$source_dir" 2> said || fail "nothing was checked, and it said yes"
! "$check" "$source_dir" no-such.o 2> said || fail "an unreadable object passed"
