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
it "keeps the array that the shell exports in step with what it says"
as_without 'export A=1; unset HOME; for i in 1 2 3; do x=$(env | grep -c "^A=\|^HOME="); echo $x; unset A; done'
it "spares what its children exec the loading of the library"
equal "$("$gumshoe" run --rules "$rules" --dir d -- bash -c '(env; true) | grep -c "^LD_PRELOAD=\|^GUMSHOE_PID="')" 0 "variables of ours in a child's child"
