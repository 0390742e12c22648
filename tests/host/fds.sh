#!/bin/bash
# Open descriptors by who opened them: hosts that leak known numbers of them in known functions, and hosts that close, replace and
# reopen them in all ways. The counts are exact.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
opener=$build/hosts/opener
rules_file=$(rules r '{ "version": 1, "rules": [ { "name": "never", "metric": "fds", "above": 1000000 } ] }')

# opened WAY NUMBER …: a host goes through these ways, and its descriptors are captured into $incident; end: it ends.
opened() {
    rm -rf d input out && mkfifo input
    "$gumshoe" run --rules "$rules_file" --dir d -- "$opener" "$@" < input > out 2> err & host=$!; started="$started $host"
    exec 3> input
    wait_until is_ready_or_gone
    grep -q ready out || fail "the host: $(cat err)"
    local pid; pid=$(sed 's/ready //' out)
    wait_until status_of_watch "$pid" true
    incident=$("$gumshoe" capture --kinds fds "$pid") || fail "no capture"
    equal "$(jq -r .complete "$incident/incident.json")" true "complete"
    "$gumshoe" top --json -n 1000 "$incident/fds.pb.gz" > top.json
}
is_ready_or_gone() { grep -q ready out || ! kill -0 $host; }
end() { exec 3>&-; wait $host || fail "the host failed: $(cat err)"; }
# count FUNCTION: how many of the descriptors that are open were opened by it, or by what it called: "open" may be inlined in it.
count() { jq --arg name "$1" '[.rows[] | select(.function == $name) | .cum] | add // 0' top.json; }

it "does not know who opened what was inherited"
opened; end
inherited=$(count '[not seen]')
equal "$(jq .total top.json)" "$inherited" "descriptors of a program that opens none"
equal "$inherited" 3 "input, output and errors"

it "counts each kind of descriptor by the function that opened it"
opened peers 40 files 20 pipes 12 events 16 streams 7 copies 9
equal "$(for name in accept_peer open_log leak_pipes leak_events keep_as_it_is leak_streams copy_one listen_here '[not seen]'; do count "$name"; done | xargs)" \
    "40 20 12 17 0 7 9 1 $inherited" "descriptors by opener"
go tool pprof -top "$incident/fds.pb.gz" > pprof 2> pprof.err || fail "pprof does not read it: $(cat pprof.err)"
grep -q ' 40 .*accept_peer$' pprof || fail "pprof: $(cat pprof)"
go tool pprof -tags "$incident/fds.pb.gz" 2> pprof.err > tags
grep -q ' 45.0 .*: socket$' tags || fail "40 peers, 1 listener and 2 pairs are sockets: $(cat tags)"
grep -q ' 4.0 .*: eventpoll$' tags || fail "there are four of epoll: $(cat tags)"
grep -q '^       8  pipe  (descriptor [0-9]* and others), opened by leak_pipes$' "$incident/fds.txt" || fail "fds.txt: $(cat "$incident/fds.txt")"
grep -q '^Culprit: accept_peer in opener.*: opened 40 of' "$incident/summary.txt" || fail "$(cat "$incident/summary.txt")"
end

it "forgets what was closed, in each way; results, errno and cancellation are as without us"
opened manners 1 cancelled 20 closed 30
equal "$(count open_log) $(count open_and_close) $(count '[not seen]')" "0 0 $inherited" "what is left"
end
it "does not blame who had a number before"
opened unseen 25
equal "$(count open_log) $(count open_unseen) $(count '[not seen]')" "0 0 $((inherited + 5 * 25))" "opened by direct system calls"
end
opened reopened 10
equal "$(count open_log) $(count '[not seen]')" "0 $((inherited + 10))" "files that became sockets unseen"
end
opened over 10
equal "$(count open_log) $(count put_over) $(count keep_as_it_is)" "0 10 0" "replaced by dup2 and dup3"
end

it "is not confused by a child of vfork that closes and opens descriptors"
opened vfork 15
equal "$(count open_log) $(count copy_one) $(count '[not seen]')" "15 15 $inherited" "the parent's"
end
it "knows in the child of a fork what the parent opened"
opened fork 11
equal "$(count open_log) $(count copy_one)" "11 11" "the child's"
end
it "keeps up with threads that open and close"
opened storm 30
equal "$(count open_log) $(count hammer) $(count '[not seen]')" "30 400 $inherited" "descriptors left of 100000"
end
it "counts each of many at once"
opened files 900
equal "$(count open_log)" 900 "files"
end

it "names who opened the descriptors in the incident of a rule on their number"
rules_file=$(rules many '{ "version": 1, "interval": "50ms", "rules": [ { "name": "many", "metric": "fds", "above": 300, "capture": ["threads"] } ] }')
rm -rf d input out && mkfifo input
"$gumshoe" run --rules "$rules_file" --dir d -- "$opener" peers 400 files 30 < input > out 2> err & host=$!; started="$started $host"
exec 3> input
wait_until has_incident d
incident=$(incident d)
end
equal "$(jq -r '.culprit | "\(.kind) \(.function) \(.confidence)"' "$incident/incident.json")" "fds accept_peer high" "the culprit"
[ "$(jq .culprit.count "$incident/incident.json")" -ge 250 ] || fail "$(jq -c .culprit "$incident/incident.json")"
equal "$(jq -r '[.files[].name | select(startswith("fds"))] | sort | join(" ")' "$incident/incident.json")" "fds.pb.gz fds.txt" "files"
grep -q 'accept_peer ← leak_peers ← main' "$incident/summary.txt" || fail "$(cat "$incident/summary.txt")"
it "is written by the program itself"
"$build/hosts/linked_fds" > own.pb.gz || fail "gumshoe_write_profile failed"
"$gumshoe" top --json -n 1000 own.pb.gz > top.json
equal "$(count open_seven)" 7 "of the program"
