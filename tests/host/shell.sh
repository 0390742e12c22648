#!/bin/bash
# A shell under watch computes what it computes without us. Bash keeps its environment in an array of its own, and forks for
# each command substitution.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
rules=$(rules often '{ "version": 1, "interval": "100ms", "rules": [ { "name": "often", "every": "1s", "capture": ["heap", "threads"] } ] }')
# as_without SCRIPT: bash prints the same, and ends with the same status, under watch and out of it.
as_without() {
    local plain watched
    plain=$(bash -c "$1" 2>&1; echo "status $?")
    watched=$("$gumshoe" run --rules "$rules" --dir d -- bash -c "$1" 2>&1; echo "status $?")
    equal "$watched" "$plain" "bash under watch"
}

it "runs hundreds of command substitutions, pipes and subshells"
as_without 's=0; for i in $(seq 300); do x=$(echo $i | cat); s=$((s + x)); done; echo $s; (exit 7); echo $?'
it "runs with other libraries in LD_PRELOAD"
export LD_PRELOAD=libc.so.6
as_without 's=0; for i in $(seq 50); do x=$(echo $i | cat); s=$((s + x)); done; echo $s'
unset LD_PRELOAD
it "keeps the shell's exported environment consistent with what the shell prints"
as_without 'export A=1; unset HOME; for i in 1 2 3; do x=$(env | grep -c "^A=\|^HOME="); echo $x; unset A; done'
it "hides the preload from the shell and from programs that its children exec"
equal "$("$gumshoe" run --rules "$rules" --dir d -- bash -c 'echo "${LD_PRELOAD-none} ${GUMSHOE_PID-none}"; (env; true) | grep -c "^LD_PRELOAD=\|^GUMSHOE_PID="')" "none none
0" "variables of ours"
equal "$(LD_PRELOAD=libc.so.6 "$gumshoe" run --rules "$rules" --dir d -- bash -c 'echo $LD_PRELOAD; env | grep "^LD_PRELOAD="')" "libc.so.6
LD_PRELOAD=libc.so.6" "the user's own LD_PRELOAD"
it "follows the program that it execs, by every function of the exec family"
gcc -O1 -w "$source_dir/tests/host/ways/execs.c" -o execs
for way in execve execv execvp execvpe execl execlp execle fexecve execveat; do
    rm -f log
    equal "$("$gumshoe" run --rules "$rules" --dir d -- ./execs $way a b)" "a b none" "$way"
    equal "$(grep -c 'info: watching' log)" 2 "watches by $way"
done
equal "$("$gumshoe" run --rules "$rules" --dir d -- ./execs fails a b)" "ENOENT none" "an exec that fails"
it "does not watch a program that is started with an environment of its own"
rm -f log
equal "$("$gumshoe" run --rules "$rules" --dir d -- env -i /bin/sh -c 'echo ${LD_PRELOAD-none}; exit 5'; echo $?)" "none
5" "env -i"
equal "$(grep -c 'info: watching' log)" 1 "watches"
