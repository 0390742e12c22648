#!/bin/bash
# A wrapper script that starts the server as a child, instead of with exec: the shell is watched and the server is not. The log and
# the status name both, and say what to do.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
never='"interval": "100ms", "incidents": {"keep": 0}, "rules": [{"name": "never", "metric": "rss", "above": "1TiB"}]'
forks=$(rules forks "{\"version\": 1, $never}")
all=$(rules all "{\"version\": 1, \"children\": \"all\", $never}")
script() { printf '%s\n' "#!/bin/$1" "$2" > "$3"; chmod +x "$3"; }
start() { # RULES DIR COMMAND…: watched; the pid of `gumshoe run` in $runner, of the program in $pid
    local rules=$1 dir=$2; shift 2
    "$gumshoe" run --rules "$rules" --dir "$dir" -- "$@" & runner=$!; started="$started $runner"
    wait_until has_watch "$dir"; pid=$(watched_in "$dir"); started="$started $pid"
}
# unwatched: the processes that the log names as not watched. Their scripts end after them.
unwatched() { sed -n 's/.*(sleep, process \([0-9]*\), is not watched)$/\1/p' log; }

it "names the shell and its script, and what they have started, in the log and in the status"
script sh 'sleep 100000; exit 0' wrapper.sh
start "$forks" d ./wrapper.sh
sentence='watching sh \(script wrapper.sh\); exec the server, or set "children": "all" \(sleep, process [0-9]+, is not watched\)'
wait_until grep -qE "^[^ ]* gumshoe\\[$pid wrapper.sh\\]: warning: $sentence\$" log
equal "$(readlink "/proc/$(unwatched)/exe")" "$(realpath /bin/sleep)" "the process that is named"
"$gumshoe" status "$pid" > status
grep -qxE "$sentence" status || fail "$(cat status)"
grep -q "^process $pid, sh (script wrapper.sh), started 2" status || fail "$(cat status)"
status_of_watch "$pid" '.shell.name == "sh (script wrapper.sh)" and (.shell.note | startswith("watching sh "))' || fail "$(cat status.json)"
kill "$(unwatched)"; wait $runner || true; rm log

it "names a command that is an argument, and a script after options; each once"
script bash 'sleep 100000; exit 0' start.sh
start "$forks" options bash -e -o pipefail -- "$tmp/start.sh" -c; first=$runner
start "$forks" command bash -e -c 'sleep 100000; exit 0'
wait_until grep -q 'watching bash (script start.sh); exec the server, ' log
wait_until grep -q 'watching bash (option -c); exec the server, ' log
wait_for_ticks "$(ls command/.live/*.box)" 3
equal "$(unwatched | wc -l)" 2 "lines: $(cat log)"
kill $(unwatched); wait $first || true; wait $runner || true; rm log

it "says nothing where the program is watched: children are, or the script execs it; nor of the steps before"
script sh 'sleep 0.3; exec sleep 100000' execs.sh
start "$forks" execs ./execs.sh; first=$runner; exec_pid=$pid
is_sleep() { [ "$(readlink "/proc/$pid/exe")" = "$(realpath /bin/sleep)" ]; }
wait_until is_sleep
wait_until has_watch execs
start "$all" all ./wrapper.sh
both_watched() { [ "$(ls all/.live/*.sock | wc -l)" = 2 ]; }
wait_until both_watched
for one in execs all; do
    wait_for_ticks "$(ls -t $one/.live/*.box | head -n 1)" 40 # of 100 ms: beyond the third second, in which the look is
done
never_says log 'is not watched' "the log: $(cat log)"
shell=$(pgrep -P "$runner" -f wrapper.sh)
status_of_watch "$shell" '.shell == {"name": "sh (script wrapper.sh)", "note": null}' || fail "$(cat status.json)"
status_of_watch "$(watched_in execs)" '.shell == null' || fail "$(cat status.json)"
kill "$exec_pid" $(pgrep -P "$shell"); wait $first || true; wait $runner || true
