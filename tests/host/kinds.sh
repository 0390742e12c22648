#!/bin/bash
# `gumshoe run` with programs that the library cannot be preloaded into: they start, print and end as usual, and one line says that
# they are not watched, and why.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
cat > say.c <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(void)
{
    char *word = malloc(100);
    strcpy(word, "as itself");
    puts(word);
    fprintf(stderr, "preload %s\n", getenv("LD_PRELOAD") ? "set" : "not set");
    free(word);
    return 9;
}
C
rules_file=$(rules fine '{ "version": 1, "rules": [ { "name": "n", "metric": "rss", "above": "1TiB" } ] }')

# unwatched WHY PROGRAM…: it runs as it does without us, and a line on stderr says WHY not under watch.
unwatched() {
    local why=$1; shift
    "$@" > plain 2> plain.err && fail "$1 ended with 0 by itself"
    echo $? >> plain
    "$gumshoe" run --rules "$rules_file" --dir d -- "$@" > out 2> err && fail "$1 ended with 0"
    echo $? >> out
    diff plain out || fail "$1 is not itself"
    grep -v '^gumshoe: ' err | sed 's/preload set/preload not set/' | diff plain.err - || fail "stderr of $1"
    equal "$(grep -c '^gumshoe: ' err)" 1 "lines of ours: $(cat err)"
    grep -q "^gumshoe: warning: .*$why.*: it runs unwatched\$" err || fail "$(cat err)"
    rm -f log
}
# built BY SOURCE OPTION…: ./program by the compiler BY, or a word on why it is not tried.
built() {
    local by=$1; shift
    if command -v "$by" > /dev/null && "$by" "$@" -o program > said 2>&1 && { ./program > said 2>&1 || [ $? = 9 ]; }; then return 0; fi
    echo "  ($by $*: not to be had here)"
    return 1
}

it "watches an ordinary program, without a message"
gcc say.c -o program
"$gumshoe" run --rules "$rules_file" --dir d -- ./program > out 2> err || equal $? 9
equal "$(cat out err)" "as itself
preload not set"
grep -q watching: log || fail "not watched"
it "watches a program that is linked with libgumshoe.a, which refers to the sanitizers' names only to recognise them"
printf '#include <gumshoe/gumshoe.h>\n#include <stdio.h>\nint main(void) { gumshoe_gauge("x", 1); gumshoe_stop(); puts("as itself"); return 9; }\n' > linked.c
gcc -I "$source_dir/include" linked.c -o program "$build/libgumshoe.a" -pthread 2> said || fail "$(cat said)"
"$gumshoe" run --rules "$rules_file" --dir d -- ./program > out 2> err || equal $? 9
equal "$(cat out err)" "as itself"
rm -f log
it "says so of static programs, and lets what they exec be watched"
for kind in -static -static-pie; do
    gcc $kind say.c -o program && unwatched 'program is linked statically' ./program
done
printf '#include <unistd.h>\nint main(void) { execl("/bin/sh", "sh", "-c", "echo shell; exit 3", (char *)0); return 1; }\n' > exec.c
gcc -static exec.c -o program
equal "$("$gumshoe" run --rules "$rules_file" --dir d -- ./program 2> err; echo $?)" "shell
3"
grep -q watching: log || fail "the shell that it became is not watched"
it "follows a script's first line"
gcc -static say.c -o interpreter
printf '#! %s -x\n' "$tmp/interpreter" > script && chmod +x script
unwatched 'interpreter is linked statically' ./script
it "says so of programs of musl"
if built musl-gcc say.c; then unwatched 'another C library (its loader is /lib/ld-musl-' ./program; fi
it "says so of 32-bit programs"
if built gcc -m32 say.c; then unwatched 'not a 64-bit program' ./program; fi
for compiler in gcc clang; do
    for sanitizer in address=AddressSanitizer thread=ThreadSanitizer memory=MemorySanitizer leak=LeakSanitizer; do
        it "says so of programs under $compiler's ${sanitizer#*=}"
        if built $compiler "-fsanitize=${sanitizer%=*}" say.c; then unwatched "runs under ${sanitizer#*=}" ./program; fi
    done
    it "watches programs under $compiler's UndefinedBehaviorSanitizer"
    if built $compiler -fsanitize=undefined say.c; then
        "$gumshoe" run --rules "$rules_file" --dir d -- ./program > out 2> err || equal $? 9
        equal "$(cat out err)" "as itself
preload not set"
        grep -q watching: log || fail "not watched"
    fi
done
it "does not watch a program that gets a sanitizer's library by LD_PRELOAD"
gcc say.c -o program
asan=$(gcc -print-file-name=libasan.so)
if [ -e "$asan" ] && ASAN_OPTIONS=detect_leaks=0 LD_PRELOAD=$(realpath "$asan") ./program > said 2>&1 || [ $? = 9 ]; then
    export ASAN_OPTIONS=detect_leaks=0
    equal "$(LD_PRELOAD=$(realpath "$asan") "$gumshoe" run --rules "$rules_file" --dir d -- ./program 2> err; echo $?)" "as itself
9"
    grep -q 'has to come first: it runs unwatched' err || fail "$(cat err)"
fi
it "does not read what is not a program: a FIFO, a directory, garbage"
mkfifo fifo && chmod +x fifo; mkdir directory; head -c 100 /dev/urandom > rubbish && chmod +x rubbish; printf '\177ELF\002' > short && chmod +x short
for file in ./fifo ./directory ./rubbish ./short; do
    wanted=0; env $file 2> /dev/null || wanted=$?
    timeout 60 "$gumshoe" run --rules "$rules_file" --dir d -- $file 2> err && fail "$file ran"
    equal $? $wanted "$file"
done
