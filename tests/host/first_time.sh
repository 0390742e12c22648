#!/bin/bash
# A person who has never seen the tool: a server leaks, and they know `gumshoe ls`. From there each command is copied from what the
# one before printed. The second shows the guilty line of examples/leaky_server.c.
. "$(dirname "$0")/lib.sh"
cd "$source_dir"
"$build/examples/leaky_server" --seconds 600 --rules examples/leaky_server.json --dir "$tmp/incidents" > "$tmp/out" 2> "$tmp/log" &
started=$!
wait_until grep -q listening "$tmp/out"
port=$(sed -n 's/listening on 127.0.0.1://p' "$tmp/out")
"$build/examples/client" "$port" 500 200 > /dev/null
"$build/examples/client" "$port" 8000 4000 > /dev/null
wait_until "$gumshoe" ls "$tmp/incidents"
wait_until grep -q 'symbolize: ' "$(incident "$tmp/incidents")/incident.json" # the agent fills in the lines, at low priority
# The build may be of another copy of the sources (ccache).
cp examples/leaky_server.c "$tmp"

# on_terminal COMMAND…: what a terminal of 80 columns gets.
on_terminal() { COLUMNS=80 TERM=xterm NO_COLOR=1 within_patience script -qec "$*" /dev/null < /dev/null | tr -d '\r'; }

it "sees in the list what leaks, and where, on a terminal of 80 columns"
on_terminal "$gumshoe" ls "$tmp/incidents" > "$tmp/ls"
grep -q 'heap-high .* cache_insert (leaky_server.c:[0-9]*)$' "$tmp/ls" || fail "$(cat "$tmp/ls")"
it "gets the first command from the list: it shows the incident"
first=$(sed -n 's/^next: gumshoe /"$gumshoe" /p' "$tmp/ls")
[ -n "$first" ] || fail "the list ends with no command: $(cat "$tmp/ls")"
eval "$first" > "$tmp/show"
grep -q '^Culprit: cache_insert in leaky_server, leaky_server.c:[0-9]*: .* more than .* ago' "$tmp/show" || fail "$(cat "$tmp/show")"
it "gets the second from the incident: it shows the guilty line with what it holds"
second=$(sed -n '/^Next/,$p' "$tmp/show" | sed -n '3s/^  //p')
(cd "$tmp" && eval "$second") > "$tmp/list" || fail "$second"
grep -q 'ROUTINE =* cache_insert in ' "$tmp/list" || fail "$(cat "$tmp/list")"
guilty=$(sort -k1,1 -rh "$tmp/list" | grep -E '^ +[0-9.]+[kMG]B .*malloc\(length \+ 1\)') || fail "$second does not show the line: $(cat "$tmp/list")"
line=$(grep -n 'malloc(length + 1)' examples/leaky_server.c | cut -d: -f1)
echo "$guilty" | grep -qE "^ +[0-9.]+MB +[0-9.]+MB +$line: " || fail "line $line: $guilty"
