#!/bin/bash
# The second oracle: programs from Debian and one of ours, stopped at their samples, and gdb unwinds the same stacks.
. "$(dirname "$0")/../host/lib.sh"
cd "$tmp"
often=$(rules often '{"version": 1, "heap": {"sample": "1KiB", "depth": 256}, "budget": "100%", "rules": []}')

# same NAME SAMPLES SKIP PROGRAM…
same() {
    local name=$1 samples=$2 skip=$3
    shift 3
    it "finds the frames that gdb finds, in $name"
    SAMPLES=$samples SKIP=$skip gdb -nx -batch -ex "set environment LD_PRELOAD $build/libgumshoe.so" \
        -ex "set environment GUMSHOE_RULES $often" -x "$source_dir/tests/oracle/frames_by_gdb.py" \
        --args "$@" > "$name.out" 2> "$name.err" < /dev/null || { grep -A2 differs "$name.out"; tail -n 5 "$name.out" "$name.err"; fail "$name's stacks"; }
    tail -n 1 "$name.out"
}
cat > busy.py <<'P'
import decimal, functools, json, re
for i in range(3000): # more than is looked at: it is ended then
    json.loads(json.dumps({"a": [re.sub("b", str(j), "abc") for j in range(30)]}, indent=1))
    sorted((str(decimal.Decimal(j) / 7) for j in range(50)), key=functools.cmp_to_key(lambda a, b: len(a) - len(b)))
    re.compile("(a|b%d)*c+" % i)
P
same python3 100 10 /usr/bin/python3 busy.py
printf '#include <regex>\n#include <map>\nint main() { std::map<int, std::regex> m; m[1] = std::regex("a+"); }\n' > source.cc
g++ -E -o source.ii source.cc
same cc1plus 100 150 "$(g++ -print-prog-name=cc1plus)" -fpreprocessed -quiet -O2 -o source.s source.ii
seq 12000 | sed 's/.*/x[&]=$((& * 7)); y=${x[&]\/\/7\/seven}; case $y in *seven*) z+=("$y");; esac/' > busy.bash
same bash 40 20 /bin/bash busy.bash
same operators 40 2 "$build/hosts/operators"
