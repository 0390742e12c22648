#!/bin/bash
# tests/analyze.sh BUILD: the clang static analyzer, and cppcheck, over every file of agent/ that BUILD compiles, as BUILD compiles
# it. Prints what they find; exit status 0 only if that is nothing. (cmake --workflow --preset analyze)
set -euo pipefail
build=$(cd "$1" && pwd)
source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
for program in clang cppcheck python3; do
    command -v $program > /dev/null || { echo "missing: $program; tests/setup.sh analyze installs it" >&2; exit 2; }
done
status=0

# A line for each file: its folder, and the command that analyzes it. A file that is in several parts is looked at once.
python3 - "$build/compile_commands.json" "$source_dir/agent/" > "$build/analyze.list" <<'END'
import json, shlex, sys
seen = set()
for entry in json.load(open(sys.argv[1])):
    if not entry["file"].startswith(sys.argv[2]) or entry["file"] in seen:
        continue
    seen.add(entry["file"])
    words = shlex.split(entry["command"])[1:]
    kept = [w for i, w in enumerate(words) if w not in ("-c", "-o", entry["file"]) and words[i - 1] != "-o" and not w.startswith("-W")]
    print(shlex.join(["clang", "--analyze", "-w", "-Xclang", "-analyzer-output=text", "-Xclang", "-analyzer-werror", *kept, entry["file"]]))
END
echo "clang --analyze: $(wc -l < "$build/analyze.list") files"
(cd "$build" && xargs -P 2 -d '\n' -n 1 sh -c 'eval "$0"' < analyze.list) || status=1

echo "cppcheck"
cppcheck --quiet --enable=warning,portability --inline-suppr --error-exitcode=1 -j 2 --project="$build/compile_commands.json" \
    --suppressions-list="$source_dir/tests/cppcheck.suppressions" -i "$build" || status=1
exit $status
