#!/bin/bash
# One system call of the agent's fails, the Nth time, for every N (of those that are made hundreds of times, some): never the
# host, never an older incident, and the next one is complete. GUMSHOE_STRIDE=1 tries every one of all.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
gcc -shared -fPIC -O1 "$source_dir/tests/host/ways/fail.c" -o fail.so
export GUMSHOE_DIR=$tmp/d
export GUMSHOE_RULES=$(rules faults '{ "version": 1, "heap": { "sample": "16KiB" },
  "rules": [ { "name": "never", "metric": "rss", "above": "80%" } ] }')
fails() {
    it "survives $1 when it fails with $2"
    python3 "$source_dir/tests/host/ways/fault_injection.py" "$build/hosts/linked_fault_injection" faults "$1" "$2" "${GUMSHOE_STRIDE:-$3}" || fail "$1"
}
fails openat EIO 2
fails openat EMFILE 5
fails write ENOSPC 1
fails fsync EIO 1
fails mkdirat EDQUOT 1
fails renameat EIO 1
fails renameat2 EIO 1
fails renameat2 EINVAL 1 # a file system that does not know RENAME_NOREPLACE
fails unlinkat EROFS 1
fails flock ENOLCK 1
fails read EIO 2
fails readlink EIO 1
fails fstat EIO 12
fails fstatat EIO 8
fails pread EIO 25
