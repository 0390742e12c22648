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
equal "$(sed -n 's/^[^ ]* gumshoe\[[0-9]* sleep\]: warning: .*vain.json/vain.json/p' vain.log | cut -d' ' -f1-4)" "$(grep '^vain.json:.*: warning: ' out | cut -d' ' -f1-4)" "the log"
it "lists the values that are allowed where they are few, and the nearest one"
# says TEXT RULE: check prints TEXT about a file with RULE
says() {
    echo "{ \"version\": 1, \"rules\": [ $2 ] }" > wrong.json
    "$gumshoe" check wrong.json > out && fail "$2 passed"
    grep -qF -- "$1" out || fail "wanted '$1': $(cat out)"
}
says 'unknown metric "memory"; it may be "rss", "heap_in_use", ' '{ "name": "a", "metric": "memory", "above": 1 }'
grep -qF '"io_wait" or "gauge:NAME"' out || fail "$(cat out)"
says 'unknown metric "rsss"; did you mean "rss"?' '{ "name": "a", "metric": "rsss", "above": 1 }'
says 'unknown kind of evidence "hepa"; did you mean "heap"? It may be "threads", "threadcreate", "fds", "heap", "peak", "pages", "waste", "lifetimes" or "cpu"' '{ "name": "a", "every": "1h", "capture": ["hepa"] }'
says 'unknown key "per"; it may be "rate", "over" or "why"' '{ "name": "a", "metric": "rss", "growth": { "rate": "1MiB/min", "per": "1h" } }'
says 'unknown key "threshold"; it may be "name", "why", "metric", ' '{ "name": "a", "metric": "rss", "threshold": "1GiB" }'
it "refuses a default that does not fit to the interval, and says which"
echo '{ "version": 1, "interval": "10m", "rules": [
  { "name": "a", "metric": "rss", "growth": { "rate": "1MiB/h" } } ] }' > long.json
"$gumshoe" check long.json > out && fail "it passed"
grep -qF 'long.json:2:45: error: the default 10 min is out of range: "over" may be 30 min to 30 d; add "over"' out || fail "$(cat out)"
sed 's/"1MiB.h"/&, "over": "30m"/' long.json > longer.json
equal "$("$gumshoe" check longer.json)" "longer.json: ok (1 rule)"
it "warns of a program of on_incident that cannot be run, by the rules that the agent finds it with"
mkdir bin; echo 'exit 0' > bin/text; printf '#!/nowhere/sh\n' > bin/lost; printf '#!/bin/sh\n' > bin/plain; printf '#!/bin/sh\n' > bin/good
chmod +x bin/text bin/lost bin/good; : > bin/empty; chmod +x bin/empty
cannot() { # PROGRAM WHY [HINT]
    printf '{ "version": 1,\n  "on_incident": ["%s", "{dir}"],\n  "rules": [ { "name": "a", "every": "1h" } ] }\n' "$1" > program.json
    "$gumshoe" check program.json > out || fail "status $?"
    equal "$(head -n 1 out)" "program.json:2:19: warning: \"on_incident\" cannot run $1: $2${3:+; $3}"
    grep -qx 'program.json: ok (1 rule, 1 warning)' out || fail "$(cat out)"
}
can() { printf '{ "version": 1, "on_incident": ["%s", "{dir}"], "rules": [ { "name": "a", "every": "1h" } ] }' "$1" > program.json; equal "$("$gumshoe" check program.json)" "program.json: ok (1 rule)" "$1"; }
cannot /nowhere/page "No such file or directory"
cannot "$tmp/bin" "it is a directory"
cannot "$tmp/bin/plain" "it is not executable"
cannot "$tmp/bin/text" "it is neither a program nor a script that begins with #!"
cannot "$tmp/bin/empty" "it is neither a program nor a script that begins with #!"
cannot "$tmp/bin/lost" "the interpreter in its first line cannot be run"
cannot good "it is in no directory of PATH"
cannot ./good "No such file or directory" "a relative path begins at the program's current directory"
can "$tmp/bin/good"; can bin/good; can sh; can "/opt/{host}/page"
PATH=$tmp/bin:$PATH; can good; PATH=${PATH#*:}
it "reads the rules aloud: a sentence for each, with all defaults"
cat > aloud.json <<'END'
{ "version": 1, "cpu": { "duration": "5s" }, "incidents": { "keep": 1 }, "only": ["redis-server"], "rules": [
  { "name": "leak", "metric": "heap_in_use", "growth": { "rate": "1MiB/min" }, "for": "5m" },
  { "name": "busy", "metric": "cpu", "above": "90%", "unless_above": "99%", "again": "always", "cooldown": "0s", "max_per_hour": 1 },
  { "name": "files", "metric": "fds", "above": "80%", "jitter": { "by": 100 }, "unless": { "metric": "cpu", "above": "95%" }, "capture": ["threads"] },
  { "name": "soon", "metric": "rss", "reaches": { "line": "1GiB", "within": "10m" }, "max_per_hour": 3 },
  { "name": "odd", "metric": "threads", "unusual": { "min": 10 }, "every": "12h", "capture": ["cpu", "heap", "threads"] },
  { "name": "slow", "metric": "rss", "growth": { "rate": "2%/h", "over": "2h" }, "below": "1MiB" },
  { "name": "jump", "metric": "rss", "jitter": { "rise": "25%", "by": "64MiB", "min": "200MiB", "over": 1 } },
  { "name": "daily", "every": "24h", "capture": ["heap"] } ] }
END
"$gumshoe" check --explain aloud.json > out || fail "status $?: $(cat out)"
again='while it keeps holding, again only from 10 % beyond the value of the last incident'
cat > wanted <<END
  leak: when heap_in_use grows by at least 1 MiB/min over 10 min, for 5 min without a break, it captures heap and threads; at most once in 10 min; $again.
  busy: when cpu is above 90 %, it captures cpu (5 s at 99 Hz) and threads; without a cooldown; at most once an hour; while it keeps holding, again and again; never while cpu is above 99 %.
  files: when fds is above 80 % of the limit of open files, or when fds is more than 100 above the mean of the 10 ticks before, it captures threads; at most once in 10 min; $again; never while cpu is above 95 %.
  soon: when rss is at 1 GiB, or will be there within 10 min at the growth of the last 10 min, it captures heap and threads; at most once in 10 min; at most 3 times an hour; $again.
  odd: when threads is at least 6 times its usual deviation above the median of the 30 min before, and at least 10, and in any case every 12 h, it captures heap, cpu (5 s at 99 Hz) and threads; at most once in 10 min; $again.
  slow: when rss is below 1 MiB, or when rss grows by at least 2 % of its median an hour over 2 h, it captures heap and threads; at most once in 10 min; $again.
  jump: when rss is more than 25 % and more than 64 MiB above the mean of the 1 tick before, and at least 200 MiB, it captures heap and threads; at most once in 10 min; $again.
  daily: every 1 d, it captures heap.

  Metrics are read and rules judged every 1 s.
  The heap is sampled every 512 KiB allocated, with stacks of at most 64 frames; its first baseline is taken after 10 min.
  The agent uses at most 1 % of one CPU.
  Incidents go to incidents; at most 1 is kept; together they have at most 1 GiB; they are removed after 14 d; all rules together make at most 12 an hour.
  Only these programs are watched: redis-server.
  Forked children are watched too; programs that they exec are not.
  Fatal signals are not noted.
  Source lines are added to each incident once it is complete.
END
sed '0,/^aloud.json: ok (8 rules/d' out | diff wanted - || fail "the sentences"
it "says what a share of the memory limit is here, and the same as JSON; a file with errors has no sentences"
echo '{ "version": 1, "rules": [ { "name": "a", "metric": "rss", "above": "80%" } ] }' > share.json
"$gumshoe" check --explain share.json | grep -qE '^  a: when rss is above 80 % of the memory limit \([0-9.]+ [MGT]iB here\), it captures' || fail "$("$gumshoe" check --explain share.json)"
"$gumshoe" check --explain --json aloud.json bad.json missing > out.json && status=0 || status=$?
equal "$status" 3 "status"
equal "$(jq -r '.[0].rules[] | .rule' out.json | tr '\n' ' ')" "leak busy files soon odd slow jump daily " "rules"
equal "$(jq -r '.[0] | (.rules[].sentence, .settings[])' out.json | sed 's/^/  /')" "$(grep . wanted)" "sentences"
equal "$(jq -c '.[1] | [.file, .rules, .settings, (.messages[] | .line)]' out.json)" '["bad.json",null,null,2,3]' "a file with errors"
equal "$(jq -c '.[2].messages' out.json)" '[{"line":0,"column":0,"severity":"error","file":"missing","message":"No such file or directory","hint":""}]' "a file that is missing"
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
