#!/bin/bash
# tests/run.sh [--repeat N] [--load] [CTEST-OPTION…]: everything from a fresh clone to a count. Installs what is missing, builds
# into build/ with warnings as errors, runs all tests (or those that the options choose: -L unit, -R redis), and ends with one
# line alone:
#   N passed, N failed[, N skipped]
# Exit status 0 only if something ran and nothing failed.
#   --repeat N   N rounds. Each test that failed is named with the number of rounds that it failed in; the last line counts the
#                tests of all rounds.
#   --load       one busy loop for each CPU runs beside the tests, as on a machine that is shared.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

rounds=1 load=no options=()
while [[ $# -gt 0 ]]; do
    case $1 in
    --load) load=yes ;;
    --repeat)
        if [[ ${2-} =~ ^[0-9]+$ ]]; then rounds=$2; else options+=("$1" "${2-}"); fi # ctest has a --repeat MODE:N of its own
        shift $(($# > 1)) ;;
    *) options+=("$1") ;;
    esac
    shift
done
[[ $rounds -gt 0 ]] || { echo "usage: $0 [--repeat N] [--load] [CTEST-OPTION…]" >&2; exit 2; }

tests/setup.sh test
cmake -S . -B build -DGUMSHOE_WERROR=ON -DGUMSHOE_TESTS=ON
cmake --build build --parallel 2

loops=()
end_load() { [[ ${#loops[@]} == 0 ]] || kill "${loops[@]}" 2> /dev/null || true; }
# keep_busy PID: a loop that ends with the process PID at the latest.
keep_busy() { while kill -0 "$1" 2> /dev/null; do for _ in {1..100000}; do :; done; done; }
if [[ $load == yes ]]; then
    trap end_load EXIT
    for _ in $(seq "$(nproc)"); do
        keep_busy $$ &
        loops+=($!)
    done
fi

# outcomes FILE: a line for each test of ctest's report: "passed NAME", "failed NAME" or "skipped NAME". What a test printed is
# escaped there, so none can write a <testcase> of its own. ctest's own counts would not do: a test whose program was never
# built is "skipped" in them.
outcomes() {
    awk 'function tell() { if (name != "") print outcome, name; name = "" }
         / *<testcase / { tell(); name = $0; sub(/.* name="/, "", name); sub(/".*/, "", name)
                          outcome = /status="run"/ ? "passed" : /status="disabled"/ ? "skipped" : "failed" }
         /<skipped message="SKIP_/ { outcome = "skipped" }
         END { tell() }' "$1"
}

results=$PWD/build/test-results.xml
all=$PWD/build/test-outcomes
: > "$all"
status=0
for ((round = 1; round <= rounds; round++)); do
    [[ $rounds == 1 ]] || echo "== round $round of $rounds"
    rm -f "$results"
    (cd build && ctest -j "$(nproc)" --output-on-failure --no-tests=error --output-junit "$results" "${options[@]}") || status=$?
    touch "$results" # absent when ctest found nothing to run
    outcomes "$results" >> "$all"
done

if [[ $rounds -gt 1 ]]; then
    sed -n 's/^failed //p' "$all" | sort | uniq -c | sort -rn | while read -r times name; do
        echo "$name failed in $times of $rounds rounds"
    done
fi
count() { grep -c "^$1 " "$all" || true; }
passed=$(count passed) failed=$(count failed) skipped=$(count skipped)
echo "$passed passed, $failed failed$([[ $skipped == 0 ]] || echo ", $skipped skipped")"
[[ $status == 0 && $passed -gt 0 && $failed == 0 ]]
