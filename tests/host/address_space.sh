#!/bin/bash
# Programs that limit their own address space or data get by with it as without us: the agent's reserve goes when the limit comes. What
# the agent maps is small change where the kernel hands out huge pages, too.
. "$(dirname "$0")/lib.sh"
cd "$tmp"
file=$(rules any '{ "version": 1, "children": "all", "rules": [ { "name": "never", "metric": "rss", "above": "80%" } ] }')
cat > work.sh <<'S'
ulimit $1 $2
numbers=$(seq 50000); echo ${#numbers}
printf %s "$numbers" | sort -n | md5sum
case $numbers in *49999*) echo matched ;; esac
S
cat > work.py <<'P'
import os, resource, sys
kind = resource.RLIMIT_AS if sys.argv[1] == "-v" else resource.RLIMIT_DATA
limit = int(sys.argv[2]) << 10
set_limit = (lambda: resource.prlimit(os.getpid(), kind, (limit, limit))) if sys.argv[3:] else (lambda: resource.setrlimit(kind, (limit, limit)))
set_limit()
print(len(bytearray(20 << 20)))
try:
    print(len(bytearray(limit)))
except MemoryError:
    print("no memory")
P
as_without() {
    "$@" > wanted 2>&1 || echo "status $?" >> wanted
    rm -rf d log
    "$gumshoe" run --rules "$file" --dir d -- "$@" > got 2>&1 || echo "status $?" >> got
    diff wanted got || fail "$*"
    grep -q "info: watching:" log || fail "$* was not watched"
}

it "lets shells work within ulimit -v and -d"
for shell in bash dash; do
    for limit in 60000 100000 400000; do as_without $shell work.sh -v $limit; as_without $shell work.sh -d $limit; done
done
grep -q matched wanted || fail "the work without us: $(cat wanted)"
it "lets a program work within limits that it sets by setrlimit and prlimit"
for limit in 80000 200000; do
    for way in "" prlimit; do as_without python3 work.py -v $limit $way; as_without python3 work.py -d $limit $way; done
done
grep -q "no memory" wanted || fail "the limit has no effect: $(cat wanted)"

it "charges 40 MiB at most as data, before a limit as well"
data() { sed -n 's/^VmData:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$1/status"; }
sleep 1000 & plain=$!; started="$started $plain"
rm -rf d log
"$gumshoe" run --rules "$file" --dir d -- sleep 1000 > /dev/null 2>&1 & started="$started $!"
wait_until has_watch d
watched=$(watched_in d); started="$started $watched"
[ $(($(data "$watched") - $(data $plain))) -lt 40960 ] || fail "$(data "$watched") KiB of data, and $(data $plain) without us"

it "takes no huge pages for its tables, of which little is used"
if [ -e /sys/kernel/mm/transparent_hugepage/enabled ]; then
    awk '/^[0-9a-f]+-[0-9a-f]+ /{ before = name; name = $6; anonymous = NF < 6 }
         /^VmFlags:/ && / nh( |$)/ && anonymous { declined++; if (before ~ /libgumshoe/) tables = 1 }
         END { exit !(tables && declined > 1) }' "/proc/$watched/smaps" || fail "$(grep -A25 libgumshoe "/proc/$watched/smaps")"
fi
