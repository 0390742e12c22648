#!/bin/bash
# redis-server from Debian, not rebuilt: filled by its own client until a rule fires.
. "$(dirname "$0")/lib.sh"

dir=$tmp/incidents
rules_file=$(rules redis '{ "version": 1, "interval": "200ms", "heap": { "sample": "64KiB", "baseline": "1s" }, "rules": [
    { "name": "heap-high", "metric": "heap_in_use", "above": "30MiB", "capture": ["heap", "threads"] } ] }')

# ask PORT: what the server answers to a series of commands.
ask() {
    redis-cli -p "$1" ping
    redis-cli -p "$1" debug digest
    redis-cli -p "$1" dbsize
    redis-cli -p "$1" get key:000000000001 | cksum
    redis-cli -p "$1" lrange list 0 -1 | cksum
    redis-cli -p "$1" nonsense 2>&1
}

# fill PORT: the same data every time.
fill() {
    python3 -c '
for i in range(60000):
    v = ("%d-" % i) * 130
    print("SET key:%012d %s" % (i, v))
for i in range(1000):
    print("RPUSH list item-%d" % i)' | redis-cli -p "$1" --pipe >/dev/null
}

# serve PORT COMMAND...: start a redis through COMMAND, fill it, ask it, shut it down.
serve() {
    local port=$1; shift
    mkdir -p "$tmp/$port"
    "$@" redis-server --port "$port" --bind 127.0.0.1 --save "" --appendonly no --dir "$tmp/$port" --enable-debug-command yes >"$tmp/redis-$port.out" 2>&1 &
    started="$started $!"
    server=$!
    wait_until redis-cli -p "$port" ping
    sleep 1.5
    fill "$port"
    ask "$port" > "$tmp/answers-$port"
}

plain=$(a_free_port)
serve "$plain"
redis-cli -p "$plain" shutdown nosave || true
wait "$server" && status=0 || status=$?
plain_status=$status

watched=$(a_free_port)
serve "$watched" "$gumshoe" run --rules "$rules_file" --dir "$dir" --
wait_until has_incident "$dir"
redis-cli -p "$watched" shutdown nosave || true
wait "$server" && status=0 || status=$?

it "answers the same as without the watch"
diff "$tmp/answers-$plain" "$tmp/answers-$watched" || fail "answers differ"
it "ends with its own exit status"
equal "$status" "$plain_status" "exit status"
it "leaves a complete incident that pprof reads"
found=$(incident "$dir")
complete "$found"
it "names the function of redis that allocates the values"
culprit=$(jq -r .culprit.function "$found/incident.json")
# Values arrive as sds strings, made by the query parser (sdsnewlen, …) through zmalloc, and are trimmed to their length by a static
# function of tryObjectEncoding, which has no name in Debian's stripped file: it is named with its caller.
case $(jq -r '.culprit | "\(.caller.function) \(.function)"' "$found/incident.json") in
*tryObjectEncoding* | *create*Object | *dbAdd | *processMultibulkBuffer | *processInlineBuffer | *setGenericCommand | *setCommand) ;;
*) fail "unexpected culprit $(jq -c .culprit "$found/incident.json")" ;;
esac
jq -e '.culprit.via | any(startswith("z") or startswith("sds"))' "$found/incident.json" > /dev/null || fail "via: $(jq -c .culprit.via "$found/incident.json")"
jq -r '.culprit.stack[]' "$found/incident.json" | grep -qE 'readQueryFromClient|processCommand|processInputBuffer' || fail "the stack does not lead to the client's query"
grep -q "$culprit" "$found/summary.txt" || fail "the summary does not name $culprit"
it "charges most of the heap to it: pprof sees at least 25 MiB"
[ "$(heap_bytes "$found")" -gt 26214400 ] || fail "pprof sees $(heap_bytes "$found") bytes"
echo "redis: $(jq -r .reason "$found/incident.json"); culprit $culprit"
