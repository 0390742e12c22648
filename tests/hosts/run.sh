#!/bin/bash
# tests/hosts/run.sh [--quick] [--busy] [--all] [--show] [--list] BUILD [NAME…]: programs that nobody here wrote, each run plain and watched. What
# they print, how they end, the files that they leave, the processes that they leave, and what a case asks of them besides
# (descriptors, signals, environment: "witness" in lib.sh) must be the same.
#   --quick  the half that needs no more than the packages of `tests/setup.sh test` (a minute)
#   --busy   captures of all kinds one after the other meanwhile, instead of heap and threads every second
#   --all    programs that the program starts are watched as well ("children": "all")
#   --show   each case's output by itself as well, and how long it took
#   --list   the cases' names, nothing is run
# A case is a row in the table `rows`, or a script in cases/. Those whose programs are not installed are skipped.
# Prints a line for each, and last "N of N as without the agent". Exit status 0 only if all that ran were the same.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
quick= busy= children=forks list= show=
while [[ ${1:-} == --* ]]; do
    case $1 in
    --quick) quick=1 ;;
    --busy) busy=1 ;;
    --all) children=all ;;
    --show) show=1 ;;
    --list) list=1 ;;
    *) echo "unknown option: $1" >&2; exit 2 ;;
    esac
    shift
done
build=$(cd "${1:?usage: run.sh [--quick] [--busy] [--all] BUILD [NAME…]}" && pwd) || exit 2
shift
library=$build/libgumshoe.so.1
[ -e "$library" ] || { echo "no $library" >&2; exit 2; }

top=$(mktemp -d "${TMPDIR:-/tmp}/gumshoe-hosts-XXXXXX")
trap 'rm -rf "$top"' EXIT
chmod 711 "$top" # cases become other users
mkdir "$top/lib" "$top/bin" && cp "$library" "$top/lib" && chmod 755 "$top/lib" && chmod 644 "$top/lib"/*
agent=$top/agent
mark=gumshoe-hosts-$$-$RANDOM

if [ $busy ]; then
    rules='{ "name": "busy", "metric": "rss", "above": "1B", "again": "always", "cooldown": "0s", "capture": ["heap", "threads", "threadcreate", "fds", "waste", "pages"] },
           { "name": "cpu", "every": "1s", "cooldown": "0s", "capture": ["cpu"] }'
else
    rules='{ "name": "often", "every": "1s", "cooldown": "0s", "capture": ["heap", "threads"] }'
fi
printf '{ "version": 1, "interval": "100ms", "children": "%s", "heap": { "sample": "64KiB" }, "cpu": { "duration": "1s" },
  "incidents": { "max_per_hour": 0, "keep": 3 }, "rules": [ %s ] }\n' $children "$rules" > "$top/rules.json"
chmod 644 "$top/rules.json"
"$build/gumshoe" check "$top/rules.json" > "$top/said" 2>&1 || { cat "$top/said" >&2; exit 2; }

# `host COMMAND…` in a case: COMMAND, watched or not. It becomes the command, and leaves nothing else in its environment.
printf '#!/bin/sh\n[ -z "$HOSTS_WATCHED" ] || exec env LD_PRELOAD=%s GUMSHOE_DIR=%s GUMSHOE_RULES=%s GUMSHOE_LOG=%s "$@"\nexec "$@"\n' \
    "$top/lib/libgumshoe.so.1" "$agent/incidents" "$top/rules.json" "$agent/log" > "$top/bin/host"
chmod 755 "$top/bin" "$top/bin/host"

# ---- one run -----------------------------------------------------------------------------------------------------

# The processes of a case that are still there, by name; they are ended then.
left_over() {
    local pid
    for pid in $(grep -lsz "^HOSTS_MARK=$mark\$" /proc/[0-9]*/environ 2> /dev/null | cut -d/ -f3); do
        cat "/proc/$pid/comm" 2> /dev/null
        kill -9 "$pid" 2> /dev/null
    done | sort | uniq -c
}

# What lies in the working directory: names, kinds, modes, owners, links' targets, contents.
files() {
    (cd "$top/w" && find . ! -path './varies/*' -printf '%P %y %m %u %l\n' | sort
     find . -type f ! -path './varies/*' -print0 | sort -z | xargs -0r sha256sum)
}

# A case begins with descriptors 0, 1 and 2 alone.
close_others() {
    local fd
    for fd in /proc/self/fd/*; do
        fd=${fd##*/}
        [ "$fd" -le 2 ] || eval "exec $fd>&-"
    done
}

# run_case KIND SCRIPT: run it in an empty directory, which has the same name each time; what came of it into $top/KIND.*.
run_case() {
    local kind=$1 script=$2 watched= began=${EPOCHREALTIME/./}
    [ "$kind" = watched ] && watched=1
    rm -rf "$top/w" "$agent"
    mkdir -m 755 "$top/w" && mkdir -m 1777 "$top/w/varies" "$agent" && install -m 666 /dev/null "$agent/log"
    (cd "$top/w" && close_others && exec timeout -k 10 "$patience" setsid --wait env -i HOSTS_MARK="$mark" HOSTS_WATCHED="$watched" HOSTS_LIB="$here/lib.sh" \
        PATH="$top/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:$(dirname "$(command -v cargo || echo /bin/x)")" \
        HOME="$top/w/varies" CARGO_HOME="${CARGO_HOME:-${HOME:-/root}/.cargo}" RUSTUP_HOME="${RUSTUP_HOME:-${HOME:-/root}/.rustup}" \
        TMPDIR="$top/w/varies" LANG=C TERM=dumb bash "$script") > "$top/stdout" 2> "$top/stderr" < /dev/null
    echo $? > "$top/$kind.status"
    mv "$top/stdout" "$top/$kind.stdout" && mv "$top/stderr" "$top/$kind.stderr"
    took=$(((${EPOCHREALTIME/./} - began) / 1000))
    left_over > "$top/$kind.processes"
    files > "$top/$kind.files" 2>&1
    if [ -n "$varies" ]; then sed -E -i "$varies" "$top/$kind.stdout" "$top/$kind.stderr" "$top/$kind.files"; fi
}

# The parts in which the outcomes A and B differ.
differences() {
    local part
    for part in stdout stderr status files processes; do
        cmp -s "$top/$1.$part" "$top/$2.$part" || printf ' %s' $part
    done
}

# ---- the cases ---------------------------------------------------------------------------------------------------------

needed() { # the first of these that is not there
    local what
    for what in "$@"; do
        case $what in
        root) [ "$(id -u)" = 0 ] || { echo "being root"; return; } ;;
        /*) [ -e "$what" ] || { echo "$what"; return; } ;;
        userns) unshare -U -r true 2> /dev/null || { echo "user namespaces"; return; } ;;
        *) command -v "$what" > /dev/null || { echo "$what"; return; } ;;
        esac
    done
}

all=0 same=0 skipped=0 took=0
# compare NAME SCRIPT NEEDS: one line of the table.
compare() {
    local name=$1 script=$2 missing differs; missing=$(needed $3)
    if [ -n "$missing" ]; then
        printf '%-24s skipped: needs %s\n' "$name" "$missing"; skipped=$((skipped + 1)); return
    fi
    all=$((all + 1))
    run_case plain "$script"
    if [ "$(cat "$top/plain.status")" = 77 ]; then # as ctest has it: what it needs cannot be had here, and it says so
        printf '%-24s skipped: %s\n' "$name" "$(tail -n 1 "$top/plain.stderr")"; all=$((all - 1)) skipped=$((skipped + 1)); return
    fi
    if [ $show ]; then
        echo "--- $name, by itself: status $(cat "$top/plain.status"), ${took} ms"
        head -n 20 "$top/plain.stdout"; sed 's/^/stderr: /' "$top/plain.stderr"; sed 's/^/left: /' "$top/plain.processes"
    fi
    run_case watched "$script"
    [ ! $show ] || echo "--- watched: ${took} ms"
    differs=$(differences plain watched)
    if [ -z "$differs" ]; then
        printf '%-24s same\n' "$name"; same=$((same + 1)); return
    fi
    printf '%-24s DIFFERS:%s\n' "$name" "$differs"
    for part in $differs; do
        diff "$top/plain.$part" "$top/watched.$part" | head -n 12 | cut -c 1-160 | sed "s/^/    $part: /"
    done
    [ ! -s "$agent/log" ] || tail -n 3 "$agent/log" | sed 's/^/    log: /'
    run_case again "$script"
    [ -z "$(differences plain again)" ] || echo "    (and it differs from itself without the agent:$(differences plain again))"
}

wanted() { # NAME LEVEL
    local name
    [ -z "$quick" ] || [ "$2" = quick ] || return 1
    [ ${#names[@]} -gt 0 ] || return 0
    for name in "${names[@]}"; do [[ $1 != $name ]] || return 0; done
    return 1
}
one() { # NAME LEVEL NEEDS SCRIPT
    wanted "$1" "$2" || return 0
    if [ $list ]; then echo "$1"; else compare "$1" "$4" "$3"; fi
}
names=("$@") patience=600
[ -z "$quick" ] || patience=120
trim() { sed 's/^ *//; s/ *$//' <<< "$1"; }
while IFS='|' read -r name level needs command; do
    [[ $name == \#* || -z $name ]] && continue
    varies=
    printf '. "$HOSTS_LIB"\nhost %s\n' "$command" > "$top/row.sh"
    one "$(trim "$name")" "$(trim "$level")" "$needs" "$top/row.sh"
done < "$here/rows"
for script in "$here"/cases/*.sh; do
    varies=$(sed -n 's/^# varies: //p' "$script")
    level=full; grep -qx '# quick' "$script" && level=quick
    one "$(basename "$script" .sh)" $level "$(sed -n 's/^# needs: //p' "$script")" "$script"
done
[ $list ] && exit 0
[ $skipped = 0 ] || echo "$skipped skipped"
echo "$same of $all as without the agent"
[ $all -gt 0 ] && [ $same = $all ]
