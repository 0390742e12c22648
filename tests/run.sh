#!/bin/bash
# tests/run.sh [CTEST-OPTION…]: everything from a fresh clone to a count. Installs what is missing, builds into build/ with
# warnings as errors, runs all tests (or those that the options choose: -L unit, -R redis), and ends with one line alone:
#   N passed, N failed[, N skipped]
# Exit status 0 only if something ran and nothing failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tests/setup.sh test
cmake -S . -B build -DGUMSHOE_WERROR=ON -DGUMSHOE_TESTS=ON
cmake --build build --parallel 2

results=$PWD/build/test-results.xml
rm -f "$results"
status=0
(cd build && ctest --output-on-failure --no-tests=error --output-junit "$results" "$@") || status=$?
touch "$results" # absent when ctest found nothing to run

# One <testcase> a test; what a test printed is escaped, so none can write one of its own. The counts of ctest's header
# would not do: a test whose program was never built is "skipped" there.
cases() {
    grep -c "$@" "$results" || true
}
total=$(cases '<testcase ')
passed=$(cases '<testcase .*status="run"')
skipped=$(($(cases '<skipped message="SKIP_') + $(cases '<testcase .*status="disabled"')))
failed=$((total - passed - skipped))

echo "$passed passed, $failed failed$([[ $skipped == 0 ]] || echo ", $skipped skipped")"
[[ $status == 0 && $passed -gt 0 && $failed == 0 ]]
