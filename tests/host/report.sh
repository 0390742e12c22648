#!/bin/bash
# "report": true: each incident gets its page, from the process that fills in source lines; `gumshoe report` makes the same one later.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
listed() { jq -r '.files[] | select(.name == "report.html") | "\(.size) \(.crc32)"' "$1/incident.json" | grep .; }
has_note() { jq -e --arg text "$2" '.notes | any(contains($text))' "$1/incident.json" > /dev/null; }

# leak SETTINGS: the example server, which leaks under these settings of the rules; $dir is its incident.
leak() {
    rm -rf incidents out
    rules "$1" "{\"version\": 1, \"interval\": \"100ms\", $2, \"heap\": {\"sample\": \"64KiB\", \"baseline\": \"1s\"}, \"rules\": [
        {\"name\": \"leak\", \"metric\": \"heap_in_use\", \"above\": \"8MiB\", \"capture\": [\"heap\", \"threads\"]}]}" > /dev/null
    "$build/examples/leaky_server" --seconds "$patience" --rules "$tmp/$1.json" --dir incidents > out &
    host=$!; started="$started $host"
    wait_until grep -q 'listening on' out
    "$build/examples/client" "$(sed -n 's/listening on 127.0.0.1://p' out)" 1000 1000 > /dev/null
    wait_until has_incident incidents
    dir=$(incident incidents)
}

it "writes report.html after the source lines, and lists it in incident.json"
leak asked '"symbolize": "auto", "incidents": {"report": true}'
wait_until listed "$dir"
kill "$host"; wait "$host" || true
equal "$(listed "$dir")" "$(stat -c %s "$dir/report.html") $(gzip -c "$dir/report.html" | tail -c 8 | od -An -tx4 -N4 | tr -d ' ')" "its size and checksum"
equal "$(stat -c %a "$dir/report.html")" 600 "its mode"
equal "$(jq -r .complete "$dir/incident.json")" true complete
has_note "$dir" 'symbolize: source lines' || fail "$(jq -c .notes "$dir/incident.json")"
grep -q '<code class="function">cache_insert</code> <span class="place">leaky_server.c:' "$dir/report.html" || fail "the culprit's line is not in the page"

it "makes the same page with the command, but for what was listed since"
"$gumshoe" report -o again.html "$dir"
equal "$(grep -v 'class="files"\|^<li><code>' again.html | cksum)" "$(grep -v 'class="files"\|^<li><code>' "$dir/report.html" | cksum)" "the page"
it "writes it again when the incident is symbolized again"
echo old > "$dir/report.html"
"$gumshoe" symbolize "$dir"
cmp "$dir/report.html" again.html || fail "it was not written again"
equal "$(listed "$dir" | cut -d' ' -f1)" "$(stat -c %s "$dir/report.html")" "its size in incident.json"
it "shows source lines only when it is told where they are"
! grep -q 'id="source"' again.html || fail "there is source in the page"
"$gumshoe" report --source "$source_dir/examples" -o source.html "$dir"
grep -q 'char \*copy = malloc' source.html || fail "the leaking line is not in the page"

it "writes no page where nothing fills in lines, and check says so beforehand"
leak off '"symbolize": "off", "incidents": {"report": true}'
kill "$host"; wait "$host" || true
[ ! -e "$dir/report.html" ] || fail "there is a page"
"$gumshoe" check off.json 2>&1 | grep -q 'warning: no page is written with "symbolize": "off"' || fail "check says: $("$gumshoe" check off.json 2>&1)"
"$gumshoe" report -o later.html "$dir"
grep -q 'cache_insert' later.html || fail "no page afterwards"

it "answers wrong arguments, and leaves nothing behind"
for arguments in "$dir" "-o x.html" "-o x.html $dir $dir"; do
    # shellcheck disable=SC2086
    status=0; "$gumshoe" report $arguments 2> err || status=$?
    equal $status 2 "status of: report $arguments"
done
status=0; "$gumshoe" report -o x.html /nonexistent 2> err || status=$?; equal $status 3 "no such folder"
mkdir empty; status=0; "$gumshoe" report -o x.html empty 2> err || status=$?; equal $status 3 "no incident"
[ ! -e x.html ] || fail "x.html was written"
