#!/bin/bash
# tests/run.sh - set up, build, and run all the tests. Ends with one line "N passed, N failed" and status 1 if any
# failed. Can be run again; builds in build/.   CTEST="-R host" narrows it (any of ctest's options).
set -eu
cd "$(dirname "$0")/.."

tests/setup.sh test
cmake -S . -B build -DGUMSHOE_WERROR=ON >build.log 2>&1 || { cat build.log; rm -f build.log; exit 1; }
rm -f build.log
cmake --build build --parallel "$(nproc)"

results=build/ctest.log
status=0
ctest --test-dir build --output-on-failure ${CTEST:-} 2>&1 | tee "$results" || status=1
passed=$(grep -cE 'Test +#[0-9]+:.* Passed ' "$results" || true)
skipped=$(grep -cE 'Test +#[0-9]+:.*\*\*\*Skipped ' "$results" || true)
run=$(grep -cE 'Test +#[0-9]+:' "$results" || true)
failed=$((run - passed - skipped))
[ "$run" -gt 0 ] || { echo "no test ran"; status=1; }
[ "$failed" -eq 0 ] || status=1
if [ "$skipped" -gt 0 ]; then echo "$passed passed, $failed failed, $skipped skipped"; else echo "$passed passed, $failed failed"; fi
exit $status
