#!/bin/bash
# The agent's own code keeps away from the host's malloc, and from functions of the C library that call it behind the
# scenes: a capture completes when malloc in the host returns NULL.
. "$(dirname "$0")/../host/lib.sh"
forbidden='malloc|calloc|realloc|free|strdup|strndup|asprintf|vasprintf|fopen|fdopen|opendir|scandir|qsort|getline|strerror|localtime|regcomp|getaddrinfo|setlocale|dl_iterate_phdr|mallinfo2?|pthread_mutex_lock|pthread_cond_wait'

uses() {
    for object in "$@"; do
        nm -u "$object" | awk '{ print $NF }' | grep -xE "$forbidden" | sed "s|^|$(basename "$object" .o): |"
    done
}

it "finds no use of them"
objects=$(find "$build/CMakeFiles/core.dir" "$build/CMakeFiles/agent.dir" -name '*.o')
[ "$(echo "$objects" | wc -l)" -gt 40 ] || fail "objects not found"
# On the host's thread, as a watch starts: one allocation, to see whether the hooks see it; and a look at the loader's list.
equal "$(uses $objects | grep -vxE 'settings.c: (malloc|free)|own_tls.c: dl_iterate_phdr' || true)" "" "forbidden names"
it "notices a use (this check can fail)"
printf '#include <dirent.h>\n#include <stdlib.h>\nvoid *x(void) { return opendir("/") ? malloc(1) : 0; }\n' > "$tmp/x.c"
gcc -c -O1 "$tmp/x.c" -o "$tmp/x.o"
equal "$(uses "$tmp/x.o" | sort | tr '\n' ' ')" "x: malloc x: opendir " "seen"
