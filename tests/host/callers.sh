#!/bin/bash
# CPU time in a helper that many use: the summary shows who called it, and what the C library did for the program.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
rules=$(rules cpu '{"version": 1, "interval": "100ms", "cpu": {"duration": "10m"}, "rules": [
    {"name": "now", "metric": "threads", "above": 0, "capture": ["cpu"]}]}')
mkfifo input
"$gumshoe" run --rules "$rules" --dir incidents -- "$build/hosts/callers" 4 < input & host=$!; started="$started $host"
exec 3> input
wait_until has_watch incidents
wait_until status_of_watch "$(watched_in incidents)" '.under_way == 1'
echo >&3
wait $host || fail "the host ended with $?" # with some 400 samples; sampling ends as the program does
summary=$(incident incidents)/summary.txt
shown=$(sed -n '/^CPU time by whole stacks/,/^$/p' "$summary")

it "shows three whole stacks of CPU time, with the time and the share"
equal "$(echo "$shown" | sed 1d | grep -cE '^ +[0-9.]+ m?s +[0-9.]+ %  .* ← main$')" 3 "stacks in $(cat "$summary")"
it "shows both callers of the helper"
for caller in rank_hits list_rows; do
    echo "$shown" | grep -qE " %  score ← $caller ← main$" || fail "no $caller: $(cat "$summary")"
done
it "begins each stack with the C library's function, once, although its inner functions may have no names"
equal "$(echo "$shown" | grep -cE ' %  .* ← clear_row ← erase_rows ← main$')" 1 "stacks of memset in $(cat "$summary")"
