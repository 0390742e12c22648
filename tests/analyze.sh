#!/bin/bash
# tests/analyze.sh BUILD: the clang static analyzer, and cppcheck, over every file of agent/ that BUILD compiles, as BUILD compiles
# it (cmake --workflow --preset analyze). Prints what they find beyond tests/analyze.known, which says of each why it is none;
# exit status 0 only if that is nothing.
set -euo pipefail
build=$(cd "$1" && pwd)
source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
for program in clang cppcheck python3; do
    command -v $program > /dev/null || { echo "missing: $program; tests/setup.sh analyze installs it" >&2; exit 2; }
done
found=$build/analyze.found

# A line for each file: the command that analyzes it. A file that is in several parts is looked at once.
python3 - "$build/compile_commands.json" "$source_dir/agent/" > "$build/analyze.list" <<'END'
import json, shlex, sys
seen = set()
for entry in json.load(open(sys.argv[1])):
    if not entry["file"].startswith(sys.argv[2]) or entry["file"] in seen:
        continue
    seen.add(entry["file"])
    words = shlex.split(entry["command"])[1:]
    kept = [w for i, w in enumerate(words) if w not in ("-c", "-o", entry["file"]) and words[i - 1] != "-o" and not w.startswith("-W")]
    print(shlex.join(["clang", "--analyze", "-w", "-Xclang", "-analyzer-output=text", *kept, entry["file"]]))
END
echo "clang --analyze: $(wc -l < "$build/analyze.list") files"
(cd "$build" && xargs -P 2 -d '\n' -n 1 sh -c 'eval "$0" 2>&1' < analyze.list) > "$found"

echo "cppcheck"
cppcheck --quiet --enable=warning,portability -D__x86_64__ -j 2 --project="$build/compile_commands.json" -i "$build" \
    --template='{file}:{line}:{column}: warning: {message} [{id}]' >> "$found" 2>&1

# As "FILE CHECKER": without those that are known.
sed -n "s|^$source_dir/\([^:]*\):[0-9]*:[0-9]*: warning: .*\[\([A-Za-z._]*\)\]\$|\1 \2|p" "$found" | sort -u > "$found.short"
awk '!/^#/ && NF { print $1, $2 }' "$source_dir/tests/analyze.known" | sort -u | comm -13 - "$found.short" > "$found.new"
while read -r file checker; do
    grep -F "$source_dir/$file:" "$found" | grep -F "[$checker]"
done < "$found.new"
echo "$(wc -l < "$found.short") found, $(wc -l < "$found.new") of them not known"
[ ! -s "$found.new" ]
