#!/bin/bash
# Incidents in the directory of another user (DIR/.users/UID-GID): listed, shown, served and sent with the others, and never in another's
# place, whatever that user calls them.
. "$(dirname "$0")/ship/lib.sh"
make_incident d 1
make_incident d/.users/33-33 1 # the same name, the same contents
make_incident d/.users/33-33 2
chmod 700 d/.users; chmod 770 d/.users/33-33
first=20261127T030501.000Z-leak-7 second=20261127T030502.000Z-leak-7
sed -i 's/cache_put/worker_put/' d/.users/33-33/$second/incident.json

it "lists them by time, and says where they are"
"$gumshoe" ls --json d > list
equal "$(jq -r '.[].dir' list)" "$(printf "%s\n" d/.users/33-33/$first d/$first d/.users/33-33/$second)" "the list"
"$gumshoe" ls d > list; grep -q "^  d/.users/33-33/$second" list || fail "$(cat list)"

it "shows one by its name or its path"
equal "$("$gumshoe" show --dir d $second | head -n 1)" "summary 2" "by name"
equal "$("$gumshoe" show --dir d | head -n 1)" "summary 2" "the newest"
equal "$("$gumshoe" show d/.users/33-33/$second | head -n 1)" "summary 2" "by path"

it "serves them, each at an address of its own"
"$gumshoe" serve --listen 127.0.0.1:0 d > serve.out 2> serve.err & web=$!; started="$started $web"
wait_until grep -q 'serving at' serve.err
url=$(sed -n 's/.*serving at //p' serve.err)
get() { curl -sS --max-time "$patience" "$@"; }
get "$url" > page; grep -q "incident/0/33-33@$second/" page || fail "no link to the user's: $(cat page)"
equal "$(get "${url}incident/0/33-33@$second/summary.txt")" "summary 2" "a file of the user's"
get "${url}incident/0/33-33@$second/incident.json" > page; grep -q worker_put page || fail "its incident.json"
get "${url}incident/0/33-33@$second/" > page; grep -q worker_put page || fail "its page"
get -o none -w '%{redirect_url}' "${url}incident/0/33-33@$second" > where; grep -q "/incident/0/33-33@$second/$" where || fail "$(cat where)"
for name in "34-33@$second" "033-33@$second" "@$second" ".users" "33-33@../../$first" "33-33@.users"; do
    equal "$(get --path-as-is -o none -w '%{http_code}' "${url}incident/0/$name/incident.json")" 404 "$name"
done
equal "$(get "${url}incidents.json" | jq length)" 3 "incidents in the JSON"

it "sends each to a place of its own, once"
serve srv
ship --to s3://bucket/all d || fail "$(cat err)"
equal "$(find srv/store -name incident.json | wc -l)" 3 "places"
equal "$(grep -c "^sent 33-33@" out)" 2 "lines: $(cat out)"
ship --to s3://bucket/all d || fail "$(cat err)"
grep -q 'nothing to send' err || fail "$(cat err)"
ship --to s3://bucket/all d/.users/33-33/$second || fail "$(cat err)" # one alone, by its path
grep -q 'nothing to send' err || fail "$(cat err)"
(cd d/.users/33-33 && ship --to s3://bucket/one $second) || fail "$(cat err)"
equal "$(ls -A d/.users/33-33)" "$(printf '%s\n' $first $second)" "what ship leaves in the user's directory"

it "looks into no directory of users that others than its owner may change"
chmod 750 d/.users
equal "$("$gumshoe" ls --json d | jq length)" 1 "incidents with a .users that a group may read"
chmod 700 d/.users; chmod 777 d/.users/33-33
equal "$("$gumshoe" ls --json d | jq length)" 1 "incidents with a directory that all may write in"
chmod 770 d/.users/33-33; mv d/.users e; ln -s ../e d/.users
equal "$("$gumshoe" ls --json d | jq length)" 1 "incidents behind a link"
