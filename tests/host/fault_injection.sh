#!/bin/bash
# Faults injected into a running host: what is complete stays whole, what is not is never shown as such, the next incident is complete,
# and the host does not notice. tests/soak.sh does it for as long as one likes; ways/fault_injection.py says what must hold.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
host=$build/hosts/linked_fault_injection
inject() { python3 "$source_dir/tests/host/ways/fault_injection.py" "$host" "$@" || fail "$1"; }
export GUMSHOE_DIR=$tmp/d
export GUMSHOE_RULES=$(rules faults '{ "version": 1, "heap": { "sample": "16KiB" }, "incidents": { "keep": 3 },
  "rules": [ { "name": "never", "metric": "rss", "above": "80%" } ] }')

it "captures when there are no descriptors left, also while the host is after each one that comes free"
for pause in 1000 1; do
    rm -rf d
    (ulimit -n 256; "$host" descriptors $pause > out 2> err) || fail "exit status $?"
    equal "$(cat out)" "$(printf 'start ok\ncapture ok\ndone')" "captures"
    complete "$(incident d)"
done
it "takes no signal for the host where files are limited (SIGXFSZ): the incident is lost at most, and its beginning goes"
rm -rf d; (ulimit -f 1; GUMSHOE_LOG=off "$host" captures 1 > out) || fail "exit status $?"
equal "$(cat out)" "$(printf 'start ok\ncapture EFBIG\ndone')" "captures"
"$host" captures 1 > out; complete "$(incident d)"
equal "$(find d -mindepth 1 -maxdepth 1 -name '.2*' | wc -l)" 0 "dot-folders"
it "logs to a FIFO that nobody reads without waiting for a reader"
mkfifo fifo; rm -rf d; GUMSHOE_LOG=$tmp/fifo within_patience "$host" captures 1 > out 2> err || fail "exit status $?"
grep -q 'cannot log to .*fifo' err || fail "$(cat err)"
it "lets two processes share a directory: the limits hold, what is not ours stays"
inject two 2
export GUMSHOE_RULES=$(rules all '{ "version": 1, "heap": { "sample": "16KiB" },
  "rules": [ { "name": "never", "metric": "rss", "above": "80%" } ] }')
it "goes where the directory goes, and through no link, FIFO or directory of others"
inject moves
it "loses nothing that is complete when the host is killed in the middle"
inject kills 15 "${GUMSHOE_SEED:-1}"
if [ "$(id -u)" -eq 0 ] && unshare -m true 2>/dev/null; then
    it "loses an incident at most to a disk that is full or read-only, and goes on afterwards"
    unshare -m python3 "$source_dir/tests/host/ways/fault_injection.py" "$host" disk || fail disk
else
    it "cannot mount a small disk here: passed over"
fi
