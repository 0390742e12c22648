#!/bin/bash
# gumshoe run ends as the program ends; input, output and signals pass through.
. "$(dirname "$0")/lib.sh"
cd "$tmp"

status_of() { "$@" >/dev/null 2>&1 && echo 0 || echo $?; }

it "ends with the program's status"
equal "$(status_of "$gumshoe" run -- true)" 0
equal "$(status_of "$gumshoe" run -- sh -c 'exit 3')" 3
equal "$(status_of "$gumshoe" run -- sh -c 'exit 255')" 255
it "ends with 128 + n when a signal ended it"
equal "$(status_of "$gumshoe" run -- sh -c 'kill -9 $$')" 137
equal "$(status_of "$gumshoe" run -- sh -c 'kill -SEGV $$')" 139
it "ends with 127 for a command that does not exist, 126 for one that is not executable, as a shell does"
equal "$(status_of "$gumshoe" run -- no-such-command)" 127
equal "$(status_of "$gumshoe" run -- /no/such/command)" 127
equal "$(status_of "$gumshoe" run -- /etc/passwd)" 126
"$gumshoe" run -- no-such-command 2>&1 | grep -q 'no-such-command: command not found' || fail "the message"
it "requires a command"
equal "$(status_of "$gumshoe" run)" 2
equal "$(status_of "$gumshoe" run --)" 2
equal "$(status_of "$gumshoe" run --no-such-option -- true)" 2
it "passes arguments, standard input and output through untouched"
equal "$(printf 'a  b\n' | "$gumshoe" run -- sh -c 'cat; printf "%s|" "$@"' sh 'x  y' '*' '')" "$(printf 'a  b\nx  y|*||')"
equal "$("$gumshoe" run -- true 2>&1 >/dev/null | wc -c)" 0 "bytes on stderr"
it "forwards a signal to the program"
"$gumshoe" run -- sh -c 'trap "exit 42" TERM; echo up; while :; do sleep 0.05; done' > up &
pid=$!
started=$pid
wait_until test -s up
kill -TERM $pid
wait $pid && status=0 || status=$?
equal "$status" 42 "status after SIGTERM"
it "runs nothing when the rules are missing, not JSON, or wrong, and says where"
equal "$(status_of "$gumshoe" run --rules none.json -- touch ran)" 3
echo '{' > broken.json
equal "$(status_of "$gumshoe" run --rules broken.json -- touch ran)" 1
printf '{ "version": 1, "rules": [\n  { "name": "x", "metric": "rss", "above": "10MiBs" } ] }\n' > wrong.json
equal "$(status_of "$gumshoe" run --rules wrong.json -- touch ran)" 1
"$gumshoe" run --rules wrong.json -- true 2>&1 | grep -q '^wrong.json:2:44: error: unknown unit "MiBs"; did you mean "MiB"?' || fail "$("$gumshoe" run --rules wrong.json -- true 2>&1)"
[ ! -e ran ] || fail "the program ran"
it "watches the server that a wrapper execs, and not the programs that a server starts"
rm -f log; "$gumshoe" run -- sh -c 'exec python3 -c "print(1)"' >/dev/null
equal "$(grep -c watching: log)" 2 "watchers: the shell's and, in its place, python's"
rm -f log; "$gumshoe" run -- sh -c 'python3 -c "print(1)"; true' >/dev/null
equal "$(grep -c watching: log)" 1 "watchers"
it "warns of a static program, and runs it"
printf 'int main(void) { return 5; }\n' > s.c && gcc -static s.c -o static 2>/dev/null && {
    equal "$(status_of "$gumshoe" run -- ./static)" 5
    "$gumshoe" run -- ./static 2>&1 | grep -q 'linked statically' || fail "no warning"
}
it "does nothing under GUMSHOE_DISABLE=1"
rm -rf log incidents; equal "$(GUMSHOE_DISABLE=1 status_of "$gumshoe" run -- sh -c 'exit 4')" 4
[ ! -e incidents ] || fail "it made an incident directory"
