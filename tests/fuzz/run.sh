#!/bin/bash
# tests/fuzz/run.sh [SECONDS [TARGET…]] - fuzz the readers of hostile input with libFuzzer: SECONDS (60) for each TARGET (all
# of tests/fuzz/targets). Installs clang if it is missing (tests/setup.sh fuzz).
#
# Inputs that reach new code are kept in build-fuzz/found/TARGET and used again. One that breaks a target is left in
# build-fuzz/broken: mend the reader, and copy the input into tests/fuzz/corpus/TARGET, which `ctest -R fuzz` replays.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
seconds=${1:-60}
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=($(basename -s .c tests/fuzz/targets/*.c))

tests/setup.sh fuzz
home=build-fuzz
mkdir -p "$home/broken"
CC=clang CXX=clang++ cmake -S . -B "$home" -DGUMSHOE_FUZZERS=ON -DGUMSHOE_EXAMPLES=OFF -DCMAKE_C_COMPILER=clang \
    -DCMAKE_CXX_COMPILER=clang++ > "$home/cmake.log" || { cat "$home/cmake.log"; exit 2; }
cmake --build "$home" --target fuzzers > "$home/build.log" 2>&1 || { tail -n 30 "$home/build.log"; exit 2; }

status=0
for target in "${targets[@]}"; do
    found=$home/found/$target
    mkdir -p "$found"
    dictionary=tests/fuzz/targets/$target.dict
    options=(-max_total_time="$seconds" -timeout=10 -rss_limit_mb=2560 -max_len=65536 -print_final_stats=1
        -artifact_prefix="$home/broken/$target-")
    [ ! -e "$dictionary" ] || options+=(-dict="$dictionary")
    if "$home/fuzzers/$target" "${options[@]}" "$found" "tests/fuzz/corpus/$target" > "$home/$target.log" 2>&1; then
        echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$home/$target.log") inputs," \
            "$(grep -oE 'cov: [0-9]+' "$home/$target.log" | tail -n 1), nothing broke"
    else
        echo "$target: BROKEN, see $home/$target.log:"
        grep -E "ERROR:|SUMMARY:|Test unit written|runtime error" "$home/$target.log" | head -n 5
        status=1
    fi
done
exit $status
