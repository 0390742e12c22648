#!/bin/bash
# gumshoe check, as the owner of rules meets it.
. "$(dirname "$0")/lib.sh"
good='{ "version": 1, "rules": [ { "name": "a", "metric": "rss", "above": "1GiB" } ] }'
echo "$good" > good.json
printf '{ "version": 1,\n  "rules": [ { "name": "a", "metric": "rss",\n\t"abov": "1GiB" } ] }\n' > bad.json

it "says that a good file is good"
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
it "tells machines the same"
equal "$("$gumshoe" check --json good.json)" "[]"
equal "$("$gumshoe" check --json bad.json | jq -r '.[] | select(.line == 3) | "\(.file) \(.line) \(.column) \(.severity) \(.message) \(.hint)"')" 'bad.json 3 2 error unknown key "abov" did you mean "above"?' "JSON"
it "says 3 for what cannot be read, and does not hang"
mkfifo fifo; mkdir directory; : > empty; head -c 2000000 /dev/zero | tr '\0' ' ' > huge
for file in missing directory fifo huge; do equal "$(status_of timeout 10 "$gumshoe" check $file)" 3 "$file"; done
equal "$(status_of "$gumshoe" check empty)" 1 "an empty file"
it "says 2 for wrong usage"
equal "$(status_of "$gumshoe" check)" 2
equal "$(status_of "$gumshoe" check --frobnicate good.json)" 2
it "does not colour what goes into a file, nor let a file's bytes reach the terminal"
printf '{ "version": 1, "rules": [ { "name": "\033[31m", "every": "1h" } ] }' > esc.json
"$gumshoe" check esc.json > out || true
! grep -q "$(printf '\033')" out || fail "an escape sequence came through"
it "finds the shipped rules good"
"$gumshoe" check "$source_dir"/rules/*.json "$source_dir"/examples/*.json >/dev/null || fail "shipped rules"
it "helps: -h, --version, unknown commands"
for command in run check ls show top; do
    "$gumshoe" $command --help | grep -q "usage: gumshoe $command" || fail "$command --help"
    grep -q "^.B $command$" "$source_dir/docs/gumshoe.1" || fail "$command is not in the man page"
done
"$gumshoe" --version | grep -qE '^gumshoe [0-9]+\.[0-9]+\.[0-9]+$' || fail "--version"
equal "$(status_of "$gumshoe" -h)" 0
equal "$(status_of "$gumshoe")" 2
"$gumshoe" chekc 2>&1 | grep -q 'did you mean "check"?' || fail "did you mean"
