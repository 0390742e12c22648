#!/bin/bash
# tests/bench/run.sh [NAME…]: sets up, builds, and runs all benchmarks or those named; ours and its peers take turns within
# one run. Prints a line a figure and leaves them in build/bench/results.txt. Takes a quarter of an hour.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
tests/setup.sh bench
cmake -S . -B build > /dev/null
cmake --build build --parallel 2 > /dev/null
exec python3 tests/bench/bench.py "$PWD/build" "$@"
