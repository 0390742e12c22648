#!/bin/bash
# The history file of a program: it outlives a SIGKILL, a restart stands in it, and fifty processes share it.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
# 60 ticks of 20 ms are a write each 1.2 s.
never='"interval": "20ms", "rules": [{"name": "never", "metric": "rss", "above": "1TiB"}]'
rules=$(rules quiet "{\"version\": 1, $never}")
with_page=$(rules page "{\"version\": 1, \"incidents\": {\"keep\": 0, \"report\": true}, \"symbolize\": \"auto\", $never}")
any=$(rules any '{"version": 1, "rules": [{"name": "any", "metric": "rss", "above": "1B", "cooldown": "1h"}]}')
serve() { # DIR WORKERS [RULES]
    rm -f out
    GUMSHOE_RULES=${3:-$rules} GUMSHOE_DIR=$PWD/$1 LD_PRELOAD=$build/libgumshoe.so "$build/hosts/prefork" "$2" 1 > out & server=$!
    started="$started $server"
    wait_until grep -q serving out
    [ "$2" = 0 ] || started="$started $(grep -v serving out | tr '\n' ' ')"
}
# A reader of its own: how many records of rows a file has, then the pids of its processes, once each. Status 1 if a byte of it
# belongs to no whole record.
cat > records.py <<'P'
import struct, sys, zlib
data, at, rows, pids = open(sys.argv[1], "rb").read(), 8, 0, []
assert data[:8] == b"gshist\0\1", data[:8]
while at < len(data):
    marker, length, crc = struct.unpack_from("<4sII", data, at)
    assert marker == b"\xf5gsr" and at + 13 + length <= len(data), (at, len(data))
    body = data[at + 12:at + 13 + length]
    assert zlib.crc32(body) == crc, at
    rows += body[0] != 1
    if body[0] == 1:
        pid = shift = 0
        for byte in body[1:]:
            pid |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        pids.append(pid)
    at += 13 + length
print(rows, *sorted(set(pids)))
P
# recorded DIR PROCESSES RECORDS: at least so many; $pids.
recorded() {
    read -r records pids <<< "$(/usr/bin/python3 records.py "$1"/.history/*.gsh)"
    [ -n "$records" ] && [ "$records" -ge "$3" ] && [ "$(wc -w <<< "$pids")" -ge "$2" ]
}
replayed() { "$gumshoe" replay --rules "$any" --json "$1" > replay.json && jq -e "$2" replay.json; }

it "has the ticks of a server that was killed, and after them those of the next"
serve one 0; first=$server
wait_until recorded one 1 2
kill -9 $server; wait $server 2> /dev/null || true
truncate -s -1 one/.history/*.gsh # as if the last write had been cut off: its rows are lost, and it is cut away
serve one 0 "$with_page"
wait_until replayed one '.history.processes == 2'
wait_until recorded one 2 2
equal "$pids" "$(printf '%s\n' $first $server | sort -n | paste -sd ' ')" "the processes in the file"
file=$(ls one/.history/*.gsh)
equal "$(stat -c '%a %A' one/.history | cut -d' ' -f1) $(stat -c %a "$file")" "700 600" "modes"
it "begins each process with empty windows, and keeps the cooldown over the restart"
equal "$(jq '.rules[0].fired_count' replay.json)" 1 "incidents in two lives within an hour"
"$gumshoe" replay --rules "$any" --no-plot "$file" > text
grep -q ', 2 processes (each begins with empty windows)' text || fail "$(cat text)"
status=0; "$gumshoe" suggest one > said 2>&1 || status=$?
equal "$status" 1 "suggest: $(cat said)"
grep -q 'the history is too short' said || fail "$(cat said)"

it "is in the page of an incident of the next process: written at the incident, by report, and in a bundle"
"$gumshoe" capture "$server" --dir one > incident || fail "capture: $(cat incident)"
incident=$(cat incident)
wait_until test -e "$incident/report.html"
"$gumshoe" report --no-symbolize -o page.html "$incident" || fail "report"
"$gumshoe" bundle -o bundle.tar.gz "$incident" > said 2>&1 && tar -xzOf bundle.tar.gz "$(basename "$incident")/report.html" > bundle.html || fail "$(cat said)"
data() { sed -n 's|.*id="gumshoe-data">||p' "$1" | jq -se ".[0] | $2"; }
for page in "$incident/report.html" page.html bundle.html; do
    data "$page" ".incident.history.restarts | length == 1 and .[0].pid == $server" > /dev/null || fail "$page: restarts: $(data "$page" .incident.history.restarts)"
    data "$page" '.incident.history | .restarts[0].time as $at | .all[0] < $at and $at < .all[1]
        and (.metrics[] | select(.name == "rss") | .all.low | map(. != null) | .[0] and .[-1])' > /dev/null || fail "$page: the first process's values are missing"
    grep -q "<li>process $first, from " "$page" || fail "$page does not name process $first"
done
"$gumshoe" bundle --anonymize -o bundle.tar.gz "$incident" > said 2>&1 && tar -xzOf bundle.tar.gz --wildcards '*/report.html' > bundle.html || fail "$(cat said)"
data bundle.html '.incident.history.restarts == []' > /dev/null || fail "an anonymous bundle has the history of other processes"

it "shows the processes before that had ended when the next one began, not one beside them; one that had the same pid is another"
mkdir -p made; cp -r "$incident" made/
made=made/$(basename "$incident")
/usr/bin/python3 - "$made" "$server" <<'P' | /usr/bin/python3 "$source_dir/tests/cli/history_file.py" made "$(jq -r .exe "$made/incident.json")" "$(jq -r .program "$made/incident.json")" > path || fail "no history file"
import datetime, json, sys
incident = json.load(open(sys.argv[1] + "/incident.json"))
end = int(datetime.datetime.fromisoformat(incident["started"].replace("Z", "+00:00")).timestamp()) - 5
def life(pid, begin, end, more=()):
    print(json.dumps({"pid": pid, "started": begin, "interval": 1, "metrics": ["rss"], "rows": [[at, 1e6 + at % 2] for at in [*range(begin, end, 60), *more]]}))
life(int(sys.argv[2]), end - 500000, end - 499000)  # the incident's pid
life(8, end - 400000, end, range(end, end + 30))  # beside all that follow
for i in range(150):
    life(1000 + i, end - 300000 + i * 2000, end - 300000 + i * 2000 + 1900)
P
equal "$(basename "$(cat path)")" "$(basename "$file")" "name of the history file"
"$gumshoe" report --no-symbolize -o page.html "$made" || fail "report"
equal "$(data page.html '.incident.history.restarts | [length, .[0].pid, .[-2].pid, .[-1].pid] | join(" ")')" "\"99 1052 1149 $server\"" "processes: a hundred at most"
grep -q 'with 99 processes before this one. 1 other process ran at the same time, and is not shown' page.html || fail "$(grep -o 'The history file of this program[^<]*' page.html)"

it "says in one line what it cannot read"
says() { # PATH WORDS
    status=0; "$gumshoe" replay --rules "$any" "$1" > said 2>&1 || status=$?
    equal "$status $(wc -l < said)" "3 1" "status and lines: $(cat said)"
    grep -qF -- "$2" said || fail "$(cat said)"
}
cp "$file" later; printf '\2' | dd of=later bs=1 seek=7 conv=notrunc 2> dd.log
says later 'this is a history file of a later version: use a newer gumshoe'
head -c 40 "$file" > begun
says begun 'there are no rows in this history file yet'
mkdir empty; says empty 'there is no history file of a program in it yet'
mkdir -p two/.history; cp "$file" two/.history/a.gsh; cp "$file" two/.history/b.gsh
says two 'it has the histories of 2 programs, name one of them: '
/usr/bin/python3 - "$file" damaged <<'P' || fail "not written"
import struct, sys
data = bytearray(open(sys.argv[1], "rb").read())
second = 8 + 13 + struct.unpack_from("<I", data, 12)[0]
data[second + 20] ^= 1
open(sys.argv[2], "wb").write(data)
P
"$gumshoe" replay --rules "$any" --no-plot damaged > said 2> err || fail "$(cat err)"
grep -q 'damaged: warning: 1 damaged place was skipped' err || fail "$(cat err)"

it "says once that it cannot be written, and the program runs on"
mkdir -m 700 blocked; echo > blocked/.history
serve blocked 0
said_so() { grep -qF "the history file $PWD/blocked/.history/" log; }
wait_until said_so
wait_for_ticks "$(ls blocked/.live/$server-*.box)" 50
equal "$(grep -cF "the history file $PWD/blocked/.history/" log)" 1 "lines"

it "is shared by fifty processes, four at a time, and whole at every moment; when these four are killed, others follow"
serve many 49
wait_until recorded many 4 4
equal "$(wc -w <<< "$pids")" 4 "processes in the file: $pids"
four=$pids
kill -9 $pids
wait_until recorded many 8 8
for pid in $four; do [[ " $pids " = *" $pid "* ]] || fail "$pid is not in the file any more: $pids"; done
replayed many '.history.processes >= 8' > /dev/null || fail "$(cat replay.json)"
