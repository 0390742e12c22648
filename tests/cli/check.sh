#!/bin/bash
# gumshoe check: errors, warnings, exit status.
. "$(dirname "$0")/lib.sh"
good='{ "version": 1, "rules": [ { "name": "a", "metric": "rss", "above": "1GiB" } ] }'
echo "$good" > good.json
printf '{ "version": 1,\n  "rules": [ { "name": "a", "metric": "rss",\n\t"abov": "1GiB" } ] }\n' > bad.json

it "accepts a valid file"
equal "$("$gumshoe" check good.json)" "good.json: ok (1 rule)"
it "shows each error with its place, its line and a caret"
"$gumshoe" check bad.json > out && status=0 || status=$?
equal "$status" 1 "status"
grep -qF 'bad.json:3:2: error: unknown key "abov"; did you mean "above"?' out || fail "$(cat out)"
grep -qP '^    \t\^$' out || fail "no caret: $(cat out)"
it "checks several files, and standard input"
"$gumshoe" check good.json bad.json > out && fail "bad.json passed"
grep -q 'good.json: ok' out || fail "the good one is not reported"
echo "$good" | "$gumshoe" check - | grep -q 'ok (1 rule)' || fail "standard input"
it "prints the same as JSON"
equal "$("$gumshoe" check --json good.json)" "[]"
equal "$("$gumshoe" check --json bad.json | jq -r '.[] | select(.line == 3) | "\(.file) \(.line) \(.column) \(.severity) \(.message) \(.hint)"')" 'bad.json 3 2 error unknown key "abov" did you mean "above"?' "JSON"
it "says 3 for what cannot be read, and does not hang"
mkfifo fifo; mkdir directory; : > empty; head -c 2000000 /dev/zero | tr '\0' ' ' > huge
for file in missing directory fifo huge; do equal "$(status_of within_patience "$gumshoe" check $file)" 3 "$file"; done
equal "$(status_of "$gumshoe" check empty)" 1 "an empty file"
it "refuses a file of 1 GiB without reading it"
truncate -s 1G gigabyte
under_limit() { if [ -n "${GUMSHOE_UNDER:-}" ]; then "$@"; else prlimit --as=100000000 "$@"; fi; } # valgrind needs more itself
equal "$(under_limit timeout $patience "$gumshoe" check gigabyte)" "gigabyte: error: it is larger than 1 MiB, the limit for rules files"
it "shows the caret under the character that is meant, whatever stands before it"
printf '{ "version": 1, "why": "gr\303\266\303\237er", "rulez": 1, "rules": [] }' > utf8.json
"$gumshoe" check utf8.json > out || true
equal "$(sed -n '/rulez.*did/{n;n;p}' out)" "$(sed -n '/rulez.*did/{n;p}' out | LC_ALL=C.UTF-8 sed 's/"rulez.*/^/; s/[^^]/ /g')" "the caret's line"
it "warns of rules that cannot fire, and still accepts the file"
cat > vain.json <<'END'
{ "version": 1,
  "rules": [
    { "name": "never", "metric": "rss", "above": "1000TiB" },
    { "name": "late", "metric": "cpu", "above": "95%", "unless_above": "99%" },
    { "name": "full", "metric": "cpu", "above": "100%" } ] }
END
"$gumshoe" check vain.json > out || fail "status $?"
grep -qE '^vain.json:3:50: warning: "above" cannot be reached: rss is at most [0-9.]+ [GMT]iB here \(.*\); a share such as "80%" follows the limit$' out || fail "$(cat out)"
grep -qx 'vain.json:5:49: warning: "above" cannot be reached: cpu is at most 100 %' out || fail "$(cat out)"
grep -qx 'vain.json: ok (3 rules, 2 warnings)' out || fail "$(cat out)"
equal "$("$gumshoe" check --json vain.json | jq -c '[.[] | [.file, .line, .column, .severity, .hint]]')" \
    '[["vain.json",3,50,"warning","a share such as \"80%\" follows the limit"],["vain.json",5,49,"warning",""]]' "JSON"
it "prints the same in the log of a watched program"
GUMSHOE_LOG=$tmp/vain.log "$gumshoe" run --rules vain.json --dir vain -- sleep 0.2
equal "$(sed -n 's/^gumshoe\[[0-9]*\]: warning: .*vain.json/vain.json/p' vain.log | cut -d' ' -f1-4)" "$(grep '^vain.json:.*: warning: ' out | cut -d' ' -f1-4)" "the log"
it "does not warn that the heap is not available: it is counted in the program"
echo '{ "version": 1, "rules": [ { "name": "a", "metric": "heap_in_use", "above": "80%" }, { "name": "b", "metric": "gauge:q", "above": 1 } ] }' > heap.json
equal "$("$gumshoe" check heap.json)" "heap.json: ok (2 rules)"
it "says how many errors it does not show"
python3 -c 'print("{ \"version\": 1, \"rules\": [" + ",".join("1" for _ in range(1000)) + "], \"a\": 1, \"b\": 2 }")' > many.json
"$gumshoe" check many.json > out && fail "it passed"
grep -qx 'many.json: and 2 more' out || fail "$(tail -n 3 out)"
it "says 2 for wrong usage"
equal "$(status_of "$gumshoe" check)" 2
equal "$(status_of "$gumshoe" check --frobnicate good.json)" 2
it "does not colour what goes into a file, nor let a file's bytes reach the terminal"
printf '{ "version": 1, "rules": [ { "name": "\033[31m", "every": "1h" } ] }' > esc.json
"$gumshoe" check esc.json > out || true
! grep -q "$(printf '\033')" out || fail "an escape sequence came through"
it "accepts the shipped rules and those of the documentation, without a warning"
python3 - "$source_dir"/docs/*.md "$source_dir/README.md" <<'END'
import re, sys
number = 0
for name in sys.argv[1:]:
    for block in re.findall(r"```json\n(.*?)```", open(name).read(), re.S):
        if '"rules"' in block and '"version"' in block:
            number += 1
            open("documented-%d.json" % number, "w").write(block)
END
equal "$(ls documented-*.json | wc -l | awk '{ print ($1 >= 2) }')" 1 "documents found in the documentation"
# (A kernel without PSI is this machine's affair, not the documents'.)
"$gumshoe" check --json "$source_dir"/rules/*.json "$source_dir"/examples/*.json documented-*.json > out || fail "$(cat out)"
equal "$(jq -c 'map(select(.message | contains("is not available here") | not))' out)" "[]" "errors and warnings"
it "skips the schema that lies beside the rules, and nothing that only looks like one"
equal "$("$gumshoe" check "$source_dir/rules/rules.schema.json" | sed 's/.*rules.schema/rules.schema/')" "rules.schema.json: skipped: a JSON Schema, for editors"
echo '{ "version": 1 }' > bad.schema.json; cp "$source_dir/rules/rules.schema.json" schema.json
for file in bad.schema.json schema.json; do equal "$(status_of "$gumshoe" check $file)" 1 $file; done
it "prints help: -h, --version, unknown commands"
for command in run check ls show top ship; do
    "$gumshoe" $command --help | grep -q "usage: gumshoe $command" || fail "$command --help"
    grep -q "^.B $command$" "$source_dir/docs/gumshoe.1" || fail "$command is not in the man page"
done
"$gumshoe" --version | grep -qE '^gumshoe [0-9]+\.[0-9]+\.[0-9]+$' || fail "--version"
equal "$(status_of "$gumshoe" -h)" 0
equal "$(status_of "$gumshoe")" 2
"$gumshoe" chekc 2>&1 | grep -q 'did you mean "check"?' || fail "did you mean"
