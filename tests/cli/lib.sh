# lib.sh - the command's tests stand on the host tests' ground.
. "$(dirname "$0")/../host/lib.sh"
cd "$tmp"
status_of() { "$@" >/dev/null 2>&1 && echo 0 || echo $?; }
