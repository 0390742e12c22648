#!/bin/bash
# Dumps and CPU profiles of threads that fall asleep all the time: our signal may reach a thread that has just gone to sleep. No call
# of the program returns early because of that, and every signal of the program's own interrupts, as without us.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
gcc -O1 -w "$source_dir/tests/host/ways/restless.c" -o restless -I "$source_dir/include" -L "$build" -lgumshoe -Wl,-rpath,"$build" -pthread

it "interrupts no call of threads that fall asleep, during a CPU profile at 250 Hz and dumps"
found=$(within_patience ./restless empty 8 "$PWD/d")
[ "$(uname -m)" != x86_64 ] || equal "$found" "interrupted 0, lost 0"

it "lets the program's own signals interrupt, also if their handler blocks ours"
found=$(within_patience ./restless full 1 "$PWD/d")
equal "${found#*, }" "lost 0"
