#!/bin/bash
# Faults injected into a running host: complete incidents stay complete, others are never shown as complete, the next incident is
# complete, and the host does not notice. tests/soak.sh repeats this for a given time; ways/fault_injection.py says what must hold.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
host=$build/hosts/linked_fault_injection
inject() { python3 "$source_dir/tests/host/ways/fault_injection.py" "$host" "$@" || fail "$1"; }
export GUMSHOE_DIR=$tmp/d
export GUMSHOE_RULES=$(rules faults '{ "version": 1, "heap": { "sample": "16KiB" }, "incidents": { "keep": 3 },
  "rules": [ { "name": "never", "metric": "rss", "above": "80%" } ] }')

it "captures when there are no descriptors left, also while the host takes each one that becomes free"
for pause in 1000 1; do
    rm -rf d
    (ulimit -n 256; "$host" descriptors $pause > out 2> err) || fail "exit status $?"
    equal "$(cat out)" "$(printf 'start ok\ncapture ok\ndone')" "captures"
    complete "$(incident d)"
done
it "causes no signal to the host if file sizes are limited (SIGXFSZ): at most the incident is lost, and its beginning is removed"
rm -rf d; (ulimit -f 1; GUMSHOE_LOG=off "$host" captures 1 > out) || fail "exit status $?"
equal "$(cat out)" "$(printf 'start ok\ncapture EFBIG\ndone')" "captures"
"$host" captures 1 > out; complete "$(incident d)"
equal "$(find d -mindepth 1 -maxdepth 1 -name '.2*' | wc -l)" 0 "dot-folders"
it "logs to a FIFO without a reader, and does not wait for one"
mkfifo fifo; rm -rf d; GUMSHOE_LOG=$tmp/fifo within_patience "$host" captures 1 > out 2> err || fail "exit status $?"
grep -q 'cannot log to .*fifo' err || fail "$(cat err)"
it "lets two processes share a directory: the limits hold, what is not ours stays"
inject two 2
export GUMSHOE_RULES=$(rules all '{ "version": 1, "heap": { "sample": "16KiB" },
  "rules": [ { "name": "never", "metric": "rss", "above": "80%" } ] }')
it "follows the directory when it is moved, and no link, FIFO or directory of others"
inject moves
it "loses no complete incident when the host is killed in the middle"
inject kills 15 "${GUMSHOE_SEED:-1}"
if [ "$(id -u)" -eq 0 ] && unshare -m true 2>/dev/null; then
    it "loses at most one incident when the disk is full or read-only, and continues afterwards"
    unshare -m python3 "$source_dir/tests/host/ways/fault_injection.py" "$host" disk || fail disk
else
    it "cannot mount a small disk here: skipped"
fi
