#!/bin/bash
# Programs under sanitizers, with the library preloaded, linked, and linked statically: the program works, the agent does not start
# and says so in one line, and the sanitizer finds what it finds without us.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
cat > app.c <<'C'
#define _GNU_SOURCE
#ifdef LINKED
#include <gumshoe/gumshoe.h>
#endif
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int shared;
static void *work(void *racing)
{
    for (int i = 0; i < 2000; i++) {
        char *block = malloc(1000 + i);
        block[999] = 1;
        free(realloc(block, 5000));
    }
    if (racing)
        shared++;
    return racing;
}
int main(int argc, char **argv)
{
    const char *fault = argc > 1 ? argv[1] : "";
    pthread_t thread[4];
#ifdef LINKED
    printf("start %s\n", strerrorname_np(-gumshoe_start(NULL)));
#endif
    for (int i = 0; i < 4; i++)
        pthread_create(&thread[i], NULL, work, strcmp(fault, "race") == 0 ? &shared : NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    volatile char *volatile block = malloc(10);
    if (strcmp(fault, "overflow") == 0)
        block[12] = 1;
    if (strcmp(fault, "uninitialised") == 0 && block[3])
        puts("?");
    free((void *)block);
    if (strcmp(fault, "freed") == 0)
        block[1] = 1;
    puts("works");
    return 9;
}
C
export GUMSHOE_DIR=$tmp/d

# steps_back SANITIZER COMMAND…: the program works, unwatched, and that is said.
steps_back() {
    local name=$1 status=0; shift
    rm -f log
    timeout 60 "$@" > out 2> err || status=$?
    equal "$status $(tail -n 1 out)" "9 works" "$*: $(cat out err)"
    equal "$(sed 's/.*\]: error: //' log)" "not watching: this program runs under $name" "the log"
}
# finds TEXT COMMAND…: the sanitizer's report says TEXT.
finds() {
    local text=$1; shift
    timeout 60 "$@" > out 2> err && fail "$* ended with 0"
    grep -q "$text" out err || fail "$*: $(cat out err)"
}
archive="$build/libgumshoe.a"
shared="-L$build -lgumshoe -Wl,-rpath,$build"
for compiler in gcc clang; do
    for row in 'address AddressSanitizer overflow=heap-buffer-overflow freed=heap-use-after-free' 'thread ThreadSanitizer race=data.race' \
        'memory MemorySanitizer uninitialised=use-of-uninitialized-value' 'leak LeakSanitizer'; do
        set -- $row; sanitizer=$1 name=$2; shift 2
        options="-g -O1 -fsanitize=$sanitizer -I $source_dir/include -pthread"
        if ! { $compiler $options app.c -o app && timeout 60 ./app; } > said 2>&1 && ! grep -qx works said; then
            echo "  ($compiler -fsanitize=$sanitizer: not to be had here)"
            continue
        fi
        it "does not start under $compiler's $name: preloaded, linked, linked statically"
        if [ $compiler-$sanitizer != gcc-address ]; then # which wants to be first, and ends the program: gumshoe run starts it without us
            steps_back $name env "LD_PRELOAD=$build/libgumshoe.so" ./app
        fi
        for library in "$shared" "$archive"; do
            $compiler $options -DLINKED app.c -o app $library
            steps_back $name ./app
            grep -qx 'start EOPNOTSUPP' out || fail "$(cat out)"
            for fault in "$@"; do finds "${fault#*=}" ./app "${fault%%=*}"; done
        done
    done
done
it "watches under UndefinedBehaviorSanitizer"
gcc -fsanitize=undefined -I "$source_dir/include" -DLINKED app.c -o app "$archive" -pthread
timeout 60 ./app > out 2>&1 || equal $? 9
grep -q 'watching: ' log || fail "$(cat log)"
