#!/bin/bash
# A host that is linked with the library: whatever is wrong with rules or directory, it starts all the same, with the
# error returned and logged.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
host=$build/hosts/linked_start
rule='{ "version": 1, "rules": [ { "name": "x", "metric": "rss", "above": "1GiB" } ] }'

it "starts with the built-in rules, and makes the directory, private"
"$host" dir=made/deep > out
grep -qx 'start ok' out && grep -qx 'works yes' out || fail "$(cat out)"
equal "$(stat -c %a made/deep)" 700 "mode of the directory"
it "says EALREADY the second time"
"$host" dir=d work=twice | grep -qx 'again EALREADY' || fail "not EALREADY"
it "returns and logs the first error of bad rules, with file, line and column; the host continues"
printf '{ "version": 1, "rules": [\n  { "name": "x", "metric": "rsss", "above": "1GiB" } ] }\n' > bad.json
rm -f log; "$host" rules=bad.json > out
grep -qx 'start EINVAL' out && grep -qx 'works yes' out || fail "$(cat out)"
grep -q '^error -22 bad.json 2 28 unknown metric "rsss"' out || fail "$(cat out)"
grep -q 'bad.json:2:28: error: unknown metric "rsss"; did you mean "rss"?' log || fail "$(cat log)"
it "does so for a rules file that is missing, a directory, a FIFO, or not JSON"
mkdir a-directory; mkfifo a-fifo; echo 'rules!' > text.json
for file in missing.json a-directory a-fifo text.json; do
    within_patience "$host" "rules=$file" > out || fail "the host failed with $file"
    grep -qE '^start E' out && grep -qx 'works yes' out || fail "$file: $(cat out)"
done
it "takes rules as text"
"$host" "json=$rule" dir=d | grep -qx 'start ok' || fail "rules_json"
it "refuses a directory that others may write, a link, and a file"
mkdir open && chmod 777 open; ln -s d link; touch file
for dir in open link file; do
    "$host" "dir=$dir" > out; grep -qE '^start E' out && grep -qx 'works yes' out || fail "$dir: $(cat out)"
done
it "refuses a directory that is another user's, and one that it may not write in"
if [ "$(id -u)" -eq 0 ]; then
    mkdir theirs mine; chown nobody theirs; chmod 711 "$tmp"
    "$host" dir=theirs > out; grep -qx 'start EPERM' out || fail "another user's: $(cat out)"
    mkdir nobodys && chown nobody nobodys && chmod 500 nobodys
    cp "$host" "$build/libgumshoe.so.1" "$tmp" # where nobody may read them
    GUMSHOE_LOG=off LD_LIBRARY_PATH=$tmp setpriv --reuid nobody --regid nogroup --clear-groups "$tmp/linked_start" "dir=$tmp/nobodys" > out
    grep -qx 'start EACCES' out && grep -qx 'works yes' out || fail "not writable: $(cat out)"
fi
it "captures an incident on demand, and refuses invalid arguments"
"$host" dir=d work=capture > out
grep -qx 'capture 0' out && grep -qx 'bad reason EINVAL' out && grep -qx 'bad kind EINVAL' out || fail "$(cat out)"
complete "$(incident d)"
equal "$(jq -r '.rule + " " + .condition' "$(incident d)/incident.json")" "by-hand call"
it "tells the host of each incident"
"$host" dir=cb work=callback > out
grep -q "^incident told $tmp/cb/2.*-by-hand-" out || fail "$(cat out)"
it "writes a profile into any descriptor"
"$host" dir=d work=profile | grep -qx 'profile 0' || fail "gumshoe_write_profile"
go tool pprof -top profile.pb.gz 2>/dev/null | grep -q 'main$' || fail "pprof does not read it"
it "says ESRCH after it was stopped"
grep -qx 'after stop ESRCH' out || fail "$(cat out)"
it "does nothing under GUMSHOE_DISABLE=1"
GUMSHOE_DISABLE=1 "$host" dir=d | grep -qx 'start ECANCELED' || fail "not ECANCELED"
it "does not start twice when it was preloaded as well"
LD_PRELOAD=$build/libgumshoe.so GUMSHOE_DIR=$tmp/d "$host" | grep -qx 'start EALREADY' || fail "two watchers"
