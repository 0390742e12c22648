#!/bin/bash
# What people look at: ls over several directories, show and its next commands, on terminals of several widths and in a pipe; names
# that would harm a terminal.
. "$(dirname "$0")/lib.sh"

# make DIR NAME RULE TIME FINGERPRINT HOST BUILD FUNCTION [FILE]: an incident folder as the library writes it.
make() {
    mkdir -p "$1/$2"
    jq -n --arg rule "$3" --arg time "$4" --arg print "$5" --arg host "$6" --arg build "$7" --arg function "$8" --arg file "${9:-}" \
        '{version: 1, complete: true, $rule, metric: "rss", condition: "above", value: 104857600, line: 1, reason: "rss is high", triggered: $time,
          $host, build_id: $build, fingerprint: $print, baseline_age_s: 300, files: [{name: "heap.pb.gz", size: 1, crc32: "0"}],
          culprit: {kind: "growth", bytes: 52428800, share: 0.5, $function, $file, line_number: 61, confidence: "high"}}' > "$1/$2/incident.json"
    printf '%s: summary\n\nCulprit: %s\n      50 MiB   50 %%  first (a.c:1) ← second (b.c:2) ← third (c.c:3) ← fourth (d.c:4)\nread on: gumshoe top elsewhere\n' "$3" "$8" > "$1/$2/summary.txt"
}
# on_terminal WIDTH COMMAND…: what a terminal of that width gets, without its carriage returns. printf quotes for bash alone.
on_terminal() {
    local width=$1; shift
    SHELL=/bin/bash TERM=xterm NO_COLOR=${no_color-1} COLUMNS=$width within_patience script -qec "$(printf '%q ' "$@")" /dev/null < /dev/null | tr -d '\r'
}
# widest: the columns of the widest line of standard input.
widest() { python3 -c 'import sys, unicodedata as u; print(max(sum(0 if u.combining(c) else 2 if u.east_asian_width(c) in "WF" else 1 for c in l.rstrip("\n")) for l in sys.stdin))'; }

put='std::pair<int, bool> net::pool::Cache<std::string, std::vector<Session> >::put(std::string const&, Session*)'
make web-1 20261124T030500.000Z-leak-7 leak 2026-11-24T03:05:00.000Z aaaa web-1 aaaaaaaaaaaaaaaaaaaa "$put" /src/cache.cc
make web-1 20261125T030500.000Z-leak-8 leak 2026-11-25T03:05:00.000Z aaaa web-1 bbbbbbbbbbbbbbbbbbbb "$put" /src/cache.cc
make web-2 20261125T040000.000Z-leak-7 leak 2026-11-25T04:00:00.000Z aaaa web-2 bbbbbbbbbbbbbbbbbbbb "$put" /src/cache.cc
make web-2 20261125T020000.000Z-jump-7 jump 2026-11-25T02:00:00.000Z bbbb web-2 bbbbbbbbbbbbbbbbbbbb load

it "shows repeats of one cause together over several directories, the newest first"
"$gumshoe" ls web-1 web-2 > out
cat > wanted <<'EOF'
TIME (UTC)           RULE        VALUE  CULPRIT
2026-11-25 04:00:00  leak      100 MiB  net::pool::Cache<std::string, std::vector<Session> >::put(std::string const&, Session*) (cache.cc:61)
  50 MiB more than 5 min ago, 50 % of all growth; 3 times since 2026-11-24 03:05:00; on web-2, web-1; builds bbbbbbbbbbbb, aaaaaaaaaaaa
  web-2/20261125T040000.000Z-leak-7
2026-11-25 02:00:00  jump      100 MiB  load
  50 MiB more than 5 min ago, 50 % of all growth; on web-2; build bbbbbbbbbbbb
  web-2/20261125T020000.000Z-jump-7
EOF
diff wanted out || fail "ls"
equal "$("$gumshoe" ls --json web-1 web-2 | jq -r '.[].dir' | sort | xargs)" "web-1/20261124T030500.000Z-leak-7 web-1/20261125T030500.000Z-leak-8 web-2/20261125T020000.000Z-jump-7 web-2/20261125T040000.000Z-leak-7"
it "lists the others when one directory is missing, and says 3"
equal "$(status_of "$gumshoe" ls web-1 missing web-2)" 3
"$gumshoe" ls web-1 missing web-2 2> err | diff wanted - || fail "not the others"
grep -q '^gumshoe: missing: ' err || fail "$(cat err)"
it "says 1 when none of them has an incident"
mkdir none nothing; equal "$(status_of "$gumshoe" ls none nothing)" 1

it "fits the terminal, and leaves out parameters, template arguments and namespaces, never the function's own name"
on_terminal 120 "$gumshoe" ls web-1 web-2 > out
grep -q 'net::pool::Cache<std::string, std::vector<Session> >::put(…) (cache.cc:61)$' out || fail "120: $(cat out)"
on_terminal 90 "$gumshoe" ls web-1 web-2 > out
grep -q '  net::pool::Cache<…>::put(…) (cache.cc:61)$' out || fail "90: $(cat out)"
on_terminal 66 "$gumshoe" ls web-1 web-2 > out
grep -q '  …::put(…) (cache.cc:61)$' out || fail "66: $(cat out)"
on_terminal 30 "$gumshoe" ls web-1 web-2 > out
grep -q '  put (cache.cc:61)$' out || fail "30: $(cat out)"
for width in 70 80 100 150; do
    [ "$(on_terminal $width "$gumshoe" ls web-1 web-2 | grep -v '^next' | widest)" -le $width ] || fail "wider than $width: $(on_terminal $width "$gumshoe" ls web-1 web-2)"
    [ "$(on_terminal $width "$gumshoe" show --dir web-2 | sed '/^Next/,$d' | widest)" -le $width ] || fail "wider than $width: $(on_terminal $width "$gumshoe" show --dir web-2)"
done
it "never cuts or wraps a path that is to be copied"
on_terminal 30 "$gumshoe" ls web-1 web-2 | grep -qx '  web-2/20261125T040000.000Z-leak-7' || fail "cut"
it "wraps a stack between its frames"
on_terminal 60 "$gumshoe" show --dir web-2 > out
grep -qx '      50 MiB   50 %  first (a.c:1) ← second (b.c:2)' out && grep -qx ' *← third (c.c:3) ← fourth (d.c:4)' out || fail "$(cat out)"
it "changes nothing in a pipe, whatever COLUMNS says"
COLUMNS=30 "$gumshoe" ls web-1 web-2 | diff wanted - || fail "cut"
COLUMNS=30 "$gumshoe" show --dir web-2 | grep -qx '      50 MiB   50 %  first (a.c:1) ← second (b.c:2) ← third (c.c:3) ← fourth (d.c:4)' || fail "cut"
it "asks the terminal for its width when COLUMNS does not say it"
[ "$(within_patience script -qec "stty cols 64; env -u COLUMNS TERM=xterm NO_COLOR=1 $gumshoe ls web-1 web-2" /dev/null < /dev/null | tr -d '\r' | grep -v '^next' | widest)" -le 64 ] || fail "not 64"

it "is coloured on a terminal alone, and not with NO_COLOR"
! "$gumshoe" show --dir web-2 | grep -q "$(printf '\033')" || fail "colour in a pipe"
no_color= on_terminal 80 "$gumshoe" show --dir web-2 | grep -q "$(printf '\033')" || fail "no colour"
! on_terminal 80 "$gumshoe" show --dir web-2 | grep -q "$(printf '\033')" || fail "colour with NO_COLOR"

it "ends with the next commands, and each of them is one that this command has"
odd="it's a \$(touch harmed) dir"; mkdir "$odd"; cp -r web-2/20261125T040000.000Z-leak-7 "$odd"
incident=$odd/20261125T040000.000Z-leak-7
cat > heap.py <<'EOF'
import gzip, sys
# A profile of one sample: main calls net::pool::Cache<int>::put.
def varint(n):
    out = b""
    while n > 127: out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])
def field(number, value):
    return varint(number << 3) + varint(value) if isinstance(value, int) else varint(number << 3 | 2) + varint(len(value)) + value
strings = ["", "inuse_space", "bytes", "net::pool::Cache<int>::put(int)", "main", "cache.cc"]
function = lambda i, name: field(5, field(1, i) + field(2, name) + field(4, 5))
location = lambda i: field(4, field(1, i) + field(4, field(1, i) + field(2, i)))
data = field(1, field(1, 1) + field(2, 2)) + field(2, field(1, varint(1) + varint(2)) + field(2, varint(int(sys.argv[1]))))
data += location(1) + location(2) + function(1, 3) + function(2, 4) + b"".join(field(6, s.encode()) for s in strings)
sys.stdout.buffer.write(gzip.compress(data))
EOF
python3 heap.py 1000 > "$incident/heap.pb.gz"; python3 heap.py 400 > "$incident/heap.base.pb.gz"
echo '{"version": 1}' > "$incident/rules.json"
"$gumshoe" show "$incident" > out
sed '1,/^Next$/d; /^  # /d' out > commands
equal "$(wc -l < commands)" "$(sed '1,/^Next$/d' out | grep -c '^  # ')" "a line of text for each command"
! grep -q '^read on' out || fail "the summary's own line is still there"
for word in list peek diff top; do grep -q " $word " commands || fail "no $word: $(cat out)"; done
"$gumshoe" --help > help
# Each runs in a shell as it is printed, and what it says is about this profile.
mkdir run; while read -r line; do
    name=$(echo "$line" | awk '{ print $2 }')
    grep -q "^  $name " help || fail "no such command: $line"
    case $line in *" -o "*) continue ;; esac
    (cd "$tmp" && within_patience sh -c "$line" > run/out 2> run/err < /dev/null) || fail "$line: $(cat run/err)"
    case $name in peek | top | diff) grep -q 'put' run/out || fail "$line: $(cat run/out)" ;; esac
done < commands
[ ! -e harmed ] || fail "a path ran as a command"
it "offers no source lines and no growth where the incident has none"
rm "$incident/heap.base.pb.gz"; jq '.culprit.file = ""' "$incident/incident.json" > new && mv new "$incident/incident.json"
"$gumshoe" show "$incident" | sed '1,/^Next$/d' > out
! grep -q ' list \| diff ' out && grep -q ' symbolize ' out || fail "$(cat out)"
it "quotes control characters so that they neither reach the terminal nor get lost"
esc=$(printf 'evil\033[2J\342\200\256dir'); mkdir "$esc"; cp -r "$incident" "$esc"
"$gumshoe" ls "$esc" > out; "$gumshoe" show --dir "$esc" >> out; on_terminal 80 "$gumshoe" ls "$esc" >> out
! "$gumshoe" ls "not $esc" 2> errors || fail "there is no such directory"
! "$gumshoe" "$esc" 2>> errors || fail "there is no such command"
! "$gumshoe" top --sample "$esc" "$incident/heap.pb.gz" 2>> errors || fail "there is no such sample type"
! grep -q "$(printf '\033\|\342\200\256')" out errors || fail "a control character came through"
sed -n "/ top /p" out > commands; bash -c "$(cat commands)" > run/out || fail "$(cat commands)"
grep -q put run/out || fail "$(cat run/out)"

it "says what is wrong with an option, and quotes that as well"
refused() { # TEXT ARGUMENT…: status 2, and TEXT on the first line
    local text=$1 status=0; shift
    "$gumshoe" "$@" > /dev/null 2> err || status=$?
    equal $status 2 "the status of $*"
    equal "$(head -n 1 err)" "gumshoe $1: $text" "$*"
    ! head -n 1 err | LC_ALL=C grep -q $'[\e\r\x80-\xff]' || fail "$*: $(cat -v err)"
}
refused 'there is no option "--jsno"; did you mean "--json"?' ls --jsno
refused 'there is no option "--red\x1b[31m\x0d"' ls --red$'\e[31m\r'
refused 'there is no option "-\x1b"' ls -$'\e'
refused 'there is no option "-\xff"' ls -$'\xff'
refused 'option "--s" is ambiguous' top --s heap.pb.gz
refused 'option "--json" takes no argument' ls --json=$'\e'
refused 'option "--help" takes no argument' ls --help=$'\e'
refused 'option "--dir" needs an argument' show --dir
refused 'option "-n" needs an argument' top -n

it "gives machines the verdict, where the evidence is, and the next steps"
"$gumshoe" show --json --brief "$incident" > brief.json
equal "$(jq -r 'keys_unsorted | join(" ")' brief.json)" "version dir rule reason triggered complete verdict culprit evidence next"
equal "$(jq -r '.verdict' brief.json)" "net::pool::Cache<std::string, std::vector<Session> >::put(std::string const&, Session*): 50 MiB more than 5 min ago, 50 % of all growth"
equal "$(jq -r '.evidence[0].path' brief.json)" "$incident/heap.pb.gz"
equal "$(jq -r '.next | map(has("command") and has("shows")) | all' brief.json)" true
equal "$(jq -r '.culprit.function' brief.json)" "$put"
it "gives people the same in short"
"$gumshoe" show --brief "$incident" | head -2 > out
printf 'leak: rss is high\nCulprit: %s\n' "$(jq -r .verdict brief.json)" | diff - out || fail "brief"
it "makes names harmless that would move the text around them"
make evil 20261124T030500.000Z-leak-7 leak 2026-11-24T03:05:00.000Z aaaa "$(printf 'h\342\200\256ost')" "$(printf '\033[31m')" "$(printf '\342\201\246f\033]0;x\007')" "$(printf '/s/\342\200\217x.c')"
for command in "ls evil" "show --dir evil" "show --brief --dir evil"; do
    ! "$gumshoe" $command | grep -q "$(printf '\033\|\342\200\256\|\342\200\217\|\342\201\246\|\007')" || fail "$command"
done
