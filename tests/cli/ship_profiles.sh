#!/bin/bash
# gumshoe ship to Pyroscope and to an OpenTelemetry collector: what arrives is read back by parsers written from their documentation, and
# its sums are those that pprof finds in the incident. Then as on_incident, beside a process that follows, and progress on a terminal.
. "$(dirname "$0")/ship/lib.sh"
serve srv
cat > rules.json <<R
{"version": 1, "heap": {"sample": "8KiB"}, "budget": "100%", "symbolize": "off", "labels": {"service": "check out{x}", "team": "shop"},
 "incidents": {"keep": 0, "max_per_hour": 0}, "on_incident": ["$gumshoe", "ship", "--to", "s3://bucket/hook", "{dir}"],
 "rules": [{"name": "never", "metric": "threads", "above": 100000}]}
R
"$gumshoe" run --rules rules.json --dir d -- "$build/hosts/shipped" > ready 2> run.err & started="$started $!"
wait_until grep -q ready ready
wait_until has_watch d
pid=$(watched_in d); started="$started $pid"
path=$("$gumshoe" capture --kinds heap,threads,cpu --seconds 1 "$pid")
folder=$(basename "$path")

# total PROFILE TYPE: the sum of a sample type in a file, as pprof has it, in bytes or nanoseconds.
total() {
    go tool pprof -raw "$1" 2> /dev/null | python3 -c '
import re, sys
text = sys.stdin.read()
names = [name.split("/")[0] for name in text[text.index("Samples:"):].split("\n")[1].split()]
print(sum(int(line.split(":")[0].split()[names.index(sys.argv[1])]) for line in re.findall(r"^ +-?\d[-\d ]*: .*$", text[text.index("Samples:"):text.index("Locations")], re.M)))' "$2"
}

it "is on_incident: the incident is in the store, and its incident.json says so"
in_store() { [ -n "$(find srv/store -path "*/hook/*/$folder-*/incident.json")" ]; }
wait_until in_store
wait_until jq -e '.notes | tostring | test("on_incident")' "$path/incident.json"
equal "$(jq '.errors | length' "$path/incident.json")" 0 "errors"

# types PROFILE: the names of its sample types, one in a line.
types() { go tool pprof -raw "$1" 2> /dev/null | grep -A1 '^Samples:' | tail -n 1 | tr ' ' '\n' | sed -n 's|/.*||p'; }
profiles=$(cd "$path" && ls *.pb.gz | grep -vE '^lifetimes|\..*\.pb')
count=$(wc -l <<< "$profiles")
it "sends each profile to Pyroscope, as a form"
ship --to "pyroscope+http://127.0.0.1:$port/base" "$path" || fail "$(cat err)"
equal "$(ls srv/form | wc -l)" "$count" "forms"
equal "$(requests srv '.method == "POST" and (.path | startswith("/base/ingest?"))')" "$count" "requests"
equal "$(cat srv/form/*/profile.file srv/form/*/sample_type_config.file | sed 's/json/&\n/g; s/pprof/&\n/g' | sort | uniq -c | tr -s ' \n' ' ')" " $count profile.pprof $count sample_type_config.json " "files"
for form in srv/form/*; do
    go tool pprof -top "$form/profile" > top 2>&1 || fail "pprof does not read it: $(cat top)"
    for file in $profiles; do ! cmp -s "$form/profile" "$path/$file" || echo "$file"; done > same
    equal "$(wc -l < same)" 1 "$form is one of the incident's"; cat same >> forms
    jq -e --arg pid "$pid" --arg folder "$folder" '(.name | startswith("check_out_x_{host=") and endswith(",team=shop}") and contains(",incident=" + $folder + "-")) and
        .format == "pprof" and .spyName == "gumshoe" and (.from | tonumber) < (.until | tonumber)' "$form/query" > /dev/null || fail "$(cat "$form/query")"
    triggered=$(date -d "$(jq -r .triggered "$path/incident.json")" +%s)
    jq -e --argjson t "$triggered" '(.from | tonumber - $t) as $d | $d >= -5 and $d <= 3600' "$form/query" > /dev/null || fail "$triggered: $(cat "$form/query")"
    equal "$(jq -r 'keys | sort | join(" ")' "$form/sample_type_config")" "$(types "$form/profile" | sort | xargs)" "types"
done
equal "$(sort -u forms | xargs)" "$(xargs <<< "$profiles")" "forms"
equal "$(jq -c .inuse_space srv/form/*/sample_type_config | grep -v null)" '{"units":"bytes","display-name":"inuse_space","aggregation":"average","sampled":false}'
equal "$(jq -c .cpu srv/form/*/sample_type_config | grep -v null)" '{"units":"nanoseconds","display-name":"cpu","aggregation":"sum","sampled":true}'
it "does not send them twice, not even after the incident was changed: they would be counted twice"
touch "$path/incident.json"; ship --to "pyroscope+http://127.0.0.1:$port/base" d || fail "$(cat err)"
equal "$(ls srv/form | wc -l)" "$count" "forms"

it "goes on with the profile that failed, not with the first"
printf '%s\n' 'ok 1' '503 1' > srv/faults; rm -r srv/form
ship --to "pyroscope+http://127.0.0.1:$port/other" "$path" || fail "$(cat err)"
equal "$(ls srv/form | wc -l)" "$count" "forms"

it "sends each profile to a collector, by OTLP: sums, functions, labels, times"
ship --to "otlp+http://127.0.0.1:$port" "$path" || fail "$(cat err)"
equal "$(ls srv/otlp | wc -l)" "$count" "requests"
for file in srv/otlp/*; do python3 "$source_dir/tests/cli/ship/otlp.py" "$file" || fail "$file is not by the specification"; done | jq -s . > otlp.json
equal "$(jq -r '[.[].profiles[0].type] | sort | join(" ")' otlp.json)" "$(for file in $profiles; do types "$path/$file" | tail -n 1; done | sort | xargs)" "default types first"
for row in "heap inuse_space" "heap inuse_old" "heap inuse_objects" "heap alloc_space" "heap alloc_objects" "threads threads" "cpu samples" "cpu cpu"; do
    set -- $row
    first=$(types "$path/$1.pb.gz" | tail -n 1) # other profiles may have a type of that name, too
    equal "$(jq "[.[] | select(.profiles[0].type == \"$first\") | .profiles[] | select(.type == \"$2\") | .total] | add" otlp.json)" "$(total "$path/$1.pb.gz" "$2")" "the sum of $2"
done
[ "$(jq '[.[].profiles[] | select(.type == "inuse_space") | .functions.keep_block] | add' otlp.json)" -gt 30000000 ] || fail "what keep_block holds"
jq -e '[.[].profiles[] | select(.type == "inuse_space")][0].attributes | (.["tenant=acme"] > 2 * .["tenant=initech"])' otlp.json > /dev/null || fail "tenants"
jq -e '[.[].profiles[] | select(.type == "threads")][0].attributes | keys | any(startswith("thread.id="))' otlp.json > /dev/null || fail "thread ids"
jq -e --arg folder "$folder" 'all(.[].resource; .["service.name"] == "check out{x}" and .team == "shop" and (.["gumshoe.incident"] | startswith($folder)) and
    .["process.executable.path"] != null and .["host.name"] != null and .["gumshoe.rule"] == "asked")' otlp.json > /dev/null || fail "$(jq -c .[0].resource otlp.json)"
now=$(date +%s)
jq -e --argjson now "$now" 'all(.[].profiles[]; .end / 1e9 <= $now + 1 and .start <= .end and .start / 1e9 > $now - 86400)' otlp.json > /dev/null || fail "times: $(jq -c '[.[].profiles[] | [.type, .start, .end]]' otlp.json)"
equal "$(jq '[.[].profiles[].id] | unique | length' otlp.json)" "$(for file in $profiles; do types "$path/$file"; done | wc -l)" "ids"
it "says so when a collector rejects it"
echo 'rejected 1' > srv/faults
equal "$(status_of ship --journal none --to "otlp+http://127.0.0.1:$port" "$path")" 3
grep -q 'the collector rejected 1 profile; its log says why' err || fail "$(cat err)"

it "sends a profile that cannot be read to nobody, and the others"
cp -r "$path" d/20261127T040000.000Z-damaged-1 && head -c 100 "$path/heap.pb.gz" > d/20261127T040000.000Z-damaged-1/heap.pb.gz
rm -r srv/otlp; equal "$(status_of ship --journal none --to "otlp+http://127.0.0.1:$port" d/20261127T040000.000Z-damaged-1)" 3
equal "$(ls srv/otlp | wc -l)" $((count - 1)) "requests"; rm -r d/20261127T040000.000Z-damaged-1

it "sends each incident once, if two processes send at a time"
rm -rf srv/store srv/log
for i in $(seq 1 20); do make_incident both $i; done
"$gumshoe" ship --to "http://127.0.0.1:$port/put" both > out1 2>&1 & one=$!; started="$started $one"
"$gumshoe" ship --to "http://127.0.0.1:$port/put" both > out2 2>&1 || fail "$(cat out2)"
wait "$one" || fail "$(cat out1)"
equal "$(requests srv '.status == 200')" 40 "requests"
equal "$(cat out1 out2 | grep -c '^sent ')" 20 "lines"
arrived srv both

it "shows progress on a terminal, and removes it"
script -qec "$gumshoe capture --kinds cpu --seconds 2 $pid" typed > /dev/null < /dev/null
tr '\r' '\n' < typed | grep -q '^capturing: 1 s of 2 s' || fail "$(cat typed)"
tr '\r' '\n' < typed | grep . | tail -n 2 | grep -q "d/2.*asked-$pid" || fail "$(cat typed)"
echo '503 2' > srv/faults
script -qec "$gumshoe ship --journal none2 --to http://127.0.0.1:$port/put $path" typed > /dev/null < /dev/null
tr '\r' '\n' < typed | grep -q '^0 sent, 1 left; next try in [12] s: the answer is 503' || fail "$(cat typed)"
it "shows none in a log within the first minute"
"$gumshoe" capture --kinds cpu --seconds 1 "$pid" 2> err > /dev/null && [ ! -s err ] || fail "$(cat err)"
