#!/bin/bash
# The rules change while CPU time is sampled: the profile names the rate that it began with, and says that there was another.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
rules=$(rules cpu '{"version": 1, "interval": "50ms", "cpu": {"rate": "50Hz"}, "incidents": {"keep": 0, "max_per_hour": 0}, "rules": [
    {"name": "never", "metric": "threads", "above": 1000, "capture": ["threads"]}]}')
mkfifo input
"$gumshoe" run --rules "$rules" --dir d -- "$build/hosts/account" wait < input > out & host=$!; started="$started $host"
exec 3> input
wait_until has_watch d
pid=$(watched_in d)
it "names the rate that it began with, and the later one"
"$gumshoe" capture --kinds cpu --seconds 4 "$pid" > captured & asked=$!
wait_until status_of_watch "$pid" '.under_way == 1'
change_rules "$pid" "$rules" '.cpu.rate = "200Hz"'
wait $asked || fail "no incident"
dir=$(cat captured)
"$gumshoe" diff "$dir/cpu.pb.gz" "$dir/cpu.pb.gz" > /dev/null || fail "it is not readable"
gunzip -c "$dir/cpu.pb.gz" > raw
grep -aq 'the rules changed meanwhile: later samples were taken every 5.0 ms of CPU time' raw || fail "$(strings raw)"
go tool pprof -raw "$dir/cpu.pb.gz" 2> /dev/null | grep -qx 'Period: 20000000' || fail "$(go tool pprof -raw "$dir/cpu.pb.gz" | head)"
it "says nothing of it otherwise"
dir=$("$gumshoe" capture --kinds cpu --seconds 1 "$pid")
! gunzip -c "$dir/cpu.pb.gz" | grep -aq 'the rules changed' || fail "it says so"
go tool pprof -raw "$dir/cpu.pb.gz" 2> /dev/null | grep -qx 'Period: 5000000' || fail "another period"
exec 3>&-
wait $host || fail "the host ended with $?"
