#!/bin/bash
# The host's use of its descriptors and callbacks, and the agent's, do not disturb each other.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
# story NAME LINE…: what the host says of it.
story() {
    local name=$1; shift
    rm -rf incidents log
    timeout 120 "$build/hosts/linked_apart" "$name" > said || fail "$name ended with $?"
    printf '%s\n' "$@" stopped | diff - said || fail "$name"
}

it "captures without a descriptor left, also after the rules were changed"
story reload "no descriptor left: EMFILE" "capture 0" "capture 0" "capture 0" "capture 0" "capture 0"
complete "$(incident incidents)"
it "continues while a client does not read the profile that it asked for"
story reader "capture 0" "capture 0" "capture 0" "another profile 0" "profile 0"
it "writes into no file of a host that closes all descriptors and opens files meanwhile, and closes none"
story closefrom "captures that failed: 0" "descriptors that were not the host's: 0, bytes in its file: 0"
complete "$(incident incidents)"
it "does not call a callback that was removed, and waits for one that is running"
story callback "capture 0" "capture 0" "calls 1, after it was taken away 0"
it "lets a callback remove itself"
story inside "capture 0" "capture 0" "calls 1"
