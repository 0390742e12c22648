# lib.sh - for the cases in rows and cases/. A case runs in an empty directory, by itself or watched; what it prints and leaves is
# compared. `host COMMAND…` is the program that is watched; it becomes the command, so $! is its process. What differs from run to run
# by nature goes to varies/, or through the sed script of the case's "# varies:". Everything is waited for: no fixed sleeps.

# wait_for COMMAND…: until it succeeds, a minute at most.
wait_for() {
    local _
    for _ in $(seq 600); do "$@" > /dev/null 2>&1 && return 0; sleep 0.1; done
    echo "still not: $*"
    return 1
}
a_free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
listens() { (exec 3<> "/dev/tcp/127.0.0.1/$1") 2> /dev/null; }
# skip WHY: what the case needs cannot be had here.
skip() { echo "$*" >&2; exit 77; }
# ended PID: wait for our child PID, and print its status.
ended() { local status=0; wait "$1" || status=$?; echo "status $status"; }

# witness PID: what a process is to the kernel. SIGURG's handler is left out: a thread dump borrows it for a moment.
witness() {
    local proc=/proc/$1 fd
    [ -r $proc/environ ] || { echo "no such process"; return; }
    sed -n -E '/^(Umask|Uid|Gid|Groups|SigBlk|SigIgn|NoNewPrivs|Seccomp|Cap...):/p' $proc/status
    printf 'SigCgt %x\n' $((0x$(sed -n 's/^SigCgt:\t*//p' $proc/status) & ~(1 << 22)))
    cat $proc/limits
    readlink $proc/cwd
    for fd in $(ls $proc/fd | sort -n); do echo "fd $fd $(readlink $proc/fd/$fd | sed 's/:\[[0-9]*\]$//')"; done
    tr '\0' '\n' < $proc/environ | grep . | grep -vE '^(LD_PRELOAD|GUMSHOE_[A-Z]*|HOSTS_WATCHED)=|libgumshoe.so' | sort # the last: what is left where LD_PRELOAD stood
}
