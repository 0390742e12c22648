#!/bin/bash
# gumshoe suggest: rules from a week of recorded data.
. "$(dirname "$0")/lib.sh"

# suggest ARGUMENT…: the rules in $tmp/out, standard error in $tmp/err, the exit status in $status.
suggest() { "$gumshoe" suggest "$@" > "$tmp/out" 2> "$tmp/err" && status=0 || status=$?; }
complains() { grep -qF -- "$1" "$tmp/err" || fail "not complained: $1: $(cat "$tmp/err")"; }
# fired HISTORY: how often all rules of $tmp/out together fire on it.
fired() { "$gumshoe" replay --rules out --limit 1GiB --json "$1" | jq '[.rules[].fired_count] | add'; }

# Eight days, a row a minute: 300 to 400 MiB by day and night, threads and CPU likewise, some noise; MORE is added to rss and heap
# at minute m.
figures() {
    awk -v days="$1" 'BEGIN { print "time,rss,heap_in_use,threads,cpu,fds,gauge:queue"; MiB = 1048576; seed = 7
        for (m = 0; m < days * 1440; m++) {
            seed = (seed * 1103515245 + 12345) % 2147483648; noise = seed / 2147483648 - 0.5
            load = (1 - cos(m / 1440 * 6.2831853)) / 2; more = 0
            '"$2"'
            printf "%d,%d,%d,%d,%.1f,%d,%d\n", m * 60, (300 + 100 * load + 10 * noise + more) * MiB, (250 + 80 * load + 8 * noise + more) * MiB,
                   20 + 40 * load, 10 + 40 * load + 4 * noise, 100 + 200 * load, 5 + 20 * load + 6 * noise } }'
}
figures 8 '' > week.csv

it "prints a rules file without errors or warnings"
suggest --limit 1GiB week.csv
equal $status 0 "status"
complains "No fault is visible in this history of 8 d; all of it counts as usual."
complains "threads from 21 to 59, 8 times, about every 1 d"
! grep -q '^gumshoe:' err || fail "notes: $(cat err)"
"$gumshoe" check out > checked || fail "$(cat checked)"
! grep -q warning checked || fail "$(cat checked)"
it "gives the reason for each figure"
equal "$(jq '[.rules[] | select(.why | length < 20)] | length' out)" 0 "rules without a reason"
jq -r '.rules[] | select(.name == "rss-high").why' out | grep -q 'the median is .* 99 % of the time .* by the hour of the day 30.* to .*' || fail "$(cat out)"
equal "$(jq -r '[.rules[].metric] | unique | join(" ")' out)" "cpu fds gauge:queue heap_in_use rss threads"
it "prints the same when it is run again"
cp out first; suggest --limit 1GiB week.csv; cmp out first || fail "two answers"
it "makes at most the wanted number of incidents on that history"
equal "$(fired week.csv)" 0 "incidents of a quiet week"

it "finds what comes later: a leak, a jump, a storm of threads"
figures 8 'if (m > 2880) more = (m - 2880) / 20' > leak.csv
[ "$(fired leak.csv)" -ge 1 ] || fail "the leak is not found"
figures 2 'if (m > 2000) more = 300' > jump.csv
"$gumshoe" replay --rules out --limit 1GiB --expect rss-jump --expect rss-high jump.csv > /dev/null || fail "the jump is not found"
figures 2 'if (m > 2000) load = 20' > storm.csv
"$gumshoe" replay --rules out --limit 1GiB --expect threads-high storm.csv > /dev/null || fail "the storm is not found"

# facts: what suggest says of HISTORY as JSON, in $tmp/facts.
facts() { suggest --json "$@"; equal $status 0 "status"; cp out facts; jq .rules facts > out; }
it "sees a fault, leaves it out of what is usual, and says when the rules fire on it"
suggest --limit 1GiB leak.csv
"$gumshoe" check out > checked && ! grep -q warning checked || fail "$(cat checked)"
complains "1 fault is visible in this history of 8 d, and left out of what is usual:"
grep -qE '^  1\. climb, heap_in_use from [0-9.]+ MiB to [0-9.]+ MiB, rss from' err || fail "$(cat err)"
grep -qE '^  heap_in_use-leak +1: [0-9.]+ [hd] after it began, [0-9.]+ d before its peak +-$' err || fail "$(cat err)"
complains "Apart from faults no rule fires on this history; 1 a week is allowed."
jq -r '.rules[] | select(.name == "heap_in_use-leak").why' out | grep -q 'fires on the climb of heap_in_use in this history, .* before its peak' || fail "$(cat out)"
it "gives the same facts as JSON"
facts --limit 1GiB leak.csv
equal "$(jq -c '[.missed, (.faults | length), .faults[0].kind, .faults[0].lasts, .otherwise]' facts)" '[[],1,"climb",true,0]'
[ "$(jq '.faults[0].begin' facts)" -ge $((2000 * 60)) ] && [ "$(jq '.faults[0].begin' facts)" -le $((4000 * 60)) ] || fail "begins at $(jq .faults[0].begin facts)"
jq -e '.faults[0] as $f | $f.fires | map(select(.seconds_before_peak > ($f.peak - $f.begin) / 2)) | length > 0' facts > tmp || fail "too late: $(jq -c .faults[0] facts)"
first=$(jq -r '.faults[0].fires | min_by(.time).rule' facts)
"$gumshoe" replay --rules out --limit 1GiB --json leak.csv | jq -e --arg rule "$first" --slurpfile facts facts \
    '(.rules[] | select(.rule == $rule).fired[0].time) == ($facts[0].faults[0].fires | map(.time) | min)' > tmp || fail "replay says otherwise of $first"
it "finds the climb of the last fifth of three days"
figures 3 'if (m > 3456) more = (m - 3456) * 1000 / 864' > fifth.csv
facts fifth.csv
equal "$(jq -c '[.missed, [.faults[].kind]]' facts)" '[[],["climb"]]'
"$gumshoe" replay --rules out --expect rss-high --expect heap_in_use-high fifth.csv > tmp || fail "$(cat tmp)"
it "makes no other incident if none is wanted, and counts those on faults apart"
facts --limit 1GiB --per-week 0 leak.csv
equal "$(jq -c '[.otherwise, .missed]' facts)" "[0,[]]"
it "says first which fault no rule fires on"
awk 'BEGIN { print "time,threads"; for (m = 0; m < 90; m++) print m * 60 "," (m == 5 || m == 6 ? 500 : 40) }' > early.csv
suggest early.csv
equal $status 0 "status"
equal "$(head -n 1 err)" "No suggested rule fires on fault 1, the spike of threads from 40 to 500." "the first line"
facts early.csv
equal "$(jq -c .missed facts)" "[1]"

it "says what the history lacks, and what to do"
cut -d, -f1,4 week.csv > threads.csv
suggest threads.csv
equal $status 0 "status"
complains "rss: no rule, it is not in this history; add it as a column"
complains "the memory limit is not known: no rule near it; give it with --limit SIZE"
equal "$(jq -r '[.rules[].metric] | unique | join(" ")' out)" threads
head -n 50 week.csv > short.csv
suggest short.csv
equal $status 1 "a short history"
equal "$(cat out)" "" "no rules"
complains "the history is too short: 49 rows over 49 min; at least an hour and 60 rows are needed, a week is better"
it "says 2 for wrong usage, 3 for what cannot be read"
equal "$(status_of "$gumshoe" suggest)" 2
equal "$(status_of "$gumshoe" suggest week.csv week.csv)" 2
equal "$(status_of "$gumshoe" suggest --per-week many week.csv)" 2
equal "$(status_of "$gumshoe" suggest --per-week -1 week.csv)" 2
equal "$(status_of "$gumshoe" suggest --limit 0 week.csv)" 2
equal "$(status_of "$gumshoe" suggest missing.csv)" 3
it "prints help"
"$gumshoe" suggest --help | grep -q "usage: gumshoe suggest" || fail "--help"
grep -q "^.B suggest$" "$source_dir/docs/gumshoe.1" || fail "the man page"
